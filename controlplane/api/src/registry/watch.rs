//! Watching: a place among the changes that the cache remembers, and what was found there and not told yet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;

use meridian_environment::Clock;
use meridian_schema::Kind;
use meridian_store::{Revision, Tenant, TenantRevision};

use super::Registry;
use super::filter::Filter;
use super::nodes::is_of_others;
use super::read::{reach, snapshot};
use super::version::{self, AsOf, From};
use crate::cache::{Cache, Past, Place, Waiting, Watched};
use crate::metrics::Metrics;
use crate::{Caller, Entry, Failure, WatchEvent, WatchOptions};

/// Changes looked at in one go; what of them matches is the most that a watch holds.
const AT_ONCE: usize = 256;
/// How often a watcher that takes bookmarks gets one.
const BOOKMARKS: Duration = Duration::from_secs(60);
/// How long before its end a watch sends the last bookmark.
const BEFORE_END: Duration = Duration::from_secs(2);
/// How long a watch lasts that does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);

/// A running watch. Dropping it ends it.
#[derive(Debug)]
pub struct WatchStream {
    cache: Arc<Cache>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    running: IntGauge,
    tenant: Tenant,
    kind: &'static Kind,
    pub(super) filter: Filter,
    /// Everything up to and with this was told, or is in `found`.
    pub(super) place: TenantRevision,
    found: VecDeque<WatchEvent>,
    waiting: Waiting,
    next_bookmark: Option<Duration>,
    end: Duration,
    ended: bool,
    /// Whether it is of all tenants; places are the partition's revisions then.
    across: bool,
    /// There where objects may be shown together: a resource version does not tell how many of them a client knows.
    pub(super) shown: Option<Watched>,
    /// The last such version that was told without a bookmark behind it.
    unmarked: Option<TenantRevision>,
}

impl Registry {
    /// Watches objects; with an empty `ns` of all namespaces.
    ///
    /// # Errors
    ///
    /// 400, 405, 422, 504. That changes are no longer remembered is an event of the stream, as in Kubernetes.
    pub async fn watch(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        options: &WatchOptions,
    ) -> Result<WatchStream, Failure> {
        let (tenant, cache) = (&caller.tenant, self.cache(kind));
        if is_of_others(tenant, kind) {
            return Err(Failure::method_not_allowed(kind, "watch"));
        }
        let from = version::of_watch(options)?;
        let filter = Filter::new(ns, options.label_selector.as_ref(), options.field_selector.as_ref());
        let fresh = !matches!(from, From::After(_) | From::Start { as_of: AsOf::Any, .. });
        let shown = self.keep_showing(tenant, kind, ns, fresh).await?;
        let mut stream = self.stream(Some(tenant), kind, filter, options, shown);
        match from {
            From::After(version) => {
                stream.place = TenantRevision(version);
                stream.check_start(version).await?;
                if stream.shown.is_some() && cache.is_of_several(tenant, kind, stream.place) {
                    stream.expire(stream.place.next());
                }
            }
            From::Now => {
                cache.reach_now().await?;
                let now = snapshot(cache, self.view(), tenant, kind, &stream.filter, 0).await?;
                stream.place = now.revision.unwrap_or(stream.place);
            }
            From::Start { as_of, marked } => {
                reach(cache, tenant, as_of).await?;
                let now = snapshot(cache, self.view(), tenant, kind, &stream.filter, usize::MAX).await?;
                stream.start(now.entries, now.revision.unwrap_or(stream.place), marked);
            }
        }
        Ok(stream)
    }

    /// A watch that stands before everything; without a tenant it is of all of them.
    pub(super) fn stream(
        &self,
        tenant: Option<&Tenant>,
        kind: &'static Kind,
        filter: Filter,
        options: &WatchOptions,
        shown: Option<Watched>,
    ) -> WatchStream {
        let cache = self.cache(kind);
        let clock = self.clock();
        let now = clock.now();
        let running = self.metrics().watchers(kind);
        running.inc();
        let mut stream = WatchStream {
            waiting: match tenant {
                Some(tenant) => cache.waiting(tenant, kind),
                None => cache.waiting_across(),
            },
            cache: cache.clone(),
            metrics: self.metrics().clone(),
            running,
            across: tenant.is_none(),
            tenant: tenant.cloned().unwrap_or_else(Tenant::system),
            kind,
            filter,
            place: TenantRevision(0),
            found: VecDeque::new(),
            next_bookmark: options.allow_bookmarks.then(|| now.saturating_add(BOOKMARKS)),
            end: now.saturating_add(options.timeout.unwrap_or(DEFAULT_TIMEOUT)),
            ended: false,
            clock,
            shown,
            unmarked: None,
        };
        stream.plan_bookmark();
        stream
    }
}

impl WatchStream {
    /// Begins with what there is.
    pub(super) fn start(&mut self, entries: Vec<Arc<Entry>>, place: TenantRevision, marked: bool) {
        self.place = place;
        self.found.extend(entries.into_iter().map(WatchEvent::Added));
        if marked && self.next_bookmark.is_some() {
            self.found
                .push_back(WatchEvent::Bookmark { resource_version: place.0, initial_events_end: true });
        }
    }

    /// The next event, once there is one; none after the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            if let Some(event) = self.pop() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            if self.cache.is_closed() {
                self.ended = true;
                return None;
            }
            if self.look() {
                continue;
            }
            let now = self.clock.now();
            if now >= self.end {
                self.ended = true;
                return None;
            }
            if self.next_bookmark.is_some_and(|at| now >= at) {
                self.next_bookmark = Some(now.saturating_add(BOOKMARKS));
                self.plan_bookmark();
                return Some(WatchEvent::Bookmark {
                    resource_version: self.place.0,
                    initial_events_end: false,
                });
            }
            let wake = self.next_bookmark.unwrap_or(self.end).min(self.end);
            tokio::select! {
                more = self.waiting.changed() => self.ended |= !more,
                () = self.clock.wait_until(wake) => {}
            }
        }
    }

    /// The next event, if it is there already.
    pub fn buffered(&mut self) -> Option<WatchEvent> {
        if self.found.is_empty() && !self.ended {
            self.look();
        }
        self.pop()
    }

    fn pop(&mut self) -> Option<WatchEvent> {
        let event = self.found.pop_front()?;
        Some(if self.across { event.across() } else { event })
    }

    /// The resource version of an object in the sequence of the watch.
    fn version(&self, entry: &Entry) -> TenantRevision {
        if self.across { TenantRevision(entry.modified.0) } else { entry.tenant_modified }
    }

    /// Looks for what is new. True: it is worth another look before waiting.
    fn look(&mut self) -> bool {
        let ns = &self.filter.ns;
        let after = if self.across {
            self.cache.after_across(self.kind, ns, Revision(self.place.0), AT_ONCE)
        } else {
            self.cache.after(&self.tenant, self.kind, ns, self.place, AT_ONCE)
        };
        match after {
            Place::Changes(changes, reached) => {
                let more = changes.len() >= AT_ONCE;
                let last = changes.last().map(|past| self.version(past.entry()));
                for past in changes {
                    self.found.extend(self.told(past));
                }
                self.place = reached;
                self.mark(last);
                more || !self.found.is_empty()
            }
            Place::Forgotten(kept) => {
                self.metrics.fell_behind();
                self.expire(kept);
                true
            }
            Place::Unknown => false,
        }
    }

    /// After objects that were shown together a client that takes bookmarks gets one, once there is a later version to name:
    /// with that one it can go on.
    fn mark(&mut self, last: Option<TenantRevision>) {
        if self.shown.is_none() || self.next_bookmark.is_none() {
            return;
        }
        if let Some(last) = last.filter(|_| !self.found.is_empty()) {
            self.unmarked = Some(last);
        }
        if self.unmarked.is_some_and(|last| self.place > last) {
            self.unmarked = None;
            self.found.push_back(WatchEvent::Bookmark {
                resource_version: self.place.0,
                initial_events_end: false,
            });
        }
    }

    /// What the watcher is told of a change.
    fn told(&self, past: Past) -> Option<WatchEvent> {
        let Self { cache, tenant, filter, .. } = self;
        let shown = |entry: &Arc<Entry>| filter.shown(cache.view(), tenant, entry);
        match past {
            Past::Put { entry, previous } => {
                if filter.takes_all() {
                    let entry = shown(&entry)?;
                    return Some(match previous {
                        Some(_) => WatchEvent::Modified(entry),
                        None => WatchEvent::Added(entry),
                    });
                }
                match (shown(&entry), previous.as_ref().and_then(shown)) {
                    (Some(entry), None) => Some(WatchEvent::Added(entry)),
                    (Some(entry), Some(_)) => Some(WatchEvent::Modified(entry)),
                    // It no longer matches: told as it was last, at the moment of the change.
                    (None, Some(last)) => Some(WatchEvent::Deleted(Arc::new(stamped(&last, &entry)))),
                    (None, None) => None,
                }
            }
            Past::Deleted(last) => shown(&last).map(WatchEvent::Deleted),
        }
    }

    /// Checks that what follows on a resource version is remembered, where the cache knows nothing of the tenant.
    async fn check_start(&mut self, version: u64) -> Result<(), Failure> {
        if self.cache.tenant_revision(&self.tenant).is_some() {
            return Ok(());
        }
        self.cache.reach_now().await?;
        let current = self.cache.store().tenant_revision(&self.tenant, None).await?;
        // All that such a tenant ever wrote is gone and forgotten.
        if self.cache.tenant_revision(&self.tenant).is_none() && version < current.0 {
            self.expire(current);
        }
        Ok(())
    }

    pub(super) fn expire(&mut self, kept: TenantRevision) {
        let message = format!("too old resource version: {} ({})", self.place, kept);
        self.found.push_back(WatchEvent::Error(Failure::expired(message)));
        self.ended = true;
    }

    /// Moves the next bookmark to before the end, if that comes first.
    fn plan_bookmark(&mut self) {
        let last = self.end.saturating_sub(BEFORE_END);
        if let Some(next) = &mut self.next_bookmark
            && *next > last
            && self.clock.now() < last
        {
            *next = last;
        }
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.running.dec();
    }
}

fn stamped(last: &Entry, at: &Entry) -> Entry {
    last.restamped(at.modified, at.tenant_modified)
}
