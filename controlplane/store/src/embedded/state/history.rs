//! Forgetting what a compaction gave up.

use bytes::Bytes;

use super::{Sequence, State};

impl Sequence {
    /// How many transactions the tenant ever wrote.
    pub(super) fn writes(&self) -> u64 {
        self.forgotten + self.revisions.len() as u64
    }
}

impl State {
    /// Frees the versions that no read at `until` or later can reach, of at most `revisions` revisions. True: there are
    /// more. Only keys written in a revision that goes can have something to free, so nothing else is looked at.
    ///
    /// `until` is a compacted revision, perhaps not the last: a snapshot that was ordered before the last compaction still
    /// needs what that one gave up.
    pub(crate) fn purge(&mut self, revisions: usize, until: u64) -> bool {
        let until = until.min(self.compacted);
        for _ in 0..revisions {
            if self.forgotten >= until {
                return false;
            }
            let Some(touched) = self.touched.pop_front() else { return false };
            self.forgotten += 1;
            if let Some(sequence) = touched.tenant.and_then(|tenant| self.tenants.get_mut(&tenant)) {
                sequence.forgotten += 1;
                sequence.revisions.pop_front();
            }
            for key in &touched.keys {
                self.purge_key(key, until);
            }
        }
        self.forgotten < until
    }

    fn purge_key(&mut self, key: &Bytes, until: u64) {
        let Some(versions) = self.keys.get_mut(key) else { return };
        let before = versions.len();
        let keep = first_kept(versions, until);
        versions.drain(..keep);
        self.versions -= before - versions.len();
        if versions.is_empty() {
            self.keys.remove(key);
        } else if versions.len() * 4 < versions.capacity() {
            versions.shrink_to_fit();
        }
    }
}

/// The first version that a read at `compacted` or later can reach.
pub(super) fn first_kept(versions: &[super::Version], compacted: u64) -> usize {
    let behind = versions.partition_point(|version| version.modified <= compacted);
    match behind.checked_sub(1) {
        Some(newest) if versions[newest].is_live() => newest,
        _ => behind,
    }
}
