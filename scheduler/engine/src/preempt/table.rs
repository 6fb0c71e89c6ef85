//! The indexes of classes and priorities that preempt again and again.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::index::Index;
use super::trial::Trial;
use crate::ask::Ask;
use crate::class::ClassId;

/// How many bytes all indexes may take together.
const INDEX_BYTES: usize = 256 << 20;

/// How many classes and priorities are remembered.
const MAX_ENTRIES: usize = 4096;

#[derive(Debug)]
struct Entry {
    index: Option<Index>,
    /// The tick of the last search.
    used: u64,
}

/// Indexes by class and priority.
#[derive(Debug, Default)]
pub(crate) struct Preemptors {
    /// By class, priority and whose pods may make way.
    entries: FxHashMap<(ClassId, i32, Option<u32>), Entry>,
    bytes: usize,
    ticks: u64,
}

impl Preemptors {
    /// The best host for a class and priority, over all hosts.
    pub(crate) fn best(&mut self, class: ClassId, ask: &Arc<Ask>, trial: &mut Trial<'_>) -> Option<usize> {
        self.ticks += 1;
        let ticks = self.ticks;
        self.make_room();
        let entry = self
            .entries
            .entry((class, trial.preemptor.priority, trial.preemptor.owner))
            .or_insert_with(|| Entry { index: None, used: ticks });
        entry.used = ticks;
        let before = entry.index.as_ref().map_or(0, Index::bytes);
        if entry.index.as_ref().is_some_and(|index| index.is_stale(ask)) {
            entry.index = None;
        }
        let index = entry.index.get_or_insert_with(|| Index::build(trial, Arc::clone(ask)));
        let best = index.best(trial);
        self.bytes = self.bytes + index.bytes() - before;
        if self.bytes > INDEX_BYTES {
            self.shrink();
        }
        best
    }

    /// Drops what is known of a class.
    pub(crate) fn forget(&mut self, class: ClassId) {
        if !self.entries.is_empty() {
            self.entries.retain(|(other, ..), _| *other != class);
            self.account();
        }
    }

    /// Forgets the half not used for the longest time where there are too many.
    fn make_room(&mut self) {
        if self.entries.len() < MAX_ENTRIES {
            return;
        }
        let mut used: Vec<u64> = self.entries.values().map(|entry| entry.used).collect();
        used.sort_unstable();
        let middle = used[used.len() / 2];
        self.entries.retain(|_, entry| entry.used > middle);
        self.account();
    }

    /// Drops the indexes not used for the longest time. The one used last stays whatever its size.
    fn shrink(&mut self) {
        let mut used: Vec<(u64, usize)> = self
            .entries
            .values()
            .filter_map(|entry| entry.index.as_ref().map(|index| (entry.used, index.bytes())))
            .collect();
        used.sort_unstable();
        used.pop();
        let mut bytes = self.bytes;
        let mut oldest = 0;
        for (tick, size) in used {
            if bytes <= INDEX_BYTES / 8 * 7 {
                break;
            }
            bytes -= size;
            oldest = tick;
        }
        for entry in self.entries.values_mut().filter(|entry| entry.used <= oldest) {
            entry.index = None;
        }
        self.account();
    }

    fn account(&mut self) {
        self.bytes = self.entries.values().filter_map(|entry| entry.index.as_ref()).map(Index::bytes).sum();
    }
}
