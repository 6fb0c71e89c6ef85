//! Pods that wait for a decision, in kube-scheduler's order: priority, then arrival (its plugin `PrioritySort`).
//!
//! Pods of one class under one profile wait in one line, of which only the head is looked at. When the head fits nowhere
//! the line is parked, and all that still arrive for it, until something changes that could help it. The engine's own
//! queue is fair between tenants and serves regions; here users expect the order that they know.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use meridian_engine::ClassId;

/// Which line: a class under a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LineId {
    pub(crate) profile: usize,
    pub(crate) class: ClassId,
}

/// A pod's place: higher priorities first, then the order of arrival.
pub(crate) type Place = (Reverse<i32>, u64);

/// The lines.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: BTreeMap<LineId, BTreeSet<Place>>,
    /// The heads of lines that are not parked.
    heads: BTreeSet<(Place, LineId)>,
    parked: BTreeSet<LineId>,
    waiting: usize,
    parked_pods: usize,
}

impl Queue {
    /// How many pods wait for their turn.
    pub(crate) fn active(&self) -> usize {
        self.waiting - self.parked_pods
    }

    /// How many pods wait for something to change.
    pub(crate) fn unschedulable(&self) -> usize {
        self.parked_pods
    }

    /// Whether the pods of a line wait for something to change.
    pub(crate) fn is_parked(&self, line: LineId) -> bool {
        self.parked.contains(&line)
    }

    /// The parked lines, in a fixed order.
    pub(crate) fn parked(&self) -> impl Iterator<Item = LineId> + '_ {
        self.parked.iter().copied()
    }

    /// The pods of a line, first to last.
    pub(crate) fn line(&self, line: LineId) -> impl Iterator<Item = u64> + '_ {
        self.lines.get(&line).into_iter().flatten().map(|(_, pod)| *pod)
    }

    pub(crate) fn push(&mut self, line: LineId, priority: i32, pod: u64) {
        let place = (Reverse(priority), pod);
        let places = self.lines.entry(line).or_default();
        let before = places.first().copied();
        if !places.insert(place) {
            return;
        }
        self.waiting += 1;
        if self.parked.contains(&line) {
            self.parked_pods += 1;
        } else if before.is_none_or(|before| place < before) {
            if let Some(before) = before {
                self.heads.remove(&(before, line));
            }
            self.heads.insert((place, line));
        }
    }

    pub(crate) fn remove(&mut self, line: LineId, priority: i32, pod: u64) {
        let place = (Reverse(priority), pod);
        let Some(places) = self.lines.get_mut(&line) else { return };
        if !places.remove(&place) {
            return;
        }
        self.waiting -= 1;
        let next = places.first().copied();
        let is_parked = self.parked.contains(&line);
        self.parked_pods -= usize::from(is_parked);
        if self.heads.remove(&(place, line))
            && let Some(next) = next
        {
            self.heads.insert((next, line));
        }
        if next.is_none() {
            self.lines.remove(&line);
            self.parked.remove(&line);
        }
    }

    /// The pod whose turn it is, and its line. It stays where it is.
    pub(crate) fn first(&self) -> Option<(u64, LineId)> {
        self.heads.first().map(|((_, pod), line)| (*pod, *line))
    }

    /// Sets a line aside: its head fits nowhere.
    pub(crate) fn park(&mut self, line: LineId) {
        let Some(places) = self.lines.get(&line) else { return };
        if self.parked.insert(line) {
            self.parked_pods += places.len();
            if let Some(first) = places.first() {
                self.heads.remove(&(*first, line));
            }
        }
    }

    /// Lets the pods of a line have their turn again. Returns how many there are.
    pub(crate) fn unpark(&mut self, line: LineId) -> usize {
        if !self.parked.remove(&line) {
            return 0;
        }
        let Some(places) = self.lines.get(&line) else { return 0 };
        self.parked_pods -= places.len();
        if let Some(first) = places.first() {
            self.heads.insert((*first, line));
        }
        places.len()
    }
}

#[cfg(test)]
mod tests {
    use meridian_engine::{Demand, Profile, Resources, Scheduler};
    use proptest::prelude::*;

    use super::*;

    fn lines(count: i64) -> Vec<LineId> {
        let mut engine = Scheduler::new(Profile::kubernetes()).unwrap();
        let demand = |cpu_milli| Demand {
            requests: Resources { cpu_milli, ..Resources::default() },
            ..Demand::default()
        };
        (0..count).map(|n| LineId { profile: 0, class: engine.class(&demand(n)).unwrap() }).collect()
    }

    #[derive(Clone, Debug)]
    enum Act {
        Push(usize, i32),
        Remove(usize),
        Park(usize),
        Unpark(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => (0..3_usize, -1..2_i32).prop_map(|(line, priority)| Act::Push(line, priority)),
            3 => (0..20_usize).prop_map(Act::Remove),
            1 => (0..3_usize).prop_map(Act::Park),
            1 => (0..3_usize).prop_map(Act::Unpark),
        ]
    }

    proptest! {
        /// Against a list that is sorted every time.
        #[test]
        fn first_is_the_first_that_is_not_parked(acts in prop::collection::vec(act(), 0..60)) {
            let lines = lines(3);
            let mut queue = Queue::default();
            let mut model: Vec<(Place, usize)> = Vec::new();
            let mut parked = BTreeSet::new();
            for (number, act) in (0_u64..).zip(acts) {
                match act {
                    Act::Push(line, priority) => {
                        queue.push(lines[line], priority, number);
                        model.push(((Reverse(priority), number), line));
                    }
                    Act::Remove(index) if index < model.len() => {
                        let ((Reverse(priority), pod), line) = model.remove(index);
                        queue.remove(lines[line], priority, pod);
                    }
                    Act::Remove(_) => {}
                    Act::Park(line) => {
                        queue.park(lines[line]);
                        if model.iter().any(|(_, of)| *of == line) {
                            parked.insert(line);
                        }
                    }
                    Act::Unpark(line) => {
                        queue.unpark(lines[line]);
                        parked.remove(&line);
                    }
                }
                parked.retain(|line| model.iter().any(|(_, of)| of == line));
                let want = model.iter().filter(|(_, line)| !parked.contains(line)).min();
                prop_assert_eq!(queue.first(), want.map(|((_, pod), line)| (*pod, lines[*line])));
                let aside = model.iter().filter(|(_, line)| parked.contains(line)).count();
                prop_assert_eq!(queue.unschedulable(), aside);
                prop_assert_eq!(queue.active(), model.len() - aside);
            }
        }
    }
}
