//! One host on trial: who would have to go for a pod, and how bad that would be.

use std::cmp::Reverse;

use super::levels::{Levels, Short};
use super::registry::{Registry, Tracked};
use crate::ask::{Ask, DeviceAsk};
use crate::cell::{Amounts, Cell, NumaSet, shareable, usable_devices};
use crate::constraint::ConstraintSet;
use crate::demand::Links;
use crate::explain::{FEW_DEVICES, FULL_NODES, UNLINKED_DEVICES, insufficient};
use crate::host::{DEVICE_MILLI, MAX_DEVICES};
use crate::placement::Seat;
use crate::resource::ResourceId;
use crate::topology::{self, Refusal, Rules};

/// What priorities are counted from when they are added up, so that every victim adds to the sum.
const LOWEST: i64 = i32::MIN as i64;

/// How bad preemption on a host is: kube-scheduler's criteria in its order, the less the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    /// Victims under exhausted disruption budgets.
    pub(crate) violations: u32,
    /// The highest priority of a victim.
    highest: i32,
    /// The priorities of all victims, each counted from the lowest there is.
    sum: i64,
    victims: u32,
    /// The earliest start of the highest victims: later is better.
    start: Reverse<i64>,
}

impl Mark {
    /// Worse than any host.
    pub(crate) const WORST: Mark =
        Mark { violations: u32::MAX, highest: i32::MAX, sum: i64::MAX, victims: u32::MAX, start: Reverse(0) };

    /// Nobody has to go.
    pub(crate) const BEST: Mark =
        Mark { violations: 0, highest: i32::MIN, sum: 0, victims: 0, start: Reverse(i64::MAX) };

    /// No worse than any with a violation.
    pub(crate) const VIOLATING: Mark = Mark { violations: 1, ..Mark::BEST };

    /// No worse than any without violations whose highest victim has this priority or more, with so many victims or more,
    /// none below `lowest`, and of which none of this priority started after `start`.
    pub(crate) fn at_least(highest: i32, victims: u32, lowest: i32, start: i64) -> Mark {
        let sum = (i64::from(highest) - LOWEST)
            .saturating_add((i64::from(lowest) - LOWEST).saturating_mul(i64::from(victims) - 1));
        Mark { violations: 0, highest, sum, victims, start: Reverse(start) }
    }

    /// Adds a victim.
    fn add(&mut self, pod: &Tracked) {
        let (priority, start) = (pod.running.priority, pod.running.start);
        if self.victims == 0 || priority > self.highest {
            (self.highest, self.start) = (priority, Reverse(start));
        } else if priority == self.highest {
            self.start = Reverse(self.start.0.min(start));
        }
        self.sum += i64::from(priority) - LOWEST;
        self.victims += 1;
    }
}

/// What becomes of a pod on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A filter that no eviction changes keeps the pod away.
    Excluded,
    /// Nobody there may make way.
    NoVictims,
    /// The pod does not fit even when all have gone that may.
    TooSmall,
    /// The pod fits as it is.
    Fits,
    /// It fits when some have gone.
    Candidate(Mark),
}

/// Who wants room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preemptor<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) priority: i32,
    /// Whose pods may make way; `None`: anybody's.
    pub(crate) owner: Option<u32>,
}

impl Preemptor<'_> {
    fn may_ask(&self, pod: &Tracked) -> bool {
        self.owner.is_none_or(|owner| owner == pod.running.owner)
    }

    /// Whether a pod of lower priority is being stopped already.
    fn sees_leave(&self, pod: &Tracked) -> bool {
        pod.leaves() && self.may_ask(pod)
    }

    /// Whether a pod of lower priority may be a victim.
    fn may_stop(&self, pod: &Tracked) -> bool {
        pod.may_go() && self.may_ask(pod)
    }
}

/// Judges hosts for one class and priority.
pub(crate) struct Trial<'a> {
    pub(crate) cell: &'a Cell,
    registry: &'a Registry,
    levels: &'a Levels,
    set: &'a ConstraintSet,
    pub(crate) preemptor: Preemptor<'a>,
    ask: &'a Ask,
    /// What terms between pods ask of hosts, where they can refuse any.
    rules: Option<&'a Rules>,
    slot: usize,
    /// What these terms can tell of the pods that are taken to be gone.
    gone: Vec<topology::Id>,
    /// What is left of each resource that is asked for once the pod is there.
    spare: Vec<i64>,
    /// What machines that share ask for on the host.
    shared: Amounts,
    /// What is in use of each device, in thousandths.
    used: Vec<u32>,
    /// The host's NUMA nodes, where the pod is placed by node.
    numa: Option<NumaSet>,
    /// Bound ports of others that stand in the way.
    conflicts: usize,
    /// What budgets still allow.
    allowed: Vec<(u32, i32)>,
    /// The places of those that may go among the host's pods, and whether their budgets are exhausted.
    may_go: Vec<(u32, bool)>,
    /// The places of the victims, most important first.
    victims: Vec<u32>,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(
        cell: &'a Cell,
        registry: &'a Registry,
        levels: &'a Levels,
        set: &'a ConstraintSet,
        preemptor: Preemptor<'a>,
        rules: Option<&'a Rules>,
    ) -> Trial<'a> {
        Trial {
            cell,
            registry,
            levels,
            set,
            preemptor,
            ask: preemptor.ask,
            rules,
            slot: 0,
            gone: Vec::new(),
            spare: Vec::with_capacity(preemptor.ask.requests.len()),
            shared: Amounts::default(),
            used: Vec::new(),
            numa: None,
            conflicts: 0,
            allowed: Vec::new(),
            may_go: Vec::new(),
            victims: Vec::new(),
        }
    }

    /// No worse than what [`judge`](Self::judge) says of a host, and read off at once.
    pub(crate) fn bound(&self, slot: usize) -> Mark {
        let owns_none = self.preemptor.owner.is_some_and(|owner| !self.registry.has_pods_of(owner, slot));
        if owns_none || !self.set.admits(slot) {
            return Mark::WORST;
        }
        let short = Short {
            cpu: self.short(ResourceId::CPU, slot),
            memory: self.short(ResourceId::MEMORY, slot),
            pods: self.short(ResourceId::PODS, slot),
        };
        self.levels.bound(slot, &short, self.preemptor.priority)
    }

    /// How much of a resource the pod lacks on a host; of what it does not ask for it lacks nothing.
    fn short(&self, resource: ResourceId, slot: usize) -> i64 {
        match self.preemptor.ask.at(self.cell, slot).request(resource) {
            0 => i64::MIN / 2,
            request => request - self.cell.columns.free(resource, slot),
        }
    }

    /// What becomes of the pod on a host. Which victims that takes is in [`victims`](Self::victims) until the next trial.
    pub(crate) fn judge(&mut self, slot: usize) -> Standing {
        self.victims.clear();
        if !self.set.admits(slot) || !self.ask.unknown.is_empty() {
            return Standing::Excluded;
        }
        let (preemptor, below) = (self.preemptor, self.below(slot));
        if below.is_empty() {
            return Standing::NoVictims;
        }
        self.start(slot);
        let has_room = self.has_room();
        let refusal = self.refusal();
        if has_room && refusal.is_some_and(|refusal| !refusal.may_end()) {
            return Standing::Excluded;
        }
        let fits = has_room && refusal.is_none();
        let mut some_go = false;
        for pod in below.iter().filter(|pod| preemptor.sees_leave(pod) || preemptor.may_stop(pod)) {
            self.remove(pod);
            some_go = true;
        }
        if fits {
            return Standing::Fits;
        }
        if !some_go {
            return Standing::NoVictims;
        }
        if !self.fits() {
            return Standing::TooSmall;
        }
        Standing::Candidate(self.reprieve(below))
    }

    /// The victims of the last trial, which was of this host, most important first.
    pub(crate) fn victims(&self, slot: usize) -> Vec<u64> {
        let below = self.below(slot);
        self.victims.iter().map(|place| below[*place as usize].running.pod).collect()
    }

    /// The pods of a host that are being stopped and whose room is counted on.
    pub(crate) fn leaving(&self, slot: usize) -> Vec<u64> {
        let leaves = |pod: &&Tracked| self.preemptor.sees_leave(pod);
        self.below(slot).iter().filter(leaves).map(|pod| pod.running.pod).collect()
    }

    /// The NUMA nodes and devices that the pod gets after the last trial, which was of this host: the devices that are free
    /// enough and come first, or, for a share of one, the one that is fullest.
    pub(crate) fn seat(&self, slot: usize) -> Seat {
        let numa = self.nodes().unwrap_or(0);
        let within = self.numa.as_ref().map_or(u64::MAX, |set| set.devices(numa));
        let usable = self.ask.devices.and_then(|ask| self.usable(ask, within)).unwrap_or(0);
        Seat { devices: self.devices(slot, usable), numa }
    }

    fn devices(&self, slot: usize, usable: u64) -> u64 {
        let (Some(ask), Some(set)) = (self.ask.devices, self.cell.devices.get(slot)) else { return 0 };
        let fitting = (0..(set.count as usize).min(self.used.len()))
            .filter(|number| usable >> number & 1 == 1)
            .filter(|number| self.used[*number] + u32::from(ask.milli) <= DEVICE_MILLI);
        if ask.is_shared() {
            let fullest = fitting.min_by_key(|number| (Reverse(self.used[*number]), *number));
            return fullest.map_or(0, |number| 1 << number);
        }
        fitting.take(ask.count as usize).fold(0, |mask, number| mask | 1 << number)
    }

    /// Why the pod does not fit after the last trial: all reasons of the first filter that refuses it, in
    /// kube-scheduler's words.
    pub(crate) fn shortages(&self) -> Vec<String> {
        if self.conflicts > 0 {
            return vec!["node(s) didn't have free ports for the requested pod ports".to_owned()];
        }
        let short = self.ask.requests.iter().zip(&self.spare).filter(|(_, spare)| **spare < 0);
        let reasons: Vec<String> =
            short.map(|((resource, _), _)| insufficient(self.cell.resource_name(*resource))).collect();
        match self.refusal() {
            _ if !reasons.is_empty() => reasons,
            Some(refusal) if self.has_room() => vec![refusal.reason().to_owned()],
            _ if !self.has_devices(u64::MAX) => {
                let anywhere = self.ask.devices.map(|ask| DeviceAsk { links: Links::Anywhere, ..ask });
                let few = anywhere.is_some_and(|ask| self.usable(ask, u64::MAX).is_none());
                vec![if few { FEW_DEVICES } else { UNLINKED_DEVICES }.to_owned()]
            }
            _ => vec![FULL_NODES.to_owned()],
        }
    }

    /// The pods of lower priority.
    fn below(&self, slot: usize) -> &'a [Tracked] {
        let pods = self.registry.pods(slot);
        &pods[pods.partition_point(|pod| pod.running.priority >= self.preemptor.priority)..]
    }

    /// The best of all hosts, judged one by one.
    pub(crate) fn best(&mut self) -> Option<usize> {
        let mut best: Option<(Mark, usize)> = None;
        for host in self.cell.hosts() {
            if let Standing::Candidate(mark) = self.judge(host.index())
                && best.is_none_or(|(least, _)| mark < least)
            {
                best = Some((mark, host.index()));
            }
        }
        best.map(|(_, slot)| slot)
    }

    /// Begins with the host as it is.
    fn start(&mut self, slot: usize) {
        self.slot = slot;
        self.ask = self.preemptor.ask.at(self.cell, slot);
        self.shared = self.cell.pools.shared(slot);
        self.gone.clear();
        let columns = &self.cell.columns;
        self.spare.clear();
        let requests = self.ask.requests.iter();
        self.spare.extend(requests.map(|(resource, request)| columns.free(*resource, slot) - request));
        self.conflicts = 0;
        if !self.ask.ports.is_empty() {
            self.conflicts = conflicts(self.ask, self.cell.ports.bound(slot));
        }
        if self.ask.numa.is_some() {
            self.numa = self.cell.numa.get(slot).cloned();
        }
        self.used.clear();
        if self.ask.devices.is_some()
            && let Some(set) = self.cell.devices.get(slot)
        {
            self.used.extend(set.used.iter().map(|used| u32::from(*used)));
            self.used.truncate(MAX_DEVICES as usize);
            // Devices that the host no longer offers are of no use.
            self.used.truncate(set.count as usize);
        }
    }

    fn fits(&self) -> bool {
        self.has_room() && self.refusal().is_none()
    }

    /// Why terms between pods keep the pod away.
    fn refusal(&self) -> Option<Refusal> {
        self.cell.topology.refusal_without(self.rules?, self.slot, &self.gone)
    }

    fn has_room(&self) -> bool {
        self.conflicts == 0 && self.spare.iter().all(|spare| *spare >= 0) && self.nodes().is_some()
    }

    /// The NUMA nodes that the pod gets; `None` where it gets none, or not its devices.
    fn nodes(&self) -> Option<u32> {
        match &self.ask.numa {
            None => self.has_devices(u64::MAX).then_some(0),
            Some(ask) => self.numa.as_ref()?.choose(ask, |within| self.has_devices(within)),
        }
    }

    /// Whether the pod gets its devices out of some.
    fn has_devices(&self, within: u64) -> bool {
        self.ask.devices.is_none_or(|ask| self.usable(ask, within).is_some())
    }

    /// Of some devices, those among which the pod's are chosen.
    fn usable(&self, ask: DeviceAsk, within: u64) -> Option<u64> {
        let has_room = |(_, used): &(usize, &u32)| **used + u32::from(ask.milli) <= DEVICE_MILLI;
        let fitting = self.used.iter().enumerate().filter(has_room);
        let fitting = fitting.fold(0, |mask, (number, _)| mask | 1 << number);
        let groups = self.cell.devices.get(self.slot).map_or(&[][..], |set| set.links.as_slice());
        usable_devices(ask.links, groups, fitting & within, ask.count)
    }

    fn remove(&mut self, pod: &Tracked) {
        if self.rules.is_some() {
            self.gone.push(pod.member);
        }
        self.change_spare(pod, 1);
        self.conflicts -= self.conflicts_with(pod);
        self.change_devices(pod, |used, milli| used.saturating_sub(milli));
        if let (Some(set), Some(ask)) = (&mut self.numa, &pod.ask.numa) {
            set.give(ask, pod.seat.numa);
        }
    }

    fn add(&mut self, pod: &Tracked) {
        if let Some(place) = self.gone.iter().position(|gone| *gone == pod.member) {
            self.gone.swap_remove(place);
        }
        self.change_spare(pod, -1);
        self.conflicts += self.conflicts_with(pod);
        self.change_devices(pod, |used, milli| used + milli);
        if let (Some(set), Some(ask)) = (&mut self.numa, &pod.ask.numa) {
            set.take(ask, pod.seat.numa);
        }
    }

    /// Gives back what a pod has (`sign` 1), or takes it again (-1).
    fn change_spare(&mut self, pod: &Tracked, sign: i64) {
        if !pod.ask.shares() {
            for ((resource, _), spare) in self.ask.requests.iter().zip(&mut self.spare) {
                *spare += sign * pod.request(*resource);
            }
            return;
        }
        let ratio = self.cell.pools.ratio(self.slot);
        let before = self.shared;
        for (shared, amount) in self.shared.iter_mut().zip(pod.ask.amounts()) {
            *shared -= sign * amount;
        }
        for ((resource, _), spare) in self.ask.requests.iter().zip(&mut self.spare) {
            *spare += match shareable(*resource) {
                Some(number) => {
                    ratio.counted(number, before[number]) - ratio.counted(number, self.shared[number])
                }
                None => sign * pod.request(*resource),
            };
        }
    }

    fn conflicts_with(&self, pod: &Tracked) -> usize {
        if self.ask.ports.is_empty() { 0 } else { conflicts(self.ask, &pod.ask.ports) }
    }

    fn change_devices(&mut self, pod: &Tracked, change: impl Fn(u32, u32) -> u32) {
        if pod.seat.devices == 0 || self.used.is_empty() {
            return;
        }
        let milli = pod.ask.devices.map_or(0, |ask| u32::from(ask.milli));
        for number in crate::mask::bits(pod.seat.devices) {
            if let Some(used) = self.used.get_mut(number) {
                *used = change(*used, milli);
            }
        }
    }

    /// Lets back whoever may stay, and marks the host by who may not.
    fn reprieve(&mut self, below: &[Tracked]) -> Mark {
        self.weigh_budgets(below);
        let may_go = std::mem::take(&mut self.may_go);
        let mut mark = Mark::BEST;
        for violating in [true, false] {
            for (place, _) in may_go.iter().filter(|(_, exhausted)| *exhausted == violating) {
                let pod = &below[*place as usize];
                self.add(pod);
                if !self.fits() {
                    self.remove(pod);
                    mark.add(pod);
                    mark.violations += u32::from(violating);
                    self.victims.push(*place);
                }
            }
        }
        self.victims.sort_unstable();
        self.may_go = may_go;
        mark
    }

    /// Notes who may go, and whose disruption budgets that exceeds if all do, the most important first.
    fn weigh_budgets(&mut self, below: &[Tracked]) {
        let preemptor = self.preemptor;
        self.may_go.clear();
        self.allowed.clear();
        for (place, pod) in below.iter().enumerate().filter(|(_, pod)| preemptor.may_stop(pod)) {
            let mut is_exhausted = false;
            for budget in &pod.running.budgets {
                let known = self.allowed.iter().position(|(known, _)| known == budget);
                let entry = known.or_else(|| {
                    self.allowed.push((*budget, self.registry.allowed(*budget)?));
                    Some(self.allowed.len() - 1)
                });
                if let Some((_, allowed)) = entry.and_then(|entry| self.allowed.get_mut(entry)) {
                    *allowed = allowed.saturating_sub(1);
                    is_exhausted |= *allowed < 0;
                }
            }
            self.may_go.push((place as u32, is_exhausted));
        }
    }
}

/// How often the ports of an ask conflict with bound ones.
fn conflicts(ask: &Ask, bound: &[crate::demand::HostPort]) -> usize {
    ask.ports.iter().map(|port| bound.iter().filter(|taken| taken.conflicts(port)).count()).sum()
}
