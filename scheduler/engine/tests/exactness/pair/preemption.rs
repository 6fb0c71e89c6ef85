//! Preemption on both sides.

use std::rc::Rc;

use meridian_engine::{Running as Tracked, Seat};

use super::{Both, Mismatch, Pair, Result, Running};
use crate::reference::Preempted;

impl Pair {
    /// Tells both what preemption must know of a pod.
    pub(crate) fn track(&mut self, running: &mut Running, tracked: Tracked) {
        self.scheduler.track(&mut running.placement, tracked.clone());
        self.reference.track(running.pod, tracked.clone());
        running.tracked = Some(tracked);
    }

    /// Tells both that a tracked pod is being stopped.
    pub(crate) fn terminating(&mut self, running: &mut Running) {
        self.scheduler.terminating(&mut running.placement);
        self.reference.terminating(running.pod);
        if let Some(tracked) = &mut running.tracked {
            tracked.is_terminating = true;
        }
    }

    pub(crate) fn set_budget(&mut self, budget: u32, allowed: Option<i32>) {
        match allowed {
            Some(allowed) => self.scheduler.set_budget(budget, allowed),
            None => self.scheduler.forget_budget(budget),
        }
        self.reference.set_budget(budget, allowed);
    }

    /// Asks both who makes way, and changes nothing.
    pub(crate) fn preempt(
        &mut self,
        class: usize,
        priority: i32,
        owner: Option<u32>,
    ) -> Result<Option<(Both, Preempted)>> {
        let id = self.intern(class)?;
        let expected = self.reference.preempt(&self.classes[class].demand, priority, owner);
        let preemption = match owner {
            Some(owner) => self.scheduler.preempt_within(id, priority, owner),
            None => self.scheduler.preempt(id, priority),
        };
        let engine = preemption.as_ref().map(|preemption| Preempted {
            slot: preemption.host.index(),
            seat: preemption.seat(),
            victims: preemption.victims.clone(),
            leaving: preemption.leaving.clone(),
            violations: preemption.violations,
        });
        if engine != expected {
            return mismatch!("class {class} preempts at {priority}: {engine:?}, want {expected:?}");
        }
        let candidates =
            self.scheduler.explain_preemption(id, priority, owner).map_or(0, |why| why.candidates);
        if expected.is_some() && candidates == 0 {
            return mismatch!("class {class} preempts at {priority}, but is told of no candidates");
        }
        let host = preemption.map(|preemption| Both { id: preemption.host, slot: preemption.host.index() });
        Ok(host.zip(expected))
    }

    /// As many devices and NUMA nodes as the class asks for.
    pub(crate) fn some_seat(&self, class: usize, seed: u64) -> Seat {
        let demand = &self.classes[class].demand;
        let (devices, nodes) = (
            demand.devices.as_ref().map_or(0, |devices| devices.count),
            demand.numa.map_or(0, |numa| numa.nodes),
        );
        Seat {
            devices: ((1_u64 << devices.min(63)) - 1) << (seed % 3),
            numa: ((1_u32 << nodes) - 1) << (seed / 3 % 2),
        }
    }

    /// Has both keep room for a pod that others have still.
    pub(crate) fn nominate(&mut self, class: usize, both: Both, seat: Seat) -> Result<Option<Running>> {
        let id = self.intern(class)?;
        let demand = Rc::clone(&self.classes[class].demand);
        let expected = self.reference.nominate(&demand, both.slot, seat);
        match (self.scheduler.nominate(id, both.id, seat), expected) {
            (Ok(placement), Some(pod)) => {
                Ok(Some(Running { placement, pod, slot: both.slot, seat, tracked: None }))
            }
            (Err(_), None) => Ok(None),
            (engine, reference) => {
                let fits = reference.is_some();
                mismatch!("nominating class {class} at {both:?} ({seat:?}): {engine:?}, fits: {fits}")
            }
        }
    }

    /// Whether a nominated pod has its room by now.
    pub(crate) fn seat(&mut self, running: &mut Running) -> Result<bool> {
        let expected = self.reference.seat(running.pod);
        let seated = self.scheduler.seat(&mut running.placement);
        // One whose host has gone stays what it was.
        if seated != expected && self.scheduler.cell().name(running.placement.host()).is_some() {
            return mismatch!("a nomination in slot {} is seated: {seated}, want {expected}", running.slot);
        }
        Ok(seated)
    }
}
