//! Config maps, and what they share with secrets: keys, size, and being set for good.

use serde_json::Value;

use super::cause::Causes;
use super::{changed, names};
use crate::base64::decoded_length;
use crate::decode::Path;
use crate::read::{entries, flag};

/// The most bytes of all values.
pub(super) const MAX_SIZE: usize = 1024 * 1024;

/// Rules for a ConfigMap, new or not.
pub(super) fn check(object: &Value, causes: &mut Causes) {
    let (data, binary) = (entries(object, "data"), entries(object, "binaryData"));
    let mut size = 0;
    for (key, value) in data {
        let path = Path::ROOT.name("data");
        let path = path.key(key);
        causes.malformed(&path, key, names::config_key(key));
        if binary.contains_key(key) {
            causes.invalid(&path, key.as_str(), "duplicate of key present in binaryData");
        }
        size += value.as_str().unwrap_or_default().len();
    }
    for (key, value) in binary {
        let path = Path::ROOT.name("binaryData");
        causes.malformed(&path.key(key), key, names::config_key(key));
        size += decoded_length(value.as_str().unwrap_or_default()).unwrap_or_default();
    }
    if size > MAX_SIZE {
        causes.too_long(&Path::ROOT, MAX_SIZE);
    }
}

/// Rules for an update.
pub(super) fn check_update(object: &Value, old: &Value, causes: &mut Causes) {
    keep(object, old, &["data", "binaryData"], causes);
    check(object, causes);
}

/// What was set to be immutable stays so, and as it is.
pub(super) fn keep(object: &Value, old: &Value, fields: &[&str], causes: &mut Causes) {
    const DETAIL: &str = "field is immutable when `immutable` is set";
    if !flag(old, "immutable") {
        return;
    }
    if !flag(object, "immutable") {
        causes.forbidden(&Path::ROOT.name("immutable"), DETAIL);
    }
    for field in fields.iter().filter(|field| changed(object, old, field)) {
        causes.forbidden(&Path::ROOT.name(field), DETAIL);
    }
}
