//! Templates that workloads make pods from.

use serde_json::Value;

use super::cause::Causes;
use super::{metadata, pod, selector};
use crate::decode::Path;
use crate::read::{entries, get, has, items, text};
use crate::selector::LabelSelector;

/// Checks selector and template of a workload that keeps a number of pods running. `kind` is its name in messages.
pub(super) fn check(spec: &Value, kind: &str, path: &Path<'_>, causes: &mut Causes) {
    let selects = get(spec, "selector");
    if !selects.is_null() {
        let path = path.name("selector");
        selector::check(selects, &path, causes);
        if selector::is_empty(selects) {
            causes.invalid(&path, selects, &format!("empty selector is invalid for {kind}"));
        }
    }
    let template = get(spec, "template");
    let path = path.name("template");
    if template.is_null() {
        causes.required(&path, "");
        return;
    }
    if !selector::is_empty(selects)
        && let Ok(selector) = LabelSelector::from_object(selects)
        && !selector.matches(entries(get(template, "metadata"), "labels"))
    {
        let path = path.name("metadata");
        let labels = get(get(template, "metadata"), "labels");
        let none = Value::Object(serde_json::Map::new());
        let shown = if labels.is_null() { &none } else { labels };
        causes.invalid(&path.name("labels"), shown, "`selector` does not match template `labels`");
    }
    check_template(template, &path, causes);
    let (spec, path) = (get(template, "spec"), path.name("spec"));
    let restart = text(spec, "restartPolicy");
    if !restart.is_empty() && restart != "Always" {
        causes.not_supported(&path.name("restartPolicy"), restart, &["Always"]);
    }
    if has(spec, "activeDeadlineSeconds") {
        let detail = "activeDeadlineSeconds in ReplicaSet is not Supported";
        causes.forbidden(&path.name("activeDeadlineSeconds"), detail);
    }
}

fn check_template(template: &Value, path: &Path<'_>, causes: &mut Causes) {
    let metadata_path = path.name("metadata");
    metadata::labels(get(template, "metadata"), "labels", &metadata_path, causes);
    metadata::annotations(get(template, "metadata"), &metadata_path, causes);
    pod::mirror(template, &metadata_path, causes);
    let (spec, path) = (get(template, "spec"), path.name("spec"));
    pod::check_spec(spec, false, &path, causes);
    if !items(spec, "ephemeralContainers").is_empty() {
        let detail = "ephemeral containers not allowed in pod template";
        causes.forbidden(&path.name("ephemeralContainers"), detail);
    }
}
