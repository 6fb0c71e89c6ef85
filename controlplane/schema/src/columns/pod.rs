//! Pods.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AGE, Column, NAME, age, or, since, text, wide};
use crate::read::{flag, get, has, items, number, text as read};

pub(super) const COLUMNS: &[Column] = &[
    NAME,
    text("Ready", "How many of the pod's containers are ready."),
    text("Status", "How far the pod has come, or what keeps it from coming further."),
    text("Restarts", "How often its containers were started again, and when last."),
    AGE,
    wide(text("IP", "The address of the pod.")),
    wide(text("Node", "The host that the pod is bound to.")),
    wide(text("Nominated Node", "The host where room is being made for the pod.")),
    wide(text("Readiness Gates", "How many of the conditions that the pod waits for are true.")),
];

/// The reason of a pod whose host is not heard of.
const NODE_LOST: &str = "NodeLost";

/// What the containers of a pod say together.
struct Containers {
    total: usize,
    ready: usize,
    restarts: i64,
    last_restart: String,
    status: String,
}

pub(super) fn cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (get(object, "spec"), get(object, "status"));
    let seen = containers(object);
    let restarts = match (seen.restarts, seen.last_restart.as_str()) {
        (0, _) | (_, "") => seen.restarts.to_string(),
        (restarts, last) => format!("{restarts} ({} ago)", since(last, now)),
    };
    let address =
        items(status, "podIPs").first().map_or_else(|| read(status, "podIP"), |address| read(address, "ip"));
    let gates = items(spec, "readinessGates");
    let open = gates.iter().filter(|gate| condition(status, read(gate, "conditionType")) == "True").count();
    let gates = if gates.is_empty() { "<none>".to_owned() } else { format!("{open}/{}", gates.len()) };
    vec![
        json!(read(get(object, "metadata"), "name")),
        json!(format!("{}/{}", seen.ready, seen.total)),
        json!(seen.status),
        json!(restarts),
        json!(age(object, now)),
        json!(or(address, "<none>")),
        json!(or(read(spec, "nodeName"), "<none>")),
        json!(or(read(status, "nominatedNodeName"), "<none>")),
        json!(gates),
    ]
}

fn condition<'a>(status: &'a Value, name: &str) -> &'a str {
    items(status, "conditions")
        .iter()
        .find(|one| read(one, "type") == name)
        .map_or("", |one| read(one, "status"))
}

fn containers(object: &Value) -> Containers {
    let (spec, status) = (get(object, "spec"), get(object, "status"));
    let phase = read(status, "phase");
    let sidecars: Vec<_> = items(spec, "initContainers")
        .iter()
        .filter(|container| read(container, "restartPolicy") == "Always")
        .map(|container| read(container, "name"))
        .collect();
    let mut seen = Containers {
        total: items(spec, "containers").len() + sidecars.len(),
        ready: 0,
        restarts: 0,
        last_restart: String::new(),
        status: or(read(status, "reason"), phase).to_owned(),
    };
    let gated = |one: &Value| read(one, "type") == "PodScheduled" && read(one, "reason") == "SchedulingGated";
    if items(status, "conditions").iter().any(gated) {
        seen.status = "SchedulingGated".to_owned();
    }
    let initializing = init_containers(&mut seen, spec, status, &sidecars);
    if !initializing || condition(status, "Initialized") == "True" {
        main_containers(&mut seen, status);
    }
    if has(get(object, "metadata"), "deletionTimestamp") {
        if read(status, "reason") == NODE_LOST {
            seen.status = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            seen.status = "Terminating".to_owned();
        }
    }
    seen
}

/// Whether the pod still waits for a container that has to end, or to start, before the others. `sidecars` start before
/// the others and keep running.
fn init_containers(seen: &mut Containers, spec: &Value, status: &Value, sidecars: &[&str]) -> bool {
    let (mut sidecar_restarts, mut last_sidecar) = (0, String::new());
    for (index, container) in items(status, "initContainerStatuses").iter().enumerate() {
        let state = get(container, "state");
        let restarts = number(container, "restartCount").unwrap_or_default();
        seen.restarts += restarts;
        latest(&mut seen.last_restart, container);
        let sidecar = sidecars.contains(&read(container, "name"));
        if sidecar {
            sidecar_restarts += restarts;
            latest(&mut last_sidecar, container);
        }
        let (waiting, ended) = (get(state, "waiting"), get(state, "terminated"));
        if !ended.is_null() && number(ended, "exitCode").unwrap_or_default() == 0 {
            continue;
        }
        if sidecar && flag(container, "started") {
            seen.ready += usize::from(flag(container, "ready"));
            continue;
        }
        seen.status = if !ended.is_null() {
            format!("Init:{}", end_reason(ended))
        } else if !matches!(read(waiting, "reason"), "" | "PodInitializing") {
            format!("Init:{}", read(waiting, "reason"))
        } else {
            format!("Init:{index}/{}", items(spec, "initContainers").len())
        };
        return true;
    }
    // Of those that have ended well nobody wants to know how often they were tried.
    (seen.restarts, seen.last_restart) = (sidecar_restarts, last_sidecar);
    false
}

fn main_containers(seen: &mut Containers, status: &Value) {
    let mut running = false;
    for container in items(status, "containerStatuses").iter().rev() {
        seen.restarts += number(container, "restartCount").unwrap_or_default();
        latest(&mut seen.last_restart, container);
        let state = get(container, "state");
        let (waiting, ended) = (get(state, "waiting"), get(state, "terminated"));
        if !read(waiting, "reason").is_empty() {
            seen.status = read(waiting, "reason").to_owned();
        } else if !ended.is_null() {
            seen.status = end_reason(ended);
        } else if flag(container, "ready") && has(state, "running") {
            running = true;
            seen.ready += 1;
        }
    }
    // A container that has ended well beside one that runs makes no pod that is done.
    if seen.status == "Completed" && running {
        let ready = condition(status, "Ready") == "True";
        seen.status = if ready { "Running" } else { "NotReady" }.to_owned();
    }
}

/// Why a container ended.
fn end_reason(ended: &Value) -> String {
    let (reason, signal) = (read(ended, "reason"), number(ended, "signal").unwrap_or_default());
    if !reason.is_empty() {
        reason.to_owned()
    } else if signal != 0 {
        format!("Signal:{signal}")
    } else {
        format!("ExitCode:{}", number(ended, "exitCode").unwrap_or_default())
    }
}

/// Keeps the later of two times; all are written alike, in UTC.
fn latest(last: &mut String, container: &Value) {
    let ended = read(get(get(container, "lastState"), "terminated"), "finishedAt");
    if ended > last.as_str() {
        *last = ended.to_owned();
    }
}
