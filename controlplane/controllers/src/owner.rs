//! Who owns an object: `metadata.ownerReferences`, and the one owner among them that controls it.

use meridian_schema::Kind;
use serde_json::{Value, json};

use crate::object;

/// The owner that controls an object: its uid, kind and name.
pub(crate) fn controller(object: &Value) -> Option<&Value> {
    references(object).find(|reference| reference["controller"] == true)
}

pub(crate) fn references(object: &Value) -> impl Iterator<Item = &Value> {
    object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten()
}

/// A reference that says that `owner` controls what carries it.
pub(crate) fn reference_to(kind: &Kind, owner: &Value) -> Value {
    json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "name": object::name(owner),
        "uid": object::uid(owner),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// Makes `owner` the one that controls an object. Whether that changed anything: not where somebody else does.
pub(crate) fn adopt(object: &mut Value, reference: &Value) -> bool {
    if controller(object).is_some() || object::is_deleting(object) {
        return false;
    }
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return false };
    let references = metadata.entry("ownerReferences").or_insert_with(|| json!([]));
    let Some(references) = references.as_array_mut() else { return false };
    references.retain(|present| present["uid"] != reference["uid"]);
    references.push(reference.clone());
    true
}

/// Takes the references to an owner out. Whether there were any.
pub(crate) fn release(object: &mut Value, uid: &str) -> bool {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return false };
    let Some(references) = metadata.get_mut("ownerReferences").and_then(Value::as_array_mut) else {
        return false;
    };
    let before = references.len();
    references.retain(|reference| reference["uid"] != uid);
    let released = references.len() != before;
    if references.is_empty() {
        metadata.remove("ownerReferences");
    }
    released
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_controlled_by_one() {
        let first = json!({"uid": "1", "controller": true});
        let second = json!({"uid": "2", "controller": true});
        let mut pod = json!({"metadata": {"ownerReferences": [{"uid": "3"}]}});
        assert!(adopt(&mut pod, &first));
        assert!(!adopt(&mut pod, &second));
        assert_eq!(controller(&pod), Some(&first));
        assert!(release(&mut pod, "1") && !release(&mut pod, "1"));
        assert!(release(&mut pod, "3"));
        assert!(pod["metadata"].get("ownerReferences").is_none());
    }

    #[test]
    fn what_is_leaving_is_not_adopted() {
        let mut pod = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        assert!(!adopt(&mut pod, &json!({"uid": "1", "controller": true})));
    }
}
