//! Pods that are bound all or none: from a replica's decision on a group to the append, or back to the replica.
//!
//! Nobody waits for anybody here: with one refusal, or one answer that does not come, all claims of the group are void, and
//! its pods come back after a wait of chance. So two groups that each hold what the other wants both let go, and do not
//! meet again for ever.

use std::sync::Arc;
use std::time::Duration;

use meridian_api::BindResult;
use meridian_ledger::tenant::{LiveClaim, Member, Progress};
use meridian_ledger::{ClaimId, Uid};
use meridian_proto::v1::{self, ClaimState, GroupDecision, MemberDecision, outcome};
use rustc_hash::FxHashSet;

use super::claim::{Attempt, DEADLINE, Refusal, to_message};
use super::{Actor, Again};
use crate::assignment::SessionId;
use crate::pods::Stage;

/// The most pods of one group: that many are bound by one append.
const MOST_MEMBERS: usize = 1024;

/// The most pods that make way for one.
const MOST_VICTIMS: usize = 256;

/// How long the pods of a group are held back at most after it was refused for the first time; it doubles from then on.
const FIRST_HOLD: Duration = Duration::from_millis(20);
const LONGEST_HOLD: Duration = Duration::from_secs(5);

/// What makes way for a member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Victim {
    /// The pod.
    pub(super) uid: Arc<str>,
    /// The claim that it was bound under.
    pub(super) claim: ClaimId,
    /// How long it may take to end.
    pub(super) grace: Duration,
}

impl Actor {
    /// A replica has decided on a group.
    pub(super) fn group_decided(&mut self, session: SessionId, decision: GroupDecision) {
        let GroupDecision { assignment, members } = decision;
        let mut seen = FxHashSet::default();
        let is_offered = |member: &&MemberDecision| {
            let assignment = if member.assignment == 0 { assignment } else { member.assignment };
            let offered = Stage::Offered { session, assignment };
            self.pods.get(&member.uid).is_some_and(|pod| pod.stage == offered && pod.class.is_some())
        };
        let due: Vec<Arc<str>> = members
            .iter()
            .filter(is_offered)
            .filter_map(|member| self.pods.get(&member.uid).map(|pod| pod.about.uid.clone()))
            .filter(|uid| seen.insert(uid.clone()))
            .collect();
        let made = if due.len() == members.len() && (1..=MOST_MEMBERS).contains(&members.len()) {
            self.members(session, members)
        } else {
            self.metrics.stale_decisions.inc();
            Err(Refusal::unasked(format!(
                "a group names {} pods, of which {} are this replica's to decide: want 1 to {MOST_MEMBERS}, each once",
                members.len(),
                due.len()
            )))
        };
        match made {
            Ok(members) => self.claim_group(members),
            // A replica that is no longer heeded is told so of each pod that it may still decide on.
            Err(refusal) => {
                tracing::debug!(
                    why = refusal.message,
                    pods = due.len(),
                    "a decision on a group is not followed"
                );
                self.group_comes_back(&due, Some(session));
            }
        }
    }

    /// The claims to be made for a group.
    fn members(
        &self,
        session: SessionId,
        members: Vec<MemberDecision>,
    ) -> Result<Vec<Member<Attempt>>, Refusal> {
        let mut made: Vec<Member<Attempt>> = Vec::with_capacity(members.len());
        let is_alone = members.len() == 1;
        for MemberDecision { uid, host, victims, assignment: _, keep_seconds } in members {
            let unasked = |why: &str| Refusal::unasked(format!("pod {uid}: {why}"));
            let pod = self.pods.get(&uid).ok_or_else(|| unasked("it is gone"))?;
            let class = pod.class.and_then(|class| self.classes.get(class));
            let class = class.ok_or_else(|| unasked("it cannot be scheduled as it is"))?;
            if made.first().is_some_and(|first| first.payload.about.tenant != pod.about.tenant) {
                return Err(unasked("it is of another tenant than the others of its group"));
            }
            let host = host.ok_or_else(|| unasked("no host is named for it"))?;
            let ledger = self.ledgers.iter().find(|ledger| *ledger.name == *host.partition);
            let ledger =
                ledger.ok_or_else(|| unasked("its host is of a host partition that is not known"))?;
            let fence = ledger.open_epoch().ok_or_else(|| unasked("its host cannot be claimed now"))?;
            if victims.len() > MOST_VICTIMS {
                return Err(unasked("too many pods are to make way for it"));
            }
            let victims = victims.iter().map(|victim| self.victim(pod, &host, victim));
            let victims = victims.collect::<Result<Vec<Victim>, String>>().map_err(|why| unasked(&why))?;
            let keeps = match keep_seconds {
                0 => None,
                seconds => Some(self.keeps(pod, is_alone && victims.is_empty(), seconds).map_err(unasked)?),
            };
            made.push(Member {
                uid: Uid::from(uid.as_str()),
                host_partition: ledger.name.clone(),
                fence,
                payload: Attempt {
                    about: pod.about.clone(),
                    asked: class.asked.clone(),
                    profile: pod.profile.clone(),
                    seen: pod.seen,
                    rest: [host].into(),
                    session: Some(session),
                    pinned: false,
                    reply: None,
                    refusal: None,
                    victims,
                    keeps,
                    has_preempted: false,
                    has_fallen: false,
                },
            });
        }
        Ok(made)
    }

    fn claim_group(&mut self, members: Vec<Member<Attempt>>) {
        let uids: Vec<Arc<str>> = members.iter().map(|member| member.payload.about.uid.clone()).collect();
        let session = members.first().and_then(|member| member.payload.session);
        let deadline = self.now() + DEADLINE;
        let ids = match self.claims.claim_group(members, deadline) {
            Ok(ids) => ids,
            Err(error) => {
                tracing::error!(%error, "claims of a group not made");
                return self.group_comes_back(&uids, session);
            }
        };
        for uid in &uids {
            if let Some(pod) = self.pods.get_mut(uid) {
                pod.stage = Stage::Claiming;
            }
        }
        for id in ids {
            let Some(live) = self.claims.get(&id) else { continue };
            let Some(claim) = claim_message(live) else { continue };
            let name = live.host_partition.clone();
            if let Some(ledger) = self.ledgers.iter_mut().find(|ledger| ledger.name == name) {
                ledger.claim(claim);
            }
        }
    }

    /// What follows from an answer that is a yes.
    pub(super) fn progressed(&mut self, progress: Progress) {
        match progress {
            Progress::Ignored | Progress::Unanswered => {}
            Progress::Waiting(waiting) => self.preempt(&waiting),
            Progress::Write(ids) => self.append_together(ids),
        }
    }

    /// Claims are over without a binding: one that stands alone goes on with its next host, groups come back as a whole.
    /// `refused` is the one that its host partition has refused, and that needs not be told.
    pub(super) fn over(
        &mut self,
        over: Vec<LiveClaim<Attempt>>,
        refused: Option<&ClaimId>,
        refusal: impl Fn(&LiveClaim<Attempt>) -> Refusal,
    ) {
        let mut groups: Vec<Vec<LiveClaim<Attempt>>> = Vec::new();
        for live in over {
            if refused != Some(&live.id) {
                self.settle(&live.host_partition, &live.id, ClaimState::Void);
            }
            if live.group.is_none() {
                let refusal = refusal(&live);
                self.next_host(live, Some(refusal));
                continue;
            }
            match groups.last_mut() {
                Some(group) if group.last().is_some_and(|last| last.group == live.group) => group.push(live),
                _ => groups.push(vec![live]),
            }
        }
        for group in groups {
            let session = group.first().and_then(|live| live.payload.session);
            let uids: Vec<Arc<str>> = group.into_iter().map(|live| live.payload.about.uid).collect();
            self.group_comes_back(&uids, session);
        }
    }

    /// The pods of a group come back to their replica, together.
    pub(super) fn group_comes_back(&mut self, uids: &[Arc<str>], session: Option<SessionId>) {
        self.metrics.claims.with_label_values(&["group refused"]).inc();
        let refusals = uids.iter().filter_map(|uid| self.pods.get(uid)).map(|pod| pod.refusals).max();
        let longest = FIRST_HOLD.saturating_mul(1 << refusals.unwrap_or(0).min(16)).min(LONGEST_HOLD);
        let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX).max(1);
        let hold = Duration::from_nanos(self.ids.seed() % longest);
        for uid in uids {
            self.clear_nomination(uid);
            self.comes_back(uid, session);
        }
        self.later(hold, Again::Offer(uids.to_vec()));
    }

    /// The append of a group has been tried.
    pub(super) fn group_appended(&mut self, results: Vec<(ClaimId, BindResult)>) {
        if results.iter().all(|(_, result)| matches!(result, BindResult::Bound(_))) {
            for (id, result) in results {
                if let BindResult::Bound(entry) = result {
                    self.bound(&id, Some(entry));
                }
            }
            return;
        }
        let failed = results.iter().find_map(|(_, result)| match result {
            BindResult::Failed(failure) => Some(failure.clone()),
            _ => None,
        });
        if let Some(failure) = failed {
            let is_too_large = failure.reason == meridian_api::Reason::RequestEntityTooLarge;
            if !is_too_large {
                return self.append_failed(results.into_iter().map(|(id, _)| id).collect(), &failure);
            }
            tracing::warn!(%failure, pods = results.len(), "a group cannot be bound by one append");
        }
        let (mut back, mut session) = (Vec::new(), None);
        for (id, result) in results {
            let Some(live) = self.claims.written(&id) else { continue };
            self.settle(&live.host_partition, &id, ClaimState::Void);
            let attempt = live.payload;
            session = attempt.session;
            match result {
                BindResult::NotPending => {
                    self.tell_outcome(session, &attempt.about.uid, outcome::Result::Gone, "");
                    // The store's history tells the rest; until then nobody is to decide on it.
                    self.forget_pending(&attempt.about.uid);
                }
                BindResult::NameHeld => {
                    self.tell_outcome(session, &attempt.about.uid, outcome::Result::Gone, "");
                    self.clear_nomination(&attempt.about.uid);
                    self.hold_for_name(&attempt.about.uid);
                }
                BindResult::Fenced { current } => {
                    self.raise_fence(&live.host_partition, current);
                    back.push(attempt.about.uid);
                }
                BindResult::VolumeHeld { volume, host } => {
                    self.say_volume_held(&attempt.about.uid, &volume, &host);
                    back.push(attempt.about.uid);
                }
                BindResult::GangRefused | BindResult::Bound(_) | BindResult::Failed(_) => {
                    back.push(attempt.about.uid)
                }
            }
        }
        if !back.is_empty() {
            self.group_comes_back(&back, session);
        }
    }
}

/// A claim as it is sent.
pub(super) fn claim_message(live: &LiveClaim<Attempt>) -> Option<v1::Claim> {
    let Attempt { about, asked, rest, victims, keeps, .. } = &live.payload;
    let host = rest.front()?;
    Some(v1::Claim {
        id: Some(to_message(&live.id)),
        tenant: about.tenant.to_string(),
        uid: about.uid.to_string(),
        host: host.host.clone(),
        incarnation: host.incarnation,
        demand: Some(asked.demand.clone()),
        devices: host.devices,
        numa: host.numa,
        host_epoch: live.host_epoch,
        group: live.group.unwrap_or(0),
        victims: victims.iter().map(|victim| to_message(&victim.claim)).collect(),
        keeps: keeps.is_some(),
    })
}
