//! Strategic merge patches: what `kubectl apply`, `kubectl patch` and `kubectl edit` send.
//!
//! Objects are merged key by key; `null` removes. Lists are one value unless the table gives them the patch strategy
//! `merge`: then elements are found by the merge key (or, plain values, by themselves). Directives in the patch say more:
//!
//! - `$patch: replace` or `delete` in an object, or in an element of a merged list;
//! - `$retainKeys` lists the keys of an object that stay;
//! - `$deleteFromPrimitiveList/<field>` lists plain values to remove;
//! - `$setElementOrder/<field>` lists elements in the order that they should have.

mod error;
mod list;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

pub use error::PatchError;

use crate::decode::{MAX_DEPTH, Path};
use crate::table::{Field, Kind, Message, MessageRef, PatchStrategy, Type, table};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

/// Applies a strategic merge patch to an object of a kind. The result may have fields that the kind does not; see
/// [`decode_value`](crate::decode_value).
pub fn strategic_merge_patch(kind: &Kind, original: &Value, patch: &Value) -> Result<Value, PatchError> {
    strategic_merge_patch_of(kind.message(), original, patch)
}

/// Applies a strategic merge patch to an object of any message, such as the body of a subresource.
pub fn strategic_merge_patch_of(
    message: MessageRef,
    original: &Value,
    patch: &Value,
) -> Result<Value, PatchError> {
    let Value::Object(patch) = patch else {
        return Err(PatchError::NotAnObject { path: String::new() });
    };
    let mut object = match original {
        Value::Object(object) => object.clone(),
        _ => Map::new(),
    };
    merge_object(Shape::Message(message), &mut object, patch, &Path::ROOT, 0)?;
    Ok(Value::Object(object))
}

/// What the table knows of an object that is merged.
#[derive(Clone, Copy)]
enum Shape<'t> {
    Message(&'static Message),
    Map(&'t Type),
    Unknown,
}

impl<'t> Shape<'t> {
    fn of(value: Option<&'t Type>) -> Shape<'t> {
        match value {
            Some(Type::Message(id)) => Shape::Message(table().message(*id)),
            Some(Type::Map(value)) => Shape::Map(value),
            _ => Shape::Unknown,
        }
    }

    fn field(self, name: &str) -> Option<&'static Field> {
        match self {
            Shape::Message(message) => message.field(name),
            Shape::Map(_) | Shape::Unknown => None,
        }
    }

    /// The type of the value at a key.
    fn value(self, name: &str) -> Option<&'t Type> {
        match self {
            Shape::Message(_) => self.field(name).map(|field| &field.value),
            Shape::Map(value) => Some(value),
            Shape::Unknown => None,
        }
    }
}

/// Merges a patch into an object.
fn merge_object(
    shape: Shape<'_>,
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    path: &Path<'_>,
    depth: usize,
) -> Result<(), PatchError> {
    if depth > MAX_DEPTH {
        return Err(PatchError::TooDeep { path: path.to_string(), limit: MAX_DEPTH });
    }
    match patch.get(PATCH) {
        None => {}
        Some(Value::String(directive)) if directive == "replace" => {
            object.clear();
            object.extend(list::without_directives(patch));
            return Ok(());
        }
        Some(Value::String(directive)) if directive == "delete" => {
            object.clear();
            return Ok(());
        }
        Some(other) => return Err(PatchError::unknown_directive(path, PATCH, other)),
    }
    retain_keys(object, patch, path)?;
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix(SET_ORDER) {
            set_order(shape, object, patch, field, value, &path.name(field), depth)?;
        }
    }
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix(DELETE_FROM) {
            list::delete_from(object.get_mut(field), value, &path.name(key))?;
        } else if key == RETAIN_KEYS || key.starts_with(SET_ORDER) {
            // Done above.
        } else if key.starts_with('$') && matches!(shape, Shape::Message(_)) {
            return Err(PatchError::unknown_directive(path, key, value));
        } else if !patch.contains_key(format!("{SET_ORDER}{key}").as_str()) {
            merge_key(shape, object, key, value, &path.name(key), depth)?;
        }
    }
    Ok(())
}

/// Merges the value of one key.
fn merge_key(
    shape: Shape<'_>,
    object: &mut Map<String, Value>,
    key: &str,
    value: &Value,
    path: &Path<'_>,
    depth: usize,
) -> Result<(), PatchError> {
    let strategy = shape
        .field(key)
        .map_or(PatchStrategy { merge: false, retain_keys: false, replace: false }, |field| {
            field.patch_strategy
        });
    match value {
        Value::Null => {
            object.remove(key);
        }
        Value::Object(patch) => {
            // What is new is merged with nothing, which clears it of directives and of nulls.
            let inner = object.entry(key).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() || strategy.replace {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                merge_object(Shape::of(shape.value(key)), inner, patch, path, depth + 1)?;
            }
        }
        Value::Array(patch) if strategy.merge => {
            let merge = list::Merge::new(shape.field(key), path, depth);
            let original = match object.remove(key) {
                Some(Value::Array(original)) => original,
                _ => Vec::new(),
            };
            object.insert(key.to_owned(), Value::Array(merge.merge(original, patch)?));
        }
        Value::Array(patch) => {
            object.insert(key.to_owned(), Value::Array(list::elements_without_directives(patch)));
        }
        plain => {
            object.insert(key.to_owned(), plain.clone());
        }
    }
    Ok(())
}

/// Merges a list and then brings it into the order that the patch asks for.
fn set_order(
    shape: Shape<'_>,
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    field: &str,
    order: &Value,
    path: &Path<'_>,
    depth: usize,
) -> Result<(), PatchError> {
    let Value::Array(order) = order else {
        return Err(PatchError::BadDirective {
            path: path.to_string(),
            directive: SET_ORDER,
            problem: "want a list of elements".to_owned(),
        });
    };
    let merge = list::Merge::new(shape.field(field), path, depth);
    let patch = match patch.get(field) {
        None => None,
        Some(Value::Array(patch)) => Some(patch),
        Some(Value::Null) => {
            object.remove(field);
            return Ok(());
        }
        Some(_) => return Err(PatchError::NotAList { path: path.to_string() }),
    };
    let original = match object.get(field) {
        Some(Value::Array(original)) => original.clone(),
        _ if patch.is_none() => return Ok(()),
        _ => Vec::new(),
    };
    let ordered = merge.merge_in_order(original, patch.map_or(&[], Vec::as_slice), order)?;
    object.insert(field.to_owned(), Value::Array(ordered));
    Ok(())
}

/// Drops the keys that the patch does not list as staying.
fn retain_keys(
    object: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    path: &Path<'_>,
) -> Result<(), PatchError> {
    let Some(keys) = patch.get(RETAIN_KEYS) else {
        return Ok(());
    };
    let bad = |problem: String| PatchError::BadDirective {
        path: path.to_string(),
        directive: RETAIN_KEYS,
        problem,
    };
    let Value::Array(keys) = keys else {
        return Err(bad("want a list of keys".to_owned()));
    };
    let retained = |key: &str| keys.iter().any(|kept| kept.as_str() == Some(key));
    let unlisted =
        |(key, value): &(&String, &Value)| !key.starts_with('$') && !value.is_null() && !retained(key);
    if let Some((key, _)) = patch.iter().find(unlisted) {
        return Err(bad(format!("the patch sets {key:?}, which is not among the keys that stay")));
    }
    object.retain(|key, _| retained(key));
    Ok(())
}
