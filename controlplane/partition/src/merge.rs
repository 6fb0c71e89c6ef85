//! How a host's report becomes a pod's status: the host's word over what is stored, but for what is not the host's to say.

use serde_json::{Map, Value};

/// Conditions that belong to others than the pod's host.
const FOREIGN_CONDITIONS: [&str; 1] = ["PodScheduled"];

/// Fields of a status that belong to others than the pod's host.
const FOREIGN_FIELDS: [&str; 3] = ["conditions", "nominatedNodeName", "qosClass"];

/// Fields that a report without them takes back.
const TRANSIENT_FIELDS: [&str; 2] = ["message", "reason"];

/// Merges a report into a stored pod's status. The answer is whether anything changed: not when it has ended, which is for
/// ever.
pub(crate) fn merge_report(status: &mut Map<String, Value>, reported: &Map<String, Value>) -> bool {
    let ended = |phase: Option<&Value>| matches!(phase.and_then(Value::as_str), Some("Succeeded" | "Failed"));
    if ended(status.get("phase")) && !ended(reported.get("phase")) {
        return false;
    }
    let mut changed = false;
    for (field, value) in reported {
        if !FOREIGN_FIELDS.contains(&field.as_str()) && status.get(field) != Some(value) {
            status.insert(field.clone(), value.clone());
            changed = true;
        }
    }
    for field in TRANSIENT_FIELDS {
        if !reported.contains_key(field) {
            changed |= status.remove(field).is_some();
        }
    }
    for condition in reported.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        let foreign = condition["type"].as_str().is_none_or(|kind| FOREIGN_CONDITIONS.contains(&kind));
        if !foreign {
            changed |= set_condition(status, condition);
        }
    }
    changed
}

/// Sets the condition of a type; its time of transition stays where its status does. The answer is whether anything
/// changed.
pub(crate) fn set_condition(status: &mut Map<String, Value>, condition: &Value) -> bool {
    let conditions = status.entry("conditions").or_insert_with(|| Value::Array(Vec::new()));
    if !conditions.is_array() {
        *conditions = Value::Array(Vec::new());
    }
    let Some(conditions) = conditions.as_array_mut() else { return false };
    let Some(old) = conditions.iter_mut().find(|old| old["type"] == condition["type"]) else {
        conditions.push(condition.clone());
        return true;
    };
    let mut new = condition.clone();
    if old["status"] == new["status"]
        && let Some(since) = old.get("lastTransitionTime")
        && new.is_object()
    {
        new["lastTransitionTime"] = since.clone();
    }
    let changed = *old != new;
    if changed {
        *old = new;
    }
    changed
}

/// The object under a field, made where there is none; `None` where something else is there.
pub(crate) fn object_at<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    let value = object.as_object_mut()?.entry(field).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(status: &Value, report: &Value) -> Option<Value> {
        let mut status = status.as_object().unwrap().clone();
        merge_report(&mut status, report.as_object().unwrap()).then(|| status.into())
    }

    #[test]
    fn the_host_says_how_the_pod_is_and_not_where() {
        let stored = json!({"phase": "Pending", "qosClass": "Burstable", "message": "old", "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "t0"},
            {"type": "Ready", "status": "False", "lastTransitionTime": "t1"},
            {"type": "Initialized", "status": "True", "lastTransitionTime": "t1"},
        ]});
        let report = json!({"phase": "Running", "podIP": "10.0.0.1", "qosClass": "Guaranteed", "conditions": [
            {"type": "PodScheduled", "status": "False", "lastTransitionTime": "t9"},
            {"type": "Ready", "status": "True", "lastTransitionTime": "t2"},
            {"type": "Initialized", "status": "True", "lastTransitionTime": "t2"},
            {"status": "True"},
        ]});
        let want = json!({"phase": "Running", "podIP": "10.0.0.1", "qosClass": "Burstable", "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "t0"},
            {"type": "Ready", "status": "True", "lastTransitionTime": "t2"},
            {"type": "Initialized", "status": "True", "lastTransitionTime": "t1"},
        ]});
        assert_eq!(merged(&stored, &report), Some(want.clone()));
        assert_eq!(merged(&want, &report), None, "saying it again changes nothing");
    }

    #[test]
    fn an_ended_pod_stays_as_it_is() {
        let report = json!({"phase": "Running"});
        assert_eq!(merged(&json!({"phase": "Failed"}), &report), None);
        assert_eq!(
            merged(&json!({"phase": "Failed"}), &json!({"phase": "Failed", "message": "m"})).unwrap()["message"],
            "m"
        );
        assert_eq!(merged(&json!({}), &report), Some(report));
    }
}
