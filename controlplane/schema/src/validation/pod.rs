//! Pods and what they are made from.

use serde_json::Value;

use super::cause::Causes;
use super::{affinity, container, metadata, names, resources, security, volume};
use crate::decode::Path;
use crate::read::{entries, flag, get, has, items, number, text, texts};

/// The annotation of a pod that a host runs by itself and only shows here.
pub(super) const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

const MAX_NAME_SERVERS: usize = 3;
const MAX_SEARCH_DOMAINS: usize = 32;
const MAX_SEARCH_LENGTH: usize = 2048;

/// Rules for a new pod.
pub(super) fn check_new(pod: &Value, causes: &mut Causes) {
    check(pod, causes);
    let (spec, path) = (get(pod, "spec"), Path::ROOT.name("spec"));
    if !items(spec, "ephemeralContainers").is_empty() {
        causes.forbidden(&path.name("ephemeralContainers"), "cannot be set on create");
    }
    if !text(spec, "nodeName").is_empty() && !items(spec, "schedulingGates").is_empty() {
        let detail = "cannot be set until all schedulingGates have been cleared";
        causes.forbidden(&path.name("nodeName"), detail);
    }
}

/// Rules for a pod, new or not.
pub(super) fn check(pod: &Value, causes: &mut Causes) {
    let (spec, path) = (get(pod, "spec"), Path::ROOT.name("spec"));
    mirror(pod, &Path::ROOT.name("metadata"), causes);
    check_spec(spec, true, &path, causes);
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for (index, container) in items(spec, list).iter().enumerate() {
            let image = text(container, "image");
            if image.trim() != image {
                let detail = "must not have leading or trailing whitespace";
                causes.invalid(&path.name(list).index(index).name("image"), image, detail);
            }
        }
    }
}

/// A pod that mirrors another has run somewhere already.
pub(super) fn mirror(pod: &Value, path: &Path<'_>, causes: &mut Causes) {
    let mirrored = get(get(get(pod, "metadata"), "annotations"), MIRROR_ANNOTATION);
    if !mirrored.is_null() && text(get(pod, "spec"), "nodeName").is_empty() {
        let path = path.name("annotations");
        causes.invalid(
            &path.key(MIRROR_ANNOTATION),
            mirrored,
            "must set spec.nodeName if mirror pod annotation is set",
        );
    }
}

/// Rules for the specification of a pod or a template.
pub(super) fn check_spec(spec: &Value, is_pod: bool, path: &Path<'_>, causes: &mut Causes) {
    if !spec.is_object() {
        // An absent specification is one without containers.
        causes.required(&path.name("containers"), "");
        return;
    }
    volume::check(spec, &path.name("volumes"), causes);
    claims(spec, &path.name("resourceClaims"), causes);
    container::check(spec, path, causes);
    host_network(spec, is_pod, &path.name("containers"), causes);
    security::check_pod(spec, path, causes);
    affinity::check(spec, path, causes);
    dns(spec, &path.name("dnsConfig"), causes);
    gates(spec, path, causes);
    let list = path.name("hostAliases");
    for (index, alias) in items(spec, "hostAliases").iter().enumerate() {
        for (place, name) in texts(alias, "hostnames").enumerate() {
            let path = list.index(index);
            causes.malformed(&path.name("hostnames").index(place), name, names::dns_subdomain(name));
        }
    }
    resources::check_amounts(entries(spec, "overhead"), &path.name("overhead"), causes);
    operating_system(spec, path, causes);
}

fn claims(spec: &Value, path: &Path<'_>, causes: &mut Causes) {
    let claims = items(spec, "resourceClaims");
    for (index, claim) in claims.iter().enumerate() {
        let path = path.index(index);
        let name = text(claim, "name");
        if !name.is_empty() {
            if claims[..index].iter().any(|other| text(other, "name") == name) {
                causes.duplicate(&path.name("name"), name);
            } else {
                causes.malformed(&path.name("name"), name, names::dns_label(name));
            }
        }
        match (has(claim, "resourceClaimName"), has(claim, "resourceClaimTemplateName")) {
            (true, true) => {
                let detail =
                    "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                causes.invalid(&path, claim, detail);
            }
            (false, false) => {
                let detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                causes.invalid(&path, claim, detail);
            }
            _ => {}
        }
    }
}

fn host_network(spec: &Value, is_pod: bool, path: &Path<'_>, causes: &mut Causes) {
    if !flag(spec, "hostNetwork") {
        return;
    }
    for (index, container) in items(spec, "containers").iter().enumerate() {
        for (place, port) in items(container, "ports").iter().enumerate() {
            let host = number(port, "hostPort").unwrap_or_default();
            // A template's ports are completed when a pod is made from it.
            if (is_pod || host != 0) && Some(host) != number(port, "containerPort") {
                let path = path.index(index);
                let path = path.name("ports");
                let detail = "must match `containerPort` when `hostNetwork` is true";
                causes.invalid(&path.index(place).name("hostPort"), host, detail);
            }
        }
    }
}

fn dns(spec: &Value, path: &Path<'_>, causes: &mut Causes) {
    let config = get(spec, "dnsConfig");
    let servers = items(config, "nameservers");
    if text(spec, "dnsPolicy") == "None" && servers.is_empty() {
        if config.is_null() {
            causes.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
        } else {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            causes.required(&path.name("nameservers"), detail);
        }
        return;
    }
    if servers.len() > MAX_NAME_SERVERS {
        let detail = format!("must not have more than {MAX_NAME_SERVERS} nameservers");
        causes.invalid(&path.name("nameservers"), get(config, "nameservers"), &detail);
    }
    for (index, server) in texts(config, "nameservers").enumerate() {
        causes.malformed(&path.name("nameservers").index(index), server, names::ip(server));
    }
    let searches = get(config, "searches");
    let count = items(config, "searches").len();
    if count > MAX_SEARCH_DOMAINS {
        let detail = format!("must not have more than {MAX_SEARCH_DOMAINS} search paths");
        causes.invalid(&path.name("searches"), searches, &detail);
    }
    let length = texts(config, "searches").map(str::len).sum::<usize>() + count.saturating_sub(1);
    if length > MAX_SEARCH_LENGTH {
        let detail = format!(
            "must not have more than {MAX_SEARCH_LENGTH} characters (including spaces) in the search list"
        );
        causes.invalid(&path.name("searches"), searches, &detail);
    }
    for (index, search) in texts(config, "searches").enumerate().filter(|(_, search)| *search != ".") {
        let name = search.strip_suffix('.').unwrap_or(search);
        let plain = name.replace('_', "-");
        if !names::dns_subdomain(&plain).is_empty() && !names::dns_subdomain(name).is_empty() {
            causes.malformed(&path.name("searches").index(index), name, names::dns_subdomain(name));
        }
    }
    for (index, option) in items(config, "options").iter().enumerate() {
        if text(option, "name").is_empty() {
            causes.required(&path.name("options").index(index), "must not be empty");
        }
    }
}

fn gates(spec: &Value, path: &Path<'_>, causes: &mut Causes) {
    let list = path.name("readinessGates");
    for (index, gate) in items(spec, "readinessGates").iter().enumerate() {
        let condition = text(gate, "conditionType");
        if !condition.is_empty() {
            metadata::label_key(condition, &list.index(index).name("conditionType"), causes);
        }
    }
    let list = path.name("schedulingGates");
    let gates = items(spec, "schedulingGates");
    for (index, gate) in gates.iter().enumerate() {
        let name = text(gate, "name");
        metadata::label_key(name, &list.index(index), causes);
        if gates[..index].iter().any(|other| text(other, "name") == name) {
            causes.duplicate(&list.index(index), name);
        }
    }
}

/// Fields that mean nothing to the operating system that the pod asks for.
fn operating_system(spec: &Value, path: &Path<'_>, causes: &mut Causes) {
    const NOT_WINDOWS: [&str; 4] = ["hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"];
    const NOT_WINDOWS_CONTEXT: [&str; 16] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "seLinuxChangePolicy",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
    ];
    let (fields, context, detail): (&[&str], &[&str], _) = match text(get(spec, "os"), "name") {
        "linux" => (&[], &["windowsOptions"], "windows options cannot be set for a linux pod"),
        "windows" => (&NOT_WINDOWS, &NOT_WINDOWS_CONTEXT, "cannot be set for a windows pod"),
        _ => return,
    };
    let forbid = |object: &Value, names: &[&str], path: &Path<'_>, causes: &mut Causes| {
        for name in names.iter().filter(|name| has(object, name)) {
            causes.forbidden(&path.name(name), detail);
        }
    };
    forbid(spec, fields, path, causes);
    forbid(get(spec, "securityContext"), context, &path.name("securityContext"), causes);
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for (index, container) in items(spec, list).iter().enumerate() {
            let path = path.name(list);
            let path = path.index(index);
            forbid(get(container, "securityContext"), context, &path.name("securityContext"), causes);
        }
    }
}
