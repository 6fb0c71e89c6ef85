//! Numbers for metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a store did since it was opened, and how large it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Transactions that wrote.
    pub commits: u64,
    /// Group commits: one write and one sync each.
    pub batches: u64,
    /// Bytes appended to the log.
    pub log_bytes: u64,
    /// Time spent in writing and syncing the log.
    pub sync_time: Duration,
    /// Snapshots written.
    pub snapshots: u64,
    /// Snapshots that failed; the log grows until one succeeds.
    pub snapshot_failures: u64,
    /// Running watches.
    pub watches: u64,
    /// Keys in memory, with deleted ones that history still knows.
    pub keys: u64,
    /// Versions of keys in memory.
    pub versions: u64,
    /// Whether an earlier write failed, so that no more are taken.
    pub poisoned: bool,
}

/// A number many may add to.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The running counts behind [`Counters`].
#[derive(Debug, Default)]
pub(crate) struct Running {
    pub(crate) commits: Count,
    pub(crate) batches: Count,
    pub(crate) log_bytes: Count,
    pub(crate) sync_nanos: Count,
    pub(crate) snapshots: Count,
    pub(crate) snapshot_failures: Count,
    pub(crate) watches: Count,
    pub(crate) failures: Count,
}

impl Running {
    /// The counts, without the sizes, which the engine knows.
    pub(crate) fn snapshot(&self) -> Counters {
        Counters {
            commits: self.commits.get(),
            batches: self.batches.get(),
            log_bytes: self.log_bytes.get(),
            sync_time: Duration::from_nanos(self.sync_nanos.get()),
            snapshots: self.snapshots.get(),
            snapshot_failures: self.snapshot_failures.get(),
            watches: self.watches.get(),
            keys: 0,
            versions: 0,
            poisoned: self.failures.get() > 0,
        }
    }
}
