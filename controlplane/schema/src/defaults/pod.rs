//! Pods, alone and as templates.

use serde_json::{Map, Value};

use crate::read::{has, text};

/// What a volume may be, beside its name; a volume that says nothing is an empty directory.
const VOLUME_NAME: &str = "name";

/// A pod of its own: what holds for every pod, and what a template leaves to the pods made from it.
pub(super) fn fill(pod: &mut Value) {
    fill_spec(pod);
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if !spec.contains_key("enableServiceLinks") {
        spec.insert("enableServiceLinks".to_owned(), Value::Bool(true));
    }
    for list in ["containers", "initContainers"] {
        for container in elements(spec, list) {
            if let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) {
                requests_from_limits(resources);
            }
        }
    }
}

/// The specification of a pod or of a template.
pub(super) fn fill_spec(pod: &mut Value) {
    let Some(Value::Object(spec)) = pod.get_mut("spec") else { return };
    let host_network = spec.get("hostNetwork").and_then(Value::as_bool).unwrap_or_default();
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in elements(spec, list) {
            pull_policy(container);
            if host_network {
                host_ports(container);
            }
        }
    }
    for volume in elements(spec, "volumes") {
        if let Some(volume) = volume.as_object_mut()
            && volume.keys().all(|key| key == VOLUME_NAME)
        {
            volume.insert("emptyDir".to_owned(), Value::Object(Map::new()));
        }
    }
    service_account(spec);
}

fn elements<'a>(spec: &'a mut Map<String, Value>, list: &str) -> &'a mut [Value] {
    spec.get_mut(list).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

/// An image that may change under its tag is pulled each time.
fn pull_policy(container: &mut Value) {
    if !text(container, "imagePullPolicy").is_empty() {
        return;
    }
    let policy = if is_latest(text(container, "image")) { "Always" } else { "IfNotPresent" };
    if let Some(container) = container.as_object_mut() {
        container.insert("imagePullPolicy".to_owned(), Value::from(policy));
    }
}

/// Whether an image is named without a tag and digest, or by the tag `latest`.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    // A colon before the last slash belongs to a registry's port.
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        None => true,
        Some((_, tag)) => tag == "latest",
    }
}

/// In the host's network a container's port is the host's.
fn host_ports(container: &mut Value) {
    let Some(ports) = container.get_mut("ports").and_then(Value::as_array_mut) else { return };
    for port in ports.iter_mut().filter_map(Value::as_object_mut) {
        if let (None, Some(number)) = (port.get("hostPort"), port.get("containerPort").cloned()) {
            port.insert("hostPort".to_owned(), number);
        }
    }
}

/// Who limits a resource and asks for none of it asks for the limit.
fn requests_from_limits(resources: &mut Map<String, Value>) {
    let Some(limits) = resources.get("limits").and_then(Value::as_object) else { return };
    let missing: Vec<_> = limits
        .iter()
        .filter(|(name, _)| !has(resources.get("requests").unwrap_or(&Value::Null), name))
        .map(|(name, limit)| (name.clone(), limit.clone()))
        .collect();
    if missing.is_empty() {
        return;
    }
    let requests = resources.entry("requests").or_insert_with(|| Value::Object(Map::new()));
    if let Some(requests) = requests.as_object_mut() {
        requests.extend(missing);
    }
}

/// The account has two names, an old one and a new one; objects carry both.
fn service_account(spec: &mut Map<String, Value>) {
    let named = |name: &str| spec.get(name).and_then(Value::as_str).filter(|name| !name.is_empty());
    match (named("serviceAccountName"), named("serviceAccount")) {
        (Some(new), old) if old != Some(new) => {
            let new = Value::from(new);
            spec.insert("serviceAccount".to_owned(), new);
        }
        (None, Some(old)) => {
            let old = Value::from(old);
            spec.insert("serviceAccountName".to_owned(), old);
        }
        _ => {}
    }
}
