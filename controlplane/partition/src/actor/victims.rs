//! Who could make way for a replica's pods: the bound pods of a tenant, their priorities and disruption budgets, out of the
//! cache. Replicas ask only when a pod fits nowhere, so pods that nobody asks about cost nothing.

use std::sync::Arc;

use jiff::Timestamp;
use meridian_api::{Entry, Registry, budget_selector};
use meridian_proto::v1::{BudgetAllowance, ClaimId, Victim, Victims, VictimsRequest};
use meridian_schema::{LabelSelector, pod, pod_disruption_budget};
use meridian_store::Tenant;
use serde_json::Value;

use super::{Actor, Done};
use crate::assignment::SessionId;
use crate::view::PodView;

/// Pods in one part of an answer.
const PART: usize = 512;

/// The most pods that an answer tells of: those of the lowest priorities.
const MOST_TOLD: usize = 50_000;

/// A disruption budget.
struct Budget {
    namespace: String,
    selector: LabelSelector,
    allowed: i32,
    /// Pods that it has been paid for already, by name.
    disrupted: Vec<String>,
}

impl Actor {
    /// A replica asks who could make way for a pod of a tenant that it leads.
    pub(super) fn victims_wanted(&mut self, session: SessionId, request: VictimsRequest) {
        let tenant = Tenant::new(&request.tenant).ok();
        let Some(tenant) = tenant.filter(|tenant| self.assignment.leader(tenant) == Some(session)) else {
            let nobody = Victims { number: request.number, is_last: true, ..Victims::default() };
            return self.tell_victims(session, vec![nobody]);
        };
        let registry = self.registry.clone();
        self.work.spawn(async move { Done::Victims(session, victims(&registry, &tenant, &request)) });
    }
}

/// The answer in parts.
fn victims(registry: &Registry, tenant: &Tenant, request: &VictimsRequest) -> Vec<Victims> {
    let budgets: Vec<Budget> = registry
        .cached_list(Some(tenant), pod_disruption_budget(), "")
        .iter()
        .filter_map(|entry| budget(entry))
        .collect();
    let pods = registry.cached_list(Some(tenant), pod(), "");
    let mut found: Vec<Victim> =
        pods.iter().filter_map(|entry| victim(registry, entry, request.below, &budgets)).collect();
    found.sort_by_key(|victim| victim.priority);
    found.truncate(MOST_TOLD);
    let allowances: Vec<BudgetAllowance> =
        budgets.iter().map(|budget| BudgetAllowance { allowed: budget.allowed }).collect();
    let part = |victims: &[Victim]| Victims {
        number: request.number,
        budgets: allowances.clone(),
        victims: victims.to_vec(),
        is_last: false,
    };
    let mut parts: Vec<Victims> = found.chunks(PART).map(part).collect();
    if parts.is_empty() {
        parts.push(part(&[]));
    }
    if let Some(last) = parts.last_mut() {
        last.is_last = true;
    }
    parts
}

/// A pod that is bound and has a lower priority.
fn victim(registry: &Registry, entry: &Arc<Entry>, below: i32, budgets: &[Budget]) -> Option<Victim> {
    let record = registry.cached_binding(&entry.tenant, &entry.namespace, &entry.name)?;
    if record.uid != entry.uid {
        return None;
    }
    let view = PodView::read(&entry.bytes).ok()?;
    let priority = view.spec_view().ok()?.priority.unwrap_or(0);
    if priority >= below || view.has_ended() {
        return None;
    }
    let counts = |budget: &Budget| {
        budget.namespace == entry.namespace
            && budget.selector.matches(&entry.labels)
            && !budget.disrupted.contains(&entry.name)
    };
    let budgets = budgets.iter().zip(0..).filter(|(budget, _)| counts(budget)).map(|(_, number)| number);
    Some(Victim {
        uid: entry.uid.clone(),
        partition: record.host_partition.clone(),
        claim: Some(ClaimId {
            partition: record.claim.partition.clone(),
            epoch: record.claim.epoch,
            sequence: record.claim.sequence,
        }),
        priority,
        started: view.started().parse::<Timestamp>().map_or(0, Timestamp::as_second),
        terminating: entry.deleting,
        budgets: budgets.collect(),
    })
}

fn budget(entry: &Entry) -> Option<Budget> {
    let value: Value = serde_json::from_slice(&entry.bytes).ok()?;
    let allowed = value["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
    let disrupted = value["status"]["disruptedPods"].as_object();
    Some(Budget {
        namespace: entry.namespace.clone(),
        selector: budget_selector(&value)?,
        allowed: i32::try_from(allowed).unwrap_or(i32::MAX),
        disrupted: disrupted.into_iter().flat_map(|pods| pods.keys().cloned()).collect(),
    })
}
