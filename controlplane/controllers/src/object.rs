//! Reading the common parts of objects. Objects come from the registry, which has checked their types; what is absent reads
//! as nothing.

use jiff::Timestamp;
use serde_json::{Map, Value};

pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(crate) fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null())
}

pub(crate) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

pub(crate) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(name)?.as_str()
}

pub(crate) fn has_finalizer(object: &Value, name: &str) -> bool {
    object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|finalizers| finalizers.iter().any(|finalizer| finalizer == name))
}

/// The condition of a type in `status.conditions`.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}

/// A whole number, or a percentage of `whole`, rounded up or down.
pub(crate) fn scaled(value: Option<&Value>, whole: i64, up: bool) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(0).max(0),
        Some(Value::String(text)) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0).max(0);
            let product = whole.saturating_mul(percent);
            if up { product.saturating_add(99) / 100 } else { product / 100 }
        }
        _ => 0,
    }
}

/// The map at a key of an object, made when it is not there.
pub(crate) fn map_at<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    let entry = object.as_object_mut()?.entry(key).or_insert(Value::Null);
    if entry.is_null() {
        *entry = Value::Object(Map::new());
    }
    entry.as_object_mut()
}

/// Sets an annotation. Whether that changed anything.
pub(crate) fn annotate(object: &mut Value, name: &str, value: &str) -> bool {
    let Some(annotations) = object.get_mut("metadata").and_then(|metadata| map_at(metadata, "annotations"))
    else {
        return false;
    };
    if annotations.get(name).is_some_and(|present| present == value) {
        return false;
    }
    annotations.insert(name.to_owned(), value.into());
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_absent_reads_as_nothing() {
        let object = json!({"metadata": {"name": "a", "deletionTimestamp": null}});
        assert_eq!((name(&object), uid(&object), number(&object, "/spec/replicas")), ("a", "", None));
        assert!(!is_deleting(&object) && condition(&object, "Ready").is_none());
    }

    #[test]
    fn annotating_says_whether_it_changed_anything() {
        let mut object = json!({"metadata": {"name": "a"}});
        assert!(annotate(&mut object, "k", "v"));
        assert!(!annotate(&mut object, "k", "v"));
        assert_eq!(annotation(&object, "k"), Some("v"));
    }
}
