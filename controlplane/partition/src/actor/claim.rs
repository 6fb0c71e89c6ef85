//! Claims: from a decision to the answer of the ledger that keeps the host's account.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use meridian_api::{Failure, Reason};
use meridian_ledger::tenant::LiveClaim;
use meridian_ledger::{ClaimId, Uid};
use meridian_proto::v1::{self, Answer, ClaimState, DecidedHost};
use meridian_store::Tenant;
use tokio::sync::oneshot;

use super::group::{Victim, claim_message};
use super::{Actor, Again};
use crate::assignment::SessionId;
use crate::classes::Asked;
use crate::events::About;
use crate::told;

/// How long a claim waits for its answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// How long a pod that names its host waits before that host is claimed again.
const PINNED_WAIT: Duration = Duration::from_secs(2);

/// What follows on a pod's claims, whichever of its hosts takes it.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) about: About,
    pub(super) asked: Arc<Asked>,
    /// The scheduler that the pod asks for.
    pub(super) profile: Arc<str>,
    /// When the pod was first seen.
    pub(super) seen: Duration,
    /// The host being claimed, and behind it those to be tried next.
    pub(super) rest: VecDeque<DecidedHost>,
    /// The replica that decided.
    pub(super) session: Option<SessionId>,
    /// Whether the pod itself names its host, so that no other may be tried and a refusal ends it.
    pub(super) pinned: bool,
    /// Who ordered the binding and waits for what comes of it.
    pub(super) reply: Option<oneshot::Sender<Result<(), Failure>>>,
    /// Why the last host refused.
    pub(super) refusal: Option<Refusal>,
    /// Who makes way for the pod on its host.
    pub(super) victims: Vec<Victim>,
    /// For how long the host may keep for the pod what others leave.
    pub(super) keeps: Option<Duration>,
    /// Whether its victims have been told to stop.
    pub(super) has_preempted: bool,
    /// Whether a host is claimed that is not the one that its replica takes it to be on.
    pub(super) has_fallen: bool,
}

/// A ledger's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// In one word, such as `OutOfcpu`; empty: the ledger was not asked.
    pub(super) reason: String,
    /// In words.
    pub(super) message: String,
}

impl Refusal {
    /// Without an answer of a ledger.
    pub(super) fn unasked(message: String) -> Self {
        Self { reason: String::new(), message }
    }

    /// What the pod's tenant is told.
    pub(super) fn told(&self, tenant: &Tenant) -> &str {
        told::refusal(tenant, &self.reason, &self.message)
    }

    /// Whether the host as it is cannot take the pod. Every other refusal is about the moment, and passes.
    fn is_for_good(&self) -> bool {
        self.reason.starts_with("OutOf") || matches!(&*self.reason, "NodePorts" | "InvalidDemand")
    }
}

impl Actor {
    /// Claims the first of the attempt's hosts that can be claimed now.
    pub(super) fn attempt(&mut self, mut attempt: Attempt) {
        let uid = attempt.about.uid.clone();
        if self.claims.of(&uid).is_some() {
            // Two claims for one pod would be two bindings; the one under way decides.
            tracing::error!(%uid, "second claim for a pod refused");
            return;
        }
        while let Some(host) = attempt.rest.front() {
            let Some(at) = self.ledgers.iter().position(|ledger| *ledger.name == *host.partition) else {
                let message = format!("host partition {:?} is not known to this partition", host.partition);
                self.pass_on(&mut attempt, message);
                continue;
            };
            let ledger = &self.ledgers[at];
            let Some(fence) = ledger.open_epoch() else {
                let message = format!("host partition {} is not reachable or is recovering", ledger.name);
                self.pass_on(&mut attempt, message);
                continue;
            };
            let name = ledger.name.clone();
            let deadline = self.now() + DEADLINE;
            match self.claims.claim(Uid::from(&*uid), &name, fence, deadline, attempt) {
                Ok(id) => {
                    if let Some(claim) = self.claims.get(&id).and_then(claim_message) {
                        self.ledgers[at].claim(claim);
                    }
                }
                Err(error) => tracing::error!(%error, "claim not made"),
            }
            return;
        }
        self.all_refused(attempt);
    }

    /// No host of a decision took the pod.
    pub(super) fn all_refused(&mut self, attempt: Attempt) {
        let uid = attempt.about.uid.clone();
        let refusal = attempt.refusal;
        let refusal = refusal.unwrap_or_else(|| Refusal::unasked("the decision names no host".to_owned()));
        self.metrics.claims.with_label_values(&["exhausted"]).inc();
        if attempt.pinned {
            if let Some(pod) = self.pods.get_mut(&uid) {
                pod.stage = crate::pods::Stage::Blocked(crate::pods::Blocked::Pinned);
            }
            if !refusal.is_for_good() {
                self.later(PINNED_WAIT, Again::Pinned(uid));
            } else {
                self.fail_pod(&attempt.about, &refusal);
            }
        } else {
            self.come_back(&uid, attempt.session);
        }
        if let Some(reply) = attempt.reply {
            let _ = reply.send(Err(refusal_failure(&attempt.about, &refusal)));
        }
    }

    /// A claim is over without a binding: the next host is tried.
    pub(super) fn next_host(&mut self, live: LiveClaim<Attempt>, refusal: Option<Refusal>) {
        let mut attempt = live.payload;
        self.pass(&mut attempt);
        if refusal.is_some() {
            attempt.refusal = refusal;
        }
        self.go_on(attempt);
    }

    /// The first host of an attempt is passed over, for a reason.
    fn pass_on(&mut self, attempt: &mut Attempt, why: String) {
        attempt.refusal = Some(Refusal::unasked(why));
        self.pass(attempt);
    }

    /// The first host of an attempt is passed over. In tied tenants no other is tried.
    fn pass(&mut self, attempt: &mut Attempt) {
        attempt.rest.pop_front();
        let tenant = &attempt.about.tenant;
        if self.is_tied(tenant) {
            // Its replica has decided on others in the belief that it is on the first.
            attempt.rest.clear();
        } else if attempt.session.is_some() && !attempt.rest.is_empty() {
            self.ties.unknown(tenant);
            attempt.has_fallen = true;
        }
    }

    /// An attempt goes on with its next host, unless the pod needs none any more.
    pub(super) fn go_on(&mut self, attempt: Attempt) {
        let uid = attempt.about.uid.clone();
        if attempt.reply.is_none() && self.pods.get(&uid).is_none() {
            return self.tell_outcome(attempt.session, &uid, v1::outcome::Result::Gone, "");
        }
        self.attempt(attempt);
    }

    /// A ledger's answer to a claim.
    pub(super) fn answered(&mut self, answer: Answer, he: u64) {
        let Some(id) = answer.claim.as_ref().map(|claim| self.claim_id(claim)) else { return };
        if answer.accepted {
            let progress = self.claims.accepted(&id, he);
            return self.progressed(progress);
        }
        if answer.waiting {
            // What may not wait has nothing to wait for: without another answer its deadline ends it.
            let may_wait = |attempt: &Attempt| attempt.keeps.is_some() || !attempt.victims.is_empty();
            if !self.claims.get(&id).is_some_and(|live| may_wait(&live.payload)) {
                return;
            }
            let progress = self.claims.waits(&id, he);
            return self.progressed(progress);
        }
        let over = self.claims.refused(&id, he);
        if !over.is_empty() {
            self.metrics.claims.with_label_values(&["refused"]).inc();
            let refusal = Refusal { reason: answer.reason, message: answer.message };
            self.over(over, Some(&id), |_| refusal.clone());
        }
    }

    /// Claims that got no answer are given up.
    pub(super) fn expire_claims(&mut self, now: Duration) {
        let over = self.claims.expire(now);
        self.metrics.claims.with_label_values(&["expired"]).inc_by(over.len() as u64);
        self.over(over, None, |live| {
            Refusal::unasked(format!("host partition {} did not answer in time", live.host_partition))
        });
    }

    /// A pod needs no host any more: its claim ends if nothing is being written for it yet.
    pub(super) fn withdraw_claim(&mut self, uid: &str) {
        let mut over = self.claims.withdraw(uid).into_iter();
        let Some(live) = over.next() else { return };
        self.settle(&live.host_partition, &live.id, ClaimState::Void);
        self.tell_outcome(live.payload.session, uid, v1::outcome::Result::Gone, "");
        if let Some(reply) = live.payload.reply {
            let name = &live.payload.about.name;
            let _ = reply.send(Err(Failure::not_found(meridian_schema::pod(), name)));
        }
        self.over(over.collect(), None, |_| Refusal::unasked("a pod of the group is gone".to_owned()));
    }

    /// The name of a claim as this partition knows names.
    pub(super) fn claim_id(&self, claim: &v1::ClaimId) -> ClaimId {
        let own = self.claims.partition();
        let partition = if claim.partition == **own { own.clone() } else { claim.partition.as_str().into() };
        ClaimId { partition, epoch: claim.epoch, sequence: claim.sequence }
    }
}

/// The name of a claim as a message.
pub(super) fn to_message(id: &ClaimId) -> v1::ClaimId {
    v1::ClaimId { partition: id.partition.to_string(), epoch: id.epoch, sequence: id.sequence }
}

/// What a caller who ordered a binding is told.
fn refusal_failure(about: &About, refusal: &Refusal) -> Failure {
    let (reason, message) = (&refusal.reason, refusal.told(&about.tenant));
    if !refusal.is_for_good() {
        return Failure::unavailable(format!("pod {} was not bound: {message}", about.name)).retry_after(1);
    }
    let pod = meridian_schema::pod();
    Failure::new(Reason::Conflict, format!("Pod was rejected: {message}")).about(pod, &about.name).because(
        reason,
        message,
        "spec.nodeName",
    )
}
