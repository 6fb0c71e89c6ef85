//! Disruption budgets.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cause::Causes;
use super::deployment::number_or_percent;
use super::walk::check_bounds;
use super::{names, selector};
use crate::decode::Path;
use crate::read::{get, has, items, number, text};

/// The most bytes of a condition's reason and of its message.
const REASON_SIZE: usize = 1024;
const MESSAGE_SIZE: usize = 32 * 1024;

/// Rules for a PodDisruptionBudget, new or not.
pub(super) fn check(object: &Value, causes: &mut Causes) {
    let (spec, path) = (get(object, "spec"), Path::ROOT.name("spec"));
    if has(spec, "minAvailable") && has(spec, "maxUnavailable") {
        causes.invalid(&path, spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for name in ["minAvailable", "maxUnavailable"] {
        let limit = number_or_percent(spec, name, &path, causes);
        if get(spec, name).is_string() && limit.is_some_and(|percent| percent > 100) {
            causes.invalid(&path.name(name), get(spec, name), "must not be greater than 100%");
        }
    }
    selector::check(get(spec, "selector"), &path.name("selector"), causes);
}

/// Rules for a PodDisruptionBudget's status.
pub(super) fn check_status(object: &Value, causes: &mut Causes) {
    let (status, path) = (get(object, "status"), Path::ROOT.name("status"));
    check_conditions(status, &path.name("conditions"), causes);
    for name in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
        check_bounds(0, None, number(status, name).unwrap_or_default(), &path.name(name), causes);
    }
}

/// Conditions of the form that all newer kinds share.
fn check_conditions(status: &Value, path: &Path<'_>, causes: &mut Causes) {
    let mut seen = BTreeSet::new();
    for (index, condition) in items(status, "conditions").iter().enumerate() {
        let path = path.index(index);
        let kind = text(condition, "type");
        if !seen.insert(kind) {
            causes.duplicate(&path.name("type"), kind);
        }
        causes.malformed(&path.name("type"), kind, names::qualified_name(kind));
        let holds = text(condition, "status");
        if !matches!(holds, "True" | "False" | "Unknown") {
            causes.not_supported(&path.name("status"), holds, &["False", "True", "Unknown"]);
        }
        let observed = number(condition, "observedGeneration").unwrap_or_default();
        if observed < 0 {
            let detail = "must be greater than or equal to zero";
            causes.invalid(&path.name("observedGeneration"), observed, detail);
        }
        if text(condition, "lastTransitionTime").is_empty() {
            causes.required(&path.name("lastTransitionTime"), "must be set");
        }
        let reason = text(condition, "reason");
        if reason.is_empty() {
            causes.required(&path.name("reason"), "must be set");
        } else {
            causes.malformed(&path.name("reason"), reason, names::condition_reason(reason));
        }
        if reason.len() > REASON_SIZE {
            causes.too_long(&path.name("reason"), REASON_SIZE);
        }
        if text(condition, "message").len() > MESSAGE_SIZE {
            causes.too_long(&path.name("message"), MESSAGE_SIZE);
        }
    }
}
