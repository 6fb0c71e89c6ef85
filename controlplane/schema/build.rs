//! Writes what the published API says of messages and fields, for the OpenAPI documents.
//!
//! The text comes from the `k8s-openapi` crate, which carries it as JSON schemas; the program itself does not need that
//! crate. `OUT_DIR/descriptions.json` maps the name of a message to its fields and what is said of each, the message
//! itself under the empty name.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use k8s_openapi::api::{apps, autoscaling, coordination, core, policy, scheduling};
use k8s_openapi::apimachinery::pkg::apis::meta;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// What is said of messages that the crate does not know, under the message itself and under its fields.
const OURS: [(&str, &str, &str); 18] = {
    const GROUP: &str = "io.x-k8s.scheduling.v1alpha1.PodGroup";
    const SPEC: &str = "io.x-k8s.scheduling.v1alpha1.PodGroupSpec";
    const STATUS: &str = "io.x-k8s.scheduling.v1alpha1.PodGroupStatus";
    [
        (
            GROUP,
            "",
            "PodGroup is a collection of pods that are bound all or none. Pods join it by the label scheduling.x-k8s.io/pod-group.",
        ),
        (GROUP, "apiVersion", "APIVersion defines the versioned schema of this representation of an object."),
        (GROUP, "kind", "Kind is a string value representing the REST resource this object represents."),
        (
            GROUP,
            "metadata",
            "Standard object's metadata. The annotations meridian.io/required-topology and meridian.io/preferred-topology name keys of node labels, from narrow to wide, within one value of which the pods are placed.",
        ),
        (GROUP, "spec", "Specification of the pod group."),
        (GROUP, "status", "Status of the pod group."),
        (
            SPEC,
            "",
            "PodGroupSpec says how many pods have to be bound together, and what has to be free for them.",
        ),
        (SPEC, "minMember", "How many members have to be bound for any to be: 1 to 1024."),
        (SPEC, "minResources", "What has to be free over all nodes before members are placed."),
        (
            SPEC,
            "scheduleTimeoutSeconds",
            "How long members may hold resources while they wait for each other. Nothing is held here while members wait, so nothing times out.",
        ),
        (STATUS, "", "PodGroupStatus is the current state of a pod group."),
        (STATUS, "phase", "Current phase of the pod group."),
        (STATUS, "occupiedBy", "The owner of the workload that uses the pod group."),
        (STATUS, "running", "How many members run."),
        (STATUS, "succeeded", "How many members have succeeded."),
        (STATUS, "failed", "How many members have failed."),
        (STATUS, "scheduleStartTime", "When scheduling of the pod group began."),
        (STATUS, "scheduled", "How many members are bound to nodes."),
    ]
};

type Descriptions = BTreeMap<String, BTreeMap<String, String>>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    reach(&mut generator);
    let mut descriptions = Descriptions::new();
    for (name, schema) in generator.definitions() {
        let said = descriptions.entry(name.clone()).or_default();
        if let Some(text) = schema.get("description").and_then(Value::as_str) {
            said.insert(String::new(), text.to_owned());
        }
        for (field, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if let Some(text) = schema.get("description").and_then(Value::as_str) {
                said.insert(field.clone(), text.to_owned());
            }
        }
    }
    for (message, field, text) in OURS {
        descriptions.entry(message.to_owned()).or_default().insert(field.to_owned(), text.to_owned());
    }
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("descriptions.json"), serde_json::to_vec(&descriptions)?)?;
    Ok(())
}

/// Has the generator define every message that the kinds of the table use.
fn reach(generator: &mut SchemaGenerator) {
    generator.subschema_for::<core::v1::Binding>();
    generator.subschema_for::<core::v1::ConfigMap>();
    generator.subschema_for::<core::v1::Event>();
    generator.subschema_for::<core::v1::Namespace>();
    generator.subschema_for::<core::v1::Node>();
    generator.subschema_for::<core::v1::Pod>();
    generator.subschema_for::<core::v1::Secret>();
    generator.subschema_for::<core::v1::ServiceAccount>();
    generator.subschema_for::<apps::v1::Deployment>();
    generator.subschema_for::<apps::v1::ReplicaSet>();
    generator.subschema_for::<autoscaling::v1::Scale>();
    generator.subschema_for::<coordination::v1::Lease>();
    generator.subschema_for::<policy::v1::Eviction>();
    generator.subschema_for::<policy::v1::PodDisruptionBudget>();
    generator.subschema_for::<scheduling::v1::PriorityClass>();
    generator.subschema_for::<meta::v1::Status>();
}
