//! Hand-over of tied tenants: a replica decides on their pods once it knows where the others are.

use std::sync::Arc;

use meridian_ledger::ClaimId;
use meridian_proto::v1::TenantClaims;
use meridian_store::Tenant;

use super::Actor;
use super::claim::{Attempt, to_message};
use crate::assignment::SessionId;

/// Claims in one message.
const CLAIMS_A_MESSAGE: usize = 4096;

impl Actor {
    /// Whether hosts may be refused to pods of a tenant because of others of its pods.
    pub(super) fn is_tied(&self, tenant: &Tenant) -> bool {
        self.classes.is_tied(tenant) || self.bindings.is_tied(tenant)
    }

    /// Whether a tenant's pods may be sent to the replica that leads it now.
    pub(super) fn leader_knows(&mut self, tenant: &Tenant, leader: SessionId) -> bool {
        !self.is_tied(tenant) || self.ties.is_clear(tenant, leader)
    }

    /// Asks the leaders of tied tenants whether they know where all pods are that others have placed. While a claim of another
    /// replica's making is under way nobody is asked: what becomes of it is not known.
    pub(super) fn ask_leaders(&mut self) {
        for tenant in self.ties.take_wanted() {
            let leader = self.assignment.leader(&tenant).filter(|_| self.in_sync);
            let Some(leader) = leader else {
                // Pods are offered, and the question comes up, when there is one.
                self.ties.drop_wanted(&tenant);
                continue;
            };
            if self.claims.iter().any(|live| is_foreign(&live.payload, &tenant, leader)) {
                self.ties.postpone(tenant);
                continue;
            }
            let number = self.ties.ask(&tenant, leader);
            let claims: Vec<_> = self.bindings.claims_of(&tenant).map(|id| to_message(&id)).collect();
            let mut parts: Vec<TenantClaims> = claims
                .chunks(CLAIMS_A_MESSAGE)
                .map(|claims| TenantClaims {
                    number,
                    tenant: tenant.to_string(),
                    claims: claims.to_vec(),
                    ..TenantClaims::default()
                })
                .collect();
            if parts.is_empty() {
                parts.push(TenantClaims { number, tenant: tenant.to_string(), ..TenantClaims::default() });
            }
            if let Some(last) = parts.last_mut() {
                last.is_last = true;
            }
            self.tell_claims(leader, parts);
        }
    }

    /// A replica has heard of all that it was asked about.
    pub(super) fn claims_seen(&mut self, session: SessionId, number: u64) {
        if let Some(tenant) = self.ties.seen(session, number) {
            let waiting: Vec<Arc<str>> = self.pods.of_tenant(&tenant).cloned().collect();
            waiting.iter().for_each(|uid| self.offer(uid));
        }
    }

    /// A binding is over: who waits to hear of it waits in vain.
    pub(super) fn claim_ended(&mut self, tenant: &Tenant, id: &ClaimId) {
        if let Some((session, number)) = self.ties.asked(tenant) {
            let ended = vec![to_message(id)];
            let tenant = tenant.to_string();
            self.tell_claims(
                session,
                vec![TenantClaims { number, tenant, ended, ..TenantClaims::default() }],
            );
        }
    }
}

/// Whether a claim may put a pod of a tenant where a replica does not expect it. Who names a host himself is not waited for: he
/// has chosen.
fn is_foreign(attempt: &Attempt, tenant: &Tenant, leader: SessionId) -> bool {
    attempt.about.tenant == *tenant
        && attempt.session.is_some_and(|session| session != leader || attempt.has_fallen)
}
