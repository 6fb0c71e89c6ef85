//! The table against the typed API of `k8s-openapi`: every field that it has is one of the published types, by its name
//! and with its type, and no field is lost.

use k8s_openapi::api::{apps, autoscaling, coordination, core, policy, scheduling};
use k8s_openapi::apimachinery::pkg::apis::meta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{MessageRef, message};
use crate::sample::{Dice, object};

/// What a typed program makes of an object.
fn through<T: DeserializeOwned + Serialize>(value: Value) -> Result<Value, String> {
    let typed: T = serde_json::from_value(value).map_err(|error| error.to_string())?;
    serde_json::to_value(&typed).map_err(|error| error.to_string())
}

/// Objects of a message, with few fields and with nearly all.
fn samples(message: MessageRef) -> impl Iterator<Item = Value> {
    (0..24).map(move |seed| object(message, &mut Dice::new(seed), 1 + seed % 4))
}

/// Drops what typed programs add by themselves: types, and required objects that are empty.
fn bare(mut value: Value) -> Value {
    fn clear(value: Value) -> Value {
        match value {
            Value::Object(object) => {
                let entries = object.into_iter().map(|(key, value)| (key, clear(value)));
                entries.filter(|(_, value)| !is_empty(value)).collect::<Map<_, _>>().into()
            }
            Value::Array(list) => list.into_iter().map(clear).collect(),
            plain => plain,
        }
    }
    fn is_empty(value: &Value) -> bool {
        match value {
            Value::Object(object) => object.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::String(text) => text.is_empty(),
            Value::Null => true,
            _ => false,
        }
    }
    if let Value::Object(object) = &mut value {
        object.remove("apiVersion");
        object.remove("kind");
    }
    clear(value)
}

macro_rules! agree {
    ($($test:ident: $message:literal $of:ty,)*) => {
        $(
            #[test]
            fn $test() {
                let message = message($message).expect("known");
                for sample in samples(message) {
                    let typed = through::<$of>(sample.clone()).expect("the type takes it");
                    assert_eq!(bare(typed), bare(sample));
                }
            }
        )*
    };
}

agree! {
    namespace: "io.k8s.api.core.v1.Namespace" core::v1::Namespace,
    node: "io.k8s.api.core.v1.Node" core::v1::Node,
    pod: "io.k8s.api.core.v1.Pod" core::v1::Pod,
    config_map: "io.k8s.api.core.v1.ConfigMap" core::v1::ConfigMap,
    secret: "io.k8s.api.core.v1.Secret" core::v1::Secret,
    service_account: "io.k8s.api.core.v1.ServiceAccount" core::v1::ServiceAccount,
    event: "io.k8s.api.core.v1.Event" core::v1::Event,
    binding: "io.k8s.api.core.v1.Binding" core::v1::Binding,
    deployment: "io.k8s.api.apps.v1.Deployment" apps::v1::Deployment,
    replica_set: "io.k8s.api.apps.v1.ReplicaSet" apps::v1::ReplicaSet,
    scale: "io.k8s.api.autoscaling.v1.Scale" autoscaling::v1::Scale,
    lease: "io.k8s.api.coordination.v1.Lease" coordination::v1::Lease,
    pod_disruption_budget: "io.k8s.api.policy.v1.PodDisruptionBudget" policy::v1::PodDisruptionBudget,
    eviction: "io.k8s.api.policy.v1.Eviction" policy::v1::Eviction,
    priority_class: "io.k8s.api.scheduling.v1.PriorityClass" scheduling::v1::PriorityClass,
    delete_options: "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions" meta::v1::DeleteOptions,
    status: "io.k8s.apimachinery.pkg.apis.meta.v1.Status" meta::v1::Status,
}

/// The other way round: every property that the typed API publishes is in the table.
#[test]
fn nothing_published_is_missing() {
    let published: Value =
        serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/descriptions.json"))).expect("JSON");
    let mut compared = 0;
    for (name, fields) in published.as_object().expect("an object") {
        let Some(message) = message(name) else {
            // Types without fields of their own.
            assert_eq!(fields.as_object().map_or(0, Map::len), 1, "{name}");
            continue;
        };
        for field in fields.as_object().into_iter().flat_map(Map::keys).filter(|field| !field.is_empty()) {
            assert!(message.field(field).is_some(), "{name}.{field}");
            compared += 1;
        }
    }
    assert!(compared > 700, "{compared}");
}
