//! Nodes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AGE, Column, NAME, age, or, text, wide};
use crate::read::{entries, flag, get, items, text as read};

pub(super) const COLUMNS: &[Column] = &[
    NAME,
    text("Status", "Whether the host is ready, and whether pods may be placed on it."),
    text("Roles", "What the host is for."),
    AGE,
    text("Version", "The version of the agent on the host."),
    wide(text("Internal-IP", "The address of the host inside the cell.")),
    wide(text("External-IP", "The address of the host outside the cell.")),
    wide(text("OS-Image", "The operating system of the host.")),
    wide(text("Kernel-Version", "The kernel of the host.")),
    wide(text("Container-Runtime", "What runs containers on the host.")),
];

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE_LABEL: &str = "kubernetes.io/role";

pub(super) fn cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let (metadata, status) = (get(object, "metadata"), get(object, "status"));
    let info = get(status, "nodeInfo");
    let address = |kind: &str| {
        let found = items(status, "addresses").iter().find(|address| read(address, "type") == kind);
        json!(found.map_or("<none>", |address| read(address, "address")))
    };
    let known = |name: &str| json!(or(read(info, name), "<unknown>"));
    vec![
        json!(read(metadata, "name")),
        json!(condition(object)),
        json!(roles(metadata)),
        json!(age(object, now)),
        json!(read(info, "kubeletVersion")),
        address("InternalIP"),
        address("ExternalIP"),
        known("osImage"),
        known("kernelVersion"),
        known("containerRuntimeVersion"),
    ]
}

fn condition(object: &Value) -> String {
    let ready = items(get(object, "status"), "conditions").iter().find(|one| read(one, "type") == "Ready");
    let mut words = match ready.map(|one| read(one, "status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if flag(get(object, "spec"), "unschedulable") {
        words.push_str(",SchedulingDisabled");
    }
    words
}

/// In order, each once.
fn roles(metadata: &Value) -> String {
    let mut roles: Vec<&str> = Vec::new();
    for (key, value) in entries(metadata, "labels") {
        let role = match key.strip_prefix(ROLE_PREFIX) {
            None if key == ROLE_LABEL => value.as_str().unwrap_or_default(),
            role => role.unwrap_or_default(),
        };
        if !role.is_empty() && !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles.sort_unstable();
    if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
}
