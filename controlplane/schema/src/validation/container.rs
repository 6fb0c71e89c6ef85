//! Containers: regular ones, those that run before them, and those added later to look at a pod.

use serde_json::Value;

use super::cause::Causes;
use super::{environment, probe, resources, security, volume};
use crate::decode::Path;
use crate::read::{get, has, items, number, text};

/// What a container added later may not have.
const NOT_EPHEMERAL: [&str; 7] = [
    "ports",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "resizePolicy",
    "restartPolicy",
];

/// What only a container that keeps running may have.
const NOT_INIT: [&str; 4] = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"];

/// What containers need to know of their pod.
struct Pod<'a> {
    spec: &'a Value,
    grace: Option<i64>,
    host_users: bool,
    volumes: &'a [Value],
    claims: &'a [Value],
}

/// Checks all containers of a specification; single fields are the table's.
pub(super) fn check(spec: &Value, path: &Path<'_>, causes: &mut Causes) {
    let pod = Pod {
        spec,
        grace: number(spec, "terminationGracePeriodSeconds"),
        host_users: get(spec, "hostUsers") != false,
        volumes: items(spec, "volumes"),
        claims: items(spec, "resourceClaims"),
    };
    regular(&pod, &path.name("containers"), causes);
    init(&pod, &path.name("initContainers"), causes);
    ephemeral(&pod, &path.name("ephemeralContainers"), causes);
}

fn regular(pod: &Pod<'_>, path: &Path<'_>, causes: &mut Causes) {
    let containers = items(pod.spec, "containers");
    for (index, container) in containers.iter().enumerate() {
        let path = path.index(index);
        common(container, pod, &path, causes);
        unique(container, containers[..index].iter(), &path, causes);
        probe::check(container, pod.grace, &path, causes);
        if has(container, "restartPolicy") {
            causes.forbidden(&path.name("restartPolicy"), "may not be set for non-init containers");
        }
    }
    host_ports(containers, path, causes);
}

fn init(pod: &Pod<'_>, path: &Path<'_>, causes: &mut Causes) {
    let containers = items(pod.spec, "initContainers");
    for (index, container) in containers.iter().enumerate() {
        let list = path;
        let path = path.index(index);
        common(container, pod, &path, causes);
        unique(container, items(pod.spec, "containers").iter().chain(&containers[..index]), &path, causes);
        host_ports(&containers[index..=index], list, causes);
        let restart = text(container, "restartPolicy");
        if has(container, "restartPolicy") && restart != "Always" {
            causes.not_supported(&path.name("restartPolicy"), restart, &["Always"]);
        }
        if restart == "Always" {
            probe::check(container, pod.grace, &path, causes);
            continue;
        }
        for name in NOT_INIT.iter().filter(|name| has(container, name)) {
            causes.forbidden(
                &path.name(name),
                "may not be set for init containers without restartPolicy=Always",
            );
        }
    }
}

fn ephemeral(pod: &Pod<'_>, path: &Path<'_>, causes: &mut Causes) {
    let containers = items(pod.spec, "ephemeralContainers");
    let lasting = || items(pod.spec, "containers").iter().chain(items(pod.spec, "initContainers"));
    for (index, container) in containers.iter().enumerate() {
        let path = path.index(index);
        common(container, pod, &path, causes);
        unique(container, lasting().chain(&containers[..index]), &path, causes);
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !lasting().any(|other| text(other, "name") == target) {
            causes.not_found(&path.name("targetContainerName"), target);
        }
        let resources =
            get(container, "resources").as_object().is_some_and(|resources| !resources.is_empty());
        let fields = NOT_EPHEMERAL.iter().filter(|name| has(container, name)).copied();
        for name in fields.chain(resources.then_some("resources")) {
            causes.forbidden(&path.name(name), "cannot be set for an Ephemeral Container");
        }
    }
}

fn common(container: &Value, pod: &Pod<'_>, path: &Path<'_>, causes: &mut Causes) {
    if text(container, "image").is_empty() {
        causes.required(&path.name("image"), "");
    }
    let ports = items(container, "ports");
    for (index, port) in ports.iter().enumerate() {
        let name = text(port, "name");
        if !name.is_empty() && ports[..index].iter().any(|other| text(other, "name") == name) {
            causes.duplicate(&path.name("ports").index(index).name("name"), name);
        }
    }
    environment::check(container, path, causes);
    volume::check_mounts(container, pod.volumes, path, causes);
    resources::check(get(container, "resources"), pod.claims, &path.name("resources"), causes);
    resize_policies(container, pod, &path.name("resizePolicy"), causes);
    security::check_container(container, pod.host_users, path, causes);
}

fn resize_policies(container: &Value, pod: &Pod<'_>, path: &Path<'_>, causes: &mut Causes) {
    let policies = items(container, "resizePolicy");
    for (index, policy) in policies.iter().enumerate() {
        let resource = text(policy, "resourceName");
        if policies[..index].iter().any(|other| text(other, "resourceName") == resource) {
            causes.duplicate(&path.index(index), resource);
        }
        if !matches!(resource, "" | "cpu" | "memory") {
            causes.not_supported(path, resource, &["cpu", "memory"]);
        }
        let restart = text(policy, "restartPolicy");
        if text(pod.spec, "restartPolicy") == "Never" && restart != "NotRequired" {
            causes.invalid(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'");
        }
    }
}

fn unique<'a>(
    container: &Value,
    mut others: impl Iterator<Item = &'a Value>,
    path: &Path<'_>,
    causes: &mut Causes,
) {
    let name = text(container, "name");
    if !name.is_empty() && others.any(|other| text(other, "name") == name) {
        causes.duplicate(&path.name("name"), name);
    }
}

/// A port of the host serves one container.
fn host_ports(containers: &[Value], path: &Path<'_>, causes: &mut Causes) {
    let mut taken: Vec<(&str, &str, i64)> = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        for (place, port) in items(container, "ports").iter().enumerate() {
            let Some(number) = number(port, "hostPort").filter(|number| *number != 0) else { continue };
            let key = (text(port, "protocol"), text(port, "hostIP"), number);
            if taken.contains(&key) {
                let path = path.index(index);
                let path = path.name("ports");
                let (protocol, address, number) = key;
                let shown = format!("{protocol}/{address}/{number}");
                causes.duplicate(&path.index(place).name("hostPort"), shown.as_str());
            } else {
                taken.push(key);
            }
        }
    }
}
