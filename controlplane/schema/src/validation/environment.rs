//! The environment of a container.

use serde_json::Value;

use super::cause::Causes;
use super::names;
use crate::decode::Path;
use crate::read::{get, has, items, text};

/// Fields of a pod that a variable can take its value from.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Fields of a pod that a file can be made from.
pub(super) const FILE_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// Units of bytes that an amount can be given in.
const BYTE_DIVISORS: [&str; 13] =
    ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Checks `env` and `envFrom`; the names of variables are the table's.
pub(super) fn check(container: &Value, path: &Path<'_>, causes: &mut Causes) {
    let list = path.name("env");
    for (index, variable) in items(container, "env").iter().enumerate() {
        let source = get(variable, "valueFrom");
        if !source.is_null() {
            check_source(variable, source, &list.index(index).name("valueFrom"), causes);
        }
    }
    let list = path.name("envFrom");
    for (index, source) in items(container, "envFrom").iter().enumerate() {
        let path = list.index(index);
        let prefix = text(source, "prefix");
        if !prefix.is_empty() {
            causes.malformed(&path.name("prefix"), prefix, names::variable_name(prefix));
        }
        let sources = ["configMapRef", "secretRef"];
        for name in sources.iter().filter(|name| has(source, name)) {
            let reference = get(source, name);
            let path = path.name(name);
            match text(reference, "name") {
                "" => causes.required(&path.name("name"), ""),
                name => causes.malformed(&path.name("name"), name, names::dns_subdomain(name)),
            }
        }
        match sources.iter().filter(|name| has(source, name)).count() {
            0 => causes.invalid(&list, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => causes.invalid(&list, "", "may not have more than one field specified at a time"),
        }
    }
}

fn check_source(variable: &Value, source: &Value, path: &Path<'_>, causes: &mut Causes) {
    let mut sources = 0;
    for name in ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"] {
        let reference = get(source, name);
        if reference.is_null() {
            continue;
        }
        sources += 1;
        let path = path.name(name);
        match name {
            "fieldRef" => check_field(reference, &FIELDS, &path, causes),
            "resourceFieldRef" => check_resource(reference, false, &path, causes),
            _ => {
                let name = text(reference, "name");
                causes.malformed(&path.name("name"), name, names::dns_subdomain(name));
                let key = text(reference, "key");
                if !key.is_empty() {
                    causes.malformed(&path.name("key"), key, names::config_key(key));
                }
            }
        }
    }
    if sources == 0 {
        let detail =
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
        causes.invalid(path, "", detail);
    } else if !text(variable, "value").is_empty() {
        causes.invalid(path, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        causes.invalid(path, "", "may not have more than one field specified at a time");
    }
}

/// A field of the pod, perhaps one entry of its labels or annotations: `metadata.labels['app']`.
pub(super) fn check_field(reference: &Value, fields: &[&str], path: &Path<'_>, causes: &mut Causes) {
    let name = text(reference, "fieldPath");
    if name.is_empty() {
        return;
    }
    let entry = name.strip_suffix("']").and_then(|name| name.split_once("['"));
    match entry {
        Some(("metadata.annotations", key)) => {
            causes.malformed(path, key, names::qualified_name(&key.to_ascii_lowercase()));
        }
        Some(("metadata.labels", key)) => causes.malformed(path, key, names::qualified_name(key)),
        Some((field, _)) => causes.invalid(path, field, "does not support subscript"),
        None if !FIELDS.contains(&name) && !FILE_FIELDS.contains(&name) => {
            let detail = format!("error converting fieldPath: field label not supported: {name}");
            causes.invalid(&path.name("fieldPath"), name, &detail);
        }
        None if !fields.contains(&name) => causes.not_supported(&path.name("fieldPath"), name, fields),
        None => {}
    }
}

/// A container's amount of a resource. A file has to say of which container.
pub(super) fn check_resource(reference: &Value, file: bool, path: &Path<'_>, causes: &mut Causes) {
    let resource = text(reference, "resource");
    let huge_pages = resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-");
    if file && text(reference, "containerName").is_empty() {
        causes.required(&path.name("containerName"), "");
    } else if !resource.is_empty() && !huge_pages && !RESOURCES.contains(&resource) {
        causes.not_supported(&path.name("resource"), resource, &RESOURCES);
    }
    let divisor = text(reference, "divisor");
    if matches!(divisor, "" | "0") {
        return;
    }
    let detail = match resource {
        "limits.cpu" | "requests.cpu" if !matches!(divisor, "1" | "1m") => {
            "only divisor's values 1m and 1 are supported with the cpu resource"
        }
        "limits.cpu" | "requests.cpu" => return,
        _ if BYTE_DIVISORS.contains(&divisor) => return,
        "limits.memory" | "requests.memory" => {
            "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory \
             resource"
        }
        _ => {
            "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the local \
             ephemeral storage resource"
        }
    };
    causes.invalid(&path.name("divisor"), resource, detail);
}
