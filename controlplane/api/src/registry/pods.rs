//! Pods and their binding records: the rules by which a tenant partition decides.
//!
//! A pod without a record holds nothing. One with a record holds its host and its name until its host reports that it
//! stopped; nothing else ends a record. A record is of the pod with its uid: one under the same name that is of an earlier
//! pod, deleted by force, is a ghost that keeps the new pod from being bound.

use std::sync::Arc;

use serde_json::{Value, json};

use super::transact::Base;
use crate::cache::Held;
use crate::object::{self, at, condition, meta, text};
use crate::{BindingRecord, BindingState, Entry};

/// The condition that a pod was bound.
const SCHEDULED: &str = "PodScheduled";

/// The binding record of this very pod.
pub(super) fn own<'a>(base: &'a Base, pod: &Entry) -> Option<&'a Arc<BindingRecord>> {
    let Held { record, .. } = base.held.as_ref()?;
    (record.uid == pod.uid && record.state != BindingState::Ghost).then_some(record)
}

/// A record with another state.
pub(super) fn in_state(record: &BindingRecord, state: BindingState) -> BindingRecord {
    BindingRecord { state, ..record.clone() }
}

/// Whether a pod was bound, ever: what it says itself, which outlasts its record.
fn was_bound(pod: &Value) -> bool {
    condition(pod, SCHEDULED).is_some_and(|condition| text(condition, &["status"]) == "True")
}

/// Whether a pod has finished.
pub(super) fn is_finished(pod: &Value) -> bool {
    matches!(text(pod, &["status", "phase"]), "Succeeded" | "Failed")
}

/// Whether a pod may be bound to a host: it never was, is not going, has not finished, is not held back by scheduling gates
/// and does not ask for another host.
pub(super) fn is_pending(pod: &Value, host: &str) -> bool {
    let node = text(pod, &["spec", "nodeName"]);
    let gated = at(pod, &["spec", "schedulingGates"])
        .and_then(Value::as_array)
        .is_some_and(|gates| !gates.is_empty());
    !object::is_deleting(pod)
        && !is_finished(pod)
        && !was_bound(pod)
        && !gated
        && (node.is_empty() || node == host)
}

/// Makes a pod one that is bound to a host.
pub(super) fn bind(pod: &mut Value, host: &str, now: &str) {
    object::member(pod, "spec").insert("nodeName".to_owned(), json!(host));
    object::set_condition(pod, SCHEDULED, "True", now);
    // What it was promised it has now.
    object::member(pod, "status").remove("nominatedNodeName");
}

/// A pod that was bound stays one that was: a pod is bound once in its life, and this condition tells.
pub(super) fn keep_scheduled(old: &Value, new: &mut Value) {
    if !was_bound(old) || was_bound(new) {
        return;
    }
    let Some(kept) = condition(old, SCHEDULED).cloned() else { return };
    let conditions = object::member(new, "status").entry("conditions").or_insert_with(|| json!([]));
    if let Value::Array(conditions) = conditions {
        conditions.retain(|condition| text(condition, &["type"]) != SCHEDULED);
        conditions.push(kept);
    }
}

/// How long a pod may take to end, in seconds.
pub(super) fn grace(pod: &Value, asked: Option<i64>) -> i64 {
    let own = object::number(pod, &["spec", "terminationGracePeriodSeconds"]).unwrap_or(30);
    match asked.unwrap_or(own) {
        grace if grace < 0 => 1,
        grace => grace,
    }
}

/// When a pod that is going must have ended.
pub(super) fn deadline(pod: &Value) -> Option<jiff::Timestamp> {
    meta(pod, "deletionTimestamp").parse().ok()
}

/// The grace that a pod that is going was given.
pub(super) fn given_grace(pod: &Value) -> Option<i64> {
    at(pod, &["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64)
}
