//! The tenant partition's side of the protocol, as far as it is kept in memory: the claims under way.
//!
//! What is durable (which pods are bound, under which claim, and the fence of each host partition) belongs to the store
//! and is passed in. A claim is *Sent* until its host partition accepts it, then *Writing* until its append has been
//! decided. A claim in Sent may be given up at any time, since nothing has been written for it; one in Writing never is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::identity::{ClaimId, Uid};

/// How far a claim has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Sent to the host partition, which has not answered.
    Sent,
    /// Accepted: the append that binds the pod has been submitted and decides.
    Writing,
}

/// A claim under way, with what its maker wants to remember of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveClaim<T> {
    /// The claim's name.
    pub id: ClaimId,
    /// The pod.
    pub uid: Uid,
    /// The host partition asked.
    pub host_partition: Arc<str>,
    /// Its epoch that the claim is for: the fence as of the claim's making.
    pub host_epoch: u64,
    /// How far it has come.
    pub phase: Phase,
    /// When it is given up if it is still Sent then.
    pub deadline: Duration,
    /// The maker's own.
    pub payload: T,
}

/// Why a claim was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// There may be one claim for a pod at a time.
    #[error("pod {uid} has a claim under way, {live}: wait for what becomes of it")]
    Live {
        /// The pod.
        uid: Uid,
        /// The claim under way.
        live: ClaimId,
    },
    /// The host partition has not asked for a list yet, so nothing can be bound there.
    #[error("host partition {partition} has no fence here yet: wait until it has been listed to")]
    NotFenced {
        /// The host partition.
        partition: Arc<str>,
    },
}

/// What the store says of a pod that may be bound under a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recorded {
    /// Bound under the claim, and to run.
    Bound,
    /// Bound under the claim, and to be stopped; also where the object has vanished already.
    Terminating,
}

/// What became of a claim, as it is told to the host partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Settlement {
    /// Durably bound.
    Bound,
    /// To be stopped.
    Terminating,
    /// Void for ever.
    Void,
}

/// How to hear a host partition that names its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// It is the one that the fence names.
    Current,
    /// A newer one has been listed to: tell it so, it ends.
    Deposed,
    /// It has not been listed to yet: do that first.
    NotFenced,
}

/// How to hear a host partition of epoch `he` where the durable fence stands at `fence`.
#[must_use]
pub fn hear(fence: u64, he: u64) -> Hearing {
    match he.cmp(&fence) {
        std::cmp::Ordering::Equal => Hearing::Current,
        std::cmp::Ordering::Less => Hearing::Deposed,
        std::cmp::Ordering::Greater => Hearing::NotFenced,
    }
}

/// All claims under way of one process of a tenant partition. None survive it.
#[derive(Clone, Debug)]
pub struct Claims<T> {
    partition: Arc<str>,
    epoch: u64,
    next: u64,
    live: FxHashMap<u64, LiveClaim<T>>,
    by_uid: FxHashMap<Uid, u64>,
    /// Claims in the order of their making, those that are over included until they come to the front.
    order: VecDeque<u64>,
}

impl<T> Claims<T> {
    /// No claims yet, of the partition's process of epoch `te`.
    #[must_use]
    pub fn new(partition: Arc<str>, epoch: u64) -> Self {
        Self {
            partition,
            epoch,
            next: 1,
            live: FxHashMap::default(),
            by_uid: FxHashMap::default(),
            order: VecDeque::new(),
        }
    }

    /// The partition's name.
    #[must_use]
    pub fn partition(&self) -> &Arc<str> {
        &self.partition
    }

    /// The partition's epoch, `te`.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many claims are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether no claim is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The claim under way for a pod.
    #[must_use]
    pub fn of(&self, uid: &str) -> Option<&LiveClaim<T>> {
        self.live.get(self.by_uid.get(uid)?)
    }

    /// The claim under way of this name.
    #[must_use]
    pub fn get(&self, claim: &ClaimId) -> Option<&LiveClaim<T>> {
        self.is_own(claim).then(|| self.live.get(&claim.sequence)).flatten()
    }

    /// The claim under way of this name, to change what its maker remembers.
    pub fn payload_mut(&mut self, claim: &ClaimId) -> Option<&mut T> {
        if !self.is_own(claim) {
            return None;
        }
        self.live.get_mut(&claim.sequence).map(|live| &mut live.payload)
    }

    /// All claims under way, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &LiveClaim<T>> {
        self.live.values()
    }

    /// Makes a claim for a pending pod, to be sent under the epoch `fence`. Claims must be sent in the order in which they
    /// are made: a host partition takes an older one for stale.
    ///
    /// Deadlines must not go back from one claim to the next.
    ///
    /// # Errors
    ///
    /// [`ClaimError`]: nothing was made.
    pub fn claim(
        &mut self,
        uid: Uid,
        host_partition: &Arc<str>,
        fence: u64,
        deadline: Duration,
        payload: T,
    ) -> Result<ClaimId, ClaimError> {
        if let Some(sequence) = self.by_uid.get(&uid) {
            return Err(ClaimError::Live { uid, live: self.id(*sequence) });
        }
        if fence == 0 {
            return Err(ClaimError::NotFenced { partition: Arc::clone(host_partition) });
        }
        let sequence = self.next;
        self.next += 1;
        let id = self.id(sequence);
        self.by_uid.insert(uid.clone(), sequence);
        self.order.push_back(sequence);
        self.live.insert(
            sequence,
            LiveClaim {
                id: id.clone(),
                uid,
                host_partition: Arc::clone(host_partition),
                host_epoch: fence,
                phase: Phase::Sent,
                deadline,
                payload,
            },
        );
        Ok(id)
    }

    /// The host partition accepts a claim under its epoch `he`. `Some`: submit the append now, exactly once; its result
    /// goes to [`written`](Self::written). `None`: ignore it; an audit clears what the host partition holds.
    pub fn accepted(&mut self, claim: &ClaimId, he: u64) -> Option<&LiveClaim<T>> {
        if !self.is_own(claim) {
            return None;
        }
        let live = self.live.get_mut(&claim.sequence)?;
        if live.phase != Phase::Sent || live.host_epoch != he {
            return None;
        }
        live.phase = Phase::Writing;
        Some(live)
    }

    /// The host partition refuses a claim under its epoch `he`. `Some`: the claim is over, the pod may be claimed for
    /// elsewhere under a new name.
    pub fn refused(&mut self, claim: &ClaimId, he: u64) -> Option<LiveClaim<T>> {
        let live = self.get(claim)?;
        if live.phase != Phase::Sent || live.host_epoch != he {
            return None;
        }
        self.remove(claim.sequence)
    }

    /// Gives up the claim for a pod, if it is Sent: tell the host partition that it is void.
    pub fn withdraw(&mut self, uid: &str) -> Option<LiveClaim<T>> {
        let sequence = *self.by_uid.get(uid)?;
        if self.live.get(&sequence)?.phase != Phase::Sent {
            return None;
        }
        self.remove(sequence)
    }

    /// Gives up the claims that are still Sent at their deadline: tell the host partitions that they are void.
    pub fn expire(&mut self, now: Duration) -> Vec<LiveClaim<T>> {
        let mut expired = Vec::new();
        while let Some(sequence) = self.order.front().copied() {
            match self.live.get(&sequence) {
                Some(live) if live.phase == Phase::Sent && live.deadline > now => break,
                Some(live) if live.phase == Phase::Sent => expired.extend(self.remove(sequence)),
                // Written, or being so: no deadline any more.
                _ => {}
            }
            self.order.pop_front();
        }
        expired
    }

    /// When [`expire`](Self::expire) may next find something.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let sent = |sequence| self.live.get(sequence).filter(|live| live.phase == Phase::Sent);
        self.order.iter().find_map(sent).map(|live| live.deadline)
    }

    /// The append of a claim has been decided, one way or the other, and is durable where it was done. Do not call this
    /// for an append whose outcome is unknown: such a claim stays Writing until this process ends.
    pub fn written(&mut self, claim: &ClaimId) -> Option<LiveClaim<T>> {
        let live = self.get(claim)?;
        if live.phase != Phase::Writing {
            return None;
        }
        self.remove(claim.sequence)
    }

    /// The fence of a host partition was durably raised to `he`: claims of older epochs that are still Sent are over. Those
    /// in Writing are decided by their appends.
    pub fn relisted(&mut self, host_partition: &str, he: u64) -> Vec<LiveClaim<T>> {
        let mut over: Vec<u64> = self
            .live
            .values()
            .filter(|live| {
                live.phase == Phase::Sent && live.host_epoch < he && *live.host_partition == *host_partition
            })
            .map(|live| live.id.sequence)
            .collect();
        over.sort_unstable();
        over.into_iter().filter_map(|sequence| self.remove(sequence)).collect()
    }

    /// What became of a claim that a host partition asks about. `recorded` is what the store says of the pod bound under
    /// this very claim, nothing where none is. `None`: no answer yet.
    ///
    /// Ask this only for a host partition that is heard as [`Hearing::Current`].
    #[must_use]
    pub fn audit(&self, claim: &ClaimId, recorded: Option<Recorded>) -> Option<Settlement> {
        match recorded {
            Some(Recorded::Bound) => Some(Settlement::Bound),
            Some(Recorded::Terminating) => Some(Settlement::Terminating),
            // Another process made it, which has deposed this one.
            None if *claim.partition != *self.partition || claim.epoch > self.epoch => None,
            None if self.get(claim).is_some() => None,
            None => Some(Settlement::Void),
        }
    }

    fn id(&self, sequence: u64) -> ClaimId {
        ClaimId { partition: Arc::clone(&self.partition), epoch: self.epoch, sequence }
    }

    fn is_own(&self, claim: &ClaimId) -> bool {
        claim.epoch == self.epoch && *claim.partition == *self.partition
    }

    fn remove(&mut self, sequence: u64) -> Option<LiveClaim<T>> {
        let live = self.live.remove(&sequence)?;
        self.by_uid.remove(&live.uid);
        if self.live.is_empty() {
            self.order.clear();
        }
        Some(live)
    }
}

#[cfg(test)]
mod tests;
