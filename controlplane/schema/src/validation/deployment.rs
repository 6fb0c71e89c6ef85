//! Deployments.

use serde_json::Value;

use super::cause::Causes;
use super::{changed, replica_set, template};
use crate::decode::Path;
use crate::read::{get, has, number, text};

/// Rules for a Deployment, new or not; numbers that may not be negative are the table's.
pub(super) fn check(object: &Value, causes: &mut Causes) {
    let (spec, path) = (get(object, "spec"), Path::ROOT.name("spec"));
    if !has(spec, "selector") {
        causes.required(&path.name("selector"), "");
    }
    template::check(spec, "deployment", &path, causes);
    check_strategy(get(spec, "strategy"), &path.name("strategy"), causes);
    let ready = number(spec, "minReadySeconds").unwrap_or_default();
    if let Some(deadline) = number(spec, "progressDeadlineSeconds")
        && deadline >= 0
        && deadline <= ready
    {
        causes.invalid(
            &path.name("progressDeadlineSeconds"),
            deadline,
            "must be greater than minReadySeconds",
        );
    }
}

/// Rules for an update: the selector says which pods are the Deployment's, and stays.
pub(super) fn check_update(object: &Value, old: &Value, causes: &mut Causes) {
    check(object, causes);
    keep_selector(object, old, causes);
}

/// The selector of a workload stays as it is.
pub(super) fn keep_selector(object: &Value, old: &Value, causes: &mut Causes) {
    let (spec, was) = (get(object, "spec"), get(old, "spec"));
    if changed(spec, was, "selector") {
        let path = Path::ROOT.name("spec");
        causes.invalid(&path.name("selector"), get(spec, "selector"), "field is immutable");
    }
}

fn check_strategy(strategy: &Value, path: &Path<'_>, causes: &mut Causes) {
    let rolling = get(strategy, "rollingUpdate");
    let path = path.name("rollingUpdate");
    match text(strategy, "type") {
        "Recreate" if !rolling.is_null() => {
            causes.forbidden(&path, "may not be specified when strategy `type` is 'Recreate'");
        }
        "RollingUpdate" if rolling.is_null() => {
            causes.required(&path, "this should be defaulted and never be nil");
        }
        "RollingUpdate" => {
            let unavailable = number_or_percent(rolling, "maxUnavailable", &path, causes);
            let surge = number_or_percent(rolling, "maxSurge", &path, causes);
            let path = path.name("maxUnavailable");
            if unavailable == Some(0) && surge == Some(0) {
                causes.invalid(&path, get(rolling, "maxUnavailable"), "may not be 0 when `maxSurge` is 0");
            }
            if get(rolling, "maxUnavailable").is_string() && unavailable.is_some_and(|percent| percent > 100)
            {
                causes.invalid(&path, get(rolling, "maxUnavailable"), "must not be greater than 100%");
            }
        }
        _ => {}
    }
}

/// The number of a number or a percentage, if it is well formed.
pub(super) fn number_or_percent(
    object: &Value,
    name: &str,
    path: &Path<'_>,
    causes: &mut Causes,
) -> Option<i64> {
    match get(object, name) {
        Value::Number(number) => {
            let number = number.as_i64()?;
            super::walk::check_bounds(0, None, number, &path.name(name), causes);
            Some(number)
        }
        Value::String(percent) => {
            let digits =
                percent.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            let number = digits.and_then(|digits| digits.parse().ok());
            if number.is_none() {
                let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                              '93%', regex used for validation is '[0-9]+%')";
                causes.invalid(&path.name(name), percent.as_str(), detail);
            }
            number
        }
        _ => None,
    }
}

/// Rules for a Deployment's status.
pub(super) fn check_status(object: &Value, old: &Value, causes: &mut Causes) {
    let status = get(object, "status");
    let path = Path::ROOT.name("status");
    let counts = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"];
    replica_set::check_counts(
        status,
        &counts,
        &["updatedReplicas", "readyReplicas", "availableReplicas"],
        causes,
    );
    let collisions = |object: &Value| number(get(object, "status"), "collisionCount").unwrap_or_default();
    if collisions(object) < collisions(old) {
        causes.invalid(&path.name("collisionCount"), collisions(object), "cannot be decremented");
    }
}
