//! The simulated runtime: pods that take time and do nothing.
//!
//! It holds no task and no timer of its own: its agent asks when something is due next and lets it happen. What it would
//! have to keep, a containerd's own database in a real one, its agent stores with each pod and hands back after a start.

mod network;
mod plan;
mod sandbox;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use prost::Message;
use rustc_hash::FxHashMap;

pub use self::network::HostAddresses;
pub(crate) use self::network::PodAddresses;
pub use self::plan::Delays;
#[cfg(test)]
pub(crate) use self::sandbox::Plan;
pub(crate) use self::sandbox::{Exit, Sandbox, Stage};

use self::network::Addresses;
use crate::duty::PodUid;
use crate::pod::Pod;
use crate::status;

/// Something that happened to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) uid: PodUid,
    /// Its last process is gone, and none will be started.
    pub(crate) ended: bool,
}

#[derive(Debug)]
struct Simulated {
    pod: Pod,
    sandbox: Sandbox,
    /// Whether it has been told to start.
    is_started: bool,
}

/// The pods of one host. Times are milliseconds since 1970, as its agent counts them.
#[derive(Debug)]
pub(crate) struct SimulatedRuntime {
    addresses: Addresses,
    delays: Delays,
    seed: u64,
    is_slow: bool,
    pods: FxHashMap<PodUid, Simulated>,
    /// When something changes; entries that came to nothing are passed over.
    timers: BinaryHeap<Reverse<(i64, PodUid)>>,
}

impl SimulatedRuntime {
    /// A runtime without pods.
    pub(crate) fn new(addresses: HostAddresses, delays: Delays, seed: u64) -> Self {
        Self {
            addresses: Addresses::new(addresses),
            delays,
            seed,
            is_slow: false,
            pods: FxHashMap::default(),
            timers: BinaryHeap::new(),
        }
    }

    /// Gets ready for a pod that comes now, so that what is to be stored of it is known; it is not started yet. A pod that
    /// is known already stays as it is.
    pub(crate) fn prepare(&mut self, uid: &PodUid, object: &[u8], now: i64) {
        if self.pods.contains_key(uid) {
            return;
        }
        let pod = Pod::read(object);
        let sandbox = if pod.problem.is_some() {
            Sandbox::refused(now)
        } else {
            let plan = self.delays.plan(uid, &pod, self.seed, self.is_slow);
            let address = if pod.host_network { 0 } else { self.addresses.take() };
            Sandbox::new(plan, address, now)
        };
        self.pods.insert(uid.clone(), Simulated { pod, sandbox, is_started: false });
    }

    /// Takes back a pod that was stored, and lets everything happen to it that did meanwhile.
    pub(crate) fn restore(&mut self, uid: &PodUid, object: &[u8], stored: &[u8], now: i64) {
        let Ok(mut sandbox) = Sandbox::decode(stored) else {
            // Not an account that was written here: the pod is made anew when it is started.
            return self.prepare(uid, object, now);
        };
        let pod = Pod::read(object);
        self.addresses.give(sandbox.address);
        sandbox.advance(&pod, now);
        if let Some(at) = sandbox.next() {
            self.timers.push(Reverse((at, uid.clone())));
        }
        self.pods.insert(uid.clone(), Simulated { pod, sandbox, is_started: true });
    }

    /// Starts a pod that was prepared.
    pub(crate) fn start(&mut self, uid: &PodUid, now: i64) -> Option<Event> {
        self.change(uid, now, |simulated| simulated.is_started = true)
    }

    /// Ends a pod within its time.
    pub(crate) fn stop(&mut self, uid: &PodUid, grace_seconds: u32, now: i64) -> Option<Event> {
        self.change(uid, now, |simulated| simulated.sandbox.stop(u64::from(grace_seconds) * 1000, now))
    }

    /// Forgets a pod that has ended, or ends it without a word.
    pub(crate) fn remove(&mut self, uid: &PodUid) {
        if let Some(simulated) = self.pods.remove(uid) {
            self.addresses.give_back(simulated.sandbox.address);
        }
    }

    /// Everything is gone.
    pub(crate) fn wipe(&mut self) {
        self.pods.clear();
        self.timers.clear();
        self.addresses.clear();
    }

    /// The host has lost its power at `lost` and is back. All pods have changed.
    pub(crate) fn reboot(&mut self, now: i64, lost: i64) -> Vec<Event> {
        let mut events = Vec::with_capacity(self.pods.len());
        let uids: BTreeSet<PodUid> = self.started().cloned().collect();
        for uid in uids {
            events.extend(self.change(&uid, now, |simulated| {
                simulated.sandbox.reboot(&simulated.pod, now, lost);
            }));
        }
        events
    }

    /// Whether everything takes longer from now on.
    pub(crate) fn set_slow(&mut self, is_slow: bool) {
        self.is_slow = is_slow;
    }

    /// Lets happen what is due.
    pub(crate) fn run_due(&mut self, now: i64) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(Reverse((at, _))) = self.timers.peek()
            && *at <= now
            && let Some(Reverse((_, uid))) = self.timers.pop()
        {
            let is_due = |simulated: &Simulated| simulated.sandbox.next().is_some_and(|at| at <= now);
            if self.pods.get(&uid).is_some_and(is_due) {
                events.extend(self.change(&uid, now, |_| ()));
            }
        }
        events
    }

    /// When something is due next.
    pub(crate) fn next(&self) -> Option<i64> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// The pods that were started and not removed.
    pub(crate) fn started(&self) -> impl Iterator<Item = &PodUid> {
        self.pods.iter().filter(|(_, simulated)| simulated.is_started).map(|(uid, _)| uid)
    }

    /// What is to be stored with a pod.
    pub(crate) fn account(&self, uid: &PodUid) -> Vec<u8> {
        self.pods.get(uid).map(|simulated| simulated.sandbox.encode_to_vec()).unwrap_or_default()
    }

    /// A pod's namespace, name, and status as JSON.
    pub(crate) fn status(&self, uid: &PodUid) -> Option<(&str, &str, Vec<u8>)> {
        let Simulated { pod, sandbox, .. } = self.pods.get(uid)?;
        let status = status::write(uid, pod, sandbox, &self.addresses.of(sandbox.address));
        Some((&pod.namespace, &pod.name, status))
    }

    /// Whether nothing of a pod runs.
    pub(crate) fn has_ended(&self, uid: &PodUid) -> bool {
        self.pods.get(uid).is_none_or(|simulated| simulated.sandbox.has_ended())
    }

    fn change(&mut self, uid: &PodUid, now: i64, change: impl FnOnce(&mut Simulated)) -> Option<Event> {
        let simulated = self.pods.get_mut(uid)?;
        change(simulated);
        simulated.sandbox.advance(&simulated.pod, now);
        let ended = simulated.sandbox.has_ended();
        if let Some(at) = simulated.sandbox.next() {
            self.timers.push(Reverse((at, uid.clone())));
        }
        Some(Event { uid: uid.clone(), ended })
    }
}
