//! Priority classes.

use serde_json::Value;

use super::cause::Causes;
use super::changed;
use crate::decode::Path;
use crate::read::{get, number, text};

/// The largest priority but for those of the system's own classes.
const MAX_USER_PRIORITY: i64 = 1_000_000_000;

/// The classes of the system, and the prefix that no others may have.
const SYSTEM_PREFIX: &str = "system-";
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// Rules for a new PriorityClass.
pub(super) fn check(object: &Value, causes: &mut Causes) {
    let name = text(get(object, "metadata"), "name");
    let value = number(object, "value").unwrap_or_default();
    if name.starts_with(SYSTEM_PREFIX) {
        if !SYSTEM_CLASSES.contains(&(name, value)) {
            let detail = format!(
                "priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only"
            );
            causes.forbidden(&Path::ROOT.name("metadata").name("name"), &detail);
        }
    } else if value > MAX_USER_PRIORITY {
        let detail = format!("maximum allowed value of a user defined priority is {MAX_USER_PRIORITY}");
        causes.forbidden(&Path::ROOT.name("value"), &detail);
    }
}

/// Rules for an update: pods have taken over what the class said.
pub(super) fn check_update(object: &Value, old: &Value, causes: &mut Causes) {
    if number(object, "value").unwrap_or_default() != number(old, "value").unwrap_or_default() {
        causes.forbidden(&Path::ROOT.name("value"), "may not be changed in an update.");
    }
    if changed(object, old, "preemptionPolicy") {
        let path = Path::ROOT.name("preemptionPolicy");
        causes.invalid(&path, get(object, "preemptionPolicy"), "field is immutable");
    }
}
