//! The marks of all hosts for one class and priority, in a tournament whose winner is the best host.
//!
//! Most are bounds: no worse than the host's mark. A winner that is but a bound is put on trial and the tournament goes on;
//! a winner whose mark is its own is the best of all, as nobody can be better than its bound.

use std::sync::Arc;

use super::trial::{Mark, Standing, Trial};
use crate::ask::Ask;
use crate::cell::BLOCK;

/// The marks of all hosts at a version of the cell.
#[derive(Debug)]
pub(crate) struct Index {
    marks: Vec<Mark>,
    /// Whose marks are their own, a bit a slot.
    judged: Vec<u64>,
    /// The better slot of each pair, then of each two pairs, and so on: node `n` is over `2n` and `2n + 1`, node 1 over
    /// all. As many as there are marks, which is a power of two.
    winners: Vec<u32>,
    version: u64,
    ask: Arc<Ask>,
}

impl Index {
    /// Looks at all hosts, and judges none.
    pub(crate) fn build(trial: &Trial<'_>, ask: Arc<Ask>) -> Index {
        let slots = trial.cell.blocks() * BLOCK;
        let leaves = slots.next_power_of_two().max(BLOCK);
        let mut marks: Vec<Mark> = (0..slots).map(|slot| trial.bound(slot)).collect();
        marks.resize(leaves, Mark::WORST);
        let mut index = Index {
            marks,
            judged: vec![0; leaves / BLOCK],
            winners: vec![0; leaves],
            version: trial.cell.journal.version(),
            ask,
        };
        for node in (1..leaves).rev() {
            index.winners[node] = index.better(node);
        }
        index
    }

    /// Whether this is of another state of the class.
    pub(crate) fn is_stale(&self, ask: &Arc<Ask>) -> bool {
        !Arc::ptr_eq(&self.ask, ask)
    }

    /// How many bytes the index takes.
    pub(crate) fn bytes(&self) -> usize {
        self.marks.len() * (size_of::<Mark>() + size_of::<u32>())
    }

    /// Catches up with the cell and names the best host, if there is any.
    pub(crate) fn best(&mut self, trial: &mut Trial<'_>) -> Option<usize> {
        self.repair(trial);
        loop {
            let best = self.winners[1] as usize;
            let (word, bit) = (best / BLOCK, 1 << (best % BLOCK));
            if self.marks[best] == Mark::WORST {
                return None;
            }
            if self.judged[word] & bit != 0 {
                return Some(best);
            }
            self.judged[word] |= bit;
            let mark = match trial.judge(best) {
                Standing::Candidate(mark) => mark,
                _ => Mark::WORST,
            };
            debug_assert!(
                mark >= self.marks[best],
                "{mark:?} is better than its bound {:?}",
                self.marks[best]
            );
            self.set(best, mark);
        }
    }

    fn repair(&mut self, trial: &Trial<'_>) {
        let journal = &trial.cell.journal;
        if self.version == journal.version() {
            return;
        }
        if trial.cell.blocks() * BLOCK > self.marks.len() {
            *self = Index::build(trial, Arc::clone(&self.ask));
            return;
        }
        let mut slots = Vec::new();
        if journal.changed_slots_since(self.version, |slot| slots.push(slot)) {
            slots.sort_unstable();
            slots.dedup();
        } else {
            journal.changed_since(self.version, |block| slots.extend(block * BLOCK..(block + 1) * BLOCK));
        }
        for slot in slots {
            self.judged[slot / BLOCK] &= !(1 << (slot % BLOCK));
            self.set(slot, trial.bound(slot));
        }
        self.version = journal.version();
    }

    fn set(&mut self, slot: usize, mark: Mark) {
        if std::mem::replace(&mut self.marks[slot], mark) == mark {
            return;
        }
        let mut node = (self.marks.len() + slot) / 2;
        while node > 0 {
            self.winners[node] = self.better(node);
            node /= 2;
        }
    }

    /// The better slot under a node; of equals the first.
    fn better(&self, node: usize) -> u32 {
        let under = |node: usize| match node.checked_sub(self.marks.len()) {
            Some(slot) => slot as u32,
            None => self.winners[node],
        };
        let (left, right) = (under(2 * node), under(2 * node + 1));
        if self.marks[right as usize] < self.marks[left as usize] { right } else { left }
    }
}
