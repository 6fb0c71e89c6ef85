//! A registry on stores in a temporary directory.

use std::sync::Arc;
use std::time::Duration;

use meridian_api::{
    BindRequest, BindingRecord, BindingState, Caller, ClaimName, CreateOptions, DeleteOptions, Deleted,
    Entry, Failure, List, ListOptions, Registry, RegistryLimits, RegistryOptions, UpdateOptions, WatchEvent,
    WatchOptions, WatchStream,
};
use meridian_environment::{Ids, ManualClock};
use meridian_schema::Kind;
use meridian_store::{EmbeddedOptions, Store, Tenant};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Region {
    pub(crate) registry: Registry,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) tenants: Store,
    pub(crate) hosts: Store,
    limits: RegistryLimits,
    dir: TempDir,
}

impl Region {
    pub(crate) async fn new() -> Self {
        Self::with(RegistryLimits::default()).await
    }

    pub(crate) async fn with(limits: RegistryLimits) -> Self {
        Self::open(tempfile::tempdir().unwrap(), Arc::new(ManualClock::new()), limits).await
    }

    async fn open(dir: TempDir, clock: Arc<ManualClock>, limits: RegistryLimits) -> Self {
        let store = |name: &str| {
            let options =
                EmbeddedOptions { segment_bytes: 1 << 20, ..EmbeddedOptions::new(dir.path().join(name)) };
            Store::open_embedded(options, clock.clone())
        };
        let (tenants, hosts) = (store("tenants").await.unwrap(), store("hosts").await.unwrap());
        let options = RegistryOptions {
            tenants: tenants.clone(),
            hosts: hosts.clone(),
            clock: clock.clone(),
            ids: Arc::new(Ids::seeded(7)),
            limits,
        };
        let registry = Registry::open(options).await.unwrap();
        Self { registry, clock, tenants, hosts, limits, dir }
    }

    /// Ends the process, as it were, and starts another on the same files.
    pub(crate) async fn restarted(self) -> Self {
        let Self { registry, clock, tenants, hosts, limits, dir } = self;
        registry.shutdown().await;
        drop(registry);
        tenants.close().await;
        hosts.close().await;
        Self::open(dir, clock, limits).await
    }

    /// Moves the clock on until the history of before is given up.
    pub(crate) async fn give_up_history(&self) {
        let now = self.tenants.revision().await.unwrap();
        let given_up = tokio::time::timeout(Duration::from_secs(10), async {
            while self.tenants.compacted().await.unwrap() < now {
                self.clock.advance(Duration::from_secs(10));
                tokio::task::yield_now().await;
            }
        });
        given_up.await.expect("history is given up");
    }

    pub(crate) async fn create(
        &self,
        tenant: &str,
        kind: &'static Kind,
        object: Value,
    ) -> Result<Arc<Entry>, Failure> {
        let ns = if kind.namespaced { "default" } else { "" };
        self.registry.create(&caller(tenant), kind, ns, object, &CreateOptions::default()).await
    }

    pub(crate) async fn update(
        &self,
        kind: &'static Kind,
        name: &str,
        object: Value,
    ) -> Result<Arc<Entry>, Failure> {
        let ns = if kind.namespaced { "default" } else { "" };
        let options = UpdateOptions::default();
        let updated = self.registry.update(&system(), kind, ns, name, None, object, &options).await;
        updated.map(|updated| updated.entry)
    }

    pub(crate) async fn delete(&self, kind: &'static Kind, name: &str) -> Result<Deleted, Failure> {
        self.delete_with(kind, name, &DeleteOptions::default()).await
    }

    pub(crate) async fn delete_with(
        &self,
        kind: &'static Kind,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, Failure> {
        let ns = if kind.namespaced { "default" } else { "" };
        self.registry.delete(&system(), kind, ns, name, options).await
    }

    pub(crate) async fn get(&self, kind: &'static Kind, name: &str) -> Result<Arc<Entry>, Failure> {
        let ns = if kind.namespaced { "default" } else { "" };
        self.registry.get(&system(), kind, ns, name).await
    }

    pub(crate) async fn list(
        &self,
        tenant: &str,
        kind: &'static Kind,
        options: &ListOptions,
    ) -> Result<List, Failure> {
        let ns = if kind.namespaced { "default" } else { "" };
        self.registry.list(&caller(tenant), kind, ns, options).await
    }

    pub(crate) async fn watch(
        &self,
        tenant: &str,
        kind: &'static Kind,
        options: &WatchOptions,
    ) -> WatchStream {
        let ns = if kind.namespaced { "default" } else { "" };
        self.registry.watch(&caller(tenant), kind, ns, options).await.unwrap()
    }
}

/// A request to bind a pod to a host, by the claim with a number.
pub(crate) fn binding(pod: &Entry, host: &str, sequence: u64) -> BindRequest {
    BindRequest {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        record: BindingRecord {
            uid: pod.uid.clone(),
            host: host.to_owned(),
            host_partition: "hosts".to_owned(),
            incarnation: 1,
            claim: ClaimName { partition: "tenants".to_owned(), epoch: 1, sequence },
            demand: vec![1, 2, 3].into(),
            devices: 0,
            numa: 0,
            volumes: Vec::new(),
            state: BindingState::Bound,
        },
        host_epoch: 1,
    }
}

pub(crate) fn caller(tenant: &str) -> Caller {
    Caller { tenant: Tenant::new(tenant).unwrap(), user: "somebody".to_owned(), groups: Vec::new() }
}

pub(crate) fn system() -> Caller {
    caller(Tenant::SYSTEM)
}

pub(crate) fn pod(name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": { "containers": [{ "name": "main", "image": "registry.example/main:1" }] },
    })
}

pub(crate) fn config_map(name: &str, data: &str) -> Value {
    json!({ "metadata": { "name": name }, "data": { "text": data } })
}

/// An event in a few words: what happened, to which object, at which resource version.
pub(crate) fn told(event: &WatchEvent) -> String {
    let object = |entry: &Entry| format!("{}@{}", entry.name, entry.resource_version());
    match event {
        WatchEvent::Added(entry) => format!("+{}", object(entry)),
        WatchEvent::Modified(entry) => format!("~{}", object(entry)),
        WatchEvent::Deleted(entry) => format!("-{}", object(entry)),
        WatchEvent::Bookmark { resource_version, initial_events_end: false } => {
            format!("bookmark@{resource_version}")
        }
        WatchEvent::Bookmark { resource_version, .. } => format!("initial end@{resource_version}"),
        WatchEvent::Error(failure) => format!("{} {}", failure.code, failure.message),
    }
}

/// The next events of a watch, so many.
pub(crate) async fn take(watch: &mut WatchStream, count: usize) -> Vec<String> {
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(10), watch.next()).await;
        match next.expect("an event within ten seconds") {
            Some(event) => events.push(told(&event)),
            None => events.push("end".to_owned()),
        }
    }
    events
}
