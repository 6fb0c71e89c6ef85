//! What tenant partitions say: claims, what became of them, lists of bindings, and specs of pods.

use std::sync::Arc;

use meridian_engine::Seat;
use meridian_ledger::host::{Answer, Claim, Greeting, ListedPod, Listing, Refusal};
use meridian_ledger::tenant::Settlement;
use meridian_ledger::{ClaimId, Uid};
use meridian_proto::v1::{
    self, ClaimState, Goodbye, Hello, Settlements, TenantPartitionMessage, host_partition_message,
    tenant_partition_message,
};
use serde::Deserialize;

use super::changes::USUAL_GRACE;
use super::{Actor, Peer, Session, Spec, TenantState};
use crate::durable::{Failed, Written};
use crate::input::SessionId;

/// The longest uid or name of a tenant.
const MOST_NAME: usize = 253;

/// The most victims of one claim: more pods than a host runs.
const MOST_VICTIMS: usize = 1024;

impl Actor {
    pub(super) fn tenant_says(&mut self, session: SessionId, message: TenantPartitionMessage) {
        let Some(Session { peer: Peer::Tenant { partition, epoch, .. }, .. }) = self.sessions.get(&session)
        else {
            return;
        };
        let Some(partition) = partition.clone() else {
            return match message.message {
                Some(tenant_partition_message::Message::Hello(hello)) => self.greet_tenant(session, &hello),
                _ => self.refuse(session, Goodbye::no_hello()),
            };
        };
        let epoch = *epoch;
        match message.message {
            Some(tenant_partition_message::Message::Hello(_)) => {
                self.refuse(session, Goodbye::second_hello());
            }
            Some(tenant_partition_message::Message::Goodbye(goodbye)) => {
                tracing::info!(%partition, reason = %goodbye.reason, "a tenant partition leaves");
                self.close(session);
                if goodbye.is_final {
                    // It may have listed to a later process of this partition: the store says whether there is one.
                    self.adopt(&partition);
                }
            }
            Some(tenant_partition_message::Message::Listing(listing)) => self.listing(&partition, listing),
            Some(tenant_partition_message::Message::Claims(claims)) => {
                let mut claims = claims.claims.into_iter().peekable();
                while let Some(first) = claims.next() {
                    let number = first.group;
                    let mut group = vec![first];
                    while let Some(next) = claims.next_if(|next| number != 0 && next.group == number) {
                        group.push(next);
                    }
                    self.claim(session, &partition, epoch, group);
                }
            }
            Some(tenant_partition_message::Message::Settlements(settlements)) => {
                self.settlements(&partition, settlements);
            }
            Some(tenant_partition_message::Message::Pods(pods)) => {
                for pod in pods.pods {
                    self.spec(&partition, pod);
                }
            }
            Some(tenant_partition_message::Message::Stored(stored)) => {
                self.statuses_stored(&partition, stored)
            }
            // Of a newer build: nothing that is required.
            None => {}
        }
    }

    fn greet_tenant(&mut self, session: SessionId, hello: &Hello) {
        if let Err(goodbye) = hello.check(&self.cell) {
            return self.refuse(session, goodbye);
        }
        let name: Arc<str> = Arc::from(hello.name.as_str());
        let known = self.tenants.entry(Arc::clone(&name)).or_default();
        if hello.epoch == 0 || hello.epoch < known.epoch {
            let reason = format!(
                "epoch {} is over, {} has been seen: this process is deposed",
                hello.epoch, known.epoch
            );
            return self.refuse(session, Goodbye::refusal(reason));
        }
        let former = known.session.replace(session);
        known.epoch = hello.epoch;
        if let Some(former) = former {
            self.refuse(former, Goodbye::later("this tenant partition has opened another stream"));
        }
        if let Some(Session { peer: Peer::Tenant { partition, epoch, .. }, .. }) =
            self.sessions.get_mut(&session)
        {
            *partition = Some(Arc::clone(&name));
            *epoch = hello.epoch;
        }
        self.send_tenant(session, host_partition_message::Message::Hello(self.hello().into()));
        match self.ledger.greet(&name) {
            Greeting::Unknown => self.adopt(&name),
            Greeting::Unanswered => self.tenants.entry(Arc::clone(&name)).or_default().relist = true,
            Greeting::Answered => self.audit_all(&name),
        }
        self.requeue_statuses(&name);
    }

    fn adopt(&mut self, name: &Arc<str>) {
        let tenant = self.tenants.entry(Arc::clone(name)).or_default();
        if !tenant.is_adopting {
            tenant.is_adopting = true;
            self.durable.adopt(Arc::clone(name));
        }
    }

    pub(super) fn adopted(&mut self, partition: &Arc<str>, result: Result<Written, Failed>) {
        let tenant = self.tenants.entry(Arc::clone(partition)).or_default();
        tenant.is_adopting = false;
        if let Err(failed) = result {
            let session = tenant.session;
            self.failed("adopting a tenant partition", &failed);
            if let Some(session) = session {
                self.refuse(session, Goodbye::later("this partition could not be made known: come again"));
            }
            return;
        }
        tenant.relist = true;
        self.ledger.adopt(Arc::clone(partition));
    }

    /// Asks what became of every claim of a tenant partition.
    fn audit_all(&mut self, partition: &str) {
        let claims = self.ledger.claims_of(partition);
        if let Some(tenant) = self.tenants.get_mut(partition) {
            tenant.audits.extend(claims);
        }
    }

    fn listing(&mut self, partition: &Arc<str>, listing: v1::Listing) {
        let v1::Listing { host_partition, epoch, part, is_last, pods } = listing;
        if *host_partition != *self.name {
            tracing::warn!(%partition, host_partition, "a list that is for another host partition was not used");
            return;
        }
        let mut listed = Vec::with_capacity(pods.len());
        for pod in pods {
            match listed_pod(partition, pod) {
                Some(pod) => listed.push(pod),
                // Whatever it is, its room cannot be told: without it the list would not be whole.
                None => {
                    tracing::error!(%partition, "a list with a pod that has no claim was not used");
                    return;
                }
            }
        }
        let listing = Listing { host_epoch: epoch, part, is_last, pods: listed };
        match self.ledger.listing(partition, listing) {
            // What became of them while the list was on its way.
            Ok(true) => self.audit_all(partition),
            Ok(false) => {}
            Err(error) => tracing::debug!(%partition, %error, "a list was not used"),
        }
    }

    /// Decides a claim, or those of a group.
    fn claim(&mut self, session: SessionId, partition: &Arc<str>, epoch: u64, group: Vec<v1::Claim>) {
        let ids: Vec<Option<ClaimId>> =
            group.iter().map(|claim| own_claim(partition, claim.id.as_ref())).collect();
        let mut claims = Vec::with_capacity(group.len());
        let mut unreadable = None;
        for (claim, id) in group.into_iter().zip(&ids) {
            let Some(id) = id.clone().filter(|id| id.epoch == epoch) else {
                return self.refuse(
                    session,
                    Goodbye::refusal("a claim that is not of this stream's partition and epoch"),
                );
            };
            match read_claim(partition, id.clone(), claim) {
                Ok(claim) => claims.push(claim),
                Err((reason, message)) => unreadable = Some((refused(&id, reason, message), id)),
            }
        }
        if let Some((refused, other)) = unreadable {
            for id in ids.into_iter().flatten() {
                let answer = if id == other { refused.clone() } else { of_refused_group(&id, &other) };
                self.answer(partition, answer);
            }
            return;
        }
        if let Some(named) = claims.iter().map(|claim| claim.host_epoch).find(|named| *named > self.epoch) {
            // Whether that is so the store says, when it is next written to.
            tracing::warn!(%partition, own = self.epoch, named, "a claim names a later epoch of this partition");
            self.adopt(partition);
        }
        if let [claim] = &claims[..] {
            let answer = self.ledger.claim(claim);
            return self.answer(partition, answer_message(answer));
        }
        for answer in self.ledger.claim_group(&claims) {
            self.answer(partition, answer_message(answer));
        }
    }

    /// Tells a tenant partition what a claim that waited has come to.
    pub(super) fn answer_late(&mut self, answer: Answer) {
        let partition = Arc::clone(&answer.claim.partition);
        self.answer(&partition, answer_message(answer));
    }

    fn answer(&mut self, partition: &str, answer: v1::Answer) {
        let result = match (answer.accepted, answer.waiting) {
            (true, _) => "accepted",
            (false, true) => "waiting",
            (false, false) => "rejected",
        };
        self.metrics.claims.with_label_values(&[result]).inc();
        if let Some(tenant) = self.tenants.get_mut(partition) {
            tenant.answers.push(answer);
        }
    }

    fn settlements(&mut self, partition: &Arc<str>, settlements: Settlements) {
        for settlement in settlements.settlements {
            let Some(claim) = own_claim(partition, settlement.claim.as_ref()) else { continue };
            let state = match ClaimState::try_from(settlement.state) {
                Ok(ClaimState::Bound) => Settlement::Bound,
                Ok(ClaimState::Terminating) => Settlement::Terminating,
                Ok(ClaimState::Void) => Settlement::Void,
                // Nothing is done about what is not understood: it is asked about again.
                Ok(ClaimState::Unspecified) | Err(_) => continue,
            };
            self.ledger.settle(settlements.host_epoch, &claim, state);
        }
    }

    fn spec(&mut self, partition: &Arc<str>, pod: v1::PodSpec) {
        let Some(claim) = own_claim(partition, pod.claim.as_ref()) else { return };
        let Some(entry) = self.ledger.entry(&claim).filter(|entry| *entry.uid.as_str() == *pod.uid) else {
            return;
        };
        let grace = grace(&pod.object);
        let before = self.graces.get(&claim).copied().unwrap_or(USUAL_GRACE);
        if grace != before {
            self.graces.insert(claim.clone(), grace);
        }
        if entry.state == meridian_ledger::host::EntryState::Terminating && grace < before {
            self.stop_pod(entry.host, &entry.tenant, &entry.uid, grace);
        }
        if self.ledger.specified(&claim) {
            self.specs.insert(claim, Spec { object: pod.object, tenant: Arc::clone(&entry.tenant) });
        }
    }
}

/// The time in seconds that a pod may take to end.
fn grace(object: &[u8]) -> i64 {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Pod {
        metadata: Metadata,
        spec: PodSpec,
    }
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct Metadata {
        deletion_grace_period_seconds: Option<i64>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct PodSpec {
        termination_grace_period_seconds: Option<i64>,
    }
    let pod: Pod = serde_json::from_slice(object).unwrap_or_default();
    let asked = pod.metadata.deletion_grace_period_seconds.or(pod.spec.termination_grace_period_seconds);
    asked.unwrap_or(USUAL_GRACE).clamp(0, i64::from(u32::MAX))
}

/// A claim's name out of a message, where it is one of the partition's own.
fn own_claim(partition: &Arc<str>, claim: Option<&v1::ClaimId>) -> Option<ClaimId> {
    let claim = claim.filter(|claim| *claim.partition == **partition)?;
    Some(ClaimId { partition: Arc::clone(partition), epoch: claim.epoch, sequence: claim.sequence })
}

/// A claim out of a message; the error is the reason and the message of its refusal.
fn read_claim(partition: &Arc<str>, id: ClaimId, claim: v1::Claim) -> Result<Claim, (&'static str, String)> {
    let invalid = |message: String| Err(("InvalidClaim", message));
    if claim.uid.is_empty() || claim.uid.len() > MOST_NAME || claim.tenant.len() > MOST_NAME {
        return invalid(format!("the uid has {} bytes", claim.uid.len()));
    }
    if claim.victims.len() > MOST_VICTIMS {
        return invalid(format!("it names {} victims, want at most {MOST_VICTIMS}", claim.victims.len()));
    }
    let demand = meridian_wire::demand_from_message(claim.demand.unwrap_or_default());
    let demand = demand.map_err(|error| ("InvalidDemand", error.to_string()))?;
    // Who names another partition's pods as victims waits for nothing: it cannot stop them.
    let victims = claim.victims.iter().filter_map(|victim| own_claim(partition, Some(victim))).collect();
    Ok(Claim {
        id,
        tenant: Arc::from(claim.tenant),
        uid: Uid::from(claim.uid),
        host: claim.host,
        incarnation: claim.incarnation,
        demand,
        seat: Seat { devices: claim.devices, numa: claim.numa },
        host_epoch: claim.host_epoch,
        victims,
        keeps: claim.keeps,
    })
}

fn of_refused_group(claim: &ClaimId, other: &ClaimId) -> v1::Answer {
    let refusal = Refusal::Group { other: other.clone() };
    refused(claim, &refusal.reason(), refusal.to_string())
}

fn listed_pod(partition: &Arc<str>, pod: v1::ListedPod) -> Option<ListedPod> {
    let claim = own_claim(partition, pod.claim.as_ref())?;
    // A demand that cannot be read counts as one pod of nothing: better than a list that is never used.
    let demand = meridian_wire::demand_from_message(pod.demand.unwrap_or_default()).unwrap_or_else(|error| {
        tracing::error!(%claim, %error, "the demand of a bound pod cannot be read");
        meridian_engine::Demand::default()
    });
    Some(ListedPod {
        claim,
        tenant: Arc::from(pod.tenant),
        uid: Uid::from(pod.uid),
        host: pod.host,
        incarnation: pod.incarnation,
        demand,
        seat: Seat { devices: pod.devices, numa: pod.numa },
        is_terminating: pod.state == i32::from(ClaimState::Terminating),
    })
}

fn refused(claim: &ClaimId, reason: &str, message: String) -> v1::Answer {
    let claim = Some(super::claim_message(claim));
    v1::Answer { claim, message, reason: reason.to_owned(), ..v1::Answer::default() }
}

fn answer_message(answer: Answer) -> v1::Answer {
    let Answer { claim, refusal, is_waiting, free } = answer;
    v1::Answer {
        claim: Some(super::claim_message(&claim)),
        accepted: refusal.is_none() && !is_waiting,
        waiting: is_waiting,
        message: refusal.as_ref().map(ToString::to_string).unwrap_or_default(),
        reason: refusal.map(|refusal| refusal.reason()).unwrap_or_default(),
        free: Some(v1::Resources {
            cpu_milli: free.resources.cpu_milli,
            memory: free.resources.memory,
            ephemeral_storage: free.resources.ephemeral_storage,
            extended: free.resources.extended.into_iter().collect(),
        }),
        free_pods: free.pods,
        version: free.version,
    }
}

impl TenantState {
    pub(super) fn is_connected(&self) -> bool {
        self.session.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::grace;

    #[test]
    fn the_time_to_end_in_is_what_was_asked_for_last() {
        for (object, want) in [
            (
                r#"{"metadata":{"deletionGracePeriodSeconds":5},"spec":{"terminationGracePeriodSeconds":60}}"#,
                5,
            ),
            (
                r#"{"metadata":{"annotations":{"x":"y"}},"spec":{"terminationGracePeriodSeconds":60,"containers":[]}}"#,
                60,
            ),
            (r#"{"metadata":{"deletionGracePeriodSeconds":-3}}"#, 0),
            ("{}", 30),
            ("not JSON", 30),
        ] {
            assert_eq!(grace(object.as_bytes()), want, "{object}");
        }
    }
}
