//! The registry: the verbs of the API over the stores.
//!
//! Reads and watches come from a cache of each store; a write is one transaction that holds only if what it was decided on
//! is still so. One generic path serves all kinds; what a kind has of its own stands in the file that is named after it.

mod across;
mod admit;
mod assign;
mod bind;
mod compaction;
mod create;
mod delete;
mod events;
mod evict;
mod filter;
mod gang;
mod heartbeats;
mod modify;
mod namespaces;
mod nodes;
mod patch;
mod pods;
mod read;
mod scale;
mod status;
mod transact;
mod update;
mod version;
mod volumes;
mod watch;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use meridian_environment::{Clock, Ids};
use meridian_schema::{Home, Kind};
use meridian_store::{Store, Tenant};

pub use self::delete::Deleted;
pub use self::patch::Patched;
pub use self::update::Updated;
pub use self::watch::WatchStream;
use crate::cache::{Cache, Feeding, Follow};
use crate::metrics::Metrics;
use crate::view::View;
use crate::{BindOrder, Failure};

/// How to open a registry.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// The store of the tenants' objects.
    pub tenants: Store,
    /// The store of the hosts.
    pub hosts: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of uids and generated names.
    pub ids: Arc<Ids>,
    /// How much is taken and kept.
    pub limits: RegistryLimits,
}

/// How much is taken and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryLimits {
    /// The most bytes of an object.
    pub object_bytes: usize,
    /// The changes that are remembered, for each kind of a tenant and for those who follow a partition.
    pub remembered_changes: usize,
    /// For how long the stores keep history.
    pub history: Duration,
    /// How many revisions of history the stores keep at most.
    pub history_revisions: u64,
}

impl Default for RegistryLimits {
    /// Kubernetes' own limits for objects and history; of a storm of writes, what fits into some hundred megabytes.
    fn default() -> Self {
        Self {
            object_bytes: 3 << 19,
            remembered_changes: 16_384,
            history: Duration::from_secs(300),
            history_revisions: 100_000,
        }
    }
}

/// Why a registry could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A store failed.
    #[error("reading the store of the {store}")]
    Store {
        /// Which: "tenants", "hosts".
        store: &'static str,
        /// Why.
        #[source]
        source: meridian_store::Error,
    },
    /// What must be there from the start could not be made.
    #[error("creating what every tenant has from the start")]
    Provision(#[source] Failure),
    /// The secret under which tenants know hosts could neither be read nor made.
    #[error("reading or making the secret that the names of virtual nodes are made under")]
    Secret(#[source] Failure),
    /// The metrics could not be made.
    #[error("making the metrics")]
    Metrics(#[source] prometheus::Error),
}

/// The registry. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tenants: Arc<Cache>,
    hosts: Arc<Cache>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    limits: RegistryLimits,
    metrics: Arc<Metrics>,
    view: Arc<View>,
    binder: Mutex<Option<mpsc::Sender<BindOrder>>>,
    showing: Arc<heartbeats::Showing>,
    event_leases: Mutex<FxHashMap<Tenant, events::Current>>,
    /// The tenants that are known to have what every tenant has from the start.
    provisioned: Mutex<HashSet<Tenant>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Registry {
    /// Opens the registry: loads what there is, and creates what every tenant has from the start.
    ///
    /// # Errors
    ///
    /// [`OpenError`]
    pub async fn open(options: RegistryOptions) -> Result<Self, OpenError> {
        let RegistryOptions { tenants, hosts, clock, ids, limits } = options;
        let metrics = Arc::new(Metrics::new().map_err(OpenError::Metrics)?);
        let view = Arc::new(View::open(&tenants, &ids).await.map_err(OpenError::Secret)?);
        let (tenants, feeding_tenants) =
            load("tenants", Home::Tenants, tenants, limits, &metrics, &view).await?;
        let (hosts, feeding_hosts) = load("hosts", Home::Hosts, hosts, limits, &metrics, &view).await?;
        let registry = Self {
            inner: Arc::new(Inner {
                tenants: tenants.clone(),
                hosts: hosts.clone(),
                clock: clock.clone(),
                ids,
                limits,
                metrics,
                view,
                binder: Mutex::new(None),
                showing: Arc::new(heartbeats::Showing::new(tenants.clone(), clock.clone())),
                event_leases: Mutex::default(),
                provisioned: Mutex::default(),
                tasks: Mutex::default(),
            }),
        };
        // These hold the caches and not the registry, which ends them when it goes.
        registry.spawn(tokio::spawn(feeding_tenants.run(clock.clone())));
        registry.spawn(tokio::spawn(feeding_hosts.run(clock.clone())));
        registry.spawn(tokio::spawn(registry.inner.showing.clone().run()));
        tenants.reach_now().await.map_err(OpenError::Provision)?;
        hosts.reach_now().await.map_err(OpenError::Provision)?;
        registry.provision_once(&Tenant::system()).await.map_err(OpenError::Provision)?;
        registry.spawn(tokio::spawn(compaction::run(tenants, clock.clone(), limits)));
        registry.spawn(tokio::spawn(compaction::run(hosts, clock, limits)));
        Ok(registry)
    }

    /// Stops all that runs in the background, and ends watches. The stores stay open.
    pub async fn shutdown(&self) {
        let tasks = std::mem::take(&mut *self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            // It was told to end; how it did is all one.
            let _ = task.await;
        }
        self.inner.tenants.close();
        self.inner.hosts.close();
    }

    /// Registers the registry's metrics.
    ///
    /// # Errors
    ///
    /// When they are registered already.
    pub fn register_metrics(&self, metrics: &prometheus::Registry) -> Result<(), prometheus::Error> {
        self.inner.metrics.register(metrics)
    }

    /// The clock that was lent.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock.clone()
    }

    /// Everything in a partition, and then all that happens to it.
    #[must_use]
    pub fn follow(&self, home: Home) -> Follow {
        Follow::new(self.home(home).clone())
    }

    /// Returns when a partition's store can never be written to again by this process, since another has taken it over or
    /// it was closed; within seconds, also while nothing is written.
    pub async fn deposed(&self, home: Home) -> meridian_store::Error {
        self.home(home).store().deposed().await
    }

    fn spawn(&self, task: JoinHandle<()>) {
        self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    fn home(&self, home: Home) -> &Arc<Cache> {
        match home {
            Home::Tenants => &self.inner.tenants,
            Home::Hosts => &self.inner.hosts,
        }
    }

    /// The cache of the store where a kind lives.
    fn cache(&self, kind: &Kind) -> &Arc<Cache> {
        self.home(kind.home)
    }

    fn ids(&self) -> &Ids {
        &self.inner.ids
    }

    fn limits(&self) -> &RegistryLimits {
        &self.inner.limits
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    fn view(&self) -> &View {
        &self.inner.view
    }

    /// The name by which a tenant knows a host: what is written for a tenant to read says no other. For the tenant `system` it
    /// is the host's own.
    #[must_use]
    pub fn host_name<'a>(&self, tenant: &Tenant, host: &'a str) -> Cow<'a, str> {
        self.view().host_name(tenant, host)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
        self.tenants.close();
        self.hosts.close();
    }
}

async fn load(
    name: &'static str,
    home: Home,
    store: Store,
    limits: RegistryLimits,
    metrics: &Arc<Metrics>,
    view: &Arc<View>,
) -> Result<(Arc<Cache>, Feeding), OpenError> {
    let loaded = Cache::load(home, store, limits.remembered_changes, metrics.clone(), view.clone()).await;
    loaded.map_err(|source| OpenError::Store { store: name, source })
}
