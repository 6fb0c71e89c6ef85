//! Replica sets.

use serde_json::Value;

use super::cause::Causes;
use super::walk::check_bounds;
use super::{deployment, template};
use crate::decode::Path;
use crate::read::{get, has, number};

/// Rules for a ReplicaSet, new or not.
pub(super) fn check(object: &Value, causes: &mut Causes) {
    let (spec, path) = (get(object, "spec"), Path::ROOT.name("spec"));
    if !has(spec, "selector") {
        causes.required(&path.name("selector"), "");
    }
    template::check(spec, "replicaset", &path, causes);
}

/// Rules for an update.
pub(super) fn check_update(object: &Value, old: &Value, causes: &mut Causes) {
    check(object, causes);
    deployment::keep_selector(object, old, causes);
}

/// Rules for a ReplicaSet's status.
pub(super) fn check_status(object: &Value, causes: &mut Causes) {
    let counts = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    let parts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    check_counts(get(object, "status"), &counts, &parts, causes);
}

/// Counts of pods: none negative, no part larger than the whole, none available that is not ready.
pub(super) fn check_counts(status: &Value, counts: &[&str], parts: &[&str], causes: &mut Causes) {
    let path = Path::ROOT.name("status");
    let count = |name: &str| number(status, name).unwrap_or_default();
    for name in counts {
        check_bounds(0, None, count(name), &path.name(name), causes);
    }
    for name in parts.iter().filter(|name| count(name) > count("replicas")) {
        causes.invalid(&path.name(name), count(name), "cannot be greater than status.replicas");
    }
    if count("availableReplicas") > count("readyReplicas") {
        let detail = "cannot be greater than readyReplicas";
        causes.invalid(&path.name("availableReplicas"), count("availableReplicas"), detail);
    }
}
