//! One engine for each profile, all with the same hosts and the same pods on them.
//!
//! An engine scores under one profile. Several profiles over one cluster are several engines to which everything that
//! happens is told alike, in the same order, so that a host and a class have the same id in all of them. A pod's hold on
//! its host is a placement in each.

use std::collections::VecDeque;

use meridian_engine::{
    Choice, ClassId, Demand, DemandError, Explanation, Host, HostError, HostId, Operator, PlaceError,
    Placement, Preemption, PreemptionExplanation, Profile, ProfileError, Requirement, Running, Scheduler,
    Seat, SelectorTerm,
};
use rustc_hash::FxHashMap;

/// How many classes that no pod has any more are kept, with what the engines have derived for them.
const IDLE_CLASSES: usize = 1_024;

/// A pod's room on a host, in all engines.
#[derive(Debug)]
#[must_use = "a hold takes room until it is released"]
pub(crate) struct Hold {
    pub(crate) host: HostId,
    placements: Vec<Placement>,
    /// Less is held than the pod takes, since the host has less.
    pub(crate) is_short: bool,
}

/// The engines, in the order of the profiles. What one of them refuses, the first has refused already.
pub(crate) struct Engines {
    first: Scheduler,
    others: Vec<Scheduler>,
    /// How many pods have each class.
    users: FxHashMap<ClassId, usize>,
    /// Classes that some pod was the last to leave, oldest first; they may be in use again.
    idle: VecDeque<ClassId>,
}

impl Engines {
    pub(crate) fn new(first: &Profile, others: &[Profile]) -> Result<Engines, ProfileError> {
        Ok(Engines {
            first: Scheduler::new(first.clone())?,
            others: others.iter().cloned().map(Scheduler::new).collect::<Result<_, _>>()?,
            users: FxHashMap::default(),
            idle: VecDeque::new(),
        })
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Scheduler> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }

    fn of(&mut self, profile: usize) -> Option<&mut Scheduler> {
        self.all().nth(profile)
    }

    pub(crate) fn hosts(&self) -> usize {
        self.first.cell().len()
    }

    pub(crate) fn host_name(&self, host: HostId) -> Option<&str> {
        self.first.cell().name(host)
    }

    pub(crate) fn add_host(&mut self, host: &Host) -> Result<HostId, HostError> {
        let id = self.first.add_host(host)?;
        for engine in &mut self.others {
            let same = engine.add_host(host)?;
            debug_assert_eq!(id, same, "engines number hosts alike");
        }
        Ok(id)
    }

    pub(crate) fn update_host(&mut self, id: HostId, host: &Host) -> Result<(), HostError> {
        self.all().try_for_each(|engine| engine.update_host(id, host))
    }

    pub(crate) fn remove_host(&mut self, id: HostId) {
        for engine in self.all() {
            // Refused only for hosts that are gone, and then there is nothing left to do.
            let _ = engine.remove_host(id);
        }
    }

    /// The class of a demand, for one more pod.
    pub(crate) fn join(&mut self, demand: &Demand) -> Result<ClassId, DemandError> {
        let id = self.first.class(demand)?;
        for engine in &mut self.others {
            let same = engine.class(demand)?;
            debug_assert_eq!(id, same, "engines number classes alike");
        }
        *self.users.entry(id).or_default() += 1;
        Ok(id)
    }

    /// The class of a demand that keeps away from a host, for one more pod.
    pub(crate) fn join_away_from(&mut self, class: ClassId, host: &str) -> Option<ClassId> {
        let mut demand = self.demand(class)?.clone();
        let elsewhere =
            Requirement { key: "metadata.name".to_owned(), operator: Operator::NotIn(vec![host.to_owned()]) };
        let terms = demand.constraints.required.get_or_insert_with(|| vec![SelectorTerm::default()]);
        for term in terms {
            term.fields.push(elsewhere.clone());
        }
        self.join(&demand).ok()
    }

    /// A pod of a class is gone.
    pub(crate) fn leave(&mut self, class: ClassId) {
        let Some(users) = self.users.get_mut(&class) else { return };
        *users -= 1;
        if *users > 0 {
            return;
        }
        self.users.remove(&class);
        self.idle.push_back(class);
        while self.idle.len() > IDLE_CLASSES {
            let Some(oldest) = self.idle.pop_front() else { return };
            if !self.users.contains_key(&oldest) && !self.idle.contains(&oldest) {
                self.forget(oldest);
            }
        }
    }

    fn forget(&mut self, class: ClassId) {
        for engine in self.all() {
            engine.forget_class(class);
        }
    }

    pub(crate) fn demand(&self, class: ClassId) -> Option<&Demand> {
        self.first.demand(class)
    }

    pub(crate) fn decide(&mut self, profile: usize, class: ClassId) -> Option<Choice> {
        self.of(profile)?.decide(class)
    }

    pub(crate) fn admits(&mut self, profile: usize, class: ClassId, host: HostId) -> bool {
        self.of(profile).is_some_and(|engine| engine.admits(class, host))
    }

    /// Where pods elsewhere may keep a class from a host: changes as they come and go.
    pub(crate) fn pods_version(&mut self, profile: usize, class: ClassId) -> Option<(u64, u64)> {
        self.of(profile)?.pods_version(class)
    }

    pub(crate) fn explain(&mut self, profile: usize, class: ClassId) -> Option<Explanation> {
        self.of(profile)?.explain(class)
    }

    /// Takes a pod's room, if there is enough.
    pub(crate) fn hold(&mut self, class: ClassId, host: HostId, seat: Seat) -> Result<Hold, PlaceError> {
        let mut hold = Hold { host, placements: Vec::with_capacity(1 + self.others.len()), is_short: false };
        let placements = &mut hold.placements;
        let placed = std::iter::once(&mut self.first).chain(&mut self.others).try_for_each(|engine| {
            engine.place(class, host, seat).map(|placement| placements.push(placement))
        });
        match placed {
            Ok(()) => Ok(hold),
            Err(error) => {
                self.release(hold);
                Err(error)
            }
        }
    }

    /// Takes the room of a pod that is there, whatever is left: as much of it as there is.
    ///
    /// With nothing left of a resource nothing that asks for it is placed there, as if all had been counted; when more is
    /// left again the hold is to be taken anew.
    pub(crate) fn hold_what_is_there(&mut self, class: ClassId, host: HostId) -> Option<Hold> {
        // Nobody says which NUMA nodes it sits on: those that it would get now.
        let seat = self.first.seat_on(class, host);
        match self.hold(class, host, seat) {
            Ok(hold) => return Some(hold),
            Err(PlaceError::Gone | PlaceError::UnknownClass) => return None,
            Err(error) => {
                let name = self.host_name(host).unwrap_or_default();
                tracing::debug!(host = name, %error, "a pod that is there does not fit beside the others");
            }
        }
        let mut demand = self.demand(class)?.clone();
        self.cut(&mut demand, host);
        let with_ports = self.hold_once(&demand, host);
        let hold = with_ports.or_else(|| {
            demand.ports.clear();
            self.hold_once(&demand, host)
        });
        hold.map(|hold| Hold { is_short: true, ..hold })
    }

    /// Cuts what a demand takes to what a host has left.
    fn cut(&self, demand: &mut Demand, host: HostId) {
        let cell = self.first.cell();
        let left = |name: &str| {
            let resource = cell.resource(name)?;
            cell.free(host, resource).map(|free| free.max(0))
        };
        let requests = &mut demand.requests;
        for (name, quantity) in [
            ("cpu", &mut requests.cpu_milli),
            ("memory", &mut requests.memory),
            ("ephemeral-storage", &mut requests.ephemeral_storage),
        ] {
            *quantity = (*quantity).min(left(name).unwrap_or(0));
        }
        requests.extended.retain(|name, quantity| {
            *quantity = (*quantity).min(left(name).unwrap_or(0));
            *quantity > 0
        });
        (demand.devices, demand.numa) = (None, None);
    }

    fn hold_once(&mut self, demand: &Demand, host: HostId) -> Option<Hold> {
        let class = self.join(demand).ok()?;
        let hold = self.hold(class, host, Seat::default()).ok();
        self.leave(class);
        hold
    }

    /// Takes the room of a pod that waits for others to leave.
    pub(crate) fn nominate(&mut self, class: ClassId, host: HostId, seat: Seat) -> Result<Hold, PlaceError> {
        let mut hold = Hold { host, placements: Vec::with_capacity(1 + self.others.len()), is_short: false };
        let placements = &mut hold.placements;
        let nominated = std::iter::once(&mut self.first).chain(&mut self.others).try_for_each(|engine| {
            engine.nominate(class, host, seat).map(|placement| placements.push(placement))
        });
        match nominated {
            Ok(()) => Ok(hold),
            Err(error) => {
                self.release(hold);
                Err(error)
            }
        }
    }

    /// Whether a nominated pod has the room that it waited for.
    pub(crate) fn seat(&mut self, hold: &mut Hold) -> bool {
        let mut is_seated = true;
        for (engine, placement) in self.all().zip(&mut hold.placements) {
            is_seated &= engine.seat(placement);
        }
        is_seated
    }

    /// Where a pod gets room when others make way.
    pub(crate) fn preempt(&mut self, profile: usize, class: ClassId, priority: i32) -> Option<Preemption> {
        self.of(profile)?.preempt(class, priority)
    }

    /// Why nobody makes way.
    pub(crate) fn explain_preemption(
        &mut self,
        profile: usize,
        class: ClassId,
        priority: i32,
    ) -> Option<PreemptionExplanation> {
        self.of(profile)?.explain_preemption(class, priority, None)
    }

    /// Lets preemption know of a pod.
    pub(crate) fn track(&mut self, hold: &mut Hold, running: &Running) {
        for (engine, placement) in self.all().zip(&mut hold.placements) {
            engine.track(placement, running.clone());
        }
    }

    /// A pod has been told to stop.
    pub(crate) fn terminating(&mut self, hold: &mut Hold) {
        for (engine, placement) in self.all().zip(&mut hold.placements) {
            engine.terminating(placement);
        }
    }

    pub(crate) fn set_budget(&mut self, budget: u32, allowed: i32) {
        for engine in self.all() {
            engine.set_budget(budget, allowed);
        }
    }

    pub(crate) fn forget_budget(&mut self, budget: u32) {
        for engine in self.all() {
            engine.forget_budget(budget);
        }
    }

    /// Gives a pod's room back. Returns whether the host is still there.
    pub(crate) fn release(&mut self, hold: Hold) -> bool {
        let mut is_there = false;
        for (engine, placement) in self.all().zip(hold.placements) {
            // Refused only where the host is gone with all that it ran.
            is_there = engine.release(placement).is_ok();
        }
        is_there
    }

    /// What is wrong with the engines' accounts, given all holds.
    #[cfg(test)]
    pub(crate) fn violations<'a>(&self, holds: impl Iterator<Item = &'a Hold> + Clone) -> Vec<String> {
        let mut found = Vec::new();
        for (number, engine) in std::iter::once(&self.first).chain(&self.others).enumerate() {
            let placements = holds.clone().filter_map(|hold| hold.placements.get(number));
            found.extend(meridian_engine::check(engine.cell(), placements).iter().map(ToString::to_string));
        }
        found
    }
}
