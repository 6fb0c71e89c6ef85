//! Preemption: which pods of lower priority make way for one that fits nowhere.
//!
//! The host and the victims are those that kube-scheduler's criteria name over all hosts, in its order: fewest victims
//! under an exhausted disruption budget, lowest priority of the highest victim, smallest sum of priorities (each counted
//! from the lowest there is, so that fewer victims sum to less), fewest victims, latest start of the earliest started of
//! the highest victims, and then the first host. On a host all pods of lower priority are taken away in mind; where the
//! pod fits then, they are let back one by one while it still fits: first those whose disruption budget has nothing left,
//! then the others, each from the highest priority down and of equal priority the earliest started first.
//!
//! Pods that are being stopped already cost nothing: a host where the pod fits once they have gone needs no victims, and
//! is better than any other.
//!
//! `registry` keeps what must be known of pods, `trial` judges one host, `levels` knows at once how bad it is there at the
//! least, `index` keeps marks and bounds of all hosts for a class and a priority and repairs them from the journal, `table` keeps the indexes under a memory budget, `explain`
//! words why nobody makes way.

mod explain;
mod index;
mod levels;
mod registry;
mod table;
mod trial;

use std::sync::Arc;

pub use self::explain::PreemptionExplanation;
pub(crate) use self::levels::Levels;
pub(crate) use self::registry::Registry;
pub(crate) use self::table::Preemptors;
use self::trial::{Preemptor, Standing, Trial};
use crate::cell::HostId;
use crate::class::ClassId;
use crate::placement::{PlaceError, Placement, Seat};
use crate::scheduler::Scheduler;

/// What preemption must know of a pod that holds room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// The caller's number for the pod, by which victims are named.
    pub pod: u64,
    /// Pods of higher priority may take its room.
    pub priority: i32,
    /// When it started, in any unit that grows. Of equal priority those that started first are kept first.
    pub start: i64,
    /// Whose it is, by the caller's number: see [`Scheduler::preempt_within`].
    pub owner: u32,
    /// The disruption budgets that it counts in, by the caller's numbers.
    pub budgets: Vec<u32>,
    /// Never a victim, whatever its priority.
    pub is_protected: bool,
    /// It has been told to stop: its room is counted on, and that costs nothing more.
    pub is_terminating: bool,
}

/// Where a pod gets its room and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preemption {
    /// The host.
    pub host: HostId,
    /// The mask of the device numbers that the pod gets there.
    pub devices: u64,
    /// The mask of the NUMA nodes that it gets there, where it is placed by node.
    pub numa: u32,
    /// The pods that must be stopped, the most important first; none where those that are being stopped leave enough.
    pub victims: Vec<u64>,
    /// The pods that are being stopped already and whose room is counted on, the most important first.
    pub leaving: Vec<u64>,
    /// How many victims are under a disruption budget that does not allow it.
    pub violations: usize,
}

impl Preemption {
    /// Which devices and NUMA nodes the pod gets.
    pub fn seat(&self) -> Seat {
        Seat { devices: self.devices, numa: self.numa }
    }
}

impl Scheduler {
    /// Lets preemption know of the pod that holds a placement, or what is new of it. What is not tracked is never a victim.
    /// Ends with the placement.
    pub fn track(&mut self, placement: &mut Placement, running: Running) {
        if !self.cell.has(placement.host()) {
            return;
        }
        self.untrack(placement);
        let slot = placement.host().index();
        placement.tracked = Some(self.registry.insert(slot, placement, running));
        self.cell.journal.change(slot);
    }

    /// Notes that a pod has been told to stop. It holds what it holds until it is released; preemption counts on its room
    /// where it is tracked, and spread constraints count it no more.
    pub fn terminating(&mut self, placement: &mut Placement) {
        if !self.cell.has(placement.host()) {
            return;
        }
        let slot = placement.host().index();
        self.stop_counting(placement);
        if let Some(number) = placement.tracked {
            self.registry.terminating(slot, number, placement.member());
        }
        self.cell.journal.change(slot);
    }

    /// How many more pods of a disruption budget may be stopped. A budget that was never set allows all.
    pub fn set_budget(&mut self, budget: u32, allowed: i32) {
        let journal = &mut self.cell.journal;
        self.registry.set_budget(budget, Some(allowed), |slot| journal.change(slot));
    }

    /// Forgets what a disruption budget allows.
    pub fn forget_budget(&mut self, budget: u32) {
        let journal = &mut self.cell.journal;
        self.registry.set_budget(budget, None, |slot| journal.change(slot));
    }

    /// Where a pod of a class and a priority gets room by stopping others of lower priority, over all hosts; see the
    /// [module](self) for which. `None` where it gets none so, or fits nowhere even then. Hosts that have room as they are
    /// do not count: [`decide`](Self::decide) names those. Takes nothing.
    pub fn preempt(&mut self, class: ClassId, priority: i32) -> Option<Preemption> {
        self.preempt_among(class, priority, None)
    }

    /// The same where only pods of one owner may make way.
    pub fn preempt_within(&mut self, class: ClassId, priority: i32, owner: u32) -> Option<Preemption> {
        self.preempt_among(class, priority, Some(owner))
    }

    fn preempt_among(&mut self, class: ClassId, priority: i32, owner: Option<u32>) -> Option<Preemption> {
        let shape = self.reshape(class)?;
        let entry = self.classes.refresh(class, &self.cell)?;
        if self.registry.lowest().is_none_or(|lowest| lowest >= priority) {
            return None;
        }
        self.levels.sync(&self.cell, &self.registry);
        let set = self.constraints.get_mut(entry.set);
        set.sync(&self.cell, &self.plugins.filters);
        let ask = Arc::clone(&entry.ask);
        let rules = shape.map(|shape| self.shapes.rules(shape)).filter(|rules| rules.is_required());
        let preemptor = Preemptor { ask: &ask, priority, owner };
        let mut trial = Trial::new(&self.cell, &self.registry, &self.levels, set, preemptor, rules);
        let slot = match rules {
            // Pods that come and go elsewhere change what becomes of a host: no index knows of that.
            Some(_) => trial.best()?,
            None => self.preemptors.best(class, &ask, &mut trial)?,
        };
        let Standing::Candidate(mark) = trial.judge(slot) else { return None };
        Some(Preemption {
            host: self.cell.id(slot),
            devices: trial.seat(slot).devices,
            numa: trial.seat(slot).numa,
            violations: mark.violations as usize,
            victims: trial.victims(slot),
            leaving: trial.leaving(slot),
        })
    }

    /// Takes the room of a class on a host for a pod that waits for others to leave: what is free goes below zero until
    /// they do, so nobody else takes what they leave. It ends as every placement, and may be tracked as every other: with
    /// the pod's own priority, so that only higher ones take its room again.
    ///
    /// Refused where the host offers too little even when idle.
    pub fn nominate(
        &mut self,
        class: ClassId,
        host: HostId,
        seat: impl Into<Seat>,
    ) -> Result<Placement, PlaceError> {
        let ask = &self.classes.refresh(class, &self.cell).ok_or(PlaceError::UnknownClass)?.ask;
        self.cell.hold(ask, host, seat.into())
    }

    /// Makes a nomination an ordinary placement, if the room that it waits for is there: nothing that it takes is short on
    /// its host. Whether it is an ordinary placement now.
    pub fn seat(&mut self, placement: &mut Placement) -> bool {
        if placement.is_nomination && self.cell.is_seated(placement) {
            placement.is_nomination = false;
        }
        !placement.is_nomination
    }

    /// Why nobody makes way for a pod of a class and a priority; with an owner, none but its pods. `None` for a forgotten
    /// class.
    pub fn explain_preemption(
        &mut self,
        class: ClassId,
        priority: i32,
        owner: Option<u32>,
    ) -> Option<PreemptionExplanation> {
        let shape = self.reshape(class)?;
        let entry = self.classes.refresh(class, &self.cell)?;
        let set = self.constraints.get_mut(entry.set);
        set.sync(&self.cell, &self.plugins.filters);
        self.levels.sync(&self.cell, &self.registry);
        let ask = Arc::clone(&entry.ask);
        let rules = shape.map(|shape| self.shapes.rules(shape)).filter(|rules| rules.is_required());
        let preemptor = Preemptor { ask: &ask, priority, owner };
        let mut trial = Trial::new(&self.cell, &self.registry, &self.levels, set, preemptor, rules);
        Some(explain::explain(&mut trial))
    }

    /// Forgets what is known of the pod that holds a placement: it is no victim any more.
    pub fn untrack(&mut self, placement: &mut Placement) {
        if let Some(number) = placement.tracked.take()
            && self.cell.has(placement.host())
        {
            self.registry.remove(placement.host().index(), number);
            self.cell.journal.change(placement.host().index());
        }
    }
}
