//! Names, labels, annotations, owners and finalizers, which every object has.

use serde_json::Value;

use super::cause::Causes;
use super::{differ, names};
use crate::decode::Path;
use crate::read::{entries, flag, get, has, items, text, texts};
use crate::table::Kind;

/// The most bytes of all annotations of an object.
const ANNOTATIONS_SIZE: usize = 256 * 1024;

/// Finalizers that say what becomes of dependents, and so contradict each other.
const ORPHAN_DEPENDENTS: &str = "orphan";
const DELETE_DEPENDENTS: &str = "foregroundDeletion";

/// What the server sets once and keeps.
const IMMUTABLE: [&str; 6] =
    ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"];

/// Metadata of a new object, whose name has been generated.
pub(super) fn check_new(kind: &Kind, object: &Value, causes: &mut Causes) {
    let metadata = get(object, "metadata");
    let path = Path::ROOT.name("metadata");
    let prefix = text(metadata, "generateName");
    if !prefix.is_empty() {
        causes.malformed(&path.name("generateName"), prefix, names::generate_name(kind.kind, prefix));
    }
    match text(metadata, "name") {
        "" => causes.required(&path.name("name"), "name or generateName is required"),
        name => causes.malformed(&path.name("name"), name, names::object_name(kind.kind, name)),
    }
    match (kind.namespaced, text(metadata, "namespace")) {
        (true, "") => causes.required(&path.name("namespace"), ""),
        (true, namespace) => {
            causes.malformed(&path.name("namespace"), namespace, names::dns_label(namespace));
        }
        (false, "") => {}
        (false, _) => causes.forbidden(&path.name("namespace"), "not allowed on this type"),
    }
    check_common(metadata, &path, causes);
}

/// Metadata that is to take the place of other metadata.
pub(super) fn check_update(object: &Value, old: &Value, causes: &mut Causes) {
    let (metadata, old) = (get(object, "metadata"), get(old, "metadata"));
    let path = Path::ROOT.name("metadata");
    for name in IMMUTABLE {
        // Clients need not repeat what they cannot change.
        if has(metadata, name) && differ(get(metadata, name), get(old, name)) {
            causes.invalid(&path.name(name), get(metadata, name), "field is immutable");
        }
    }
    if has(old, "deletionTimestamp") {
        let added: Vec<_> = texts(metadata, "finalizers")
            .filter(|finalizer| texts(old, "finalizers").all(|old| old != *finalizer))
            .map(|finalizer| format!("{finalizer:?}"))
            .collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            causes.forbidden(&path.name("finalizers"), &detail);
        }
    }
    check_common(metadata, &path, causes);
}

fn check_common(metadata: &Value, path: &Path<'_>, causes: &mut Causes) {
    labels(metadata, "labels", path, causes);
    annotations(metadata, path, causes);
    owners(metadata, &path.name("ownerReferences"), causes);
    finalizers(metadata, &path.name("finalizers"), causes);
}

/// Labels, and what is written like them.
pub(super) fn labels(object: &Value, name: &str, path: &Path<'_>, causes: &mut Causes) {
    for (key, value) in entries(object, name) {
        label_key(key, &path.name(name), causes);
        if let Some(value) = value.as_str() {
            causes.malformed(&path.name(name), value, names::label_value(value));
        }
    }
}

/// The key of a label.
pub(super) fn label_key(key: &str, path: &Path<'_>, causes: &mut Causes) {
    causes.malformed(path, key, names::qualified_name(key));
}

/// Annotations; their keys are like those of labels but for the case.
pub(super) fn annotations(metadata: &Value, path: &Path<'_>, causes: &mut Causes) {
    let mut size = 0;
    for (key, value) in entries(metadata, "annotations") {
        size += key.len() + value.as_str().unwrap_or_default().len();
        let problems = if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            names::qualified_name(&key.to_ascii_lowercase())
        } else {
            names::qualified_name(key)
        };
        causes.malformed(&path.name("annotations"), key, problems);
    }
    if size > ANNOTATIONS_SIZE {
        causes.too_long(&path.name("annotations"), ANNOTATIONS_SIZE);
    }
}

fn owners(metadata: &Value, path: &Path<'_>, causes: &mut Causes) {
    let owners = items(metadata, "ownerReferences");
    let mut controller: Option<String> = None;
    for owner in owners {
        let (api_version, kind) = (text(owner, "apiVersion"), text(owner, "kind"));
        if api_version.is_empty() {
            causes.invalid(&path.name("apiVersion"), api_version, "version must not be empty");
        }
        for name in ["kind", "name", "uid"] {
            if text(owner, name).is_empty() {
                causes.invalid(&path.name(name), "", "must not be empty");
            }
        }
        if api_version == "v1" && kind == "Event" {
            causes.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner");
        }
        if flag(owner, "controller") {
            let name = format!("{kind}/{}", text(owner, "name"));
            match &controller {
                None => controller = Some(name),
                Some(first) => {
                    let detail = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} \
                         and {name}"
                    );
                    causes.invalid(path, get(metadata, "ownerReferences"), &detail);
                }
            }
        }
    }
}

fn finalizers(metadata: &Value, path: &Path<'_>, causes: &mut Causes) {
    for finalizer in texts(metadata, "finalizers") {
        causes.malformed(path, finalizer, names::qualified_name(finalizer));
    }
    let named = |name: &str| texts(metadata, "finalizers").any(|finalizer| finalizer == name);
    if named(ORPHAN_DEPENDENTS) && named(DELETE_DEPENDENTS) {
        let detail = format!("finalizer {ORPHAN_DEPENDENTS} and {DELETE_DEPENDENTS} cannot be both set");
        causes.invalid(path, get(metadata, "finalizers"), &detail);
    }
}
