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
