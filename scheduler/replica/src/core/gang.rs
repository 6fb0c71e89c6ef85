//! Groups of pods that are placed all or none: what is known of each, their decisions, and what their pods are told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use meridian_engine::{Choice, ClassId, Gang, PlacedGang, Seat, Waiting, WaitingGroup};
use meridian_proto::v1;
use meridian_wire::PodGroup;
use rustc_hash::FxHashMap;

use super::Core;
use super::mirror::charge;
use super::pods::{PodKey, State};

/// Once explained, a group is not explained anew for so long.
const AGAIN: Duration = Duration::from_secs(2);

/// A group that some pod belongs to.
#[derive(Debug)]
pub(crate) struct Known {
    stream: usize,
    tenant: Arc<str>,
    about: PodGroup,
    /// Pods that are known and belong to it, waiting or not.
    users: usize,
    /// The numbers of those that wait.
    waiting: BTreeSet<u64>,
    /// Why it is not placed, as last told.
    message: Option<Arc<str>>,
    /// Grows with each message; 0 before the first.
    told: u32,
    explained: Option<Duration>,
    due: Option<Duration>,
}

/// All groups that some pod belongs to, by numbers that are never used again.
#[derive(Debug, Default)]
pub(crate) struct Gangs {
    numbers: FxHashMap<(usize, Arc<str>, String), u64>,
    known: BTreeMap<u64, Known>,
    due: BTreeSet<(Duration, u64)>,
    last: u64,
}

impl Gangs {
    /// A pod of a group comes. Returns the group's number.
    pub(crate) fn join(&mut self, stream: usize, tenant: &str, about: PodGroup) -> u64 {
        let key = (stream, Arc::from(tenant), about.name.clone());
        let number = *self.numbers.entry(key).or_insert_with(|| {
            self.last += 1;
            self.last
        });
        let known = self.known.entry(number).or_insert_with(|| Known {
            stream,
            tenant: tenant.into(),
            about: PodGroup::default(),
            users: 0,
            waiting: BTreeSet::new(),
            message: None,
            told: 0,
            explained: None,
            due: None,
        });
        known.about = about;
        known.users += 1;
        number
    }

    /// Whether a pod's group, by its number, is just this one.
    pub(crate) fn is_of(&self, number: Option<u64>, about: Option<&PodGroup>) -> bool {
        number.map(|number| self.known.get(&number).map(|known| &known.about)) == about.map(Some)
    }

    /// A pod of a group is known no more.
    pub(crate) fn leave(&mut self, number: u64, key: PodKey) {
        let Some(known) = self.known.get_mut(&number) else { return };
        known.waiting.remove(&key.number());
        known.users = known.users.saturating_sub(1);
        if known.users > 0 {
            return;
        }
        if let Some(known) = self.known.remove(&number) {
            self.numbers.remove(&(known.stream, known.tenant, known.about.name));
            if let Some(due) = known.due {
                self.due.remove(&(due, number));
            }
        }
    }

    /// How many members that wait are placed together.
    pub(crate) fn least(&self, number: u64) -> u32 {
        self.known.get(&number).map_or(1, |known| known.about.least)
    }

    /// A pod waits. Where its group has been explained, it is to be told soon.
    pub(crate) fn wait(&mut self, number: u64, key: PodKey, now: Duration) {
        let Some(known) = self.known.get_mut(&number) else { return };
        known.waiting.insert(key.number());
        if known.message.is_some() {
            self.explain_later(number, now);
        }
    }

    /// A group is to be explained when it was not lately.
    fn explain_later(&mut self, number: u64, now: Duration) {
        let Some(known) = self.known.get_mut(&number).filter(|known| known.due.is_none()) else { return };
        let at = known.explained.map_or(now, |explained| now.max(explained + AGAIN));
        known.due = Some(at);
        self.due.insert((at, number));
    }

    /// When the next group is to be explained.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A group that is to be explained now.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<u64> {
        let (at, number) = *self.due.first().filter(|(at, _)| *at <= now)?;
        self.due.remove(&(at, number));
        if let Some(known) = self.known.get_mut(&number) {
            known.due = None;
            known.explained = Some(now);
        }
        Some(number)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

impl Core {
    /// Decides on a group whose members wait together. Returns how many pods have been looked at.
    pub(super) fn decide_group(&mut self, group: WaitingGroup, now: Duration) -> usize {
        let (number, looked_at) = (group.group, group.members.len());
        let classes = group.members.iter().map(|member| member.class);
        let Some(gang) = self.gang(number, classes) else {
            self.queue.park(group, &mut self.scheduler);
            return looked_at;
        };
        match self.scheduler.schedule_gang(&gang) {
            Ok(Some(placed)) => self.group_decided(group, placed, now),
            outcome => {
                if let Err(error) = outcome {
                    tracing::warn!(%error, "a group of pods cannot be placed");
                }
                self.queue.park(group, &mut self.scheduler);
                self.gangs.explain_later(number, now);
            }
        }
        looked_at
    }

    /// A group as the engine takes it: the classes that ask for most first, for they find room least easily.
    fn gang(&self, number: u64, members: impl Iterator<Item = ClassId>) -> Option<Gang> {
        let PodGroup { least, resources, topology, .. } = &self.gangs.known.get(&number)?.about;
        let mut counts: Vec<(ClassId, usize)> = Vec::new();
        let mut places: FxHashMap<ClassId, usize> = FxHashMap::default();
        for class in members {
            let place = *places.entry(class).or_insert(counts.len());
            match counts.get_mut(place) {
                Some((_, count)) => *count += 1,
                None => counts.push((class, 1)),
            }
        }
        counts.sort_by_key(|(class, _)| {
            let demand = self.scheduler.demand(*class);
            std::cmp::Reverse(demand.map(|demand| {
                let devices = demand.devices.as_ref().map_or(0, |devices| devices.count * devices.milli);
                (devices, demand.requests.cpu_milli, demand.requests.memory)
            }))
        });
        let (resources, topology) = (resources.clone(), topology.clone());
        Some(Gang { members: counts, minimum: *least as usize, resources, topology })
    }

    fn group_decided(&mut self, group: WaitingGroup, placed: PlacedGang, now: Duration) {
        let mut waiting: FxHashMap<ClassId, VecDeque<Waiting>> = FxHashMap::default();
        for member in &group.members {
            waiting.entry(member.class).or_default().push_back(*member);
        }
        let (mut members, mut stream, mut newest) = (Vec::new(), 0, 0);
        for member in placed.members {
            let Some(pod) = waiting.get_mut(&member.class).and_then(VecDeque::pop_front) else { continue };
            let key = PodKey::from_number(pod.pod);
            let (host, Seat { devices, numa }) = (member.placement.host(), member.placement.seat());
            let host = self.decided_host(&Choice { host, devices, numa, score: member.score });
            if let Some(pod) = self.pods.get(key) {
                charge(&mut self.queue, pod.tenant, &member.placement);
            }
            self.pods.change(key, State::Decided(member.placement));
            let Some(pod) = self.pods.get(key) else { continue };
            (stream, newest) = (pod.stream, pod.assignment.max(newest));
            let (uid, assignment, arrived) = (pod.uid.to_string(), pod.assignment, pod.arrived);
            members.push(v1::MemberDecision { uid, host, assignment, ..Default::default() });
            self.note_decision(arrived, now);
            if let Some(known) = self.gangs.known.get_mut(&group.group) {
                known.waiting.remove(&key.number());
            }
        }
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.outbox.groups.push_back(v1::GroupDecision { assignment: newest, members });
        }
        // Those beyond the minimum for which there is no room wait on.
        let mut rest: Vec<Waiting> = waiting.into_values().flatten().collect();
        if !rest.is_empty() {
            rest.sort_unstable_by_key(|waiting| waiting.pod);
            self.queue.park(WaitingGroup { members: rest, ..group }, &mut self.scheduler);
        }
    }

    /// Words anew why a group is not placed, and tells its pods what they have not been told.
    pub(super) fn explain_group(&mut self, number: u64) {
        let Some(known) = self.gangs.known.get(&number) else { return };
        if known.waiting.len() < known.about.least as usize {
            // Its pods have been told so by the partition.
            return;
        }
        let pods: Vec<PodKey> = known.waiting.iter().copied().map(PodKey::from_number).collect();
        let classes: Vec<ClassId> =
            pods.iter().filter_map(|key| self.pods.get(*key)).map(|pod| pod.class).collect();
        let Some(gang) = self.gang(number, classes.into_iter()) else { return };
        self.counts.explanations += 1;
        let message = match self.scheduler.explain_gang(&gang) {
            Ok(explanation) if explanation.fits() => return,
            Ok(explanation) => explanation.to_string(),
            Err(error) => error.to_string(),
        };
        let Some(known) = self.gangs.known.get_mut(&number) else { return };
        let message = format!("pod group {}: {message}", known.about.name);
        if known.message.as_deref() != Some(&*message) {
            known.message = Some(message.as_str().into());
            known.told = known.told.wrapping_add(1).max(1);
        }
        let told = known.told;
        for key in pods {
            let Some(pod) = self.pods.waiting_mut(key).filter(|pod| pod.told != told) else { continue };
            pod.told = told;
            let said = v1::UnschedulablePod {
                uid: pod.uid.to_string(),
                assignment: pod.assignment,
                message: message.clone(),
            };
            if let Some(stream) = self.streams.get_mut(pod.stream) {
                stream.outbox.unschedulable.push_back(said);
            }
        }
    }
}
