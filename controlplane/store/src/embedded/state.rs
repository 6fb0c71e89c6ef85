//! The partition in memory: every version of every key since the last compaction, in order.
//!
//! Only the writer changes it, and it does so before the change is on disk: what it wrote is not seen before its revision
//! is published, since all who read do so as of a published revision. Nothing here blocks, does I/O or reads a clock.

mod apply;
mod history;
mod lookup;
mod restore;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::{Epoch, LeaseId, Tenant};

pub(crate) use self::lookup::Page;
pub(crate) use self::restore::{Outline, Restore};

/// One value a key had, or its deletion.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) modified: u64,
    /// 0: deleted here.
    pub(crate) created: u64,
    pub(crate) version: u64,
    pub(crate) tenant_revision: u64,
    /// 0: none.
    pub(crate) lease: u64,
    pub(crate) value: Bytes,
}

impl Version {
    pub(crate) fn is_live(&self) -> bool {
        self.created != 0
    }
}

/// What one revision touched: the index from revisions to keys.
#[derive(Debug)]
struct Touched {
    /// None for appends without keys: epochs and leases.
    tenant: Option<Tenant>,
    tenant_revision: u64,
    /// In order.
    keys: Box<[Bytes]>,
}

/// A tenant's own sequence.
#[derive(Debug, Default)]
struct Sequence {
    /// Writes that are no longer in `revisions`.
    forgotten: u64,
    /// The partition's revision of each write since.
    revisions: VecDeque<u64>,
}

/// A lease and the keys that go with it.
#[derive(Clone, Debug)]
pub(crate) struct LeaseState {
    pub(crate) tenant: Tenant,
    pub(crate) ttl: Duration,
    keys: BTreeSet<Bytes>,
}

#[derive(Debug)]
pub(crate) struct State {
    keys: BTreeMap<Bytes, Vec<Version>>,
    /// One entry a revision, the first being that of revision `forgotten + 1`.
    touched: VecDeque<Touched>,
    forgotten: u64,
    head: u64,
    compacted: u64,
    tenants: FxHashMap<Tenant, Sequence>,
    leases: BTreeMap<LeaseId, LeaseState>,
    epoch: Epoch,
    versions: usize,
}

impl State {
    /// A partition nothing was ever written to.
    pub(crate) fn new() -> Self {
        Self {
            keys: BTreeMap::new(),
            touched: VecDeque::new(),
            forgotten: 1,
            head: 1,
            compacted: 0,
            tenants: FxHashMap::default(),
            leases: BTreeMap::new(),
            epoch: Epoch(0),
            versions: 0,
        }
    }

    /// The revision of the last append, published or not.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    pub(crate) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn leases(&self) -> impl Iterator<Item = (LeaseId, &LeaseState)> {
        self.leases.iter().map(|(id, lease)| (*id, lease))
    }

    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn version_count(&self) -> usize {
        self.versions
    }
}
