//! Pods that this replica knows: those that wait, and those decided that no ledger entry holds yet.

use std::time::Duration;

use meridian_engine::{ClassId, Placement, TenantId};
use rustc_hash::FxHashMap;

use super::uid::Uid;

/// Names a pod for as long as the replica knows it under one arrival; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PodKey {
    slot: u32,
    generation: u32,
}

impl PodKey {
    /// As the queue keeps it.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    pub(crate) fn from_number(number: u64) -> PodKey {
        PodKey { slot: number as u32, generation: (number >> 32) as u32 }
    }
}

/// What has become of a pod so far.
#[derive(Debug)]
pub(crate) enum State {
    /// In the queue.
    Waiting,
    /// A decision is under way; the room is taken on the assumption that it holds.
    Decided(Placement),
    /// A decision is under way, and a ledger entry takes the room.
    Confirmed,
    /// Durably bound; the room is taken until the ledger's entry says so.
    Bound(Placement),
    /// Its stream broke while a decision was under way.
    Orphaned(Placement),
}

/// A pod.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) uid: Uid,
    /// The tenant partition's number.
    pub(crate) stream: usize,
    pub(crate) tenant: TenantId,
    pub(crate) class: ClassId,
    /// The number of the group that it is placed with.
    pub(crate) gang: Option<u64>,
    /// How often its decisions have been refused.
    pub(crate) failures: u32,
    pub(crate) priority: i32,
    /// The tenant whose pods may make way for it; `None`: nobody does.
    pub(crate) preempts_in: Option<u32>,
    /// Goes before others of its priority.
    pub(crate) first: bool,
    pub(crate) assignment: u64,
    pub(crate) arrived: Duration,
    /// The number of the class' message that was last sent for it; 0: none.
    pub(crate) told: u32,
    /// When an assumption that no decision under way stands for runs out.
    pub(crate) expires: Duration,
    pub(crate) state: State,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    pod: Option<Pod>,
}

/// All pods known.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    slots: Vec<Slot>,
    unused: Vec<u32>,
    by_uid: FxHashMap<Uid, PodKey>,
    waiting: usize,
}

impl Pods {
    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.by_uid.len()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(crate) fn find(&self, uid: &Uid) -> Option<PodKey> {
        self.by_uid.get(uid).copied()
    }

    pub(crate) fn get(&self, key: PodKey) -> Option<&Pod> {
        self.slots.get(key.slot as usize).filter(|slot| slot.generation == key.generation)?.pod.as_ref()
    }

    /// The pod, unless it waits no more.
    pub(crate) fn waiting_mut(&mut self, key: PodKey) -> Option<&mut Pod> {
        self.slot_mut(key)?.pod.as_mut().filter(|pod| matches!(pod.state, State::Waiting))
    }

    pub(crate) fn is_waiting(&self, key: PodKey) -> bool {
        self.get(key).is_some_and(|pod| matches!(pod.state, State::Waiting))
    }

    /// Takes a pod in whose uid is not known.
    pub(crate) fn insert(&mut self, pod: Pod) -> Option<PodKey> {
        let slot = match self.unused.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot { generation: 0, pod: None });
                slot
            }
        };
        let place = self.slots.get_mut(slot as usize)?;
        let key = PodKey { slot, generation: place.generation };
        self.waiting += usize::from(matches!(pod.state, State::Waiting));
        self.by_uid.insert(pod.uid.clone(), key);
        place.pod = Some(pod);
        Some(key)
    }

    /// Forgets a pod.
    pub(crate) fn remove(&mut self, key: PodKey) -> Option<Pod> {
        let slot = self.slot_mut(key)?;
        let pod = slot.pod.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.unused.push(key.slot);
        self.by_uid.remove(&pod.uid);
        self.waiting -= usize::from(matches!(pod.state, State::Waiting));
        Some(pod)
    }

    /// Changes a pod's state and returns what it was.
    pub(crate) fn change(&mut self, key: PodKey, state: State) -> Option<State> {
        let pod = self.slot_mut(key)?.pod.as_mut()?;
        let is_waiting = matches!(state, State::Waiting);
        let former = std::mem::replace(&mut pod.state, state);
        let was_waiting = matches!(former, State::Waiting);
        self.waiting = self.waiting + usize::from(is_waiting) - usize::from(was_waiting);
        Some(former)
    }

    /// Says until when an assumption stands.
    pub(crate) fn set_expiry(&mut self, key: PodKey, at: Duration) {
        if let Some(pod) = self.slot_mut(key).and_then(|slot| slot.pod.as_mut()) {
            pod.expires = at;
        }
    }

    /// The pods of a stream, in no order that means anything but always the same.
    pub(crate) fn of_stream(&self, stream: usize) -> Vec<PodKey> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.pod.as_ref().is_some_and(|pod| pod.stream == stream))
            .map(|(number, slot)| PodKey { slot: number as u32, generation: slot.generation })
            .collect()
    }

    /// What is held on the assumption that decisions hold.
    #[cfg(test)]
    pub(crate) fn assumptions(&self) -> impl Iterator<Item = &Placement> {
        self.slots.iter().filter_map(|slot| match &slot.pod.as_ref()?.state {
            State::Decided(placement) | State::Bound(placement) | State::Orphaned(placement) => {
                Some(placement)
            }
            State::Waiting | State::Confirmed => None,
        })
    }

    fn slot_mut(&mut self, key: PodKey) -> Option<&mut Slot> {
        self.slots.get_mut(key.slot as usize).filter(|slot| slot.generation == key.generation)
    }
}
