//! The tenant partitions that the ledger knows, their lists of bindings, and audits.

use std::sync::Arc;

use meridian_engine::{Demand, Seat};

use super::Ledger;
use super::change::Change;
use super::entry::{AgentState, EntryState, Row};
use crate::identity::{ClaimId, HostNumber, Uid};

/// A tenant partition as the ledger knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Partition {
    /// Whether its list for this epoch is in.
    pub(super) is_answered: bool,
    /// The highest claim decided in this epoch.
    pub(super) watermark: (u64, u64),
    /// The parts of its list that have come.
    parts: Vec<ListedPod>,
    next_part: u32,
}

/// How a tenant partition that says Hello stands with the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// It is not known: append it durably to the known ones, then [`adopt`](Ledger::adopt) it.
    Unknown,
    /// Its list is not in: ask for it.
    Unanswered,
    /// Its list is in: ask what became of its entries.
    Answered,
}

/// A pod that is bound to one of the partition's hosts, as its tenant partition lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPod {
    /// The claim that it was bound under.
    pub claim: ClaimId,
    /// The pod's tenant.
    pub tenant: Arc<str>,
    /// The pod.
    pub uid: Uid,
    /// The host's name.
    pub host: String,
    /// The host's incarnation as of the claim.
    pub incarnation: u64,
    /// What it takes.
    pub demand: Demand,
    /// The devices and NUMA nodes given.
    pub seat: Seat,
    /// Whether it is to be stopped.
    pub is_terminating: bool,
}

/// A part of a tenant partition's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The host partition's epoch that was fenced for it.
    pub host_epoch: u64,
    /// The number of the part, from 0.
    pub part: u32,
    /// Whether it is the last.
    pub is_last: bool,
    /// The pods.
    pub pods: Vec<ListedPod>,
}

/// Why a part of a list was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListingError {
    /// It is for another epoch.
    #[error("the list is for epoch {named}, want one for epoch {own}")]
    Epoch {
        /// This process' epoch.
        own: u64,
        /// The list's.
        named: u64,
    },
    /// A list is used once, and this partition's has been.
    #[error("the partition's list was used already")]
    Answered,
    /// The tenant partition has not said Hello.
    #[error("the tenant partition is not known here: open a stream with a Hello first")]
    Unknown,
    /// Parts came out of order: the list must be sent again from its first part.
    #[error("part {part} of the list came where part {want} was due: send the list again")]
    OutOfOrder {
        /// The part that came.
        part: u32,
        /// The part that was due.
        want: u32,
    },
    /// A pod bound under another partition's claim.
    #[error("the list has a claim of another partition")]
    ForeignClaim,
}

impl Ledger {
    /// A tenant partition opens a stream.
    pub fn greet(&mut self, partition: &str) -> Greeting {
        match self.partitions.get_mut(partition) {
            None => Greeting::Unknown,
            Some(known) if known.is_answered => Greeting::Answered,
            Some(known) => {
                known.parts.clear();
                known.next_part = 0;
                Greeting::Unanswered
            }
        }
    }

    /// Takes in a tenant partition that was unknown and now is durably known. It has no bindings here, so the ledger stays
    /// open; its claims wait for its list.
    pub fn adopt(&mut self, partition: Arc<str>) {
        self.partitions.entry(partition).or_default();
    }

    /// The tenant partitions whose lists are not in: ask them, again and again.
    #[must_use]
    pub fn unanswered(&self) -> Vec<Arc<str>> {
        let unanswered = self.partitions.iter().filter(|(_, known)| !known.is_answered);
        unanswered.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Takes in a part of a tenant partition's list. `Ok(true)`: it was the last, and the list has been used; ask now what
    /// became of its claims since.
    ///
    /// # Errors
    ///
    /// [`ListingError`]: the part was not used.
    pub fn listing(&mut self, partition: &str, listing: Listing) -> Result<bool, ListingError> {
        if listing.host_epoch != self.epoch {
            return Err(ListingError::Epoch { own: self.epoch, named: listing.host_epoch });
        }
        let known = self.partitions.get_mut(partition).ok_or(ListingError::Unknown)?;
        if known.is_answered {
            return Err(ListingError::Answered);
        }
        if listing.part == 0 {
            known.parts.clear();
            known.next_part = 0;
        }
        if listing.part != known.next_part {
            return Err(ListingError::OutOfOrder { part: listing.part, want: known.next_part });
        }
        if listing.pods.iter().any(|pod| *pod.claim.partition != *partition) {
            return Err(ListingError::ForeignClaim);
        }
        known.next_part += 1;
        known.parts.extend(listing.pods);
        if !listing.is_last {
            return Ok(false);
        }
        known.is_answered = true;
        for pod in std::mem::take(&mut known.parts) {
            self.take_in(pod);
        }
        self.open_if_answered();
        Ok(true)
    }

    /// The claims of all entries of a tenant partition, to ask what became of them.
    #[must_use]
    pub fn claims_of(&self, partition: &str) -> Vec<ClaimId> {
        let of = |row: &&Row| *row.id.partition == *partition;
        self.entries.iter().map(|(_, row)| row).filter(of).map(|row| row.id.clone()).collect()
    }

    /// Some time has passed, some seconds: the claims of entries that were Held or Waiting at the last tick already and
    /// still are, to ask what became of them. Specs that were wanted are asked for again.
    pub fn tick(&mut self) -> Vec<ClaimId> {
        let is_held = |ledger: &Self, claim: &ClaimId| {
            ledger.state(claim).is_some_and(|state| state <= EntryState::Held)
        };
        let mut due = std::mem::take(&mut self.held);
        due.retain(|claim| is_held(self, claim));
        let mut recent = std::mem::take(&mut self.recent);
        recent.retain(|claim| is_held(self, claim));
        self.held = due.iter().cloned().chain(recent).collect();
        self.want_specs_again();
        due
    }

    /// The claims of up to `count` slots from the `from`th on, and where to go on; for asking slowly after all entries.
    #[must_use]
    pub fn sweep(&self, from: usize, count: usize) -> (Vec<ClaimId>, usize) {
        let claims = self.entries.window(from, count).map(|row| row.id.clone()).collect();
        let next = from.saturating_add(count);
        (claims, if next >= self.entries.slots() { 0 } else { next })
    }

    pub(super) fn state(&self, claim: &ClaimId) -> Option<EntryState> {
        Some(self.entries.get(self.entries.find(claim)?)?.state)
    }

    fn take_in(&mut self, pod: ListedPod) {
        if self.entries.find(&pod.claim).is_some() {
            return;
        }
        let number = self.by_name.get(&pod.host).copied();
        // A pod that runs as a stray gives its room to its entry first.
        let stray = number.and_then(|number| self.give_up_stray(number, pod.incarnation, &pod.uid));
        let taken = number.and_then(|number| self.take_anyway(number, &pod.demand, pod.seat));
        let state = if pod.is_terminating { EntryState::Terminating } else { EntryState::Bound };
        let slot_claim = pod.claim.clone();
        self.insert(Row {
            id: pod.claim,
            tenant: pod.tenant,
            uid: pod.uid,
            host: number.unwrap_or(HostNumber(u32::MAX)),
            incarnation: pod.incarnation,
            seat: pod.seat,
            state,
            taken,
            wanted: None,
            agent: stray.unwrap_or(AgentState::Absent),
            has_spec: false,
            was_told_to_stop: false,
        });
        if let Some(slot) = self.entries.find(&slot_claim) {
            self.desire(slot);
            self.want_spec(slot);
        }
    }

    fn give_up_stray(&mut self, number: HostNumber, incarnation: u64, uid: &Uid) -> Option<AgentState> {
        let host = self.hosts.get_mut(&number)?;
        if host.incarnation != incarnation {
            return None;
        }
        let position = host.strays.iter().position(|stray| stray.uid == *uid)?;
        let stray = host.strays.remove(position);
        let state = if stray.is_stopped { AgentState::Stopped } else { AgentState::Running };
        stray.release(&mut self.account);
        Some(state)
    }

    fn open_if_answered(&mut self) {
        if self.is_open || self.partitions.values().any(|known| !known.is_answered) {
            return;
        }
        self.is_open = true;
        self.changes.push(Change::Opened);
        let mut numbers: Vec<HostNumber> = self.hosts.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            self.see_to_strays(number);
        }
    }
}
