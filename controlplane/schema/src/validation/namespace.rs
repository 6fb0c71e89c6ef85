//! Namespaces.

use serde_json::Value;

use super::cause::Causes;
use super::names;
use crate::decode::Path;
use crate::read::{get, has, text, texts};

/// Rules for a Namespace, new or not.
pub(super) fn check(object: &Value, causes: &mut Causes) {
    let path = Path::ROOT.name("spec");
    let list = path.name("finalizers");
    for (index, finalizer) in texts(get(object, "spec"), "finalizers").enumerate() {
        let path = list.index(index);
        let problems = names::qualified_name(finalizer);
        if problems.is_empty() && !finalizer.contains('/') && finalizer != "kubernetes" {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            causes.invalid(&path, finalizer, detail);
        }
        causes.malformed(&path, finalizer, problems);
    }
}

/// Rules for a Namespace's status: it ends when it is deleted, and only then.
pub(super) fn check_status(object: &Value, causes: &mut Causes) {
    let phase = text(get(object, "status"), "phase");
    let path = Path::ROOT.name("status");
    let path = path.name("Phase");
    let deleted = has(get(object, "metadata"), "deletionTimestamp");
    if deleted && phase != "Terminating" {
        causes.invalid(&path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
    } else if !deleted && phase != "Active" {
        causes.invalid(&path, phase, "may only be 'Active' if `deletionTimestamp` is empty");
    }
}
