//! Filling the cache from the store, and keeping it full.
//!
//! It is loaded as of a revision some way back, where the store still has one, and brought forward by the same watch that
//! keeps it up to date. So after a restart it remembers the recent changes, and watches go on where they were.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::watch as latest;

use meridian_environment::Clock;
use meridian_schema::Home;
use meridian_store::{
    Error, KeyRange, RangeRequest, Revision, Store, Tenant, TenantRevision, Watch, WatchRequest,
};

use super::{Applied, Cache, Heartbeats, Log, State};
use crate::metrics::Metrics;
use crate::view::View;

/// The watch that feeds a cache.
#[derive(Debug)]
pub(crate) struct Feeding {
    cache: Arc<Cache>,
    watch: Watch,
}

impl Cache {
    /// Loads a partition. The cache is complete once [`Feeding::run`] has brought it up to date.
    pub(crate) async fn load(
        home: Home,
        store: Store,
        remembered: usize,
        metrics: Arc<Metrics>,
        view: Arc<View>,
    ) -> Result<(Arc<Self>, Feeding), Error> {
        let now = store.revision().await?;
        let back = Revision(now.0.saturating_sub(remembered as u64));
        let from = back.max(store.compacted().await?).max(Revision::FIRST);
        let all = store.range(&RangeRequest::new(KeyRange::every_tenant()).at(from)).await?;
        let mut state = State {
            revision: from,
            tenants: FxHashMap::default(),
            fences: FxHashMap::default(),
            fenced: FxHashMap::default(),
            log: Log::new(from),
        };
        let mut current: Option<(Tenant, TenantRevision)> = None;
        for kv in &all.kvs {
            // Keys come in the order of tenants.
            let (tenant, loaded) = match &current {
                Some(known) if known.0.as_str() == kv.key.tenant() => known,
                _ => {
                    let tenant = Tenant::new(kv.key.tenant())?;
                    let loaded = store.tenant_revision(&tenant, Some(from)).await?;
                    current.insert((tenant, loaded))
                }
            };
            state.load(tenant, *loaded, kv, &view);
        }
        metrics.loaded(state.tenants.values().flat_map(|tenant| tenant.collections()));
        let watch = store
            .watch(WatchRequest::new(KeyRange::every_tenant()).from(from.next()).with_progress())
            .await?;
        let cache = Arc::new(Self {
            home,
            store,
            state: RwLock::new(state),
            applied: latest::Sender::new(Applied { revision: from, closed: false }),
            metrics,
            view,
            remembered,
            heartbeats: Heartbeats::default(),
        });
        Ok((cache.clone(), Feeding { cache, watch }))
    }
}

/// How long to wait before a watch that broke off is resumed.
const RETRY: Duration = Duration::from_secs(1);

impl Feeding {
    /// Keeps the cache up to date until the store is closed.
    pub(crate) async fn run(mut self, clock: Arc<dyn Clock>) {
        loop {
            match self.watch.next().await {
                Ok(batch) => self.cache.apply(batch.commits, batch.through),
                Err(error) => {
                    if !self.resume(error, &*clock).await {
                        break;
                    }
                }
            }
        }
        self.cache.close();
    }

    /// Watches anew from where the cache got to, as soon as that is possible; false: it never will be.
    async fn resume(&mut self, mut error: Error, clock: &dyn Clock) -> bool {
        loop {
            match &error {
                Error::Closed => return false,
                Error::Compacted { .. } => {
                    tracing::error!(%error, "the cache cannot go on: reads and watches end");
                    return false;
                }
                _ => tracing::warn!(%error, "the watch that feeds the cache broke off, resuming it"),
            }
            clock.wait_until(clock.now().saturating_add(RETRY)).await;
            let from = self.cache.revision().next();
            let request = WatchRequest::new(KeyRange::every_tenant()).from(from).with_progress();
            match self.cache.store().watch(request).await {
                Ok(watch) => {
                    self.watch = watch;
                    return true;
                }
                Err(again) => error = again,
            }
        }
    }
}
