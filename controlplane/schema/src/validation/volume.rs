//! Volumes of a pod, and how containers mount them.

use meridian_kubernetes::Quantity;
use serde_json::Value;

use super::cause::Causes;
use super::environment::{FILE_FIELDS, check_field, check_resource};
use super::{names, selector};
use crate::decode::Path;
use crate::read::{flag, get, has, items, text};

/// The longest time that a token may be valid for.
const MAX_TOKEN_SECONDS: i64 = 1 << 32;

/// Checks the volumes of a pod; the fields of each type are the table's.
pub(super) fn check(spec: &Value, path: &Path<'_>, causes: &mut Causes) {
    let volumes = items(spec, "volumes");
    for (index, volume) in volumes.iter().enumerate() {
        let path = path.index(index);
        let name = text(volume, "name");
        if !name.is_empty() && volumes[..index].iter().any(|other| text(other, "name") == name) {
            causes.duplicate(&path.name("name"), name);
        }
        let mut types = volume
            .as_object()
            .into_iter()
            .flat_map(|volume| volume.iter())
            .filter(|(field, value)| field.as_str() != "name" && !value.is_null());
        match types.next() {
            None => causes.required(&path, "must specify a volume type"),
            Some((kind, source)) => check_source(kind, source, &path.name(kind), causes),
        }
        for (kind, _) in types {
            causes.forbidden(&path.name(kind), "may not specify more than one volume type");
        }
    }
}

fn check_source(kind: &str, source: &Value, path: &Path<'_>, causes: &mut Causes) {
    match kind {
        "hostPath" => {
            let host_path = text(source, "path");
            no_steps_back(host_path, &path.name("path"), causes);
        }
        "emptyDir" => {
            let limit = Quantity::parse(text(source, "sizeLimit"));
            if limit.is_ok_and(Quantity::is_negative) {
                causes
                    .forbidden(&path.name("sizeLimit"), "SizeLimit field must be a valid resource quantity");
            }
        }
        "secret" => {
            required(source, "secretName", path, causes);
            check_items(source, path, causes);
        }
        "configMap" => {
            required(source, "name", path, causes);
            check_items(source, path, causes);
        }
        "downwardAPI" => check_files(source, path, causes),
        "projected" => check_projected(source, path, causes),
        "ephemeral" => required(source, "volumeClaimTemplate", path, causes),
        "persistentVolumeClaim" => {
            let claim = text(source, "claimName");
            if !claim.is_empty() {
                causes.malformed(&path.name("claimName"), claim, names::dns_subdomain(claim));
            }
        }
        "nfs" => {
            let server_path = text(source, "path");
            if !server_path.is_empty() && !server_path.starts_with('/') {
                causes.invalid(&path.name("path"), server_path, "must be an absolute path");
            }
        }
        _ => {}
    }
}

fn required(source: &Value, name: &str, path: &Path<'_>, causes: &mut Causes) {
    if matches!(get(source, name), Value::Null) || get(source, name) == "" {
        causes.required(&path.name(name), "");
    }
}

/// Files made of the entries of a Secret or a ConfigMap.
fn check_items(source: &Value, path: &Path<'_>, causes: &mut Causes) {
    let list = path.name("items");
    for (index, item) in items(source, "items").iter().enumerate() {
        let path = list.index(index);
        file_path(text(item, "path"), &path.name("path"), causes);
    }
}

/// Files made of the pod's own fields.
fn check_files(source: &Value, path: &Path<'_>, causes: &mut Causes) {
    let list = path.name("items");
    for (index, file) in items(source, "items").iter().enumerate() {
        let path = list.index(index);
        file_path(text(file, "path"), &path.name("path"), causes);
        match (has(file, "fieldRef"), has(file, "resourceFieldRef")) {
            (true, true) => {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                causes.invalid(&path, "resource", detail);
            }
            (true, false) => check_field(get(file, "fieldRef"), &FILE_FIELDS, &path.name("fieldRef"), causes),
            (false, true) => {
                check_resource(get(file, "resourceFieldRef"), true, &path.name("resourceFieldRef"), causes);
            }
            (false, false) => causes.required(&path, "one of fieldRef and resourceFieldRef is required"),
        }
    }
}

fn check_projected(source: &Value, path: &Path<'_>, causes: &mut Causes) {
    let list = path.name("sources");
    for (index, projection) in items(source, "sources").iter().enumerate() {
        let path = list.index(index);
        let mut found = false;
        for kind in ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle"] {
            let source = get(projection, kind);
            if source.is_null() {
                continue;
            }
            let path = path.name(kind);
            if found {
                causes.forbidden(&path, "may not specify more than 1 volume type");
                continue;
            }
            found = true;
            match kind {
                "secret" | "configMap" => {
                    required(source, "name", &path, causes);
                    check_items(source, &path, causes);
                }
                "downwardAPI" => check_files(source, &path, causes),
                "serviceAccountToken" => {
                    local_path(text(source, "path"), &path.name("path"), causes);
                    let seconds = get(source, "expirationSeconds");
                    if seconds.as_i64().is_some_and(|seconds| seconds > MAX_TOKEN_SECONDS) {
                        let detail = "may not specify a duration larger than 2^32 seconds";
                        causes.invalid(&path.name("expirationSeconds"), seconds, detail);
                    }
                }
                _ => selector::check(get(source, "labelSelector"), &path.name("labelSelector"), causes),
            }
        }
        if !found {
            causes.required(&path, "must specify a volume type");
        }
    }
}

/// Checks what a container mounts.
pub(super) fn check_mounts(container: &Value, volumes: &[Value], path: &Path<'_>, causes: &mut Causes) {
    let (mounts, devices) = (items(container, "volumeMounts"), items(container, "volumeDevices"));
    let list = path.name("volumeMounts");
    for (index, mount) in mounts.iter().enumerate() {
        let path = list.index(index);
        let (name, target) = (text(mount, "name"), text(mount, "mountPath"));
        let volume = volumes.iter().find(|volume| text(volume, "name") == name);
        if volume.is_none() {
            causes.not_found(&path.name("name"), name);
        }
        if mounts[..index].iter().any(|other| text(other, "mountPath") == target) {
            causes.invalid(&path.name("mountPath"), target, "must be unique");
        }
        if devices.iter().any(|device| text(device, "name") == name) {
            causes.invalid(&path.name("name"), name, "must not already exist in volumeDevices");
        }
        if devices.iter().any(|device| text(device, "devicePath") == target) {
            let detail = "must not already exist as a path in volumeDevices";
            causes.invalid(&path.name("mountPath"), target, detail);
        }
        let (inner, expression) = (text(mount, "subPath"), text(mount, "subPathExpr"));
        if volume.is_some_and(|volume| has(volume, "image")) {
            for (field, value) in [("subPath", inner), ("subPathExpr", expression)] {
                if !value.is_empty() {
                    causes.invalid(&path.name(field), value, "not allowed in image volume sources");
                }
            }
        }
        local_path(inner, &list.name("subPath"), causes);
        if !expression.is_empty() && !inner.is_empty() {
            let detail = "subPathExpr and subPath are mutually exclusive";
            causes.invalid(&path.name("subPathExpr"), expression, detail);
        }
        local_path(expression, &list.name("subPathExpr"), causes);
        let privileged = flag(get(container, "securityContext"), "privileged");
        if text(mount, "mountPropagation") == "Bidirectional" && !privileged {
            let detail = "Bidirectional mount propagation is available only to privileged containers";
            causes.forbidden(&list.name("mountPropagation"), detail);
        }
        recursive_read_only(mount, &list.name("recursiveReadOnly"), causes);
    }
    check_devices(container, volumes, &path.name("volumeDevices"), causes);
}

fn recursive_read_only(mount: &Value, path: &Path<'_>, causes: &mut Causes) {
    let mode = text(mount, "recursiveReadOnly");
    if !matches!(mode, "Enabled" | "IfPossible") {
        return;
    }
    if !flag(mount, "readOnly") {
        causes.forbidden(path, "may only be specified when readOnly is true");
    }
    if !matches!(text(mount, "mountPropagation"), "" | "None") {
        let detail = "may only be specified when mountPropagation is None or not specified";
        causes.forbidden(path, detail);
    }
}

fn check_devices(container: &Value, volumes: &[Value], path: &Path<'_>, causes: &mut Causes) {
    let devices = items(container, "volumeDevices");
    for (index, device) in devices.iter().enumerate() {
        let path = path.index(index);
        let (name, target) = (text(device, "name"), text(device, "devicePath"));
        match volumes.iter().find(|volume| text(volume, "name") == name) {
            None => causes.not_found(&path.name("name"), name),
            Some(volume) if !has(volume, "persistentVolumeClaim") && !has(volume, "ephemeral") => {
                let detail =
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                causes.invalid(&path.name("name"), name, detail);
            }
            Some(_) => {}
        }
        for (field, value) in [("name", name), ("devicePath", target)] {
            if devices[..index].iter().any(|other| text(other, field) == value) {
                causes.invalid(&path.name(field), value, "must be unique");
            }
        }
        if target.split('/').any(|part| part == "..") {
            causes.invalid(&path.name("devicePath"), target, "can not contain backsteps ('..')");
        }
    }
}

/// The path of a file below a volume.
fn file_path(value: &str, path: &Path<'_>, causes: &mut Causes) {
    local_path(value, path, causes);
    if value.starts_with("..") && !value.starts_with("../") && value != ".." {
        causes.invalid(path, value, "must not start with '..'");
    }
}

/// A path that leads nowhere but down.
pub(super) fn local_path(value: &str, path: &Path<'_>, causes: &mut Causes) {
    if value.starts_with('/') {
        causes.invalid(path, value, "must be a relative path");
    }
    no_steps_back(value, path, causes);
}

fn no_steps_back(value: &str, path: &Path<'_>, causes: &mut Causes) {
    if value.split('/').any(|part| part == "..") {
        causes.invalid(path, value, "must not contain '..'");
    }
}
