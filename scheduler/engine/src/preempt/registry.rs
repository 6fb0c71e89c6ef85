//! The pods that preemption knows of, by host, and the disruption budgets that they count in.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Running;
use crate::ask::Ask;
use crate::placement::{Placement, Seat};
use crate::resource::ResourceId;
use crate::topology;

/// A pod that holds room on a host.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) running: Running,
    pub(crate) seat: Seat,
    pub(crate) ask: Arc<Ask>,
    /// What terms between pods can tell of it.
    pub(crate) member: topology::Id,
    number: NonZeroU32,
    /// What is asked about of every pod, out of `ask`.
    cpu: i64,
    memory: i64,
}

impl Tracked {
    /// The more important the pod, the less.
    fn order(&self) -> (Reverse<i32>, i64, u64) {
        let Running { priority, start, pod, .. } = self.running;
        (Reverse(priority), start, pod)
    }

    /// Whether it is being stopped already.
    pub(crate) fn leaves(&self) -> bool {
        self.running.is_terminating
    }

    /// Whether it may be a victim.
    pub(crate) fn may_go(&self) -> bool {
        !self.running.is_terminating && !self.running.is_protected
    }

    /// How much of a resource the pod has.
    #[inline]
    pub(crate) fn request(&self, resource: ResourceId) -> i64 {
        match resource {
            ResourceId::PODS => 1,
            ResourceId::CPU => self.cpu,
            ResourceId::MEMORY => self.memory,
            other => self.ask.request(other),
        }
    }
}

/// A disruption budget.
#[derive(Debug, Default)]
struct Budget {
    /// How many more pods may be stopped; `None`: not known, and then all may.
    allowed: Option<i32>,
    /// How many pods count in it, by slot.
    pods: FxHashMap<u32, u32>,
}

impl Budget {
    /// Of so many pods, how many may be stopped.
    fn allows(allowed: Option<i32>, pods: u32) -> u32 {
        allowed.map_or(pods, |allowed| pods.min(u32::try_from(allowed).unwrap_or(0)))
    }
}

/// All tracked pods.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// By slot, the most important pod first.
    hosts: Vec<Vec<Tracked>>,
    budgets: FxHashMap<u32, Budget>,
    /// How many pods an owner has, by slot.
    owners: FxHashMap<u32, FxHashMap<u32, u32>>,
    /// How many pods there are of each priority.
    priorities: BTreeMap<i32, u32>,
    /// How often a priority came up that no pod had.
    generation: u64,
    last: u32,
}

impl Registry {
    /// The tracked pods of a host, the most important first.
    pub(crate) fn pods(&self, slot: usize) -> &[Tracked] {
        self.hosts.get(slot).map_or(&[], Vec::as_slice)
    }

    /// Whether an owner has pods on a host.
    pub(crate) fn has_pods_of(&self, owner: u32, slot: usize) -> bool {
        self.owners.get(&owner).is_some_and(|slots| slots.contains_key(&(slot as u32)))
    }

    /// The lowest priority of a pod.
    pub(crate) fn lowest(&self) -> Option<i32> {
        self.priorities.first_key_value().map(|(lowest, _)| *lowest)
    }

    /// How many pods there are of each priority.
    pub(crate) fn priorities(&self) -> &BTreeMap<i32, u32> {
        &self.priorities
    }

    /// Changes when there are pods of a new priority.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a budget of a pod lets nobody go.
    pub(crate) fn is_exhausted(&self, pod: &Tracked) -> bool {
        pod.running.budgets.iter().any(|budget| self.allowed(*budget).is_some_and(|allowed| allowed <= 0))
    }

    /// How many more pods of a budget may be stopped; `None`: any number.
    pub(crate) fn allowed(&self, budget: u32) -> Option<i32> {
        self.budgets.get(&budget)?.allowed
    }

    /// Takes a pod in. Its number is its own on its host.
    pub(crate) fn insert(&mut self, slot: usize, placement: &Placement, running: Running) -> NonZeroU32 {
        if self.hosts.len() <= slot {
            self.hosts.resize_with(slot + 1, Vec::new);
        }
        let pods = &mut self.hosts[slot];
        let number = loop {
            self.last = self.last.wrapping_add(1);
            if let Some(number) = NonZeroU32::new(self.last)
                && pods.iter().all(|pod| pod.number != number)
            {
                break number;
            }
        };
        for budget in &running.budgets {
            *self.budgets.entry(*budget).or_default().pods.entry(slot as u32).or_default() += 1;
        }
        *self.owners.entry(running.owner).or_default().entry(slot as u32).or_default() += 1;
        let alike = self.priorities.entry(running.priority).or_default();
        self.generation += u64::from(*alike == 0);
        *alike += 1;
        let ask = Arc::clone(placement.ask());
        let pod = Tracked {
            seat: placement.seat(),
            member: placement.member(),
            number,
            cpu: ask.request(ResourceId::CPU),
            memory: ask.request(ResourceId::MEMORY),
            ask,
            running,
        };
        let place = pods.partition_point(|other| other.order() <= pod.order());
        pods.insert(place, pod);
        number
    }

    /// Takes a pod out.
    pub(crate) fn remove(&mut self, slot: usize, number: NonZeroU32) {
        let Some(pods) = self.hosts.get_mut(slot) else { return };
        if let Some(place) = pods.iter().position(|pod| pod.number == number) {
            let pod = pods.remove(place);
            self.discount(slot, &pod.running);
        }
    }

    /// Takes all pods of a host out.
    pub(crate) fn clear(&mut self, slot: usize) {
        for pod in self.hosts.get_mut(slot).map(std::mem::take).unwrap_or_default() {
            self.discount(slot, &pod.running);
        }
    }

    /// Notes that a pod has been told to stop; whether that is news.
    pub(crate) fn terminating(&mut self, slot: usize, number: NonZeroU32, member: topology::Id) -> bool {
        let mut pods = self.hosts.get_mut(slot).into_iter().flatten();
        pods.find(|pod| pod.number == number).is_some_and(|pod| {
            pod.member = member;
            !std::mem::replace(&mut pod.running.is_terminating, true)
        })
    }

    /// Sets what a budget allows, and calls `visit` with each host to which that makes a difference.
    pub(crate) fn set_budget(&mut self, budget: u32, allowed: Option<i32>, mut visit: impl FnMut(usize)) {
        let entry = self.budgets.entry(budget).or_default();
        let former = std::mem::replace(&mut entry.allowed, allowed);
        if former != allowed {
            let mut slots: Vec<u32> = entry
                .pods
                .iter()
                .filter(|(_, pods)| Budget::allows(former, **pods) != Budget::allows(allowed, **pods))
                .map(|(slot, _)| *slot)
                .collect();
            slots.sort_unstable();
            slots.into_iter().for_each(|slot| visit(slot as usize));
        }
        self.tidy(budget);
    }

    fn discount(&mut self, slot: usize, running: &Running) {
        for budget in &running.budgets {
            if let Some(entry) = self.budgets.get_mut(budget) {
                count_down(&mut entry.pods, slot);
            }
            self.tidy(*budget);
        }
        if let Some(slots) = self.owners.get_mut(&running.owner) {
            count_down(slots, slot);
            if slots.is_empty() {
                self.owners.remove(&running.owner);
            }
        }
        if let Some(pods) = self.priorities.get_mut(&running.priority) {
            *pods -= 1;
            if *pods == 0 {
                self.priorities.remove(&running.priority);
            }
        }
    }

    /// Drops a budget that nothing is known of.
    fn tidy(&mut self, budget: u32) {
        if self.budgets.get(&budget).is_some_and(|entry| entry.allowed.is_none() && entry.pods.is_empty()) {
            self.budgets.remove(&budget);
        }
    }
}

/// Counts a pod of a host less.
fn count_down(slots: &mut FxHashMap<u32, u32>, slot: usize) {
    if let Some(pods) = slots.get_mut(&(slot as u32)) {
        *pods -= 1;
        if *pods == 0 {
            slots.remove(&(slot as u32));
        }
    }
}
