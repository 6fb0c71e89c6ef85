//! Pods that wait for a host, in the order in which they should be tried.
//!
//! The queue holds classes: pods of one class and priority wait in one line, and only the head of a line is looked at.
//! A class that fits nowhere is parked, with all its pods and all that still arrive; it costs one check, of one host,
//! when that host changes in a way that could help it, and nothing otherwise.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use rustc_hash::FxHashMap;

use crate::cell::HostId;
use crate::class::ClassId;
use crate::scheduler::Scheduler;

/// A pod that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The caller's number for the pod.
    pub pod: u64,
    /// Its class.
    pub class: ClassId,
    /// Higher goes first.
    pub priority: i32,
    /// Its place among all pods ever queued: of equal priority the lower goes first.
    order: u64,
}

/// Pods of one class and priority, oldest first.
type Line = VecDeque<(u64, u64)>;

/// Pods in the order of priority and arrival, by class.
#[derive(Debug, Default)]
pub struct Queue {
    lines: FxHashMap<ClassId, BTreeMap<i32, Line>>,
    /// Heads of lines: priority, order, class. An entry that is no longer its line's head is skipped.
    heads: BinaryHeap<(i32, Reverse<u64>, ClassId)>,
    parked: BTreeSet<ClassId>,
    next: u64,
    waiting: usize,
}

impl Queue {
    /// An empty queue.
    pub fn new() -> Queue {
        Queue::default()
    }

    /// How many pods wait.
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether no pod waits.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// The classes that fit nowhere as things are.
    pub fn parked(&self) -> impl Iterator<Item = ClassId> + '_ {
        self.parked.iter().copied()
    }

    /// Queues a pod behind those of its priority.
    pub fn push(&mut self, pod: u64, class: ClassId, priority: i32) {
        let order = self.next;
        self.next += 1;
        let line = self.lines.entry(class).or_default().entry(priority).or_default();
        line.push_back((order, pod));
        if line.len() == 1 && !self.parked.contains(&class) {
            self.heads.push((priority, Reverse(order), class));
        }
        self.waiting += 1;
    }

    /// Takes the pod that should be tried next. Put it back with [`park`](Self::park) when it fits nowhere.
    pub fn pop(&mut self) -> Option<Waiting> {
        while let Some((priority, Reverse(order), class)) = self.heads.pop() {
            if self.parked.contains(&class) {
                continue;
            }
            let Some(lines) = self.lines.get_mut(&class) else { continue };
            let Some(line) = lines.get_mut(&priority) else { continue };
            let Some((_, pod)) = line.front().copied().filter(|(head, _)| *head == order) else { continue };
            line.pop_front();
            match line.front() {
                Some((next, _)) => self.heads.push((priority, Reverse(*next), class)),
                None => {
                    lines.remove(&priority);
                    if lines.is_empty() {
                        self.lines.remove(&class);
                    }
                }
            }
            self.waiting -= 1;
            return Some(Waiting { pod, class, priority, order });
        }
        None
    }

    /// Puts a pod back in its place and its class aside until a host changes so that it could fit.
    pub fn park(&mut self, waiting: Waiting) {
        let Waiting { pod, class, priority, order } = waiting;
        self.lines.entry(class).or_default().entry(priority).or_default().push_front((order, pod));
        self.parked.insert(class);
        self.waiting += 1;
    }

    /// Says that a host has more room or was described anew: the parked classes that it admits wait in line again.
    pub fn host_changed(&mut self, host: HostId, scheduler: &mut Scheduler) {
        if self.parked.is_empty() {
            return;
        }
        let lines = &self.lines;
        let heads = &mut self.heads;
        self.parked.retain(|class| {
            if !scheduler.admits(*class, host) {
                return true;
            }
            for (priority, line) in lines.get(class).into_iter().flatten() {
                if let Some((order, _)) = line.front() {
                    heads.push((*priority, Reverse(*order), *class));
                }
            }
            false
        });
        self.compact();
    }

    /// Drops entries that are no longer heads when they have become the most.
    fn compact(&mut self) {
        if self.heads.len() <= 2 * self.waiting + 64 {
            return;
        }
        self.heads = self
            .lines
            .iter()
            .filter(|(class, _)| !self.parked.contains(class))
            .flat_map(|(class, lines)| lines.iter().map(move |(priority, line)| (class, priority, line)))
            .filter_map(|(class, priority, line)| {
                line.front().map(|(order, _)| (*priority, Reverse(*order), *class))
            })
            .collect();
    }

    /// Takes out all pods that still wait, in the order of their arrival.
    pub fn drain(&mut self) -> Vec<Waiting> {
        self.heads.clear();
        self.parked.clear();
        self.waiting = 0;
        let mut drained: Vec<Waiting> = std::mem::take(&mut self.lines)
            .into_iter()
            .flat_map(|(class, lines)| {
                lines.into_iter().flat_map(move |(priority, line)| {
                    line.into_iter().map(move |(order, pod)| Waiting { pod, class, priority, order })
                })
            })
            .collect();
        drained.sort_unstable_by_key(|waiting| waiting.order);
        drained
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;
    use crate::{Demand, Host, Profile, Resources, Scheduler};

    fn demand(cpu_milli: i64) -> Demand {
        Demand { requests: Resources { cpu_milli, ..Resources::default() }, ..Demand::default() }
    }

    fn scheduler() -> Scheduler {
        let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
        for name in ["a", "b"] {
            let allocatable = Resources { cpu_milli: 1_000, memory: 1 << 30, ..Resources::default() };
            scheduler
                .add_host(&Host { name: name.into(), allocatable, pods: 10, ..Host::default() })
                .unwrap();
        }
        scheduler
    }

    fn pods(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop()).map(|waiting| waiting.pod).collect()
    }

    #[test]
    fn higher_priority_goes_first_and_then_the_oldest() {
        let mut scheduler = scheduler();
        let (small, large) = (scheduler.class(&demand(1)).unwrap(), scheduler.class(&demand(2)).unwrap());
        let mut queue = Queue::new();
        for (pod, class, priority) in
            [(0, small, 0), (1, large, 0), (2, small, 5), (3, small, 0), (4, large, 9)]
        {
            queue.push(pod, class, priority);
        }
        assert_eq!(queue.len(), 5);
        assert_eq!(pods(&mut queue), [4, 2, 0, 1, 3]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_parked_class_waits_for_a_host_that_admits_it() {
        let mut scheduler = scheduler();
        let (small, large) = (scheduler.class(&demand(600)).unwrap(), scheduler.class(&demand(900)).unwrap());
        let mut placements: Vec<_> = (0..2).map(|_| scheduler.schedule(small).unwrap()).collect();
        let mut queue = Queue::new();
        queue.push(7, large, 0);
        queue.push(8, large, 3);
        let head = queue.pop().unwrap();
        assert_eq!((head.pod, scheduler.decide(large)), (8, None));
        queue.park(head);
        queue.push(9, large, 9);
        assert_eq!((queue.pop(), queue.len()), (None, 3));

        // A change that does not help leaves the class aside; a release that does brings it back, in order.
        let other = placements[1].host();
        queue.host_changed(other, &mut scheduler);
        assert_eq!(queue.parked().collect::<Vec<_>>(), [large]);
        let freed = placements.remove(0);
        let host = freed.host();
        scheduler.release(freed).unwrap();
        queue.host_changed(host, &mut scheduler);
        assert_eq!(pods(&mut queue), [9, 8, 7]);
    }

    #[test]
    fn draining_empties_it_in_the_order_of_arrival() {
        let mut scheduler = scheduler();
        let class = scheduler.class(&demand(1)).unwrap();
        let mut queue = Queue::new();
        queue.push(1, class, 0);
        queue.push(2, class, 8);
        assert_eq!(queue.drain().iter().map(|waiting| waiting.pod).collect::<Vec<_>>(), [1, 2]);
        assert!(queue.is_empty() && queue.pop().is_none());
    }
}
