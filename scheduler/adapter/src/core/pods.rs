//! Pods as the core keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use meridian_engine::ClassId;
use rustc_hash::FxHashMap;

use super::engines::Hold;
use super::queue::LineId;
use crate::news::PodId;

/// Where a pod stands.
#[derive(Debug)]
pub(crate) enum State {
    /// It waits for others to remove its gates.
    Gated,
    /// It cannot be scheduled here whatever happens to hosts.
    Blocked,
    /// It waits in its line.
    Waiting,
    /// It waits until the time comes to try again.
    BackingOff(Duration),
    /// It is assumed on a host while it is being bound there.
    Binding(Hold, Arc<str>),
    /// It has been bound there, and no watch has said so yet.
    Assumed(Hold, Arc<str>),
    /// It holds room on a host that the pods with these numbers leave for it.
    Nominated(Hold, Arc<str>, BTreeSet<u64>),
    /// It is on a host; without a hold the host is not known or has no room for another pod.
    There(Option<Hold>, Arc<str>),
}

/// A pod that waits for a host or takes something from one.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) id: Arc<PodId>,
    /// Which profile schedules it; none for a pod of another scheduler.
    pub(crate) profile: Option<usize>,
    pub(crate) priority: i32,
    pub(crate) never_preempts: bool,
    /// Until when nobody is asked to make way for it.
    pub(crate) preempts_again: Duration,
    pub(crate) labels: BTreeMap<String, String>,
    /// When it started, in seconds.
    pub(crate) started: i64,
    /// It has been told to stop.
    pub(crate) is_leaving: bool,
    /// `None`: what it takes cannot be read.
    pub(crate) class: Option<ClassId>,
    /// The class that it has while it keeps away from hosts that were refused.
    pub(crate) detour: Option<ClassId>,
    pub(crate) state: State,
    /// When it first waited for a decision.
    pub(crate) since: Duration,
    /// When it was last decided.
    pub(crate) decided: Duration,
    pub(crate) attempts: u32,
    /// Why it waits, as users are to know.
    pub(crate) message: Option<Arc<str>>,
    /// What users were last told, and when.
    pub(crate) told: Option<(Arc<str>, Duration)>,
    /// The listing in which it was last seen.
    pub(crate) seen: u64,
}

impl Pod {
    /// The line in which it waits when it waits.
    pub(crate) fn line(&self) -> Option<LineId> {
        Some(LineId { profile: self.profile?, class: self.detour.or(self.class)? })
    }

    /// What it holds.
    pub(crate) fn hold_mut(&mut self) -> Option<&mut Hold> {
        match &mut self.state {
            State::Binding(hold, _) | State::Assumed(hold, _) | State::Nominated(hold, _, _) => Some(hold),
            State::There(hold, _) => hold.as_mut(),
            State::Gated | State::Blocked | State::Waiting | State::BackingOff(_) => None,
        }
    }

    /// The host that it takes something from.
    pub(crate) fn host(&self) -> Option<&Arc<str>> {
        match &self.state {
            State::Binding(_, host)
            | State::Assumed(_, host)
            | State::Nominated(_, host, _)
            | State::There(_, host) => Some(host),
            State::Gated | State::Blocked | State::Waiting | State::BackingOff(_) => None,
        }
    }
}

/// All pods that are known, by the core's numbers, which grow with their arrival.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    by_number: FxHashMap<u64, Pod>,
    /// By namespace and name.
    numbers: FxHashMap<String, FxHashMap<String, u64>>,
    next: u64,
}

impl Pods {
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Pod> {
        self.by_number.get(&number)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Pod> {
        self.by_number.get_mut(&number)
    }

    /// The pod of this name, whatever its uid.
    pub(crate) fn named(&self, namespace: &str, name: &str) -> Option<u64> {
        self.numbers.get(namespace)?.get(name).copied()
    }

    /// The pods of a namespace, in the order of their arrival.
    pub(crate) fn of_namespace(&self, namespace: &str) -> Vec<u64> {
        let names = self.numbers.get(namespace).into_iter().flat_map(FxHashMap::values);
        let mut numbers: Vec<u64> = names.copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Takes a pod in, whose name no other has.
    pub(crate) fn add(&mut self, pod: Pod) -> u64 {
        let number = self.next;
        self.next += 1;
        self.numbers.entry(pod.id.namespace.clone()).or_default().insert(pod.id.name.clone(), number);
        self.by_number.insert(number, pod);
        number
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<Pod> {
        let pod = self.by_number.remove(&number)?;
        if let Some(names) = self.numbers.get_mut(&pod.id.namespace) {
            names.remove(&pod.id.name);
            if names.is_empty() {
                self.numbers.remove(&pod.id.namespace);
            }
        }
        Some(pod)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Pod)> {
        self.by_number.iter().map(|(number, pod)| (*number, pod))
    }
}
