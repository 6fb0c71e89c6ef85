//! The status of a Deployment: counts, and the conditions that `kubectl rollout status` and people go by.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rollout::Sets;
use super::view::Deployment;
use crate::object;

const AVAILABLE: &str = "Available";
const PROGRESSING: &str = "Progressing";
const REPLICA_FAILURE: &str = "ReplicaFailure";
const COMPLETE: &str = "NewReplicaSetAvailable";
const DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";

/// What happened in the pass over a Deployment that its conditions tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Nothing,
    /// The ReplicaSet of the template was made.
    Created,
    /// There was one from before, which is used again.
    Found,
}

/// A Deployment's next status, and when it must be looked at again without any change: when its deadline passes.
#[derive(Clone, Debug)]
pub(crate) struct Next {
    pub(crate) status: Value,
    pub(crate) look_again: Option<Timestamp>,
}

#[derive(Clone, Copy)]
struct Counts {
    replicas: i64,
    updated: i64,
    ready: i64,
    available: i64,
}

/// Computes the status.
pub(crate) fn next(deployment: &Deployment, sets: &Sets, happened: Happened, now: Timestamp) -> Next {
    let counts = Counts {
        replicas: sets.sum(|set| set.actual),
        updated: sets.new.as_ref().map_or(0, |set| set.actual),
        ready: sets.sum(|set| set.ready),
        available: sets.sum(|set| set.available),
    };
    let unavailable = (sets.sum(|set| set.replicas) - counts.available).max(0);
    let mut conditions = Conditions::of(deployment, now);
    conditions.available(deployment, counts);
    conditions.replica_failure(sets);
    let look_again = conditions.progressing(deployment, sets, counts, happened);

    let mut status = json!({
        "observedGeneration": deployment.generation,
        "replicas": counts.replicas,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
        "unavailableReplicas": unavailable,
    });
    if let Some(status) = status.as_object_mut() {
        // Kubernetes leaves zeros out.
        status.retain(|_, value| value.as_i64() != Some(0));
        status.insert("conditions".into(), Value::Array(conditions.list));
        if deployment.collisions > 0 {
            status.insert("collisionCount".into(), deployment.collisions.into());
        }
    }
    Next { status, look_again }
}

/// The ReplicaSet of the template has all pods that are wanted, they are available, and no other pods are left.
pub(crate) fn is_complete(deployment: &Deployment, sets: &Sets) -> bool {
    let wanted = deployment.replicas;
    sets.new.as_ref().map_or(0, |set| set.actual) == wanted
        && sets.sum(|set| set.actual) == wanted
        && sets.sum(|set| set.available) == wanted
}

struct Conditions {
    list: Vec<Value>,
    now: Timestamp,
}

impl Conditions {
    fn of(deployment: &Deployment, now: Timestamp) -> Self {
        let list = deployment.object.pointer("/status/conditions").and_then(Value::as_array);
        Self { list: list.cloned().unwrap_or_default(), now }
    }

    fn get(&self, kind: &str) -> Option<&Value> {
        self.list.iter().find(|condition| condition["type"] == kind)
    }

    fn remove(&mut self, kind: &str) {
        self.list.retain(|condition| condition["type"] != kind);
    }

    /// Sets a condition. `refresh`: also its time of update where status and reason are the same as before.
    fn set(&mut self, kind: &str, holds: bool, reason: &str, message: &str, refresh: bool) {
        let status = if holds { "True" } else { "False" };
        let now = meridian_api::seconds(self.now);
        let before = self.get(kind);
        let same = before.is_some_and(|before| before["status"] == status && before["reason"] == reason);
        if same && !refresh {
            return;
        }
        let since = before
            .filter(|before| before["status"] == status)
            .and_then(|before| before["lastTransitionTime"].as_str())
            .unwrap_or(&now)
            .to_owned();
        let condition = json!({
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastUpdateTime": now,
            "lastTransitionTime": since,
        });
        match self.list.iter_mut().find(|condition| condition["type"] == kind) {
            Some(place) => *place = condition,
            None => self.list.push(condition),
        }
    }

    fn available(&mut self, deployment: &Deployment, counts: Counts) {
        if counts.available >= deployment.replicas - deployment.may_be_unavailable() {
            let message = "Deployment has minimum availability.";
            self.set(AVAILABLE, true, "MinimumReplicasAvailable", message, false);
        } else {
            let message = "Deployment does not have minimum availability.";
            self.set(AVAILABLE, false, "MinimumReplicasUnavailable", message, false);
        }
    }

    /// What a ReplicaSet says of pods that it cannot make.
    fn replica_failure(&mut self, sets: &Sets) {
        let failure = sets.new.iter().chain(&sets.old).find_map(|set| {
            let condition = object::condition(&set.object, REPLICA_FAILURE)?;
            Some((condition["reason"].as_str()?.to_owned(), condition["message"].as_str()?.to_owned()))
        });
        match failure {
            Some((reason, message)) => self.set(REPLICA_FAILURE, true, &reason, &message, false),
            None => self.remove(REPLICA_FAILURE),
        }
    }

    fn progressing(
        &mut self,
        deployment: &Deployment,
        sets: &Sets,
        counts: Counts,
        happened: Happened,
    ) -> Option<Timestamp> {
        let Some(deadline) = deployment.progress_deadline else {
            self.remove(PROGRESSING);
            return None;
        };
        if deployment.is_paused {
            self.set(PROGRESSING, true, "DeploymentPaused", "Deployment is paused", false);
            return None;
        }
        let reason =
            self.get(PROGRESSING).and_then(|condition| condition["reason"].as_str()).map(str::to_owned);
        if reason.as_deref() == Some("DeploymentPaused") {
            self.set(PROGRESSING, true, "DeploymentResumed", "Deployment is resumed", true);
        }
        let named = sets.new.as_ref().map_or_else(
            || format!("Deployment {:?}", deployment.name),
            |set| format!("ReplicaSet {:?}", set.name),
        );
        match happened {
            Happened::Created => {
                let message = format!("Created new replica set {:?}", new_name(sets));
                self.set(PROGRESSING, true, "NewReplicaSetCreated", &message, true);
            }
            Happened::Found if reason.is_none_or(|reason| reason != COMPLETE) || counts.updated == 0 => {
                let message = format!("Found new replica set {:?}", new_name(sets));
                self.set(PROGRESSING, true, "FoundNewReplicaSet", &message, false);
            }
            _ => {}
        }
        let was_complete = self.get(PROGRESSING).is_some_and(|condition| condition["reason"] == COMPLETE);
        if counts.replicas == counts.updated && was_complete && is_complete(deployment, sets) {
            return None;
        }
        if is_complete(deployment, sets) {
            let message = format!("{named} has successfully progressed.");
            self.set(PROGRESSING, true, COMPLETE, &message, true);
            return None;
        }
        if was_complete && counts.replicas == counts.updated {
            // Pods of a finished roll-out come and go; that begins no new one.
            return None;
        }
        if made_progress(deployment, counts) {
            self.set(PROGRESSING, true, "ReplicaSetUpdated", &format!("{named} is progressing."), true);
        }
        let condition = self.get(PROGRESSING)?;
        if condition["reason"] == DEADLINE_EXCEEDED {
            return None;
        }
        let since: Timestamp = condition["lastUpdateTime"].as_str()?.parse().ok()?;
        let due = since.checked_add(jiff::SignedDuration::from_secs(deadline)).ok()?;
        if self.now < due {
            return Some(due);
        }
        self.set(
            PROGRESSING,
            false,
            DEADLINE_EXCEEDED,
            &format!("{named} has timed out progressing."),
            false,
        );
        None
    }
}

fn new_name(sets: &Sets) -> &str {
    sets.new.as_ref().map_or("", |set| &set.name)
}

/// Whether the counts moved towards the goal since the status that is stored.
fn made_progress(deployment: &Deployment, counts: Counts) -> bool {
    let before = |name: &str| object::number(&deployment.object, &format!("/status/{name}")).unwrap_or(0);
    counts.updated > before("updatedReplicas")
        || counts.replicas - counts.updated < before("replicas") - before("updatedReplicas")
        || counts.ready > before("readyReplicas")
        || counts.available > before("availableReplicas")
}
