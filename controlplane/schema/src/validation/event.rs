//! Events.

use serde_json::Value;

use super::cause::Causes;
use super::metadata;
use crate::decode::Path;
use crate::read::{get, has, text};

/// The longest of an event's names and reasons, and of its message.
const MAX_NAME: usize = 128;
const MAX_MESSAGE: usize = 1024;

/// Rules for an Event, new or not.
pub(super) fn check(object: &Value, causes: &mut Causes) {
    let about = text(get(object, "involvedObject"), "namespace");
    let namespace = text(get(object, "metadata"), "namespace");
    // Events about objects without a namespace are kept in the default one.
    let right = match about {
        "" => matches!(namespace, "" | "default" | "kube-system"),
        about => about == namespace,
    };
    if !right {
        let path = Path::ROOT.name("involvedObject");
        causes.invalid(&path.name("namespace"), about, "does not match event.namespace");
    }
    if !has(object, "eventTime") {
        return;
    }
    let component = text(object, "reportingComponent");
    if component.is_empty() {
        causes.required(&Path::ROOT.name("reportingController"), "");
    } else {
        let path = Path::ROOT.name("reportingController");
        metadata::label_key(component, &path, causes);
    }
    for name in ["reportingInstance", "action", "reason"] {
        let value = text(object, name);
        if value.is_empty() {
            causes.required(&Path::ROOT.name(name), "");
        } else if value.len() > MAX_NAME {
            causes.invalid(&Path::ROOT.name(name), "", &format!("can have at most {MAX_NAME} characters"));
        }
    }
    if text(object, "message").len() > MAX_MESSAGE {
        causes.invalid(
            &Path::ROOT.name("message"),
            "",
            &format!("can have at most {MAX_MESSAGE} characters"),
        );
    }
}

/// Rules for an update: what is said of whom may become more, but not about another.
pub(super) fn check_update(object: &Value, old: &Value, causes: &mut Causes) {
    check(object, causes);
    if !has(old, "eventTime") {
        return;
    }
    for name in ["involvedObject", "reason", "eventTime", "action", "related", "reportingInstance"] {
        if super::changed(object, old, name) {
            causes.invalid(&Path::ROOT.name(name), get(object, name), "field is immutable");
        }
    }
}
