//! The members of objects that the registry itself looks at and sets.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use meridian_schema::Kind;

use crate::Failure;

/// The finalizer with which dependents are to lose their owner.
pub(crate) const ORPHAN: &str = "orphan";
/// The finalizer with which dependents are to go first.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

/// A time as objects carry it, in whole seconds.
#[must_use]
pub fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The text at a path of members; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    at(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a path of members.
pub(crate) fn number(object: &Value, path: &[&str]) -> Option<i64> {
    at(object, path).and_then(Value::as_i64)
}

/// What is at a path of members.
pub(crate) fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, member| value.get(member))
}

/// A member of the metadata, as text; empty where there is none.
pub(crate) fn meta<'a>(object: &'a Value, member: &str) -> &'a str {
    text(object, &["metadata", member])
}

/// The members of an object that is one; made where it is none.
pub(crate) fn members(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(members) => members,
        _ => unreachable!("made an object above"),
    }
}

/// A member that is an object; made where there is none.
pub(crate) fn member<'a>(object: &'a mut Value, name: &str) -> &'a mut Map<String, Value> {
    members(members(object).entry(name).or_insert(Value::Null))
}

/// The metadata; made where there is none.
pub(crate) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    member(object, "metadata")
}

/// Sets a member of the metadata, or removes it.
pub(crate) fn set_meta(object: &mut Value, name: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(metadata(object).insert(name.to_owned(), value)),
        None => drop(metadata(object).remove(name)),
    }
}

/// The finalizers of the metadata.
pub(crate) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    strings(object, &["metadata", "finalizers"])
}

/// The texts of a list.
pub(crate) fn strings<'a>(object: &'a Value, path: &[&str]) -> impl Iterator<Item = &'a str> {
    at(object, path).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether nothing holds the object back from being gone, once it is deleted.
pub(crate) fn is_free(object: &Value) -> bool {
    finalizers(object).next().is_none()
        && (text(object, &["kind"]) != "Namespace"
            || strings(object, &["spec", "finalizers"]).next().is_none())
}

/// Whether the object has a deletion timestamp.
pub(crate) fn is_deleting(object: &Value) -> bool {
    !meta(object, "deletionTimestamp").is_empty()
}

/// Adds one to the generation, where the object has one.
pub(crate) fn bump_generation(object: &mut Value) {
    if let Some(generation) = number(object, &["metadata", "generation"]) {
        set_meta(object, "generation", Some(json!(generation + 1)));
    }
}

/// The condition of a pod or the like, by its type.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = at(object, &["status", "conditions"]).and_then(Value::as_array)?;
    conditions.iter().find(|condition| text(condition, &["type"]) == kind)
}

/// Sets a condition of the status. Its transition time stays unless its status changes.
pub(crate) fn set_condition(object: &mut Value, kind: &str, status: &str, now: &str) {
    put_condition(object, json!({ "type": kind, "status": status, "lastProbeTime": null }), now);
}

/// Puts a condition, but for its transition time, in the place of the one of its type.
pub(crate) fn put_condition(object: &mut Value, mut new: Value, now: &str) {
    let kind = text(&new, &["type"]).to_owned();
    let same = |before: &&Value| text(before, &["status"]) == text(&new, &["status"]);
    let before = condition(object, &kind).filter(same);
    let time = before.map_or(now, |condition| text(condition, &["lastTransitionTime"])).to_owned();
    members(&mut new).insert("lastTransitionTime".to_owned(), json!(time));
    let conditions = member(object, "status").entry("conditions").or_insert_with(|| json!([]));
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    if let Value::Array(conditions) = conditions {
        match conditions.iter_mut().find(|condition| text(condition, &["type"]) == kind) {
            Some(condition) => *condition = new,
            None => conditions.push(new),
        }
    }
}

/// Whether objects of a kind count the changes of their spec.
pub(crate) fn has_generation(kind: &Kind) -> bool {
    matches!(kind.kind, "Deployment" | "ReplicaSet" | "Pod" | "PodDisruptionBudget" | "PriorityClass")
}

/// Gives a namespace the label with its name.
pub(crate) fn label_namespace(kind: &Kind, object: &mut Value) {
    const LABEL: &str = "kubernetes.io/metadata.name";
    let name = meta(object, "name").to_owned();
    if kind.kind == "Namespace" && !name.is_empty() {
        members(metadata(object).entry("labels").or_insert(Value::Null))
            .insert(LABEL.to_owned(), json!(name));
    }
}

/// Checks that an object that names a namespace names the request's.
pub(crate) fn check_namespace(ns: &str, object: &Value) -> Result<(), Failure> {
    match meta(object, "namespace") {
        named if named.is_empty() || named == ns => Ok(()),
        named => Err(Failure::bad_request(format!(
            "the namespace of the provided object does not match the namespace sent on the request: \
             the object is in {named:?} and the request in {ns:?}"
        ))),
    }
}
