//! A host partition on stores of its own, and where to reach it.

use std::sync::Arc;
use std::time::Duration;

use meridian_api::{Caller, Registry, RegistryLimits, RegistryOptions, Sub};
use meridian_environment::{Clock, Ids, ManualClock};
use meridian_hosts::{HostPartition, HostPartitionOptions};
use meridian_proto::v1::{
    AgentMessage, HostFeedRequest, HostFeedResponse, HostPartitionMessage, LinkMessage,
    TenantPartitionMessage,
};
use meridian_proto::{Connector, local};
use meridian_store::{EmbeddedOptions, Store, Tenant};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const CELL: &str = "cell";
pub(crate) const NAME: &str = "hp";

/// Longer than anything takes that happens.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Region {
    dir: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    ids: Arc<Ids>,
    pub(crate) registry: Registry,
    pub(crate) store: Store,
    tenants_store: Store,
    pub(crate) partition: HostPartition,
    pub(crate) ledger: Connector<TenantPartitionMessage, HostPartitionMessage>,
    pub(crate) links: Connector<AgentMessage, LinkMessage>,
    pub(crate) feed: Connector<HostFeedRequest, HostFeedResponse>,
    metrics: prometheus::Registry,
}

impl Region {
    pub(crate) async fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        Self::open(dir, Arc::new(ManualClock::new()), Arc::new(Ids::seeded(1))).await
    }

    async fn open(dir: TempDir, clock: Arc<ManualClock>, ids: Arc<Ids>) -> Self {
        let as_clock = || Arc::clone(&clock) as Arc<dyn Clock>;
        let open = |name: &str| {
            let options =
                EmbeddedOptions { segment_bytes: 1 << 20, ..EmbeddedOptions::new(dir.path().join(name)) };
            Store::open_embedded(options, as_clock())
        };
        let (store, tenants_store) =
            (open("hosts").await.expect("a store"), open("tenants").await.expect("a store"));
        let registry = Registry::open(RegistryOptions {
            tenants: tenants_store.clone(),
            hosts: store.clone(),
            clock: as_clock(),
            ids: Arc::clone(&ids),
            limits: RegistryLimits::default(),
        })
        .await
        .expect("it starts");
        let (ledger, ledger_listener) = local("ledger", 64);
        let (links, links_listener) = local("links", 64);
        let (feed, feed_listener) = local("feed", 64);
        let metrics = prometheus::Registry::new();
        let partition = HostPartition::start(HostPartitionOptions {
            name: NAME.into(),
            cell: CELL.into(),
            registry: registry.clone(),
            store: store.clone(),
            clock: as_clock(),
            ledger: ledger_listener,
            links: links_listener,
            feed: feed_listener,
            metrics: metrics.clone(),
        })
        .await
        .expect("it starts");
        Self { dir, clock, ids, registry, store, tenants_store, partition, ledger, links, feed, metrics }
    }

    /// Everything ends and comes again from what is durable, under the next epoch.
    pub(crate) async fn restart(self) -> Self {
        let Self { dir, clock, ids, registry, store, tenants_store, partition, .. } = self;
        partition.shutdown().await;
        registry.shutdown().await;
        drop(registry);
        store.close().await;
        tenants_store.close().await;
        drop((store, tenants_store));
        Self::open(dir, clock, ids).await
    }

    /// A metric's value, by its name and the value of its label.
    pub(crate) fn metric(&self, name: &str, label: &str) -> Option<f64> {
        let families = self.metrics.gather();
        let family = families.iter().find(|family| family.name() == name)?;
        let has_label = |metric: &&prometheus::proto::Metric| {
            label.is_empty() || metric.get_label().iter().any(|pair| pair.value() == label)
        };
        let metric = family.get_metric().iter().find(has_label)?;
        Some(metric.get_counter().get_value() + metric.get_gauge().get_value())
    }

    /// How far the log of the tenants' objects has come.
    pub(crate) async fn tenant_revision(&self) -> meridian_store::Revision {
        self.tenants_store.revision().await.expect("the store is open")
    }

    pub(crate) fn node(&self, name: &str) -> Option<Value> {
        let entry = self.registry.cached(&Tenant::system(), meridian_schema::node(), "", name)?;
        Some(entry.value())
    }

    /// Changes a Node, as a user does.
    pub(crate) async fn change_node(&self, name: &str, change: impl Fn(&mut Value) + Send + Sync) {
        let caller = Caller::system("test");
        let sub: Option<Sub> = None;
        let change = |object: &mut Value| {
            change(object);
            true
        };
        let changed =
            self.registry.modify(&caller, meridian_schema::node(), "", name, None, sub, change).await;
        assert!(changed.expect("the change is valid").is_some(), "node {name}");
    }

    /// Lets time pass, second by second, until something is so.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let patience = tokio::time::timeout(PATIENCE, async {
            while !is_so(self) {
                self.clock.advance(Duration::from_secs(1));
                tokio::task::yield_now().await;
            }
        });
        patience.await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
    }
}

/// A Node's condition.
pub(crate) fn condition(node: &Value, kind: &str) -> String {
    let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    found.map_or_else(String::new, |condition| condition["status"].as_str().unwrap_or_default().to_owned())
}

/// The keys of a Node's taints, in order.
pub(crate) fn taints(node: &Value) -> Vec<String> {
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    taints
        .iter()
        .map(|taint| {
            format!(
                "{}:{}",
                taint["key"].as_str().unwrap_or_default(),
                taint["effect"].as_str().unwrap_or_default()
            )
        })
        .collect()
}
