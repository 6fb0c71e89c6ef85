//! Label selectors as objects.

use serde_json::Value;

use super::cause::Causes;
use super::{metadata, names};
use crate::decode::Path;
use crate::read::{items, text, texts};

/// Checks a label selector, if there is one.
pub(super) fn check(selector: &Value, path: &Path<'_>, causes: &mut Causes) {
    metadata::labels(selector, "matchLabels", path, causes);
    let list = path.name("matchExpressions");
    for (index, expression) in items(selector, "matchExpressions").iter().enumerate() {
        let path = list.index(index);
        let values = items(expression, "values");
        match text(expression, "operator") {
            "In" | "NotIn" if values.is_empty() => {
                causes.required(&path.name("values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "In" | "NotIn" => {}
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                causes.forbidden(&path.name("values"), detail);
            }
            "Exists" | "DoesNotExist" => {}
            operator => causes.invalid(&path.name("operator"), operator, "not a valid selector operator"),
        }
        metadata::label_key(text(expression, "key"), &path.name("key"), causes);
        for (index, value) in texts(expression, "values").enumerate() {
            causes.malformed(&path.name("values").index(index), value, names::label_value(value));
        }
    }
}

/// Whether a selector selects everything because it says nothing.
pub(super) fn is_empty(selector: &Value) -> bool {
    crate::read::entries(selector, "matchLabels").is_empty() && items(selector, "matchExpressions").is_empty()
}
