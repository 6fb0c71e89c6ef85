//! Who makes way for a pod that fits nowhere: kube-scheduler's way, host by host, on lists of pods.

use std::collections::BTreeMap;
use std::rc::Rc;

use meridian_engine::{Demand, Running, Seat};

use super::machine::{Machine, Pod, PodId, quantity};
use super::{Reference, device, filter, numa};

/// Where the pod would get room, and whose.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Preempted {
    pub(crate) slot: usize,
    pub(crate) seat: Seat,
    pub(crate) victims: Vec<u64>,
    pub(crate) leaving: Vec<u64>,
    pub(crate) violations: usize,
}

/// Refusals by the pods around that a host's pods cannot end.
const LASTING: [&str; 2] = [
    "node(s) didn't match pod topology spread constraints (missing required label)",
    "node(s) didn't match pod affinity rules",
];

/// A host where it would.
struct Candidate {
    preempted: Preempted,
    /// The victims, most important first.
    victims: Vec<Running>,
}

impl Reference {
    /// Tells what preemption must know of a pod.
    pub(crate) fn track(&mut self, id: PodId, running: Running) {
        if let Some(pod) = self.pod_mut(id) {
            pod.running = Some(running);
        }
    }

    pub(crate) fn terminating(&mut self, id: PodId) {
        if let Some(pod) = self.pod_mut(id) {
            pod.is_terminating = true;
            pod.running.iter_mut().for_each(|running| running.is_terminating = true);
        }
    }

    pub(crate) fn set_budget(&mut self, budget: u32, allowed: Option<i32>) {
        match allowed {
            Some(allowed) => self.budgets.insert(budget, allowed),
            None => self.budgets.remove(&budget),
        };
    }

    /// Lets a pod take room that others have still, where the host offers enough when idle.
    pub(crate) fn nominate(&mut self, demand: &Rc<Demand>, slot: usize, seat: Seat) -> Option<PodId> {
        let machine = self.machines.get_mut(slot)?.as_mut()?;
        let (wanted, count) = (
            demand.devices.as_ref().map_or(0, |wanted| wanted.count),
            machine.host.devices.as_ref().map_or(0, |devices| devices.count),
        );
        let devices = seat.devices;
        let has_devices = devices.count_ones() == wanted && 64 - devices.leading_zeros() <= count;
        let idle = Machine { pods: Vec::new(), ..machine.clone() };
        if !filter::offers(machine, demand)
            || !has_devices
            || !numa::fits(&idle, demand, seat)
            || !device::may_have(machine, demand, devices)
        {
            return None;
        }
        self.placed += 1;
        machine.start(self.placed, Rc::clone(demand), seat);
        if let Some(pod) = self.pod_mut(self.placed) {
            pod.waits = true;
        }
        Some(self.placed)
    }

    /// Whether the room that a pod waits for is all there now.
    pub(crate) fn seat(&mut self, id: PodId) -> bool {
        let Some(machine) = self.machines.iter().flatten().find(|machine| machine.pod(id).is_some()) else {
            return false;
        };
        let seated = machine.pod(id).is_some_and(|pod| !pod.waits || is_seated(machine, pod));
        if let Some(pod) = self.pod_mut(id) {
            pod.waits = !seated;
        }
        seated
    }

    /// The best host to preempt on, of all hosts.
    pub(crate) fn preempt(&self, demand: &Demand, priority: i32, owner: Option<u32>) -> Option<Preempted> {
        let mut best: Vec<Candidate> = self
            .present()
            .filter_map(|(slot, machine)| self.victims_on(slot, machine, demand, (priority, owner)))
            .collect();
        let highest = |one: &Candidate| one.victims.first().map(|victim| i64::from(victim.priority));
        keep_least(&mut best, |one| one.preempted.violations as i64);
        keep_least(&mut best, |one| highest(one).unwrap_or(i64::MIN));
        keep_least(&mut best, |one| {
            one.victims.iter().map(|victim| i64::from(victim.priority) + (1 << 31)).sum()
        });
        keep_least(&mut best, |one| one.victims.len() as i64);
        keep_least(&mut best, |one| {
            let top = one.victims.iter().filter(|victim| Some(i64::from(victim.priority)) == highest(one));
            -top.map(|victim| victim.start).min().unwrap_or(0)
        });
        best.into_iter().next().map(|candidate| candidate.preempted)
    }

    fn victims_on(
        &self,
        slot: usize,
        machine: &Machine,
        demand: &Demand,
        (priority, owner): (i32, Option<u32>),
    ) -> Option<Candidate> {
        let refusals = |machine: &Machine| {
            let around = self.around_with(demand, slot, machine);
            filter::refusals(&self.profile.filters, machine, demand, &around)
        };
        let fits = |machine: &Machine| refusals(machine).is_empty();
        let now = refusals(machine);
        // kube-scheduler takes it that nobody's leaving changes these.
        if now.is_empty() || now.iter().any(|reason| LASTING.contains(&reason.as_str())) {
            return None;
        }
        let running = |pod: &Pod| {
            let running = pod.running.clone()?;
            let is_asked = owner.is_none_or(|owner| owner == running.owner);
            (is_asked && running.priority < priority).then_some(running)
        };
        let goes = |pod: &Pod| running(pod).is_some_and(|one| one.is_terminating || !one.is_protected);
        let (going, mut staying): (Vec<Pod>, Vec<Pod>) = machine.pods.iter().cloned().partition(goes);
        let with = |pods: &[Pod]| Machine { pods: pods.to_vec(), ..machine.clone() };
        if !fits(&with(&staying)) {
            return None;
        }
        let (leaving, mut possible): (Vec<Pod>, Vec<Pod>) =
            going.into_iter().partition(|pod| running(pod).is_some_and(|one| one.is_terminating));
        let importance = |pod: &Pod| running(pod).map(|one| (-i64::from(one.priority), one.start, one.pod));
        possible.sort_by_key(importance);
        let mut left = self.budgets.clone();
        let (violating, others): (Vec<Pod>, Vec<Pod>) =
            possible.into_iter().partition(|pod| exceeds(&mut left, pod));
        let (mut victims, mut violations) = (Vec::new(), 0);
        for (pod, violates) in
            violating.iter().map(|pod| (pod, true)).chain(others.iter().map(|pod| (pod, false)))
        {
            staying.push(pod.clone());
            if !fits(&with(&staying)) {
                staying.pop();
                violations += usize::from(violates);
                victims.push(pod.clone());
            }
        }
        victims.sort_by_key(importance);
        let mut leaving: Vec<Running> = leaving.iter().filter_map(running).collect();
        leaving.sort_by_key(|one| (-i64::from(one.priority), one.start, one.pod));
        let victims: Vec<Running> = victims.iter().filter_map(running).collect();
        let preempted = Preempted {
            slot,
            seat: Seat {
                devices: device::fullest(&with(&staying), demand)?,
                numa: numa::choose(&with(&staying), demand)?,
            },
            victims: victims.iter().map(|victim| victim.pod).collect(),
            leaving: leaving.iter().map(|leaving| leaving.pod).collect(),
            violations,
        };
        Some(Candidate { preempted, victims })
    }

    fn pod_mut(&mut self, id: PodId) -> Option<&mut Pod> {
        self.machines.iter_mut().flatten().flat_map(|machine| &mut machine.pods).find(|pod| pod.id == id)
    }
}

/// Takes a pod from all its budgets; whether one of them had nothing left.
fn exceeds(left: &mut BTreeMap<u32, i32>, pod: &Pod) -> bool {
    let budgets = pod.running.iter().flat_map(|running| &running.budgets);
    let mut exceeded = false;
    for budget in budgets {
        if let Some(left) = left.get_mut(budget) {
            *left = left.saturating_sub(1);
            exceeded |= *left < 0;
        }
    }
    exceeded
}

fn keep_least(candidates: &mut Vec<Candidate>, measure: impl Fn(&Candidate) -> i64) {
    if let Some(least) = candidates.iter().map(&measure).min() {
        candidates.retain(|candidate| measure(candidate) == least);
    }
}

/// Whether nothing of what the pod takes is short.
fn is_seated(machine: &Machine, pod: &Pod) -> bool {
    let others = Machine {
        pods: machine.pods.iter().filter(|other| other.id != pod.id).cloned().collect(),
        ..machine.clone()
    };
    let requests = &pod.demand.requests;
    let names = ["cpu", "memory", "ephemeral-storage"].into_iter();
    let mut asked = names.chain(requests.extended.keys().map(String::as_str));
    machine.pods.len() as i64 <= machine.host.pods
        && !asked.any(|name| quantity(requests, name) > 0 && machine.free(name) < 0)
        && filter::ports_and_devices_free(&others, &pod.demand, pod.seat.devices)
        && numa::fits(&others, &pod.demand, pod.seat)
}
