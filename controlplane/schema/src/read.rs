//! Reading parts of JSON objects whose types were checked when they were decoded.
//!
//! What is absent reads as nothing: no text, no elements, no fields. So rules can be written without asking at each step
//! whether something is there, and a value of another type (which decoding lets nobody store) is taken for absent.

use serde_json::{Map, Value};

/// What absent values read as.
static NULL: Value = Value::Null;
static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

/// The value of a field, `null` if there is none.
pub(crate) fn get<'a>(object: &'a Value, name: &str) -> &'a Value {
    match object {
        Value::Object(map) => map.get(name).unwrap_or(&NULL),
        _ => &NULL,
    }
}

/// Text; empty if there is none.
pub(crate) fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    get(object, name).as_str().unwrap_or_default()
}

/// A whole number.
pub(crate) fn number(object: &Value, name: &str) -> Option<i64> {
    get(object, name).as_i64()
}

/// Whether a flag is set.
pub(crate) fn flag(object: &Value, name: &str) -> bool {
    get(object, name).as_bool().unwrap_or_default()
}

/// The elements of a list.
pub(crate) fn items<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    get(object, name).as_array().map_or(&[], Vec::as_slice)
}

/// The entries of a map.
pub(crate) fn entries<'a>(object: &'a Value, name: &str) -> &'a Map<String, Value> {
    get(object, name).as_object().unwrap_or(&EMPTY)
}

/// The texts of a list.
pub(crate) fn texts<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    items(object, name).iter().filter_map(Value::as_str)
}

/// Whether a field is there at all.
pub(crate) fn has(object: &Value, name: &str) -> bool {
    !get(object, name).is_null()
}
