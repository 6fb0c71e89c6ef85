//! The entries of the ledger, and where they are found.

use std::sync::Arc;

use meridian_engine::{Demand, Seat};
use rustc_hash::FxHashMap;

use crate::account::Taken;
use crate::identity::{ClaimId, HostNumber, Uid};

/// What is known of a claim that room was taken for. It only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryState {
    /// Its room is still taken by its victims, and counted already: it is accepted once they have left it.
    Waiting,
    /// Accepted; whether the pod was bound is not known.
    Held,
    /// The pod is durably bound.
    Bound,
    /// It is to be stopped.
    Terminating,
}

/// What the host's agent has of a pod, as far as it has said or was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AgentState {
    /// Nothing.
    Absent,
    /// It was told to run the pod and has not said that it knows.
    Told,
    /// It has the pod.
    Running,
    /// It has said that the pod has stopped for good.
    Stopped,
}

/// Room taken on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The claim.
    pub claim: ClaimId,
    /// The pod's tenant.
    pub tenant: Arc<str>,
    /// The pod.
    pub uid: Uid,
    /// The host.
    pub host: HostNumber,
    /// The host's incarnation that the claim was for.
    pub incarnation: u64,
    /// The number of the demand accounted for; 0: none could be.
    pub demand: u32,
    /// The devices and NUMA nodes given.
    pub seat: Seat,
    /// What is known of the claim.
    pub state: EntryState,
    /// What the host has of it.
    pub agent: AgentState,
}

/// An entry as it is kept.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: ClaimId,
    pub(super) tenant: Arc<str>,
    pub(super) uid: Uid,
    pub(super) host: HostNumber,
    pub(super) incarnation: u64,
    pub(super) seat: Seat,
    pub(super) state: EntryState,
    /// None where the host is not known.
    pub(super) taken: Option<Taken>,
    /// While it waits: what it will take, of which `taken` has as much as can be counted now.
    pub(super) wanted: Option<Box<Demand>>,
    pub(super) agent: AgentState,
    pub(super) has_spec: bool,
    pub(super) was_told_to_stop: bool,
}

impl Row {
    pub(super) fn view(&self, demand: u32) -> Entry {
        Entry {
            claim: self.id.clone(),
            tenant: Arc::clone(&self.tenant),
            uid: self.uid.clone(),
            host: self.host,
            incarnation: self.incarnation,
            demand,
            seat: self.seat,
            state: self.state,
            agent: self.agent,
        }
    }
}

/// Where an entry is kept, as long as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// All entries, by slot and by claim.
#[derive(Debug, Default)]
pub(super) struct Entries {
    rows: Vec<Option<Row>>,
    unused: Vec<Slot>,
    by_claim: FxHashMap<ClaimId, Slot>,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.by_claim.len()
    }

    /// How many slots there are, used or not.
    pub(super) fn slots(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn find(&self, claim: &ClaimId) -> Option<Slot> {
        self.by_claim.get(claim).copied()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Row> {
        self.rows.get(slot.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Row> {
        self.rows.get_mut(slot.0 as usize)?.as_mut()
    }

    pub(super) fn insert(&mut self, row: Row) -> Slot {
        let id = row.id.clone();
        let slot = match self.unused.pop() {
            Some(slot) => {
                self.rows[slot.0 as usize] = Some(row);
                slot
            }
            None => {
                self.rows.push(Some(row));
                Slot(
                    u32::try_from(self.rows.len() - 1)
                        .expect("four thousand million entries do not fit memory"),
                )
            }
        };
        self.by_claim.insert(id, slot);
        slot
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Row> {
        let row = self.rows.get_mut(slot.0 as usize)?.take()?;
        self.by_claim.remove(&row.id);
        self.unused.push(slot);
        Some(row)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Row)> {
        self.rows
            .iter()
            .enumerate()
            .filter_map(|(index, row)| Some((Slot(u32::try_from(index).ok()?), row.as_ref()?)))
    }

    /// The same entries in the same slots, each made from its own.
    pub(super) fn map(&self, mut each: impl FnMut(&Row) -> Row) -> Self {
        Self {
            rows: self.rows.iter().map(|row| row.as_ref().map(&mut each)).collect(),
            unused: self.unused.clone(),
            by_claim: self.by_claim.clone(),
        }
    }

    /// Up to `count` slots from `from` on, used or not.
    pub(super) fn window(&self, from: usize, count: usize) -> impl Iterator<Item = &Row> {
        self.rows.iter().skip(from).take(count).flatten()
    }
}
