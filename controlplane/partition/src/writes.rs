//! Writes that wait for their turn: one at a time for each pod, the newest only, and a limited number in all.

use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::sync::Arc;

/// Writes by pod.
#[derive(Debug)]
pub(crate) struct Writes<J> {
    under_way: FxHashSet<Arc<str>>,
    waiting: FxHashMap<Arc<str>, J>,
    order: VecDeque<Arc<str>>,
    most_under_way: usize,
    most_waiting: usize,
}

impl<J> Writes<J> {
    /// None yet; so many at a time, and so many that wait.
    pub(crate) fn new(most_under_way: usize, most_waiting: usize) -> Self {
        Self {
            under_way: FxHashSet::default(),
            waiting: FxHashMap::default(),
            order: VecDeque::new(),
            most_under_way,
            most_waiting,
        }
    }

    /// Adds a write. `newer` makes one of the write that waits for this pod, if any, and this one. Says whether there was
    /// room.
    pub(crate) fn push(&mut self, pod: &Arc<str>, write: J, newer: impl FnOnce(J, J) -> J) -> bool {
        if let Some(waiting) = self.waiting.remove(pod) {
            self.waiting.insert(pod.clone(), newer(waiting, write));
            return true;
        }
        if self.waiting.len() >= self.most_waiting {
            return false;
        }
        self.waiting.insert(pod.clone(), write);
        if !self.under_way.contains(pod) {
            self.order.push_back(pod.clone());
        }
        true
    }

    /// The write that is next, when it is time for one. The caller says [`Writes::done`] afterwards.
    pub(crate) fn next(&mut self) -> Option<(Arc<str>, J)> {
        if self.under_way.len() >= self.most_under_way {
            return None;
        }
        let pod = self.order.pop_front()?;
        let write = self.waiting.remove(&pod)?;
        self.under_way.insert(pod.clone());
        Some((pod, write))
    }

    /// A pod's write is over.
    pub(crate) fn done(&mut self, pod: &Arc<str>) {
        self.under_way.remove(pod);
        if self.waiting.contains_key(pod) {
            self.order.push_back(pod.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_for_a_pod_the_newest_only_and_few_in_all() {
        let mut writes = Writes::new(2, 3);
        let [a, b, c, d]: [Arc<str>; 4] = ["a", "b", "c", "d"].map(Into::into);
        let last = |_, new| new;
        assert!(writes.push(&a, 1, last) && writes.push(&b, 1, last) && writes.push(&c, 1, last));
        assert!(!writes.push(&d, 1, last), "no room");
        assert!(writes.push(&a, 2, last), "takes the place of the one that waits");
        assert_eq!(writes.next(), Some((a.clone(), 2)));
        assert!(writes.push(&a, 3, last));
        assert_eq!(writes.next(), Some((b, 1)));
        assert_eq!(writes.next(), None, "two are under way");
        writes.done(&a);
        assert_eq!(writes.next(), Some((c.clone(), 1)));
        writes.done(&c);
        assert_eq!(writes.next(), Some((a.clone(), 3)));
        writes.done(&a);
        assert_eq!(writes.next(), None);
    }
}
