//! Evictions: deletions of pods that disruption budgets have a say in.
//!
//! An eviction first takes one disruption out of the pod's budget, with a write of the budget's status that holds only if
//! nobody else wrote it in between, and deletes the pod only then. So of evictions that race, no more go through than the
//! budget allows. The pod is recorded in the budget by its name: the controller that keeps budgets does not count it as
//! healthy from then on, whether its deletion is seen yet or not.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use meridian_schema::{pod, pod_disruption_budget};

use super::delete::check_preconditions;
use super::transact::{Plan, Target, Write};
use super::{Registry, pods};
use crate::budget::{DISRUPTION_ALLOWED, SYNC_FAILED, allow_disruptions, budget_selector};
use crate::object::{self, at, condition, meta, number, text};
use crate::{Caller, CreateOptions, DeleteOptions, Deleted, Entry, Failure, Reason, Sub};

/// After so many changes of the pod in a row the client is to try again.
const ATTEMPTS: usize = 16;

/// The most pods whose eviction the controller has yet to see done, as in Kubernetes.
const MOST_DISRUPTED: usize = 2000;

/// The condition of a pod that is about to go for reasons not its own.
const DISRUPTION_TARGET: &str = "DisruptionTarget";

/// What a pod's budget says to its eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// The pod may go, whatever becomes of it.
    Given,
    /// The pod may go as it is now: once it is ready, its budget protects it.
    AsItIs,
}

impl Registry {
    /// Evicts a pod, as an `Eviction` says: deletes it if its disruption budget allows that.
    ///
    /// # Errors
    ///
    /// As for a delete; 429 when the budget does not allow it now, 500 when the pod has several budgets.
    pub async fn evict(
        &self,
        caller: &Caller,
        ns: &str,
        name: &str,
        eviction: Value,
        options: &CreateOptions,
    ) -> Result<Deleted, Failure> {
        object::check_namespace(ns, &eviction)?;
        let named = meta(&eviction, "name");
        if !named.is_empty() && named != name {
            return Err(Failure::bad_request(format!(
                "name in URL ({name}) does not match name in Eviction object ({named})"
            )));
        }
        let mut asked = match eviction.get("deleteOptions") {
            Some(given) => DeleteOptions::from_value(given)?,
            None => DeleteOptions::default(),
        };
        asked.dry_run |= options.dry_run;
        let (registry, caller, ns, name) = (self.clone(), caller.clone(), ns.to_owned(), name.to_owned());
        // Once its budget has paid, the pod goes, whether the client still waits for the answer or not.
        let done = tokio::spawn(async move { registry.evict_as_asked(&caller, &ns, &name, &asked).await });
        done.await.unwrap_or_else(|error| Err(Failure::internal(error)))
    }

    async fn evict_as_asked(
        &self,
        caller: &Caller,
        ns: &str,
        name: &str,
        asked: &DeleteOptions,
    ) -> Result<Deleted, Failure> {
        let target = Target { kind: pod(), tenant: &caller.tenant, ns, name };
        for _ in 0..ATTEMPTS {
            let entry = Box::pin(self.get(caller, pod(), ns, name)).await?;
            // Before anything is taken out of a budget for a pod that is not meant.
            check_preconditions(target, &entry, asked)?;
            let leave = Box::pin(self.leave(target, &entry, asked.dry_run)).await?;
            let mut how = asked.clone();
            how.preconditions.uid.get_or_insert_with(|| entry.uid.clone());
            if leave == Leave::AsItIs {
                let version = entry.resource_version().to_string();
                how.preconditions.resource_version.get_or_insert(version);
            }
            let now = object::seconds(self.clock().date());
            let mark = |pod: &mut Value| mark(pod, &now);
            match Box::pin(self.delete_marked(caller, pod(), ns, name, &how, &mark)).await {
                // It is not the pod that was looked at any more. One that has to be gets no second look.
                Err(failure) if failure.is_conflict() && asked.preconditions.resource_version.is_none() => {}
                outcome => return outcome,
            }
        }
        let message = format!("pod {name} is being changed all the time: try again");
        Err(Failure::new(Reason::TooManyRequests, message).about(pod(), name).retry_after(1))
    }

    /// Asks whether a pod may be evicted, and takes the disruption out of its budget if so.
    async fn leave(&self, target: Target<'_>, entry: &Entry, dry_run: bool) -> Result<Leave, Failure> {
        let value = entry.stored_value();
        // Whatever it did is over, or about to be.
        if entry.deleting || pods::is_finished(&value) {
            return Ok(Leave::Given);
        }
        if text(&value, &["status", "phase"]) == "Pending" {
            return Ok(Leave::AsItIs);
        }
        let budgets = self.budgets_of(entry);
        let budget = match budgets.as_slice() {
            [] => return Ok(Leave::Given),
            [budget] => budget,
            _ => {
                let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not \
                               support.";
                return Err(Failure::new(Reason::InternalError, message).about(pod(), target.name));
            }
        };
        if !is_ready(&value) && spares_only_ready_pods(&budget.stored_value()) {
            return Ok(Leave::AsItIs);
        }
        self.spend(Target { kind: budget.kind, name: &budget.name, ..target }, target.name, dry_run).await?;
        Ok(Leave::Given)
    }

    /// The budgets that protect a pod.
    fn budgets_of(&self, pod: &Entry) -> Vec<Arc<Entry>> {
        let mut budgets = self.cached_list(Some(&pod.tenant), pod_disruption_budget(), &pod.namespace);
        budgets.retain(|budget| {
            budget_selector(&budget.stored_value()).is_some_and(|selector| selector.matches(&pod.labels))
        });
        budgets
    }

    /// Takes one disruption out of a budget, for a pod that is about to go.
    async fn spend(&self, budget: Target<'_>, pod: &str, dry_run: bool) -> Result<(), Failure> {
        let now = self.clock().date();
        let decided = self.transact(budget, |base| {
            // A budget that is gone protects nothing.
            let Some(old) = &base.entry else { return Ok(Plan::of(Write::Keep)) };
            let was = old.stored_value();
            let mut new = was.clone();
            take_one(&mut new, pod, now)?;
            let plan = self.replace(budget, base, old, &was, Some(Sub::Status), new)?;
            Ok(Plan { dry_run, ..plan })
        });
        match Box::pin(decided).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_conflict() => {
                let message =
                    format!("couldn't update PodDisruptionBudget {:?} due to conflicts", budget.name);
                Err(Failure::new(Reason::Timeout, message).about(budget.kind, budget.name).retry_after(1))
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Whether a pod counts as healthy.
fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| text(ready, &["status"]) == "True")
}

/// Whether a budget lets pods go that are not ready, which it does not count: always, if it says so, and else while enough
/// others are ready.
fn spares_only_ready_pods(budget: &Value) -> bool {
    if text(budget, &["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow" {
        return true;
    }
    let count = |name| number(budget, &["status", name]).unwrap_or_default();
    count("desiredHealthy") > 0 && count("currentHealthy") >= count("desiredHealthy")
}

/// Takes one disruption out of a budget and records for which pod, or says why there is none.
fn take_one(budget: &mut Value, pod: &str, now: Timestamp) -> Result<(), Failure> {
    let (kind, name) = (pod_disruption_budget(), meta(budget, "name").to_owned());
    let count = |name| number(budget, &["status", name]).unwrap_or_default();
    let generation = number(budget, &["metadata", "generation"]).unwrap_or_default();
    if count("observedGeneration") < generation {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refusal(&why).retry_after(1));
    }
    let allowed = count("disruptionsAllowed");
    if allowed < 0 {
        return Err(Failure::forbidden(kind, &name, "pdb disruptions allowed is negative"));
    }
    let disrupted = at(budget, &["status", "disruptedPods"]).and_then(Value::as_object);
    if disrupted.is_some_and(|disrupted| disrupted.len() > MOST_DISRUPTED) {
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(Failure::forbidden(kind, &name, why));
    }
    if allowed == 0 {
        let failed = condition(budget, DISRUPTION_ALLOWED)
            .filter(|condition| text(condition, &["reason"]) == SYNC_FAILED)
            .map(|condition| text(condition, &["message"]));
        return Err(refusal(&match failed {
            Some(why) => {
                format!(
                    "The disruption budget {name} does not allow evicting pods currently because it failed sync: {why}"
                )
            }
            None => format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                count("desiredHealthy"),
                count("currentHealthy")
            ),
        }));
    }
    allow_disruptions(budget, allowed - 1, now);
    let disrupted = object::member(budget, "status").entry("disruptedPods").or_insert_with(|| json!({}));
    object::members(disrupted).insert(pod.to_owned(), json!(object::seconds(now)));
    Ok(())
}

fn refusal(why: &str) -> Failure {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    Failure::new(Reason::TooManyRequests, message).because("DisruptionBudget", why, "")
}

/// Says in a pod why it goes.
fn mark(pod: &mut Value, now: &str) {
    let condition = json!({
        "type": DISRUPTION_TARGET,
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastProbeTime": null,
    });
    object::put_condition(pod, condition, now);
}
