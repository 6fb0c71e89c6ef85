//! Deployments and replica sets.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AGE, Column, NAME, age, number, text, wide};
use crate::read::{entries, get, items, number as read_number, text as read, texts};

/// What workloads show of their pods where there is room.
const CONTAINERS: Column = wide(text("Containers", "The names of the containers of each pod."));
const IMAGES: Column = wide(text("Images", "The images of the containers of each pod."));
const SELECTOR: Column = wide(text("Selector", "Which pods are counted."));

pub(super) const DEPLOYMENT_COLUMNS: &[Column] = &[
    NAME,
    text("Ready", "How many pods are ready, of how many that are wanted."),
    text("Up-to-date", "How many pods are of the latest template."),
    text("Available", "How many pods have been ready for long enough."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) const REPLICA_SET_COLUMNS: &[Column] = &[
    NAME,
    number("Desired", "How many pods are wanted."),
    number("Current", "How many pods there are."),
    number("Ready", "How many pods are ready."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

pub(super) fn deployment_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let status = |name| read_number(get(object, "status"), name).unwrap_or_default();
    let wanted = read_number(get(object, "spec"), "replicas").unwrap_or_default();
    let mut cells = vec![
        json!(read(get(object, "metadata"), "name")),
        json!(format!("{}/{wanted}", status("readyReplicas"))),
        json!(status("updatedReplicas")),
        json!(status("availableReplicas")),
        json!(age(object, now)),
    ];
    cells.extend(pods(object));
    cells
}

pub(super) fn replica_set_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let status = |name| read_number(get(object, "status"), name).unwrap_or_default();
    let mut cells = vec![
        json!(read(get(object, "metadata"), "name")),
        json!(read_number(get(object, "spec"), "replicas").unwrap_or_default()),
        json!(status("replicas")),
        json!(status("readyReplicas")),
        json!(age(object, now)),
    ];
    cells.extend(pods(object));
    cells
}

fn pods(object: &Value) -> [Value; 3] {
    let spec = get(object, "spec");
    let containers = items(get(get(spec, "template"), "spec"), "containers");
    let all = |name: &str| {
        let values: Vec<_> = containers.iter().map(|container| read(container, name)).collect();
        json!(values.join(","))
    };
    [all("name"), all("image"), json!(selector(get(spec, "selector")))]
}

/// A selector as it would be written in a query.
fn selector(selector: &Value) -> String {
    let labels = entries(selector, "matchLabels").iter();
    let mut parts: Vec<_> =
        labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    for expression in items(selector, "matchExpressions") {
        let key = read(expression, "key");
        let mut values: Vec<_> = texts(expression, "values").collect();
        values.sort_unstable();
        let values = values.join(",");
        parts.push(match read(expression, "operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    if parts.is_empty() { "<none>".to_owned() } else { parts.join(",") }
}
