//! The tenant partition's side of the protocol, as far as it is kept in memory: the claims under way.
//!
//! What is durable (which pods are bound, under which claim, and the fence of each host partition) belongs to the store
//! and is passed in. A claim is *Sent* until its host partition accepts it, then *Writing* until its append has been
//! decided. A claim in Sent may be given up at any time, since nothing has been written for it; one in Writing never is.
//!
//! Claims that belong together are a *group*: none is in Writing before all have been accepted, and with one of them all are
//! over. What a group holds it holds no longer than its answers take, or its victims take to leave, so two groups that stand
//! in each other's way never wait for each other. A claim that *waits* has been taken down by its host partition, which
//! accepts it once its victims have left.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::identity::{ClaimId, Uid};

/// How far a claim has come. It only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Sent to the host partition, which has not answered.
    Sent,
    /// The host partition accepts it once its victims have left.
    Waiting,
    /// Accepted, while others of its group are not.
    Accepted,
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
    /// The number of its group, never used again; none: it stands alone.
    pub group: Option<u64>,
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
    /// A pod is in its group once.
    #[error("pod {uid} is in the group twice, want each pod once")]
    Twice {
        /// The pod.
        uid: Uid,
    },
}

/// A claim to be made with others.
#[derive(Clone, Debug)]
pub struct Member<T> {
    /// The pod.
    pub uid: Uid,
    /// The host partition to be asked.
    pub host_partition: Arc<str>,
    /// Its fence.
    pub fence: u64,
    /// The maker's own.
    pub payload: T,
}

/// What follows from an answer that is a yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing. What is not under way any more an audit clears from the host partition.
    Ignored,
    /// Others of the group have not been answered.
    Unanswered,
    /// All of the group have been answered, and some wait for their victims: these may be stopped now. Those that wait.
    Waiting(Vec<ClaimId>),
    /// Submit one append for all of these now, exactly once; its result goes to [`Claims::written`] for each.
    Write(Vec<ClaimId>),
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
    /// The claims of each group, by its number, which is that of its first.
    groups: FxHashMap<u64, Vec<u64>>,
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
            groups: FxHashMap::default(),
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
        self.check(&uid, host_partition, fence)?;
        let member = Member { uid, host_partition: Arc::clone(host_partition), fence, payload };
        Ok(self.make(member, deadline, None))
    }

    /// Makes claims that belong together, to be sent in the order of the answer; those for one host partition in one
    /// message, so that it decides them together.
    ///
    /// # Errors
    ///
    /// [`ClaimError`]: none was made.
    pub fn claim_group(
        &mut self,
        members: Vec<Member<T>>,
        deadline: Duration,
    ) -> Result<Vec<ClaimId>, ClaimError> {
        let mut uids = FxHashSet::default();
        for member in &members {
            self.check(&member.uid, &member.host_partition, member.fence)?;
            if !uids.insert(member.uid.clone()) {
                return Err(ClaimError::Twice { uid: member.uid.clone() });
            }
        }
        let group = self.next;
        let ids: Vec<ClaimId> =
            members.into_iter().map(|member| self.make(member, deadline, Some(group))).collect();
        self.groups.insert(group, ids.iter().map(|id| id.sequence).collect());
        Ok(ids)
    }

    fn check(&self, uid: &Uid, host_partition: &Arc<str>, fence: u64) -> Result<(), ClaimError> {
        if let Some(sequence) = self.by_uid.get(uid) {
            return Err(ClaimError::Live { uid: uid.clone(), live: self.id(*sequence) });
        }
        if fence == 0 {
            return Err(ClaimError::NotFenced { partition: Arc::clone(host_partition) });
        }
        Ok(())
    }

    fn make(&mut self, member: Member<T>, deadline: Duration, group: Option<u64>) -> ClaimId {
        let Member { uid, host_partition, fence, payload } = member;
        let sequence = self.next;
        self.next += 1;
        let id = self.id(sequence);
        self.by_uid.insert(uid.clone(), sequence);
        self.order.push_back(sequence);
        let (host_epoch, phase) = (fence, Phase::Sent);
        let live =
            LiveClaim { id: id.clone(), uid, host_partition, host_epoch, phase, deadline, group, payload };
        self.live.insert(sequence, live);
        id
    }

    /// The host partition accepts a claim under its epoch `he`.
    pub fn accepted(&mut self, claim: &ClaimId, he: u64) -> Progress {
        self.said_yes(claim, he, Phase::Accepted)
    }

    /// The host partition has taken a claim down under its epoch `he`, and accepts it once its victims have left. Nothing is
    /// under a deadline any more: the claim is sent again from time to time, in case the answer to come was lost.
    pub fn waits(&mut self, claim: &ClaimId, he: u64) -> Progress {
        self.said_yes(claim, he, Phase::Waiting)
    }

    fn said_yes(&mut self, claim: &ClaimId, he: u64, phase: Phase) -> Progress {
        if !self.is_own(claim) {
            return Progress::Ignored;
        }
        let Some(live) = self.live.get_mut(&claim.sequence) else { return Progress::Ignored };
        // Sent, Waiting, Accepted, in this order; a yes that was late takes nothing back.
        if live.phase >= phase || live.phase >= Phase::Accepted || live.host_epoch != he {
            return Progress::Ignored;
        }
        live.phase = phase;
        let of_group = live.group.and_then(|group| self.groups.get(&group));
        let sequences = of_group.map_or(std::slice::from_ref(&claim.sequence), Vec::as_slice);
        let phase_of = |sequence: &u64| self.live.get(sequence).map_or(Phase::Sent, |live| live.phase);
        if sequences.iter().any(|sequence| phase_of(sequence) == Phase::Sent) {
            return Progress::Unanswered;
        }
        let waiting = sequences.iter().filter(|sequence| phase_of(sequence) == Phase::Waiting);
        let waiting: Vec<ClaimId> = waiting.map(|sequence| self.id(*sequence)).collect();
        if !waiting.is_empty() {
            return Progress::Waiting(waiting);
        }
        let ids: Vec<ClaimId> = sequences.iter().map(|sequence| self.id(*sequence)).collect();
        for id in &ids {
            if let Some(live) = self.live.get_mut(&id.sequence) {
                live.phase = Phase::Writing;
            }
        }
        Progress::Write(ids)
    }

    /// The host partition refuses a claim under its epoch `he`. The claim is over, and with it all of its group, which
    /// follow it in the answer: tell their host partitions that they are void. Nothing: it is ignored.
    pub fn refused(&mut self, claim: &ClaimId, he: u64) -> Vec<LiveClaim<T>> {
        let Some(live) = self.get(claim) else { return Vec::new() };
        if live.phase >= Phase::Accepted || live.host_epoch != he {
            return Vec::new();
        }
        self.remove_group(claim.sequence)
    }

    /// Gives up the claim for a pod and all of its group, unless they are being written: tell the host partitions that they
    /// are void. The pod's own comes first.
    pub fn withdraw(&mut self, uid: &str) -> Vec<LiveClaim<T>> {
        let Some(sequence) = self.by_uid.get(uid).copied() else { return Vec::new() };
        if self.live.get(&sequence).is_none_or(|live| live.phase == Phase::Writing) {
            return Vec::new();
        }
        self.remove_group(sequence)
    }

    /// Gives up the claims that are still Sent at their deadline, each with its group: tell the host partitions that they
    /// are void.
    pub fn expire(&mut self, now: Duration) -> Vec<LiveClaim<T>> {
        let mut expired = Vec::new();
        while let Some(sequence) = self.order.front().copied() {
            match self.live.get(&sequence) {
                Some(live) if live.phase == Phase::Sent && live.deadline > now => break,
                Some(live) if live.phase == Phase::Sent => expired.extend(self.remove_group(sequence)),
                // Answered with a yes, for good: no deadline any more.
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
        if let Some(group) = live.group {
            // What is being written is no longer over together.
            self.groups.remove(&group);
        }
        self.remove(claim.sequence)
    }

    /// The fence of a host partition was durably raised to `he`: claims of older epochs are over, each with its group.
    /// Those in Writing are decided by their appends.
    pub fn relisted(&mut self, host_partition: &str, he: u64) -> Vec<LiveClaim<T>> {
        let mut over: Vec<u64> = self
            .live
            .values()
            .filter(|live| {
                live.phase < Phase::Writing && live.host_epoch < he && *live.host_partition == *host_partition
            })
            .map(|live| live.id.sequence)
            .collect();
        over.sort_unstable();
        // Of a group that is over already nothing is left to remove.
        over.into_iter().flat_map(|sequence| self.remove_group(sequence)).collect()
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

    /// Removes a claim and all of its group, the claim first.
    fn remove_group(&mut self, sequence: u64) -> Vec<LiveClaim<T>> {
        let Some(first) = self.remove(sequence) else { return Vec::new() };
        let rest = first.group.and_then(|group| self.groups.remove(&group)).unwrap_or_default();
        let mut over = vec![first];
        over.extend(rest.into_iter().filter_map(|sequence| self.remove(sequence)));
        over
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
