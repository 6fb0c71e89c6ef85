//! The feed to scheduler replicas: hosts, demands and entries as numbered changes, of which the latest are kept so that a
//! replica that comes back goes on from where it was.

use std::collections::VecDeque;

use meridian_proto::v1::host_change::Change;
use meridian_proto::v1::{HostChange, HostChanges};

/// Changes that are kept.
const KEPT: usize = 1 << 16;

/// The most changes in one message.
pub(crate) const AT_ONCE: usize = 1024;

/// Changes since the partition's epoch began.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    number: u64,
    pending: Vec<HostChange>,
    history: VecDeque<HostChanges>,
    kept: usize,
}

impl Feed {
    /// Adds a change, to be told with the next batch.
    pub(crate) fn push(&mut self, change: Change) {
        self.pending.push(HostChange { change: Some(change) });
    }

    /// Makes batches of what was added.
    pub(crate) fn take_batches(&mut self) -> Vec<HostChanges> {
        let mut batches = Vec::new();
        let pending = std::mem::take(&mut self.pending);
        for changes in chunks(pending) {
            self.number += 1;
            let batch = HostChanges { number: self.number, restart: false, in_sync: false, changes };
            self.kept += batch.changes.len();
            self.history.push_back(batch.clone());
            batches.push(batch);
        }
        while self.kept > KEPT {
            let Some(oldest) = self.history.pop_front() else { break };
            self.kept -= oldest.changes.len();
        }
        batches
    }

    /// Everything after a number, if that is kept.
    pub(crate) fn since(&self, number: u64) -> Option<Vec<HostChanges>> {
        let oldest = self.history.front().map_or(self.number, |batch| batch.number - 1);
        if !(oldest..=self.number).contains(&number) {
            return None;
        }
        let mut batches: Vec<_> =
            self.history.iter().filter(|batch| batch.number > number).cloned().collect();
        batches.push(self.in_sync());
        Some(batches)
    }

    /// Says that all has been told.
    pub(crate) fn in_sync(&self) -> HostChanges {
        HostChanges { number: self.number, restart: false, in_sync: true, changes: Vec::new() }
    }

    /// A full account, as of the last batch.
    pub(crate) fn full(&self, changes: impl Iterator<Item = Change>) -> Vec<HostChanges> {
        let changes = changes.map(|change| HostChange { change: Some(change) }).collect();
        let mut batches: Vec<_> = chunks(changes)
            .map(|changes| HostChanges { number: self.number, restart: false, in_sync: false, changes })
            .collect();
        if batches.is_empty() {
            batches.push(HostChanges { number: self.number, ..HostChanges::default() });
        }
        if let Some(first) = batches.first_mut() {
            first.restart = true;
        }
        if let Some(last) = batches.last_mut() {
            last.in_sync = true;
        }
        batches
    }
}

fn chunks(mut changes: Vec<HostChange>) -> impl Iterator<Item = Vec<HostChange>> {
    std::iter::from_fn(move || {
        if changes.is_empty() {
            return None;
        }
        let rest = changes.split_off(changes.len().min(AT_ONCE));
        Some(std::mem::replace(&mut changes, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(batches: &[HostChanges]) -> Vec<u32> {
        let changes = batches.iter().flat_map(|batch| &batch.changes);
        changes
            .map(|change| match change.change {
                Some(Change::RemovedHost(number)) => number,
                _ => panic!("only these are made here"),
            })
            .collect()
    }

    #[test]
    fn who_comes_back_is_told_what_it_missed_and_nothing_twice() {
        let mut feed = Feed::default();
        assert!(told(&feed.since(0).unwrap()).is_empty());
        for number in 0..3 {
            feed.push(Change::RemovedHost(number));
            assert_eq!(told(&feed.take_batches()), [number]);
        }
        assert_eq!(told(&feed.since(1).unwrap()), [1, 2]);
        assert!(feed.since(3).unwrap().last().unwrap().in_sync);
        assert!(feed.since(4).is_none());
        for number in 0..=KEPT as u32 {
            feed.push(Change::RemovedHost(number));
        }
        assert!(feed.take_batches().iter().all(|batch| batch.changes.len() <= AT_ONCE));
        assert!(feed.since(2).is_none() && feed.kept <= KEPT);
        assert!(feed.since(feed.number - 1).is_some());
    }

    #[test]
    fn a_full_account_begins_with_a_restart_and_ends_in_sync() {
        let feed = Feed::default();
        let none = feed.full(std::iter::empty());
        assert!(matches!(&none[..], [only] if only.restart && only.in_sync));
        let many = feed.full((0..AT_ONCE as u32 + 1).map(Change::RemovedHost));
        assert_eq!(many.len(), 2);
        assert!(many[0].restart && !many[0].in_sync && !many[1].restart && many[1].in_sync);
    }
}
