//! Where a pod may and would rather run: affinities, tolerations, spread.

use serde_json::Value;

use super::cause::Causes;
use super::{metadata, names, selector};
use crate::decode::Path;
use crate::read::{entries, get, has, items, text, texts};

/// The one field of a node that a node selector can name.
const NODE_NAME_FIELD: &str = "metadata.name";

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Checks everything in a pod's specification that restricts its host.
pub(super) fn check(spec: &Value, path: &Path<'_>, causes: &mut Causes) {
    metadata::labels(spec, "nodeSelector", path, causes);
    let affinity = get(spec, "affinity");
    if !affinity.is_null() {
        let path = path.name("affinity");
        node_affinity(get(affinity, "nodeAffinity"), &path.name("nodeAffinity"), causes);
        for name in ["podAffinity", "podAntiAffinity"] {
            pod_affinity(get(affinity, name), &path.name(name), causes);
        }
    }
    let list = path.name("tolerations");
    for (index, toleration) in items(spec, "tolerations").iter().enumerate() {
        check_toleration(toleration, &list.index(index), causes);
    }
    spread(spec, &path.name("topologySpreadConstraints"), causes);
}

fn node_affinity(affinity: &Value, path: &Path<'_>, causes: &mut Causes) {
    let terms = path.name(REQUIRED);
    let terms = terms.name("nodeSelectorTerms");
    for (index, term) in items(get(affinity, REQUIRED), "nodeSelectorTerms").iter().enumerate() {
        node_selector_term(term, true, &terms.index(index), causes);
    }
    let terms = path.name(PREFERRED);
    for (index, term) in items(affinity, PREFERRED).iter().enumerate() {
        // Kubernetes has always let malformed label values pass here.
        node_selector_term(get(term, "preference"), false, &terms.index(index).name("preference"), causes);
    }
}

fn node_selector_term(term: &Value, strict_values: bool, path: &Path<'_>, causes: &mut Causes) {
    let list = path.name("matchExpressions");
    for (index, expression) in items(term, "matchExpressions").iter().enumerate() {
        node_expression(expression, strict_values, &list.index(index), causes);
    }
    let list = path.name("matchFields");
    for (index, expression) in items(term, "matchFields").iter().enumerate() {
        node_field(expression, &list.index(index), causes);
    }
}

fn node_expression(expression: &Value, strict_values: bool, path: &Path<'_>, causes: &mut Causes) {
    let values = items(expression, "values");
    match text(expression, "operator") {
        "In" | "NotIn" => {
            if values.is_empty() {
                causes.required(&path.name("values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
        }
        "Exists" | "DoesNotExist" => {
            if !values.is_empty() {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                causes.forbidden(&path.name("values"), detail);
            }
        }
        "Gt" | "Lt" => {
            if values.len() != 1 {
                let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                causes.required(&path.name("values"), detail);
            }
        }
        operator => causes.invalid(&path.name("operator"), operator, "not a valid selector operator"),
    }
    metadata::label_key(text(expression, "key"), &path.name("key"), causes);
    if strict_values {
        for (index, value) in texts(expression, "values").enumerate() {
            causes.malformed(&path.name("values").index(index), value, names::label_value(value));
        }
    }
}

fn node_field(expression: &Value, path: &Path<'_>, causes: &mut Causes) {
    match text(expression, "operator") {
        "In" | "NotIn" => {
            if items(expression, "values").len() != 1 {
                let detail =
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                causes.required(&path.name("values"), detail);
            }
        }
        operator => causes.invalid(&path.name("operator"), operator, "not a valid selector operator"),
    }
    if text(expression, "key") != NODE_NAME_FIELD {
        causes.invalid(&path.name("key"), text(expression, "key"), "not a valid field selector key");
        return;
    }
    for (index, value) in texts(expression, "values").enumerate() {
        causes.malformed(&path.name("values").index(index), value, names::dns_subdomain(value));
    }
}

fn pod_affinity(affinity: &Value, path: &Path<'_>, causes: &mut Causes) {
    let terms = path.name(REQUIRED);
    for (index, term) in items(affinity, REQUIRED).iter().enumerate() {
        pod_affinity_term(term, &terms.index(index), causes);
    }
    let terms = path.name(PREFERRED);
    for (index, term) in items(affinity, PREFERRED).iter().enumerate() {
        pod_affinity_term(get(term, "podAffinityTerm"), &terms.index(index).name("podAffinityTerm"), causes);
    }
}

fn pod_affinity_term(term: &Value, path: &Path<'_>, causes: &mut Causes) {
    for name in ["labelSelector", "namespaceSelector"] {
        selector::check(get(term, name), &path.name(name), causes);
    }
    for namespace in texts(term, "namespaces") {
        causes.malformed(&path.name("namespace"), namespace, names::dns_label(namespace));
    }
    for name in ["matchLabelKeys", "mismatchLabelKeys"] {
        label_keys(term, name, path, causes);
    }
    for (index, key) in texts(term, "matchLabelKeys").enumerate() {
        if texts(term, "mismatchLabelKeys").any(|other| other == key) {
            let path = path.name("matchLabelKeys");
            causes.invalid(&path.index(index), key, "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
    let key = text(term, "topologyKey");
    if !key.is_empty() {
        metadata::label_key(key, &path.name("topologyKey"), causes);
    }
}

/// Keys of labels whose values are taken from the pod itself.
fn label_keys(object: &Value, name: &str, path: &Path<'_>, causes: &mut Causes) {
    if items(object, name).is_empty() {
        return;
    }
    let path = path.name(name);
    if !has(object, "labelSelector") {
        causes.forbidden(&path, "must not be specified when labelSelector is not set");
    }
    let selected = entries(get(object, "labelSelector"), "matchLabels");
    for (index, key) in texts(object, name).enumerate() {
        metadata::label_key(key, &path.index(index), causes);
        if selected.contains_key(key) {
            causes.invalid(&path.index(index), key, &format!("exists in both {name} and labelSelector"));
        }
    }
}

/// What a pod tolerates; effect, operator and the forms of key and value are the table's.
pub(super) fn check_toleration(toleration: &Value, path: &Path<'_>, causes: &mut Causes) {
    let operator = text(toleration, "operator");
    if text(toleration, "key").is_empty() && operator != "Exists" {
        let detail =
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        causes.invalid(&path.name("operator"), operator, detail);
    }
    if has(toleration, "tolerationSeconds") && text(toleration, "effect") != "NoExecute" {
        let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        causes.invalid(&path.name("effect"), text(toleration, "effect"), detail);
    }
    let value = text(toleration, "value");
    match operator {
        "Exists" if !value.is_empty() => {
            causes.invalid(&path.name("operator"), value, "value must be empty when `operator` is 'Exists'");
        }
        "" | "Equal" => {
            let problems = names::label_value(value);
            if !problems.is_empty() {
                causes.invalid(&path.name("operator"), value, &problems.join(";"));
            }
        }
        _ => {}
    }
}

fn spread(spec: &Value, path: &Path<'_>, causes: &mut Causes) {
    let constraints = items(spec, "topologySpreadConstraints");
    for (index, constraint) in constraints.iter().enumerate() {
        let path = path.index(index);
        let (key, when) = (text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable"));
        if !key.is_empty() {
            metadata::label_key(key, &path.name("topologyKey"), causes);
        }
        let same =
            |other: &Value| text(other, "topologyKey") == key && text(other, "whenUnsatisfiable") == when;
        if constraints[..index].iter().any(same) {
            let path = path.name("{topologyKey, whenUnsatisfiable}");
            causes.duplicate(&path, format!("{{{key}, {when}}}").as_str());
        }
        if has(constraint, "minDomains") && when == "ScheduleAnyway" {
            let detail = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway";
            causes.invalid(&path.name("minDomains"), get(constraint, "minDomains"), detail);
        }
        label_keys(constraint, "matchLabelKeys", &path, causes);
        selector::check(get(constraint, "labelSelector"), &path.name("labelSelector"), causes);
    }
}
