//! Defaults that depend on more than one field, kind by kind.

use serde_json::{Map, Value, json};

use super::pod;
use crate::read::{get, text};
use crate::table::Kind;

/// The label by which selectors find a namespace.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

pub(super) fn fill(kind: &Kind, object: &mut Value) {
    match kind.kind {
        "Pod" => pod::fill(object),
        "Deployment" => deployment(object),
        "ReplicaSet" => replica_set(object),
        "Secret" => secret(object),
        "Namespace" => namespace(object),
        "Node" => node(object),
        _ => {}
    }
}

fn deployment(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(template) = spec.get_mut("template") {
        pod::fill_spec(template);
    }
    let strategy = spec.entry("strategy").or_insert_with(|| Value::Object(Map::new()));
    if matches!(text(strategy, "type"), "" | "RollingUpdate")
        && let Some(strategy) = strategy.as_object_mut()
    {
        strategy.entry("rollingUpdate").or_insert_with(|| Value::Object(Map::new()));
    }
}

fn replica_set(object: &mut Value) {
    let Some(template) = object.pointer_mut("/spec/template") else { return };
    pod::fill_spec(template);
}

/// What is given as text is kept as data.
fn secret(object: &mut Value) {
    let Some(object) = object.as_object_mut() else { return };
    let Some(Value::Object(texts)) = object.remove("stringData") else { return };
    let data = object.entry("data").or_insert_with(|| Value::Object(Map::new()));
    let Some(data) = data.as_object_mut() else { return };
    for (key, value) in texts {
        let Value::String(text) = value else { continue };
        data.insert(key, Value::String(crate::base64::encode(text.as_bytes())));
    }
}

fn namespace(object: &mut Value) {
    let name = text(get(object, "metadata"), "name").to_owned();
    let Some(object) = object.as_object_mut() else { return };
    if !name.is_empty()
        && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(labels) =
            metadata.entry("labels").or_insert_with(|| Value::Object(Map::new())).as_object_mut()
    {
        labels.insert(NAMESPACE_NAME_LABEL.to_owned(), Value::String(name));
    }
    let status = object.entry("status").or_insert_with(|| Value::Object(Map::new()));
    if let Some(status) = status.as_object_mut() {
        status.entry("phase").or_insert_with(|| json!("Active"));
    }
}

/// What a host can give to pods is all it has, unless it says otherwise.
fn node(object: &mut Value) {
    let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else { return };
    if !status.contains_key("allocatable")
        && let Some(capacity) = status.get("capacity").cloned()
    {
        status.insert("allocatable".to_owned(), capacity);
    }
}
