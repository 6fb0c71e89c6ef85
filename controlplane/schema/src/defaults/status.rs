//! What a new object starts with, whatever its creator wrote there.

use meridian_kubernetes::Quantity;
use serde_json::{Map, Value, json};

use crate::read::{entries, get, items};
use crate::table::Kind;

/// The finalizer that keeps a namespace until it is empty.
const NAMESPACE_FINALIZER: &str = "kubernetes";

/// The resources that decide about a pod's class of service.
const QUALITY_RESOURCES: [&str; 2] = ["cpu", "memory"];

/// Sets the status that an object of this kind has at its creation, and what else the server alone decides then.
///
/// A Node keeps the status that it is created with: hosts register themselves with what they have.
pub fn initial_status(kind: &Kind, object: &mut Value) {
    if !object.is_object() {
        return;
    }
    match kind.kind {
        "Pod" => object["status"] = pod(object),
        "Namespace" => {
            object["status"] = json!({"phase": "Active"});
            if !object.get("spec").is_some_and(Value::is_object) {
                object["spec"] = Value::Object(Map::new());
            }
            let others = items(&object["spec"], "finalizers");
            if !others.iter().any(|finalizer| finalizer == NAMESPACE_FINALIZER) {
                let finalizers = others.iter().cloned().chain([Value::from(NAMESPACE_FINALIZER)]).collect();
                object["spec"]["finalizers"] = Value::Array(finalizers);
            }
        }
        "Deployment" => object["status"] = Value::Object(Map::new()),
        "PodGroup" => object["status"] = json!({"phase": "Pending"}),
        "ReplicaSet" => object["status"] = json!({"replicas": 0}),
        "PodDisruptionBudget" => {
            object["status"] =
                json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0});
        }
        _ => {}
    }
}

fn pod(object: &Value) -> Value {
    let mut status = json!({"phase": "Pending", "qosClass": qos_class(object)});
    if !items(get(object, "spec"), "schedulingGates").is_empty() {
        status["conditions"] = json!([{
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]);
    }
    status
}

/// The class of service of a pod: `Guaranteed` if every container has limits on CPU and memory and asks for them whole,
/// `BestEffort` if none asks for anything, `Burstable` otherwise.
pub fn qos_class(pod: &Value) -> &'static str {
    let spec = get(pod, "spec");
    let (mut requested, mut limited, mut whole) = (Sums::default(), Sums::default(), true);
    for container in items(spec, "containers").iter().chain(items(spec, "initContainers")) {
        let resources = get(container, "resources");
        requested.add(resources, "requests");
        whole &= limited.add(resources, "limits") == QUALITY_RESOURCES.len();
    }
    if requested.is_empty() && limited.is_empty() {
        "BestEffort"
    } else if whole && requested == limited {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// How much of each resource that counts is asked for, or may be used, in all.
#[derive(Default, PartialEq, Eq)]
struct Sums([Option<Quantity>; QUALITY_RESOURCES.len()]);

impl Sums {
    /// Adds one container's amounts, and says how many of the resources it has amounts of.
    fn add(&mut self, resources: &Value, list: &str) -> usize {
        let amounts = entries(resources, list);
        let mut found = 0;
        for (sum, name) in self.0.iter_mut().zip(QUALITY_RESOURCES) {
            let amount =
                amounts.get(name).and_then(Value::as_str).and_then(|text| Quantity::parse(text).ok());
            if let Some(amount) = amount.filter(|amount| *amount > Quantity::ZERO) {
                *sum = Some(sum.unwrap_or(Quantity::ZERO).saturating_add(amount));
                found += 1;
            }
        }
        found
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}
