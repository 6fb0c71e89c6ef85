//! Fills in the values that the schema table gives.

use serde_json::{Map, Value};

use crate::rules::{Inner, Rules, rules, rules_at};
use crate::table::MessageRef;

/// Fills in an object and everything in it but its metadata.
pub(super) fn fill(message: MessageRef, object: &mut Value) {
    if let Value::Object(map) = object {
        fill_map(rules(message), map);
    }
}

fn fill_map(rules: &'static Rules, map: &mut Map<String, Value>) {
    for (field, default) in &rules.defaults {
        match map.get(field.name) {
            None => drop(map.insert(field.name.to_owned(), default.clone())),
            // Empty text is what a program sends that has no notion of absent text.
            Some(Value::String(text)) if text.is_empty() && !field.optional_pointer => {
                map.insert(field.name.to_owned(), default.clone());
            }
            Some(_) => {}
        }
    }
    for place in &rules.filled_below {
        let Some(rule) = rules.fields.get(*place) else { continue };
        match (rule.inner, map.get_mut(rule.field.name)) {
            (Inner::Message(id), Some(Value::Object(inner))) => fill_map(rules_at(id).1, inner),
            (Inner::List(id), Some(Value::Array(list))) => {
                list.iter_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(|inner| fill_map(rules_at(id).1, inner));
            }
            (Inner::Map(id), Some(Value::Object(entries))) => {
                entries
                    .values_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(|inner| fill_map(rules_at(id).1, inner));
            }
            _ => {}
        }
    }
}
