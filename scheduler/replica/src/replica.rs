//! A replica: what it is given, its start and its end.

use std::fmt;
use std::sync::Arc;

use meridian_engine::{Profile, ProfileError};
use meridian_environment::{Clock, Ids};
use meridian_proto::{Connector, v1};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use crate::core::{Core, QueueSettings, SettingsError};
use crate::metrics::Metrics;
use crate::service::{Input, Service};
use crate::session::{Common, Hosts, Tenants, keep};

/// Messages from all sessions that wait for the service.
const INPUTS: usize = 64;

/// The name of the scheduler that pods ask for when they name none.
const DEFAULT_NAME: &str = "default-scheduler";

/// What a replica needs.
pub struct ReplicaOptions {
    /// The replica's name, unlike those of the other replicas of its cell.
    pub name: String,
    /// The cell (region).
    pub cell: String,
    /// What is wanted of decisions. One replica serves one profile; further ones may differ from it in name only. Pods
    /// ask for it by any of these names, or by `default-scheduler`.
    pub profiles: Vec<Profile>,
    /// The tenant partitions, where pods come from.
    pub partitions: Vec<Connector<v1::ReplicaMessage, v1::PartitionMessage>>,
    /// The host partitions, which together have all hosts.
    pub hosts: Vec<Connector<v1::HostFeedRequest, v1::HostFeedResponse>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Chance, for waits before streams are opened again.
    pub ids: Arc<Ids>,
    /// Where metrics are shown.
    pub metrics: prometheus::Registry,
}

impl fmt::Debug for ReplicaOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ReplicaOptions")
            .field("name", &self.name)
            .field("cell", &self.cell)
            .finish_non_exhaustive()
    }
}

/// Why a replica cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// No profile.
    #[error("no profile is given, want one")]
    NoProfile,
    /// Profiles that ask for different decisions.
    #[error(
        "profile {other} differs from profile {first} in more than its name; one replica serves one profile"
    )]
    ManyProfiles {
        /// The first profile's name.
        first: String,
        /// The name of the one that differs.
        other: String,
    },
    /// A profile that contradicts itself.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Names that metrics cannot carry.
    #[error("the replica's metrics cannot be made")]
    Metrics(#[from] prometheus::Error),
}

/// A running scheduler replica. Dropped, it stops by itself; [`shutdown`](Self::shutdown) also waits until it has.
#[derive(Debug)]
pub struct Replica {
    stop: watch::Sender<bool>,
    ready: watch::Receiver<bool>,
    queue: QueueHandle,
    tasks: Vec<JoinHandle<()>>,
}

/// The way to change the settings of a replica's queue.
#[derive(Clone, Debug)]
pub struct QueueHandle {
    settings: watch::Sender<QueueSettings>,
}

impl QueueHandle {
    /// Settles what tenants are entitled to, from now on. Nothing that waits loses its place.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] for settings out of range; what was settled before holds.
    pub fn settle(&self, settings: QueueSettings) -> Result<(), SettingsError> {
        settings.validate()?;
        self.settings.send_replace(settings);
        Ok(())
    }
}

impl Replica {
    /// Starts a replica on the current Tokio runtime, of which it takes one blocking thread.
    ///
    /// # Errors
    ///
    /// [`ReplicaError`] when the profiles cannot be served.
    pub fn start(options: ReplicaOptions) -> Result<Replica, ReplicaError> {
        let ReplicaOptions { name, cell, profiles, partitions, hosts, clock, ids, metrics } = options;
        let (profile, names) = served(profiles)?;
        let core = Core::new(profile, names, hosts.len(), partitions.len(), clock.now())?;
        let metrics = Metrics::new(&metrics, &name)?;
        let (inputs, taken) = mpsc::channel::<Input>(INPUTS);
        let (ready, is_ready) = watch::channel(false);
        let (stop, stopping) = watch::channel(false);
        let (settings, changing) = watch::channel(QueueSettings::default());
        let wake = Arc::new(Notify::new());
        let service = Service {
            core,
            clock: Arc::clone(&clock),
            metrics,
            settings: changing,
            ready,
            wake: Arc::clone(&wake),
            streams: vec![None; partitions.len()],
            feeds: vec![None; hosts.len()],
        };
        let runtime = tokio::runtime::Handle::current();
        // Decisions are computing, not waiting: they get a thread of their own.
        let mut tasks = vec![tokio::task::spawn_blocking(move || runtime.block_on(service.run(taken)))];
        let common = Common { cell, name, clock, ids, inputs, wake, stop: stopping };
        for (number, connector) in partitions.into_iter().enumerate() {
            tasks.push(tokio::spawn(keep(Tenants { number }, connector, common.clone())));
        }
        for (number, connector) in hosts.into_iter().enumerate() {
            tasks.push(tokio::spawn(keep(Hosts::new(number), connector, common.clone())));
        }
        Ok(Replica { stop, ready: is_ready, queue: QueueHandle { settings }, tasks })
    }

    /// Whether the replica knows all that every host partition has.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        // An error says that the service has ended.
        self.ready.has_changed().is_ok() && *self.ready.borrow()
    }

    /// Readiness as it changes; ends when the replica does.
    #[must_use]
    pub fn readiness(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// The way to settle what tenants are entitled to.
    #[must_use]
    pub fn queue(&self) -> QueueHandle {
        self.queue.clone()
    }

    /// Says goodbye to all partitions and returns when everything has ended.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the replica has died");
            }
        }
    }
}

/// The profile, and the names that it is served by.
fn served(profiles: Vec<Profile>) -> Result<(Profile, Vec<String>), ReplicaError> {
    let mut profiles = profiles.into_iter();
    let first = profiles.next().ok_or(ReplicaError::NoProfile)?;
    let mut names = vec![DEFAULT_NAME.to_owned()];
    if first.name != DEFAULT_NAME {
        names.push(first.name.clone());
    }
    for other in profiles {
        if (Profile { name: first.name.clone(), ..other.clone() }) != first {
            return Err(ReplicaError::ManyProfiles { first: first.name, other: other.name });
        }
        if !names.contains(&other.name) {
            names.push(other.name);
        }
    }
    Ok((first, names))
}

#[cfg(test)]
mod tests {
    use meridian_engine::Profile;

    use super::{ReplicaError, served};

    #[test]
    fn names_are_many_but_profiles_one() {
        let first = Profile { name: "packing".into(), ..Profile::meridian() };
        let same = Profile { name: "other".into(), ..first.clone() };
        let (profile, names) = served(vec![first.clone(), same]).unwrap();
        assert_eq!(
            (profile, names),
            (first.clone(), vec!["default-scheduler".into(), "packing".into(), "other".into()])
        );
        assert!(matches!(served(Vec::new()), Err(ReplicaError::NoProfile)));
        let error = served(vec![first, Profile::kubernetes()]).unwrap_err().to_string();
        assert!(error.contains("in more than its name"), "{error}");
    }
}
