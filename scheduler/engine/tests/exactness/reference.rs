//! The reference scheduler: plain, slow and obviously right.
//!
//! Hosts are a vector, and each keeps the list of its pods. Every decision looks at every host and adds everything
//! up again from those lists: there is no index, no cache and no incremental sum that could drift. It shares only the
//! input types with the engine, not even their small helper methods, so that it cannot share a mistake either.

mod device;
mod filter;
mod gang;
mod kubernetes;
mod machine;
mod meridian;
mod near;
mod numa;
mod pods;
mod preemption;
mod preference;
mod score;
mod selector;
mod spread;
mod supply;

use std::collections::BTreeMap;
use std::rc::Rc;

use meridian_engine::{Demand, Host, Profile, Seat};

pub(crate) use self::gang::Gang;
pub(crate) use self::machine::{Machine, PodId};
pub(crate) use self::preemption::Preempted;
pub(crate) use self::score::Part;
use self::supply::Learned;

/// A cell and its profile.
pub(crate) struct Reference {
    profile: Profile,
    /// By slot; `None` where a host has been removed and none has come since.
    machines: Vec<Option<Machine>>,
    /// How many pods have ever been placed, from which ids are made.
    placed: PodId,
    /// What disruption budgets allow still.
    budgets: BTreeMap<u32, i32>,
    namespaces: pods::Namespaces,
    learned: Learned,
}

/// What the pods around make of a pod.
pub(crate) struct Around {
    hard: spread::Hard,
    near: near::Near,
}

/// A host that would take the pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) slot: usize,
    pub(crate) name: String,
    /// The devices and NUMA nodes the pod would get.
    pub(crate) seat: Seat,
    pub(crate) score: i64,
    pub(crate) parts: Vec<Part>,
}

/// What became of every host in one decision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) hosts: usize,
    pub(crate) refusals: BTreeMap<String, usize>,
    /// All feasible hosts, best first.
    pub(crate) candidates: Vec<Candidate>,
}

/// Why a change of hosts is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    DuplicateName,
    DevicesInUse,
    Gone,
}

impl Reference {
    pub(crate) fn new(profile: Profile) -> Self {
        Reference {
            profile,
            machines: Vec::new(),
            placed: 0,
            budgets: BTreeMap::new(),
            namespaces: pods::Namespaces::new(),
            learned: Learned::default(),
        }
    }

    /// Takes in the labels of a namespace; `None` when it is gone.
    pub(crate) fn set_namespace(
        &mut self,
        tenant: &str,
        namespace: &str,
        labels: Option<&BTreeMap<String, String>>,
    ) {
        let key = (tenant.to_owned(), namespace.to_owned());
        match labels {
            Some(labels) => self.namespaces.insert(key, labels.clone()),
            None => self.namespaces.remove(&key),
        };
    }

    fn around(&self, demand: &Demand, is_idle: bool) -> Around {
        self.around_among(demand, self.present().map(|(_, machine)| machine).collect(), is_idle)
    }

    /// With another host in a slot.
    fn around_with(&self, demand: &Demand, slot: usize, machine: &Machine) -> Around {
        let machines = self.present().map(|(other, present)| if other == slot { machine } else { present });
        self.around_among(demand, machines.collect(), false)
    }

    fn around_among(&self, demand: &Demand, mut machines: Vec<&Machine>, is_idle: bool) -> Around {
        let keeps_away =
            |machine: &&Machine| machine.pods.iter().any(|pod| !pod.demand.terms.anti_affinity.is_empty());
        if demand.terms.is_empty() && !machines.iter().any(keeps_away) {
            // Nobody wants anything of anybody.
            machines.clear();
        }
        Around {
            hard: spread::hard(&self.profile, &machines, demand, is_idle),
            near: near::near(&machines, demand, &self.namespaces, is_idle),
        }
    }

    /// The host in `slot` and its pods.
    pub(crate) fn machine(&self, slot: usize) -> Option<&Machine> {
        self.machines.get(slot)?.as_ref()
    }

    /// Puts the host into the lowest free slot.
    pub(crate) fn add(&mut self, host: Host) -> Result<usize, Refused> {
        if self.slot_of(&host.name).is_some() {
            return Err(Refused::DuplicateName);
        }
        let machine = Some(Machine::new(host));
        match self.machines.iter().position(Option::is_none) {
            Some(slot) => {
                self.machines[slot] = machine;
                Ok(slot)
            }
            None => {
                self.machines.push(machine);
                Ok(self.machines.len() - 1)
            }
        }
    }

    /// Replaces the description of a host; its pods stay.
    pub(crate) fn update(&mut self, slot: usize, host: Host) -> Result<(), Refused> {
        if self.slot_of(&host.name).is_some_and(|other| other != slot) {
            return Err(Refused::DuplicateName);
        }
        let machine = self.machines.get_mut(slot).and_then(Option::as_mut).ok_or(Refused::Gone)?;
        machine.replace(host)
    }

    /// Removes a host with all that runs there.
    pub(crate) fn remove(&mut self, slot: usize) -> Result<(), Refused> {
        let machine = self.machines.get_mut(slot).ok_or(Refused::Gone)?;
        machine.take().map(|_| ()).ok_or(Refused::Gone)
    }

    /// The best host for the pod, if there is any.
    pub(crate) fn decide(&mut self, demand: &Demand) -> Option<Candidate> {
        self.learned.learn(self.machines.iter().flatten());
        self.judge(demand).candidates.into_iter().next()
    }

    /// Looks at every host.
    pub(crate) fn judge(&self, demand: &Demand) -> Verdict {
        self.judge_among(demand, None)
    }

    /// Looks at every host, and takes only those with this label, where there is one.
    fn judge_among(&self, demand: &Demand, label: Option<&(String, String)>) -> Verdict {
        let mut refusals = BTreeMap::new();
        let mut feasible = Vec::new();
        let around = self.around(demand, false);
        for (slot, machine) in self.present() {
            let mut reasons = filter::refusals(&self.profile.filters, machine, demand, &around);
            if reasons.is_empty()
                && label.is_some_and(|(key, value)| machine.host.labels.get(key) != Some(value))
            {
                reasons.push("node(s) were outside the topology domain of the pod group".to_owned());
            }
            if reasons.is_empty() {
                feasible.push((slot, machine));
            }
            for reason in reasons {
                *refusals.entry(reason).or_default() += 1;
            }
        }
        let machines: Vec<&Machine> = self.present().map(|(_, machine)| machine).collect();
        let scored =
            score::score(&self.profile, &self.learned, &machines, &feasible, demand, &self.namespaces);
        let mut candidates: Vec<Candidate> = feasible
            .iter()
            .zip(scored)
            .map(|(&(slot, machine), scored)| Candidate {
                slot,
                name: machine.host.name.clone(),
                seat: Seat {
                    devices: scored.devices,
                    numa: numa::choose(machine, demand).expect("a feasible host has the nodes"),
                },
                score: scored.parts.iter().map(|part| part.score * part.weight).sum(),
                parts: scored.parts,
            })
            .collect();
        // The sort is stable, so hosts of equal scores stay in the order of their slots.
        candidates.sort_by_key(|candidate| -candidate.score);
        Verdict { hosts: machines.len(), refusals, candidates }
    }

    /// Whether the host in the slot is feasible for the pod.
    pub(crate) fn admits(&self, demand: &Demand, slot: usize) -> bool {
        let machine = self.machine(slot);
        let around = self.around(demand, false);
        machine.is_some_and(|machine| {
            filter::refusals(&self.profile.filters, machine, demand, &around).is_empty()
        })
    }

    /// Whether some host would take the pod if nothing ran there.
    pub(crate) fn fits_when_idle(&self, demand: &Demand) -> bool {
        let mut hosts = self.present().map(|(_, machine)| Machine::new(machine.host.clone()));
        let around = self.around(demand, true);
        hosts.any(|idle| filter::refusals(&self.profile.filters, &idle, demand, &around).is_empty())
    }

    /// Starts the pod on a host with this seat, if they fit there now.
    pub(crate) fn place(&mut self, demand: &Rc<Demand>, slot: usize, seat: Seat) -> Option<PodId> {
        let placed = self.try_place(demand, slot, seat)?;
        self.learned.place(demand);
        Some(placed)
    }

    /// Starts a pod that may be stopped again at once, so nothing is learned from it.
    fn try_place(&mut self, demand: &Rc<Demand>, slot: usize, seat: Seat) -> Option<PodId> {
        let machine = self.machines.get_mut(slot)?.as_mut()?;
        if !filter::fits_now(machine, demand, seat) {
            return None;
        }
        self.placed += 1;
        machine.start(self.placed, Rc::clone(demand), seat);
        Some(self.placed)
    }

    /// Ends a pod; false when its host has been removed, and the pod with it.
    pub(crate) fn release(&mut self, pod: PodId) -> bool {
        self.machines.iter_mut().flatten().any(|machine| machine.stop(pod))
    }

    /// The devices and NUMA nodes that the pod would get on this host, whether or not anything else fits.
    pub(crate) fn seat_on(&self, demand: &Demand, slot: usize) -> Option<Seat> {
        let machine = self.machine(slot)?;
        let devices = device::choose(&self.profile, &self.learned, machine, demand)?;
        Some(Seat { devices, numa: numa::choose(machine, demand)? })
    }

    fn present(&self) -> impl Iterator<Item = (usize, &Machine)> {
        self.machines.iter().enumerate().filter_map(|(slot, machine)| Some((slot, machine.as_ref()?)))
    }

    fn slot_of(&self, name: &str) -> Option<usize> {
        self.present().find(|(_, machine)| machine.host.name == name).map(|(slot, _)| slot)
    }
}
