//! Bodies of requests that are no object of their own: options, bindings, scales.

use serde_json::Value;

use super::cause::{Cause, Causes};
use super::walk;
use crate::decode::Path;
use crate::read::{get, has, text, texts};
use crate::table::MessageRef;

/// What is wrong with the body of a request that is no object of a kind: a Binding, a Scale, DeleteOptions.
pub fn validate_message(message: MessageRef, object: &Value) -> Vec<Cause> {
    let mut causes = Causes::default();
    walk::walk(message, object, &["metadata", "status"], &mut causes);
    match message.short_name() {
        "Binding" => binding(object, &mut causes),
        "DeleteOptions" => delete_options(object, &mut causes),
        "Eviction" => delete_options(get(object, "deleteOptions"), &mut causes),
        _ => {}
    }
    causes.into_vec()
}

fn binding(object: &Value, causes: &mut Causes) {
    let target = get(object, "target");
    let path = Path::ROOT.name("target");
    let kind = text(target, "kind");
    if !matches!(kind, "" | "Node") {
        causes.not_supported(&path.name("kind"), kind, &["Node", "<empty>"]);
    }
    if text(target, "name").is_empty() && !target.is_null() {
        causes.required(&path.name("name"), "");
    }
}

fn delete_options(options: &Value, causes: &mut Causes) {
    if has(options, "orphanDependents") && has(options, "propagationPolicy") {
        let detail = "orphanDependents and deletionPropagation cannot be both set";
        causes.invalid(&Path::ROOT.name("propagationPolicy"), get(options, "propagationPolicy"), detail);
    }
    if texts(options, "dryRun").any(|value| value != "All") {
        causes.not_supported(&Path::ROOT.name("dryRun"), get(options, "dryRun"), &["All"]);
    }
}
