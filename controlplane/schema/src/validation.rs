//! What an API server refuses, with the field paths and messages that Kubernetes' clients know.
//!
//! What the schema table says of single fields is checked by one walk over the object. Rules about more than one field, or
//! about what an update may change, are functions of the kind. Both collect [`Cause`]s; none stops at the first.

mod affinity;
mod cause;
mod config_map;
mod container;
mod deployment;
mod disruption_budget;
mod environment;
mod event;
mod metadata;
mod names;
mod namespace;
mod node;
mod options;
mod pod;
mod pod_group;
mod pod_update;
mod priority_class;
mod probe;
mod replica_set;
mod resources;
mod secret;
mod security;
mod selector;
mod template;
#[cfg(test)]
mod tests;
mod volume;
mod walk;

use serde_json::Value;

pub use cause::{Cause, CauseReason};
pub(crate) use names::{label_value, qualified_name};
pub use options::validate_message;

use crate::read::get;
use crate::table::Kind;
use cause::Causes;

/// What is wrong with the name of an object of this kind; empty if nothing is.
pub fn validate_name(kind: &Kind, name: &str) -> Vec<String> {
    names::object_name(kind.kind, name).into_iter().map(|problem| problem.into_owned()).collect()
}

/// What is wrong with a prefix that names of this kind are made from; empty if nothing is.
pub fn validate_generate_name(kind: &Kind, prefix: &str) -> Vec<String> {
    names::generate_name(kind.kind, prefix).into_iter().map(|problem| problem.into_owned()).collect()
}

/// What is wrong with a new object, whose name has been generated and whose defaults have been filled in.
pub fn validate_new(kind: &Kind, object: &Value) -> Vec<Cause> {
    let mut causes = Causes::default();
    metadata::check_new(kind, object, &mut causes);
    check_fields(kind, object, &mut causes);
    match kind.kind {
        "Pod" => pod::check_new(object, &mut causes),
        "Deployment" => deployment::check(object, &mut causes),
        "ReplicaSet" => replica_set::check(object, &mut causes),
        "Namespace" => namespace::check(object, &mut causes),
        "Node" => node::check(object, &mut causes),
        "ConfigMap" => config_map::check(object, &mut causes),
        "Secret" => secret::check(object, &mut causes),
        "Event" => event::check(object, &mut causes),
        "PodDisruptionBudget" => disruption_budget::check(object, &mut causes),
        "PriorityClass" => priority_class::check(object, &mut causes),
        "PodGroup" => pod_group::check(object, &mut causes),
        _ => {}
    }
    causes.into_vec()
}

/// What is wrong with an object that is to take the place of `old`.
pub fn validate_update(kind: &Kind, object: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = Causes::default();
    metadata::check_update(object, old, &mut causes);
    check_fields(kind, object, &mut causes);
    match kind.kind {
        "Pod" => pod_update::check(object, old, &mut causes),
        "Deployment" => deployment::check_update(object, old, &mut causes),
        "ReplicaSet" => replica_set::check_update(object, old, &mut causes),
        "Namespace" => namespace::check(object, &mut causes),
        "Node" => node::check_update(object, old, &mut causes),
        "ConfigMap" => config_map::check_update(object, old, &mut causes),
        "Secret" => secret::check_update(object, old, &mut causes),
        "Event" => event::check_update(object, old, &mut causes),
        "PodDisruptionBudget" => disruption_budget::check(object, &mut causes),
        "PriorityClass" => priority_class::check_update(object, old, &mut causes),
        "PodGroup" => pod_group::check(object, &mut causes),
        _ => {}
    }
    causes.into_vec()
}

/// What is wrong with an object whose status is to take the place of that of `old`.
pub fn validate_status_update(kind: &Kind, object: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = Causes::default();
    metadata::check_update(object, old, &mut causes);
    match kind.kind {
        "Pod" => {
            let (status, was) = (get(object, "status"), get(old, "status"));
            pod_update::check_status(get(object, "spec"), status, was, &mut causes);
        }
        "Deployment" => deployment::check_status(object, old, &mut causes),
        "ReplicaSet" => replica_set::check_status(object, &mut causes),
        "Namespace" => namespace::check_status(object, &mut causes),
        "Node" => node::check_status(object, &mut causes),
        "PodDisruptionBudget" => disruption_budget::check_status(object, &mut causes),
        _ => {}
    }
    causes.into_vec()
}

/// The same for the status of a pod that is else as it was. The spec counts only where it says that containers are not
/// always started again.
pub fn validate_pod_status(spec: &Value, status: &Value, old: &Value) -> Vec<Cause> {
    let mut causes = Causes::default();
    pod_update::check_status(spec, status, old, &mut causes);
    causes.into_vec()
}

/// The walk over all but metadata and status, which have rules of their own.
fn check_fields(kind: &Kind, object: &Value, causes: &mut Causes) {
    walk::walk(kind.message(), object, &["metadata", "status"], causes);
}

/// Whether a field differs between two objects; absent and empty are the same.
fn changed(new: &Value, old: &Value, name: &str) -> bool {
    differ(get(new, name), get(old, name))
}

/// Whether two values differ; absent, `null` and empty are the same.
fn differ(new: &Value, old: &Value) -> bool {
    new != old && !(is_empty(new) && is_empty(old))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
