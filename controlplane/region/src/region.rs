//! A whole region in one process: a control plane, a scheduler replica and simulated hosts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use meridian_api::{Caller, ListOptions, ReadinessCheck, Registry};
use meridian_edge_agent::{
    Delays, HostShape, HostsError, LocalStore, SimulatedHosts, SimulatedHostsOptions, StateError,
};
use meridian_engine::Profile;
use meridian_replica::{QueueHandle, Replica, ReplicaOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::control_plane::{ControlPlane, ControlPlaneError, ControlPlaneOptions};
use crate::faults;

/// How long to wait before Nodes that could not be read are read again.
const NODES_AGAIN: Duration = Duration::from_secs(1);

/// How many zones simulated hosts are spread over.
const ZONES: u32 = 3;

/// What a region is given.
#[derive(Debug)]
pub struct RegionOptions {
    /// Its control plane.
    pub control_plane: ControlPlaneOptions,
    /// How many hosts to simulate.
    pub hosts: u32,
    /// How long simulated pods take.
    pub delays: Delays,
    /// What the simulated hosts' shapes follow from.
    pub seed: u64,
    /// Where the simulated hosts keep what runs on them.
    pub agents: PathBuf,
    /// How pods are scheduled.
    pub profile: Profile,
}

/// Why a region could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// The control plane.
    #[error(transparent)]
    ControlPlane(#[from] ControlPlaneError),
    /// The hosts' state.
    #[error("opening the state of the simulated hosts")]
    Agents(#[source] StateError),
    /// The hosts.
    #[error("starting the simulated hosts")]
    Hosts(#[source] HostsError),
    /// The replica.
    #[error("starting the scheduler")]
    Replica(#[source] meridian_replica::ReplicaError),
}

/// A running region.
#[derive(Debug)]
pub struct Region {
    control_plane: ControlPlane,
    replica: Replica,
    hosts: Arc<SimulatedHosts>,
    faults: JoinHandle<()>,
    progress: watch::Receiver<Progress>,
    watcher: JoinHandle<()>,
}

/// How far a region has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Hosts that have joined.
    pub joined: u32,
    /// Every host has joined, its Node is there to be read, and the scheduler knows them.
    pub is_ready: bool,
}

impl Region {
    /// Starts everything. When this returns, requests are answered; hosts join from then on.
    ///
    /// # Errors
    ///
    /// [`RegionError`]; nothing runs then.
    pub async fn start(options: RegionOptions) -> Result<Self, RegionError> {
        let RegionOptions { mut control_plane, hosts, delays, seed, agents, profile } = options;
        let (clock, ids) = (control_plane.clock.clone(), control_plane.ids.clone());
        let (cell, metrics) = (control_plane.cell.clone(), control_plane.metrics.clone());
        let store = LocalStore::open(&agents).map_err(RegionError::Agents)?;
        let (progress, shown) = watch::channel(Progress::default());
        control_plane.readiness.push(ReadinessCheck::new("region", {
            let shown = shown.clone();
            move || {
                let Progress { joined, is_ready } = *shown.borrow();
                if is_ready { Ok(()) } else { Err(format!("{joined} of {hosts} hosts have joined")) }
            }
        }));
        let control_plane = ControlPlane::start(control_plane).await?;
        let replica = Replica::start(ReplicaOptions {
            name: "scheduler-0".to_owned(),
            cell: cell.clone(),
            profiles: vec![profile],
            partitions: vec![control_plane.scheduling.clone()],
            hosts: vec![control_plane.host_feed.clone()],
            clock: clock.clone(),
            ids: ids.clone(),
            metrics,
        });
        let replica = match replica {
            Ok(replica) => replica,
            Err(error) => {
                control_plane.shutdown().await;
                return Err(RegionError::Replica(error));
            }
        };
        let simulated = SimulatedHosts::start(SimulatedHostsOptions {
            count: hosts,
            name_prefix: "host".to_owned(),
            cell,
            zones: ZONES,
            shapes: HostShape::mixed(),
            delays,
            link: control_plane.link.clone(),
            store,
            clock,
            ids,
            seed,
        });
        let simulated = match simulated {
            Ok(simulated) => Arc::new(simulated),
            Err(error) => {
                replica.shutdown().await;
                control_plane.shutdown().await;
                return Err(RegionError::Hosts(error));
            }
        };
        let registry = control_plane.registry().clone();
        let watcher = tokio::spawn(watch_progress(
            hosts,
            simulated.registered(),
            replica.readiness(),
            registry,
            progress,
        ));
        let faults = tokio::spawn(faults::follow(control_plane.registry().clone(), simulated.clone()));
        Ok(Self { control_plane, replica, hosts: simulated, faults, progress: shown, watcher })
    }

    /// Where it is reached.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.control_plane.address()
    }

    /// Its objects, for those in the same process.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        self.control_plane.registry()
    }

    /// How far it has come, as that changes.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// The way to settle what tenants are entitled to of the scheduler.
    #[must_use]
    pub fn queue(&self) -> QueueHandle {
        self.replica.queue()
    }

    /// The simulated hosts, to make them fail.
    #[must_use]
    pub fn hosts(&self) -> &SimulatedHosts {
        &self.hosts
    }

    /// Returns when a part of its control plane ends by itself; the process should end then.
    ///
    /// # Errors
    ///
    /// Which part, or why it ended.
    pub async fn ended(&mut self) -> Result<(), ControlPlaneError> {
        self.control_plane.ended().await
    }

    /// Ends everything in order: no new decisions, then the control plane, which outlives the hosts so that they can say
    /// goodbye.
    pub async fn shutdown(self) {
        self.watcher.abort();
        self.faults.abort();
        // Aborted on purpose; afterwards nobody else holds the hosts or the registry.
        let _ = self.watcher.await;
        let _ = self.faults.await;
        self.replica.shutdown().await;
        if let Some(hosts) = Arc::into_inner(self.hosts) {
            hosts.shutdown().await;
        }
        self.control_plane.shutdown().await;
    }
}

/// Puts what the hosts and the scheduler say of themselves together.
async fn watch_progress(
    hosts: u32,
    mut joining: watch::Receiver<usize>,
    mut scheduler: watch::Receiver<bool>,
    registry: Registry,
    progress: watch::Sender<Progress>,
) {
    let clock = registry.clock();
    loop {
        let joined = u32::try_from(*joining.borrow_and_update()).unwrap_or(u32::MAX);
        let is_ready = joined >= hosts && *scheduler.borrow_and_update();
        if is_ready && !progress.borrow().is_ready {
            // A host has joined when its Node is written, and what reads from memory may be a little behind that. A
            // read that is not waits for all that was written before it.
            let options = ListOptions { limit: Some(1), ..ListOptions::default() };
            let (caller, node) = (Caller::system("region"), meridian_schema::node());
            if let Err(failure) = registry.list(&caller, node, "", &options).await {
                tracing::warn!(%failure, "the Nodes of the hosts that have joined cannot be read");
                clock.wait_until(clock.now() + NODES_AGAIN).await;
                continue;
            }
        }
        progress.send_replace(Progress { joined, is_ready });
        let changed = tokio::select! {
            changed = joining.changed() => changed,
            changed = scheduler.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use meridian_environment::{Ids, MonotonicClock};
    use tokio::net::TcpListener;

    use super::*;
    use crate::Storage;

    async fn region(dir: &std::path::Path) -> Region {
        let region = Region::start(RegionOptions {
            control_plane: ControlPlaneOptions {
                cell: "region".to_owned(),
                schedulers: vec!["default-scheduler".to_owned()],
                storage: Storage::embedded(dir),
                listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
                tls: None,
                clock: Arc::new(MonotonicClock::new()),
                ids: Arc::new(Ids::seeded(1)),
                metrics: prometheus::Registry::new(),
                readiness: Vec::new(),
            },
            hosts: 1,
            delays: Delays::ZERO,
            seed: 1,
            agents: dir.join("agents.redb"),
            profile: Profile::meridian(),
        });
        let region = Box::pin(region).await.unwrap();
        region.progress().wait_for(|progress| progress.is_ready).await.unwrap();
        region
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_process_whose_hosts_another_has_taken_over_ends() {
        let dir = tempfile::tempdir().unwrap();
        let mut region = region(dir.path()).await;
        let _next = region.control_plane.take_hosts_over().await;
        // Nothing is written.
        let ended = region.ended().await;
        assert!(matches!(ended, Err(ControlPlaneError::HostsEnded)), "{ended:?}");
        region.shutdown().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_process_whose_tenants_alone_another_has_taken_over_ends() {
        let dir = tempfile::tempdir().unwrap();
        let mut region = region(dir.path()).await;
        let _next = region.control_plane.take_tenants_over().await;
        let ended = region.ended().await;
        assert!(matches!(ended, Err(ControlPlaneError::PartitionEnded)), "{ended:?}");
        region.shutdown().await;
    }
}
