//! What the registry counts, for Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};

use meridian_schema::{Home, Kind};
use meridian_store::Revision;

use crate::cache::Collection;

/// The registry's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    objects: IntGaugeVec,
    watchers: IntGaugeVec,
    pub(crate) conflicts: IntCounter,
    fallen_behind: IntCounter,
    writes: IntCounterVec,
    behind: IntGaugeVec,
    /// The newest revision written here, by home.
    written: [AtomicU64; 2],
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let resource = &["resource"];
        Ok(Self {
            objects: IntGaugeVec::new(
                Opts::new("meridian_registry_objects", "Objects, of all tenants together."),
                resource,
            )?,
            watchers: IntGaugeVec::new(
                Opts::new("meridian_registry_watchers", "Running watches."),
                resource,
            )?,
            conflicts: IntCounter::new(
                "meridian_registry_conflicts_total",
                "Writes that found the object changed in the meantime, and were tried again.",
            )?,
            fallen_behind: IntCounter::new(
                "meridian_registry_watches_fallen_behind_total",
                "Watches that ended because what comes next was no longer remembered.",
            )?,
            writes: IntCounterVec::new(
                Opts::new("meridian_registry_writes_total", "Transactions that wrote."),
                resource,
            )?,
            behind: IntGaugeVec::new(
                Opts::new(
                    "meridian_registry_cache_behind_revisions",
                    "How many revisions that were written here the cache has not applied yet.",
                ),
                &["store"],
            )?,
            written: [AtomicU64::new(0), AtomicU64::new(0)],
        })
    }

    pub(crate) fn register(&self, registry: &prometheus::Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.objects.clone()))?;
        registry.register(Box::new(self.watchers.clone()))?;
        registry.register(Box::new(self.conflicts.clone()))?;
        registry.register(Box::new(self.fallen_behind.clone()))?;
        registry.register(Box::new(self.writes.clone()))?;
        registry.register(Box::new(self.behind.clone()))
    }

    pub(crate) fn loaded<'a>(&self, collections: impl Iterator<Item = &'a Collection>) {
        for collection in collections {
            if let Some(entry) = collection.objects.values().next() {
                let gauge = self.objects.with_label_values(&[entry.kind.resource()]);
                gauge.add(i64::try_from(collection.objects.len()).unwrap_or(i64::MAX));
            }
        }
    }

    pub(crate) fn object_put(&self, kind: &Kind, created: bool) {
        if created {
            self.objects.with_label_values(&[kind.resource()]).inc();
        }
    }

    pub(crate) fn object_deleted(&self, kind: &Kind) {
        self.objects.with_label_values(&[kind.resource()]).dec();
    }

    pub(crate) fn watchers(&self, kind: &Kind) -> IntGauge {
        self.watchers.with_label_values(&[kind.resource()])
    }

    pub(crate) fn fell_behind(&self) {
        self.fallen_behind.inc();
    }

    pub(crate) fn wrote(&self, kind: &Kind, revision: Revision) {
        self.writes.with_label_values(&[kind.resource()]).inc();
        self.written(kind.home).fetch_max(revision.0, Ordering::Relaxed);
    }

    pub(crate) fn applied(&self, home: Home, through: Revision) {
        let behind = self.written(home).load(Ordering::Relaxed).saturating_sub(through.0);
        let store = match home {
            Home::Tenants => "tenants",
            Home::Hosts => "hosts",
        };
        self.behind.with_label_values(&[store]).set(i64::try_from(behind).unwrap_or(i64::MAX));
    }

    fn written(&self, home: Home) -> &AtomicU64 {
        let [tenants, hosts] = &self.written;
        match home {
            Home::Tenants => tenants,
            Home::Hosts => hosts,
        }
    }
}
