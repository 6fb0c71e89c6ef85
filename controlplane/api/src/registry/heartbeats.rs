//! The Leases of hosts: when they are shown, and how lists and watches that cover them differ from others.
//!
//! They are not stored, so the store's history knows nothing of them. What they were a moment ago is known from the changes
//! that the cache remembers; a resource version from before that, or of another process, is expired.

use std::sync::Arc;
use std::time::Duration;

use meridian_environment::Clock;
use meridian_schema::Kind;
use meridian_store::{Error, Op, Tenant, TenantRevision, Txn};
use tokio::sync::Mutex;

use super::Registry;
use super::filter::Filter;
use super::read::reach;
use super::version::{self, AsOf, Continue};
use crate::cache::{Cache, Heartbeats, Moment, Then, Watched, covers, is_view};
use crate::{Failure, List, ListOptions, key};

/// The least time between two showings. What is read is no older.
const EVERY: Duration = Duration::from_secs(1);

/// Shows heartbeats.
#[derive(Debug)]
pub(super) struct Showing {
    cache: Arc<Cache>,
    clock: Arc<dyn Clock>,
    /// When it was last done.
    last: Mutex<Option<Duration>>,
}

impl Showing {
    pub(super) fn new(cache: Arc<Cache>, clock: Arc<dyn Clock>) -> Self {
        Self { cache, clock, last: Mutex::default() }
    }

    /// Shows what has changed, unless it was done a moment ago; `fresh`: also where it was done once.
    async fn show(&self, fresh: bool) -> Result<(), Failure> {
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        let is_due = match *last {
            None => true,
            Some(last) => fresh && now >= last.saturating_add(EVERY) && self.cache.heartbeats().waits(),
        };
        if !is_due {
            return Ok(());
        }
        // If this is broken off, whoever comes next does it over: what was shown has to be sealed.
        *last = None;
        self.cache.heartbeats().stage().await;
        let store = self.cache.store();
        let mut revision = self.cache.revision();
        for moment in [Moment::Show, Moment::Seal] {
            let put = Op::put(&key::heartbeats(), moment.encode(store.epoch()));
            revision = store.txn(Txn::new(&Tenant::system()).then(put)).await?.revision;
        }
        self.cache.reach(revision).await?;
        *last = Some(now);
        Ok(())
    }

    /// Shows what changes while somebody watches, until the store is closed.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            self.cache.heartbeats().wanted().await;
            let last = *self.last.lock().await;
            if let Some(last) = last {
                self.clock.wait_until(last.saturating_add(EVERY)).await;
            }
            if let Err(failure) = self.show(true).await {
                if self.cache.is_closed() {
                    return;
                }
                tracing::warn!(%failure, "could not show the heartbeats of hosts, trying again");
                self.clock.wait_until(self.clock.now().saturating_add(EVERY)).await;
            }
        }
    }
}

impl Registry {
    /// Where the heartbeats of hosts are told, whose view the Leases in namespace `kube-node-lease` are.
    #[must_use]
    pub fn heartbeats(&self) -> Heartbeats {
        self.inner.tenants.heartbeats().clone()
    }

    /// Makes sure that what is read of a kind is there to be read; `fresh`: as of now.
    pub(super) async fn show(
        &self,
        tenant: &Tenant,
        kind: &Kind,
        ns: &str,
        fresh: bool,
    ) -> Result<(), Failure> {
        if covers(tenant, kind, ns) { self.inner.showing.show(fresh).await } else { Ok(()) }
    }

    /// The same, and as it changes, for as long as the answer is kept. None: there is nothing of the kind.
    pub(super) async fn keep_showing(
        &self,
        tenant: &Tenant,
        kind: &Kind,
        ns: &str,
        fresh: bool,
    ) -> Result<Option<Watched>, Failure> {
        if !covers(tenant, kind, ns) {
            return Ok(None);
        }
        let watched = self.inner.tenants.heartbeats().watch();
        self.inner.showing.show(fresh).await?;
        Ok(Some(watched))
    }

    /// Lists objects of which some may not be in the store.
    pub(super) async fn list_shown(
        &self,
        tenant: &Tenant,
        kind: &'static Kind,
        filter: &Filter,
        limit: usize,
        options: &ListOptions,
    ) -> Result<List, Failure> {
        let cache = self.cache(kind);
        let token = options.continue_token.as_deref().filter(|token| !token.is_empty());
        let (at, start) = match token.map(Continue::decode).transpose()? {
            Some(token) => (u64::try_from(token.rv).ok(), Some(token.start)),
            None => {
                let as_of = version::of_list(options)?;
                self.show(tenant, kind, &filter.ns, as_of == AsOf::Now).await?;
                reach(cache, tenant, as_of).await?;
                (if let AsOf::Exactly(version) = as_of { Some(version) } else { None }, None)
            }
        };
        self.show(tenant, kind, &filter.ns, false).await?;
        let then = cache.list_at(tenant, kind, &filter.ns, at.map(TenantRevision), start.as_deref());
        let (mut items, version) = match then {
            Then::Known(items, version) => (items, version.0),
            Then::Ahead(current) => {
                return Err(version::too_large(at.unwrap_or_default(), current.0));
            }
            Then::Forgotten(kept) => {
                return Err(match &start {
                    Some(start) => version::continue_expired(start),
                    None => Error::TenantCompacted { compacted: kept }.into(),
                });
            }
        };
        items.retain(|entry| filter.matches(self.view(), entry));
        let rest = items.len().saturating_sub(limit);
        items.truncate(limit);
        let last = items.last().filter(|_| rest > 0);
        let continue_token =
            last.map(|last| Continue::new(Some(version), key::join(&last.namespace, &last.name)).encode());
        let remaining = last.filter(|_| filter.takes_all()).map(|_| rest as u64);
        Ok(List { items, resource_version: version, continue_token, remaining })
    }
}

/// Checks that an object is one that can be written.
pub(super) fn check_writable(tenant: &Tenant, kind: &Kind, ns: &str, name: &str) -> Result<(), Failure> {
    if is_view(tenant, kind, ns) {
        let why = "it is the control plane's view of what it hears of a host over the host's link, which nobody writes; \
                   other namespaces take leases";
        return Err(Failure::forbidden(kind, name, why));
    }
    Ok(())
}
