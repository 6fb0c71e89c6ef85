//! The engine and the reference side by side: every call goes to both, and their answers must be equal.

use std::collections::BTreeMap;
use std::rc::Rc;

use meridian_engine::{
    Choice, ClassId, Demand, Host, HostError, HostId, Placement, Profile, Resources, Scheduler, Search, Seat,
    Topology, Violation, check,
};

use crate::reference::{Candidate, PodId, Reference, Refused, Verdict};

/// How the two differ.
#[derive(Debug)]
pub(crate) struct Mismatch(pub(crate) String);

pub(crate) type Result<T> = std::result::Result<T, Mismatch>;

/// Builds a [`Mismatch`] from a format.
macro_rules! mismatch {
    ($($arguments:tt)*) => { Err(Mismatch(format!($($arguments)*))) };
}

mod gang;
mod preemption;

/// A host as both know it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Both {
    pub(crate) id: HostId,
    pub(crate) slot: usize,
}

/// A pod that both run.
pub(crate) struct Running {
    placement: Placement,
    pod: PodId,
    pub(crate) slot: usize,
    pub(crate) seat: Seat,
    /// What preemption knows of it.
    pub(crate) tracked: Option<meridian_engine::Running>,
}

/// A gang, its members by the numbers of their classes.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) members: Vec<(usize, usize)>,
    pub(crate) minimum: usize,
    pub(crate) resources: Resources,
    pub(crate) topology: Topology,
}

/// A class by the demand and, while it is interned, the engine's id.
struct Class {
    demand: Rc<Demand>,
    id: Option<ClassId>,
}

/// The two schedulers.
pub(crate) struct Pair {
    scheduler: Scheduler,
    pub(crate) reference: Reference,
    classes: Vec<Class>,
}

impl Pair {
    pub(crate) fn new(profile: Profile, search: Search) -> Result<Self> {
        match Scheduler::new(profile.clone()) {
            Ok(mut scheduler) => {
                scheduler.set_search(search);
                Ok(Pair { scheduler, reference: Reference::new(profile), classes: Vec::new() })
            }
            Err(error) => mismatch!("the profile is refused: {error}"),
        }
    }

    /// Adds a host to both; `None` when both refuse it.
    pub(crate) fn add(&mut self, host: &Host) -> Result<Option<Both>> {
        match (self.scheduler.add_host(host), self.reference.add(host.clone())) {
            (Ok(id), Ok(slot)) if id.index() == slot => Ok(Some(Both { id, slot })),
            (Ok(id), Ok(slot)) => mismatch!("the host's slot is {}, want {slot}", id.index()),
            (Err(error), Err(refused)) => agree(&error, refused).map(|()| None),
            (engine, reference) => mismatch!("adding a host: {engine:?}, want {reference:?}"),
        }
    }

    /// Updates a host of both; false when both refuse.
    pub(crate) fn update(&mut self, both: Both, host: &Host) -> Result<bool> {
        match (self.scheduler.update_host(both.id, host), self.reference.update(both.slot, host.clone())) {
            (Ok(()), Ok(())) => Ok(true),
            (Err(error), Err(refused)) => agree(&error, refused).map(|()| false),
            (engine, reference) => mismatch!("updating a host: {engine:?}, want {reference:?}"),
        }
    }

    /// Removes a host that is there, and checks that its id is of no use any more.
    pub(crate) fn remove(&mut self, both: Both) -> Result<()> {
        let removed = self.scheduler.remove_host(both.id);
        let expected = self.reference.remove(both.slot);
        if removed.is_err() || expected.is_err() {
            return mismatch!("removing a host: {removed:?}, want {expected:?}");
        }
        match self.scheduler.remove_host(both.id) {
            Err(HostError::Gone) => Ok(()),
            other => mismatch!("removing a host again: {other:?}, want it to be gone"),
        }
    }

    /// The number of the class with this demand, for the other calls.
    pub(crate) fn class(&mut self, demand: &Demand) -> usize {
        if let Some(known) = self.classes.iter().position(|class| *class.demand == *demand) {
            return known;
        }
        self.classes.push(Class { demand: Rc::new(demand.clone()), id: None });
        self.classes.len() - 1
    }

    /// Makes the engine forget the class until it is used again.
    pub(crate) fn forget(&mut self, class: usize) {
        if let Some(id) = self.classes[class].id.take() {
            self.scheduler.forget_class(id);
        }
    }

    /// Asks both for the best host and changes nothing.
    pub(crate) fn decide(&mut self, class: usize) -> Result<Option<Candidate>> {
        let id = self.intern(class)?;
        let expected = self.reference.decide(&self.classes[class].demand);
        let choice = self.scheduler.decide(id);
        compare(class, choice, expected.as_ref())?;
        Ok(expected)
    }

    /// Places a pod on the best host of both.
    pub(crate) fn schedule(&mut self, class: usize) -> Result<Option<Running>> {
        let id = self.intern(class)?;
        let demand = Rc::clone(&self.classes[class].demand);
        let expected = self.reference.decide(&demand);
        let placement = self.scheduler.schedule(id);
        let place = |placement: &Placement| (placement.host().index(), placement.seat());
        let engine = placement.as_ref().map(place);
        let reference = expected.as_ref().map(|best| (best.slot, best.seat));
        if engine != reference {
            return mismatch!("class {class} is placed on {engine:?} (slot, seat), want {expected:?}");
        }
        let Some((placement, (slot, seat))) = placement.zip(reference) else { return Ok(None) };
        let pod = self.reference.place(&demand, slot, seat).expect("the best host has room");
        Ok(Some(Running { placement, pod, slot, seat, tracked: None }))
    }

    /// Places a pod on a given host with a given seat, if it fits there now.
    pub(crate) fn place(&mut self, class: usize, both: Both, seat: Seat) -> Result<Option<Running>> {
        let id = self.intern(class)?;
        let expected = self.reference.place(&self.classes[class].demand, both.slot, seat);
        match (self.scheduler.place(id, both.id, seat), expected) {
            (Ok(placement), Some(pod)) => {
                let placed = (placement.host(), placement.seat());
                if placed != (both.id, seat) {
                    return mismatch!("the placement says {placed:?}, want {both:?} and {seat:?}");
                }
                Ok(Some(Running { placement, pod, slot: both.slot, seat, tracked: None }))
            }
            (Err(_), None) => Ok(None),
            (engine, reference) => {
                let fits = reference.is_some();
                mismatch!("placing class {class} at {both:?} with {seat:?}: {engine:?}, fits: {fits}")
            }
        }
    }

    /// Asks whether the pod could go to this host, and changes nothing.
    pub(crate) fn admits(&mut self, class: usize, both: Both) -> Result<bool> {
        let id = self.intern(class)?;
        let expected = self.reference.admits(&self.classes[class].demand, both.slot);
        let admits = self.scheduler.admits(id, both.id);
        if admits != expected {
            return mismatch!("class {class} is admitted to {both:?}: {admits}, want {expected}");
        }
        Ok(expected)
    }

    /// Asks whether the pod would fit somewhere if nothing ran there, and changes nothing.
    pub(crate) fn fits_when_idle(&mut self, class: usize) -> Result<bool> {
        let id = self.intern(class)?;
        let expected = self.reference.fits_when_idle(&self.classes[class].demand);
        let fits = self.scheduler.fits_when_idle(id);
        if fits == expected {
            Ok(fits)
        } else {
            mismatch!("class {class} fits when idle: {fits}, want {expected}")
        }
    }

    /// Has the engine add its accounts up again from the placements. Hosts that have shrunk may hold more than they
    /// offer; all else is wrong.
    pub(crate) fn check<'a>(&self, running: impl Iterator<Item = &'a Running>) -> Result<()> {
        let there = running.filter(|running| {
            let machine = self.reference.machine(running.slot);
            machine.is_some_and(|machine| machine.pods.iter().any(|pod| pod.id == running.pod))
        });
        let mut violations = check(self.scheduler.cell(), there.map(|running| &running.placement));
        violations.retain(|violation| !matches!(violation, Violation::Overcommitted { .. }));
        if violations.is_empty() { Ok(()) } else { mismatch!("the accounts are wrong: {violations:?}") }
    }

    /// Takes a namespace's labels in.
    pub(crate) fn set_namespace(
        &mut self,
        tenant: &str,
        namespace: &str,
        labels: Option<&BTreeMap<String, String>>,
    ) {
        self.scheduler.set_namespace_labels(tenant, namespace, labels);
        self.reference.set_namespace(tenant, namespace, labels);
    }

    /// Ends a pod; false when its host was removed meanwhile.
    pub(crate) fn release(&mut self, running: Running) -> Result<bool> {
        let released = self.scheduler.release(running.placement);
        let expected = self.reference.release(running.pod);
        if released.is_ok() != expected {
            return mismatch!(
                "releasing a pod in slot {}: {released:?}, was there: {expected}",
                running.slot
            );
        }
        Ok(expected)
    }

    /// Compares the whole record of a decision, and that it is printed for people; changes nothing.
    pub(crate) fn explain(&mut self, class: usize) -> Result<(Verdict, String)> {
        let id = self.intern(class)?;
        let verdict = self.reference.judge(&self.classes[class].demand);
        let Some(explanation) = self.scheduler.explain(id) else {
            return mismatch!("class {class} is not known any more");
        };
        if explanation.hosts != verdict.hosts || explanation.feasible != verdict.candidates.len() {
            let (hosts, feasible) = (explanation.hosts, explanation.feasible);
            let wanted = verdict.candidates.len();
            return mismatch!("class {class}: {feasible}/{hosts} feasible, want {wanted}/{}", verdict.hosts);
        }
        if explanation.refusals != verdict.refusals {
            return mismatch!(
                "class {class}: refusals {:?}, want {:?}",
                explanation.refusals,
                verdict.refusals
            );
        }
        let ranked: Vec<_> = explanation
            .ranked
            .iter()
            .map(|candidate| {
                let parts = candidate.parts.iter().map(|part| (part.plugin, part.score, part.weight));
                (candidate.host.index(), candidate.name.clone(), candidate.score, parts.collect::<Vec<_>>())
            })
            .collect();
        let expected: Vec<_> = verdict
            .candidates
            .iter()
            .take(5)
            .map(|candidate| {
                let parts = candidate.parts.iter().map(|part| (part.plugin, part.score, part.weight));
                (candidate.slot, candidate.name.clone(), candidate.score, parts.collect::<Vec<_>>())
            })
            .collect();
        if ranked != expected {
            return mismatch!("class {class} is ranked {ranked:?}, want {expected:?}");
        }
        Ok((verdict, explanation.to_string()))
    }

    /// The engine's id of the class; interning it once more must give the same.
    fn intern(&mut self, number: usize) -> Result<ClassId> {
        let class = &mut self.classes[number];
        let id = match self.scheduler.class(&class.demand) {
            Ok(id) => id,
            Err(error) => return mismatch!("class {number} is refused: {error}"),
        };
        if class.id.is_some_and(|known| known != id) {
            return mismatch!("class {number} was {:?} and is {id:?}", class.id);
        }
        class.id = Some(id);
        Ok(id)
    }
}

/// Whether the engine refuses a host for the reference's reason.
fn agree(error: &HostError, refused: Refused) -> Result<()> {
    match (error, refused) {
        (HostError::DuplicateName { .. }, Refused::DuplicateName)
        | (HostError::DevicesInUse { .. }, Refused::DevicesInUse)
        | (HostError::Gone, Refused::Gone) => Ok(()),
        _ => mismatch!("the host is refused as {error:?}, want {refused:?}"),
    }
}

fn compare(class: usize, choice: Option<Choice>, expected: Option<&Candidate>) -> Result<()> {
    let engine = choice.map(|choice| (choice.host.index(), choice.seat(), choice.score));
    if engine != expected.map(|best| (best.slot, best.seat, best.score)) {
        return mismatch!("class {class} is best on {engine:?} (slot, seat, score), want {expected:?}");
    }
    Ok(())
}
