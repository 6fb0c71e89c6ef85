//! Probes and hooks of a container.

use serde_json::Value;

use super::cause::Causes;
use crate::decode::Path;
use crate::read::{get, has, items, number};

const HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// Checks the probes and hooks of a container that may have them. `grace` is how long the pod may take to stop.
pub(super) fn check(container: &Value, grace: Option<i64>, path: &Path<'_>, causes: &mut Causes) {
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = get(container, name);
        if probe.is_null() {
            continue;
        }
        let path = path.name(name);
        check_handler(probe, grace, &path, causes);
        if name == "readinessProbe" {
            let seconds = get(probe, "terminationGracePeriodSeconds");
            if !seconds.is_null() {
                let path = path.name("terminationGracePeriodSeconds");
                causes.invalid(&path, seconds, "must not be set for readinessProbes");
            }
        } else if number(probe, "successThreshold").is_some_and(|threshold| threshold != 1) {
            causes.invalid(&path.name("successThreshold"), get(probe, "successThreshold"), "must be 1");
        }
    }
    let lifecycle = get(container, "lifecycle");
    for name in ["postStart", "preStop"] {
        if has(lifecycle, name) {
            check_handler(get(lifecycle, name), grace, &path.name("lifecycle").name(name), causes);
        }
    }
}

/// Exactly one way to ask the container.
fn check_handler(handler: &Value, grace: Option<i64>, path: &Path<'_>, causes: &mut Causes) {
    let mut found = false;
    for name in HANDLERS {
        let action = get(handler, name);
        if action.is_null() {
            continue;
        }
        let path = path.name(name);
        if found {
            causes.forbidden(&path, "may not specify more than 1 handler type");
            continue;
        }
        found = true;
        if name == "exec" && items(action, "command").is_empty() {
            causes.required(&path.name("command"), "");
        }
        if let (Some(seconds), Some(grace)) = (number(action, "seconds"), grace)
            && name == "sleep"
            && !(0..=grace).contains(&seconds)
        {
            let detail =
                format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
            causes.invalid(&path, seconds, &detail);
        }
    }
    if !found {
        causes.required(path, "must specify a handler type");
    }
}
