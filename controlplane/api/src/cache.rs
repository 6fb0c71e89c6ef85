//! A partition in memory: what all reads and watches are served from.
//!
//! One task follows the store and applies each commit, in order, under one short lock; everybody else reads. Objects are
//! indexed by tenant and kind in the order of their keys. Beside its objects each kind of a tenant keeps its recent
//! changes, and a watch is a place among them: a watcher pulls what came after its place, so it holds no memory here, and
//! a slow one keeps nobody waiting, it only finds one day that its place is forgotten. The changes of all tenants together
//! are kept in the same way for those who follow the partition.
//!
//! Resource versions are each tenant's own sequence. A tenant's places are told in it, so what other tenants write neither
//! moves nor expires them.

mod across;
mod apply;
mod collection;
mod follow;
mod heartbeats;
mod load;
mod read;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rustc_hash::FxHashMap;
use tokio::sync::watch as latest;

use meridian_schema::Home;
use meridian_store::{Revision, Store, Tenant};

pub(crate) use self::across::Across;
pub(crate) use self::apply::entry;
use self::collection::TenantState;
pub(crate) use self::collection::{Collection, Held, Past};
pub use self::follow::Follow;
use self::follow::Log;
pub use self::heartbeats::Heartbeats;
pub(crate) use self::heartbeats::{Moment, Watched, covers, is_view};
pub(crate) use self::load::Feeding;
pub(crate) use self::read::{Place, Snapshot, Then, Waiting};
use crate::view::View;
use crate::{Failure, Fenced};

/// How far the cache got.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applied {
    revision: Revision,
    /// No more will come.
    closed: bool,
}

/// The cache of one partition.
#[derive(Debug)]
pub(crate) struct Cache {
    home: Home,
    store: Store,
    state: RwLock<State>,
    applied: latest::Sender<Applied>,
    metrics: Arc<crate::metrics::Metrics>,
    view: Arc<View>,
    /// The changes that are remembered, for each kind of a tenant and for all together.
    remembered: usize,
    heartbeats: Heartbeats,
}

/// What the cache holds, all as of one revision.
#[derive(Debug)]
struct State {
    revision: Revision,
    tenants: FxHashMap<Tenant, TenantState>,
    fences: FxHashMap<String, u64>,
    /// For each host partition whose fence is being appended: the answer to the last append, and its revision.
    fenced: FxHashMap<String, Option<(Revision, Fenced)>>,
    log: Log,
}

impl Cache {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    /// Waits until everything up to a revision is applied.
    pub(crate) async fn reach(&self, revision: Revision) -> Result<(), Failure> {
        if self.applied.borrow().revision >= revision {
            return Ok(());
        }
        let mut applied = self.applied.subscribe();
        // The sender is `self`.
        match applied.wait_for(|applied| applied.closed || applied.revision >= revision).await {
            Ok(applied) if applied.revision >= revision => Ok(()),
            _ => Err(Failure::unavailable("the server is shutting down")),
        }
    }

    /// Waits until everything acknowledged before this call is applied.
    pub(crate) async fn reach_now(&self) -> Result<(), Failure> {
        let revision = self.store.revision().await?;
        self.reach(revision).await
    }

    /// Ends everybody who waits here.
    pub(crate) fn close(&self) {
        self.applied.send_modify(|applied| applied.closed = true);
        for tenant in self.read().tenants.values() {
            tenant.collections().for_each(|collection| collection.wake());
        }
    }

    /// Forgets changes up to and with a revision.
    pub(crate) fn forget(&self, until: Revision) {
        let mut state = self.write();
        state.log.forget(until);
        for tenant in state.tenants.values_mut() {
            tenant.forget(until);
        }
    }

    /// How far it got.
    pub(crate) fn revision(&self) -> Revision {
        self.applied.borrow().revision
    }
}
