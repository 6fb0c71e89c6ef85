//! Kinds with little to show.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AGE, Column, NAME, age, number, or, since, text, wide};
use crate::read::{entries, flag, get, has, items, number as read_number, text as read};

pub(super) const DEFAULT_COLUMNS: &[Column] = &[NAME, AGE];

pub(super) const NAMESPACE_COLUMNS: &[Column] =
    &[NAME, text("Status", "Whether the namespace is in use or about to go."), AGE];

pub(super) const CONFIG_MAP_COLUMNS: &[Column] = &[NAME, number("Data", "How many entries it has."), AGE];

pub(super) const SECRET_COLUMNS: &[Column] =
    &[NAME, text("Type", "What the secret is for."), number("Data", "How many entries it has."), AGE];

pub(super) const SERVICE_ACCOUNT_COLUMNS: &[Column] =
    &[NAME, number("Secrets", "How many secrets pods of the account may mount."), AGE];

pub(super) const LEASE_COLUMNS: &[Column] = &[NAME, text("Holder", "Who holds the lease."), AGE];

pub(super) const POD_DISRUPTION_BUDGET_COLUMNS: &[Column] = &[
    NAME,
    text("Min Available", "How many pods must be left when some are evicted, or which share."),
    text("Max Unavailable", "How many pods may be missing when some are evicted, or which share."),
    number("Allowed Disruptions", "How many pods may be evicted now."),
    AGE,
];

pub(super) const PRIORITY_CLASS_COLUMNS: &[Column] = &[
    NAME,
    number("Value", "The priority of pods of the class; higher goes first."),
    Column {
        r#type: "boolean",
        ..text("Global-Default", "Whether pods that name no class are of this one.")
    },
    AGE,
    text("PreemptionPolicy", "Whether pods of the class may drive others away."),
];

pub(super) const POD_GROUP_COLUMNS: &[Column] = &[
    NAME,
    text("Phase", "How far the group has come."),
    number("MinMember", "How many pods have to be bound for any to be."),
    number("Scheduled", "How many pods are bound."),
    AGE,
];

pub(super) const EVENT_COLUMNS: &[Column] = &[
    text("Last Seen", "When it happened last."),
    text("Type", "Whether it is as it should be (Normal) or not (Warning)."),
    text("Reason", "What happened, in a word."),
    text("Object", "What it happened to."),
    wide(text("Subobject", "Which part of the object it happened to.")),
    wide(text("Source", "Who says so.")),
    text("Message", "What happened."),
    wide(text("First Seen", "When it happened first.")),
    wide(number("Count", "How often it happened.")),
    wide(Column { format: "name", ..text("Name", "The name of the event.") }),
];

fn name(object: &Value) -> Value {
    json!(read(get(object, "metadata"), "name"))
}

pub(super) fn default_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(age(object, now))]
}

pub(super) fn namespace_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(read(get(object, "status"), "phase")), json!(age(object, now))]
}

pub(super) fn config_map_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let count = entries(object, "data").len() + entries(object, "binaryData").len();
    vec![name(object), json!(count), json!(age(object, now))]
}

pub(super) fn secret_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let count = entries(object, "data").len();
    vec![name(object), json!(read(object, "type")), json!(count), json!(age(object, now))]
}

pub(super) fn service_account_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(items(object, "secrets").len()), json!(age(object, now))]
}

pub(super) fn lease_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), json!(read(get(object, "spec"), "holderIdentity")), json!(age(object, now))]
}

pub(super) fn pod_disruption_budget_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let limit = |name| match get(get(object, "spec"), name) {
        Value::Null => json!("N/A"),
        Value::String(percent) => json!(percent),
        number => json!(number.to_string()),
    };
    vec![
        name(object),
        limit("minAvailable"),
        limit("maxUnavailable"),
        json!(read_number(get(object, "status"), "disruptionsAllowed").unwrap_or_default()),
        json!(age(object, now)),
    ]
}

pub(super) fn priority_class_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        json!(read_number(object, "value").unwrap_or_default()),
        json!(flag(object, "globalDefault")),
        json!(age(object, now)),
        json!(or(read(object, "preemptionPolicy"), "PreemptLowerPriority")),
    ]
}

pub(super) fn pod_group_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let status = get(object, "status");
    vec![
        name(object),
        json!(read(status, "phase")),
        json!(read_number(get(object, "spec"), "minMember").unwrap_or_default()),
        json!(read_number(status, "scheduled").unwrap_or_default()),
        json!(age(object, now)),
    ]
}

pub(super) fn event_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let (about, series) = (get(object, "involvedObject"), get(object, "series"));
    let first = or(read(object, "firstTimestamp"), read(object, "eventTime"));
    let last =
        if has(object, "series") { read(series, "lastObservedTime") } else { read(object, "lastTimestamp") };
    let count = read_number(series, "count")
        .or_else(|| read_number(object, "count").filter(|count| *count > 0))
        .unwrap_or(1);
    let kind = read(about, "kind").to_lowercase();
    vec![
        json!(since(or(last, first), now)),
        json!(read(object, "type")),
        json!(read(object, "reason")),
        json!(format!("{kind}/{}", read(about, "name"))),
        json!(read(about, "fieldPath")),
        json!(source(object)),
        json!(read(object, "message").trim()),
        json!(since(first, now)),
        json!(count),
        name(object),
    ]
}

/// Who reports, and from which host.
fn source(object: &Value) -> String {
    let source = get(object, "source");
    let component = or(read(source, "component"), read(object, "reportingComponent"));
    let instance = or(read(source, "host"), read(object, "reportingInstance"));
    if instance.is_empty() { component.to_owned() } else { format!("{component}, {instance}") }
}
