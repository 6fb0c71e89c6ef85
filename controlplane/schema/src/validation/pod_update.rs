//! What may change in a pod, which is little: a pod that should be another is made anew.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::cause::Causes;
use super::{differ, names, pod};
use crate::decode::Path;
use crate::read::{entries, get, items, number, text};

/// Every list of containers, in the order of messages.
const LISTS: [&str; 2] = ["containers", "initContainers"];

const UPDATABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
    tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Rules for an update of a pod.
pub(super) fn check(object: &Value, old: &Value, causes: &mut Causes) {
    pod::check(object, causes);
    let path = Path::ROOT.name("spec");
    let (spec, was) = (get(object, "spec"), get(old, "spec"));
    mirror(object, old, causes);
    for list in LISTS {
        if items(spec, list).len() != items(was, list).len() {
            causes.forbidden(&path.name(list), "pod updates may not add or remove containers");
            return;
        }
    }
    deadline(spec, was, &path.name("activeDeadlineSeconds"), causes);
    gates(spec, was, &path.name("schedulingGates"), causes);
    tolerations(spec, was, &path.name("tolerations"), causes);
    let changed = changed_fields(spec, was);
    if !changed.is_empty() {
        causes.forbidden(&path, &format!("{UPDATABLE}\nchanged: {}", changed.join(", ")));
    }
}

fn mirror(object: &Value, old: &Value, causes: &mut Causes) {
    let annotation = |pod| get(get(get(pod, "metadata"), "annotations"), pod::MIRROR_ANNOTATION);
    if annotation(object) == annotation(old) {
        return;
    }
    let path = Path::ROOT.name("metadata");
    let path = path.name("annotations");
    let detail = if annotation(old).is_null() {
        "may not add mirror pod annotation"
    } else {
        "may not remove or update mirror pod annotation"
    };
    causes.forbidden(&path.key(pod::MIRROR_ANNOTATION), detail);
}

/// A deadline may be set, and come nearer.
fn deadline(spec: &Value, was: &Value, path: &Path<'_>, causes: &mut Causes) {
    match (number(spec, "activeDeadlineSeconds"), number(was, "activeDeadlineSeconds")) {
        (Some(new), Some(old)) if new > old => {
            causes.invalid(path, new, "must be less than or equal to previous value");
        }
        (None, Some(_)) => {
            causes.invalid(path, &Value::Null, "must not update from a positive integer to nil value");
        }
        _ => {}
    }
}

fn gates(spec: &Value, was: &Value, path: &Path<'_>, causes: &mut Causes) {
    for (index, gate) in items(spec, "schedulingGates").iter().enumerate() {
        let name = text(gate, "name");
        if !items(was, "schedulingGates").iter().any(|old| text(old, "name") == name) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            causes.forbidden(&path.index(index).name("name"), &detail);
        }
    }
}

/// Tolerations may be added; of those that are there only the time may change.
fn tolerations(spec: &Value, was: &Value, path: &Path<'_>, causes: &mut Causes) {
    const FIELDS: [&str; 4] = ["key", "operator", "value", "effect"];
    let same = |old: &Value, new: &Value| FIELDS.iter().all(|name| text(old, name) == text(new, name));
    let kept = |old: &Value| items(spec, "tolerations").iter().any(|new| same(old, new));
    if !items(was, "tolerations").iter().all(kept) {
        causes.forbidden(path, "existing toleration can not be modified except its tolerationSeconds");
    }
}

/// Fields of the specification that differ though they may not.
fn changed_fields(spec: &Value, was: &Value) -> Vec<String> {
    let gated = !items(was, "schedulingGates").is_empty();
    let mut changed = Vec::new();
    let (new, old) = (fields(spec), fields(was));
    for name in new.keys().chain(old.keys().filter(|name| !new.contains_key(*name))) {
        let (new, old) = (get(spec, name), get(was, name));
        let allowed = match name.as_str() {
            "activeDeadlineSeconds" | "tolerations" | "schedulingGates" => true,
            "containers" | "initContainers" => same_but_images(new, old),
            "terminationGracePeriodSeconds" => new == 1 && old.as_i64().is_some_and(|old| old < 0),
            // A pod that waits for its gates may still be told more about where to run.
            "nodeSelector" if gated => {
                entries(was, name).iter().all(|(key, value)| new.get(key) == Some(value))
            }
            "affinity" if gated => old.is_null() || narrower(new, old),
            _ => false,
        };
        if !allowed && differ(new, old) {
            changed.push(format!("spec.{name}"));
        }
    }
    changed
}

fn fields(object: &Value) -> Cow<'_, Map<String, Value>> {
    object.as_object().map_or_else(|| Cow::Owned(Map::new()), Cow::Borrowed)
}

fn same_but_images(new: &Value, old: &Value) -> bool {
    let (Some(new), Some(old)) = (new.as_array(), old.as_array()) else { return !differ(new, old) };
    new.len() == old.len()
        && new.iter().zip(old).all(|(new, old)| {
            let (new_fields, old_fields) = (fields(new), fields(old));
            new_fields
                .keys()
                .chain(old_fields.keys())
                .all(|name| name == "image" || !differ(get(new, name), get(old, name)))
        })
}

/// Whether an affinity differs only by further expressions in the terms that a node must match.
fn narrower(new: &Value, old: &Value) -> bool {
    const REQUIRED: &str = "/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    if ["podAffinity", "podAntiAffinity"].iter().any(|name| differ(get(new, name), get(old, name))) {
        return false;
    }
    let terms =
        |affinity: &Value| affinity.pointer(REQUIRED).and_then(Value::as_array).cloned().unwrap_or_default();
    let (new_terms, old_terms) = (terms(new), terms(old));
    old_terms.is_empty()
        || new_terms.len() == old_terms.len()
            && new_terms.iter().zip(&old_terms).all(|(new, old)| {
                ["matchExpressions", "matchFields"].iter().all(|list| {
                    items(old, list).iter().all(|expression| items(new, list).contains(expression))
                })
            })
}

/// Rules for an update of a pod's status.
pub(super) fn check_status(spec: &Value, status: &Value, was: &Value, causes: &mut Causes) {
    let path = Path::ROOT.name("status");
    if !text(was, "qosClass").is_empty() && text(status, "qosClass") != text(was, "qosClass") {
        causes.invalid(&path.name("qosClass"), text(status, "qosClass"), "field is immutable");
    }
    let nominated = text(status, "nominatedNodeName");
    if !nominated.is_empty() {
        causes.malformed(&path.name("nominatedNodeName"), nominated, names::dns_subdomain(nominated));
    }
    for (list, first) in [("podIPs", "podIP"), ("hostIPs", "hostIP")] {
        addresses(status, list, first, &path, causes);
    }
    restarts(spec, status, was, &path, causes);
}

fn addresses(status: &Value, list: &str, first: &str, path: &Path<'_>, causes: &mut Causes) {
    let addresses = items(status, list);
    let path = path.name(list);
    if let Some(address) = addresses.first()
        && text(address, "ip") != text(status, first)
    {
        let detail = format!("must be equal to `{first}`");
        causes.invalid(&path.index(0).name("ip"), text(address, "ip"), &detail);
    }
    for (index, address) in addresses.iter().enumerate() {
        let ip = text(address, "ip");
        causes.malformed(&path.index(index), ip, names::ip(ip));
        if addresses[..index].iter().any(|other| text(other, "ip") == ip) {
            causes.duplicate(&path.index(index), address);
        }
    }
    let of_family =
        |version: char| addresses.iter().filter(|address| text(address, "ip").contains(version)).count();
    if of_family('.') > 1 || of_family(':') > 1 {
        causes.invalid(&path, get(status, list), "may specify no more than one IP for each IP family");
    }
}

/// A container that has ended stays ended, unless the pod starts containers again.
fn restarts(spec: &Value, status: &Value, was: &Value, path: &Path<'_>, causes: &mut Causes) {
    let policy = text(spec, "restartPolicy");
    if !matches!(policy, "Never" | "OnFailure") {
        return;
    }
    let restartable: Vec<_> = items(spec, "initContainers")
        .iter()
        .filter(|container| text(container, "restartPolicy") == "Always")
        .map(|container| text(container, "name"))
        .collect();
    for list in ["containerStatuses", "initContainerStatuses"] {
        for old in items(was, list) {
            let (name, ended) = (text(old, "name"), get(get(old, "state"), "terminated"));
            let failed = number(ended, "exitCode").unwrap_or_default() != 0;
            if ended.is_null() || restartable.contains(&name) || policy == "OnFailure" && failed {
                continue;
            }
            let restarted =
                |new: &Value| text(new, "name") == name && get(get(new, "state"), "terminated").is_null();
            if let Some(index) = items(status, list).iter().position(restarted) {
                let path = path.name(list);
                let path = path.index(index);
                causes.forbidden(&path.name("state"), "may not be transitioned to non-terminated state");
            }
        }
    }
}
