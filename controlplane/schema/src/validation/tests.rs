//! What is refused, where and in which words: a table of cases for each kind.
//!
//! A case changes one place of an object that is right, and lists all causes that there should be then.

mod disruption_budgets;
mod pod_groups;
mod pods;
mod small_kinds;
mod updates;
mod words;
mod workloads;

use serde_json::{Value, json};

use super::{validate_new, validate_update};
use crate::table::Kind;

/// An object with the value at a pointer (`/spec/containers/0/name`) set; `null` takes it away.
fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("no parent of {pointer}"));
    let last = last.replace("~1", "/");
    match (parent, value) {
        (Value::Object(map), Value::Null) => drop(map.remove(&last)),
        (Value::Object(map), value) => drop(map.insert(last, value)),
        (Value::Array(list), value) if last == "-" => list.push(value),
        (Value::Array(list), value) => list[last.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{pointer} leads into {other}"),
    }
    object
}

fn words(causes: &[super::Cause]) -> Vec<String> {
    causes.iter().map(ToString::to_string).collect()
}

/// Checks cases of one kind: where to set what, and the causes that there should be.
fn refused(kind: &Kind, right: &Value, cases: &[(&str, Value, &[&str])]) {
    assert_eq!(
        words(&validate_new(kind, right)),
        Vec::<String>::new(),
        "the example of {} is right",
        kind.kind
    );
    for (pointer, value, expected) in cases {
        let object = with(right.clone(), pointer, value.clone());
        assert_eq!(words(&validate_new(kind, &object)), *expected, "{pointer} = {value}");
    }
}

/// Checks cases of updates of an object that is right.
fn refused_update(kind: &Kind, old: &Value, cases: &[(&str, Value, &[&str])]) {
    assert_eq!(words(&validate_update(kind, old, old)), Vec::<String>::new(), "no change of {}", kind.kind);
    for (pointer, value, expected) in cases {
        let object = with(old.clone(), pointer, value.clone());
        assert_eq!(words(&validate_update(kind, &object, old)), *expected, "{pointer} = {value}");
    }
}

fn filled(kind: &Kind, mut object: Value) -> Value {
    crate::defaults::apply_defaults(kind, &mut object);
    object
}

fn a_pod() -> Value {
    filled(
        crate::table::pod(),
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}, "annotations": {"a": "b"}},
            "spec": {
                "volumes": [{"name": "data", "emptyDir": {}}, {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}}],
                "initContainers": [{"name": "prepare", "image": "tool:1"}],
                "containers": [{
                    "name": "main",
                    "image": "web:1",
                    "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080}],
                    "env": [{"name": "A", "value": "b"}],
                    "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}},
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                    "readinessProbe": {"httpGet": {"port": "http"}},
                    "securityContext": {},
                }],
                "affinity": {},
                "tolerations": [{"key": "a", "operator": "Exists"}],
            },
        }),
    )
}
