//! The status of a simulated pod, as Kubernetes' clients expect one from a kubelet.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use crate::chance::{mix, of_text};
use crate::duty::PodUid;
use crate::pod::{CONDITIONS, Container, Pod, Role};
use crate::runtime::{Exit, PodAddresses, Sandbox, Stage};

/// Writes the status as JSON.
pub(crate) fn write(uid: &PodUid, pod: &Pod, sandbox: &Sandbox, addresses: &PodAddresses) -> Vec<u8> {
    let status = Status { uid, pod, sandbox, addresses };
    // Text keys and no foreign types: there is nothing that could fail.
    serde_json::to_vec(&status).unwrap_or_default()
}

struct Status<'a> {
    uid: &'a PodUid,
    pod: &'a Pod,
    sandbox: &'a Sandbox,
    addresses: &'a PodAddresses,
}

/// `[a b]`, as a kubelet lists the names of containers in messages.
fn listed(pod: &Pod, role: Role) -> String {
    let names: Vec<&str> = pod
        .containers
        .iter()
        .filter(|container| container.role == role)
        .map(|container| &*container.name)
        .collect();
    format!("[{}]", names.join(" "))
}

#[derive(Serialize)]
struct Address<'a> {
    ip: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    r#type: &'static str,
    status: &'static str,
    last_probe_time: Option<()>,
    last_transition_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus<'a> {
    name: &'a str,
    state: State,
    last_state: State,
    ready: bool,
    restart_count: u32,
    image: &'a str,
    #[serde(rename = "imageID")]
    image_id: String,
    #[serde(rename = "containerID", skip_serializing_if = "Option::is_none")]
    container_id: Option<String>,
    started: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum State {
    Waiting {
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    Running {
        started_at: String,
    },
    Terminated(Terminated),
    #[serde(untagged)]
    None {},
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Terminated {
    exit_code: i32,
    reason: &'static str,
    started_at: Option<String>,
    finished_at: String,
    #[serde(rename = "containerID", skip_serializing_if = "Option::is_none")]
    container_id: Option<String>,
}

impl Serialize for Status<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("phase", self.phase())?;
        map.serialize_entry("conditions", &Conditions(self))?;
        map.serialize_entry("hostIP", &self.addresses.host)?;
        map.serialize_entry("hostIPs", &[Address { ip: &self.addresses.host }])?;
        let is_known = self.sandbox.sandbox_ready.is_some() && self.sandbox.stage() != Stage::Creating;
        if let Some(ip) = self.addresses.pod.as_deref().filter(|_| is_known) {
            map.serialize_entry("podIP", ip)?;
            map.serialize_entry("podIPs", &[Address { ip }])?;
        }
        map.serialize_entry("startTime", &date(self.sandbox.created))?;
        if let Some(problem) = &self.pod.problem {
            map.serialize_entry("reason", "InvalidPod")?;
            map.serialize_entry("message", problem)?;
        } else {
            if self.pod.containers.iter().any(|container| container.role != Role::Main) {
                map.serialize_entry("initContainerStatuses", &self.containers(|role| role != Role::Main))?;
            }
            map.serialize_entry("containerStatuses", &self.containers(|role| role == Role::Main))?;
        }
        rest(&self.pod.status, &mut map)?;
        map.end()
    }
}

fn rest<M: SerializeMap>(status: &Map<String, Value>, map: &mut M) -> Result<(), M::Error> {
    for (field, value) in status {
        map.serialize_entry(field, value)?;
    }
    Ok(())
}

struct Conditions<'a>(&'a Status<'a>);

impl Serialize for Conditions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ours = CONDITIONS.iter().map(|name| Either::Ours(self.0.condition(name)));
        serializer.collect_seq(ours.chain(self.0.pod.conditions.iter().map(Either::Kept)))
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Either<'a> {
    Ours(Condition),
    Kept(&'a Value),
}

impl Status<'_> {
    fn phase(&self) -> &'static str {
        let has_failed = || self.pod.problem.is_some() || self.sandbox.last.is_none_or(|exit| exit.code != 0);
        match self.sandbox.stage() {
            Stage::Creating | Stage::Starting if self.sandbox.last.is_none() => "Pending",
            Stage::Creating | Stage::Starting | Stage::Running | Stage::Waiting => "Running",
            Stage::Ended if has_failed() => "Failed",
            Stage::Ended => "Succeeded",
        }
    }

    fn condition(&self, name: &'static str) -> Condition {
        let sandbox = self.sandbox;
        let stage = sandbox.stage();
        let is_ready = stage == Stage::Running;
        // The stage before was no readier where it is not ready now, but for what has just ended.
        let unready_since = match sandbox.last {
            Some(exit) if stage == Stage::Waiting || stage == Stage::Ended => exit.finished,
            Some(exit) if !is_ready => exit.finished,
            _ => sandbox.created,
        };
        let ready_since = if is_ready { sandbox.since } else { unready_since };
        let completed = (stage == Stage::Ended && self.phase() == "Succeeded").then_some("PodCompleted");
        let (is_true, since, reason, message) = match name {
            "PodReadyToStartContainers" => {
                let ready =
                    sandbox.sandbox_ready.filter(|_| !matches!(stage, Stage::Creating | Stage::Ended));
                (ready.is_some(), ready.unwrap_or(unready_since), None, None)
            }
            "Initialized" => {
                let waits = self.pod.has_init()
                    && (stage == Stage::Creating || stage == Stage::Starting)
                    && sandbox.last.is_none();
                if waits {
                    let message =
                        format!("containers with incomplete status: {}", listed(self.pod, Role::Init));
                    (false, sandbox.created, Some("ContainersNotInitialized"), Some(message))
                } else {
                    let begun = sandbox.sandbox_ready.filter(|_| self.pod.has_init());
                    (true, begun.unwrap_or(sandbox.created), completed, None)
                }
            }
            "Ready" | "ContainersReady" if is_ready => (true, ready_since, None, None),
            "Ready" | "ContainersReady" => match completed {
                Some(completed) => (false, unready_since, Some(completed), None),
                None => {
                    let message = format!("containers with unready status: {}", listed(self.pod, Role::Main));
                    (false, unready_since, Some("ContainersNotReady"), Some(message))
                }
            },
            _ => (true, sandbox.created, None, None),
        };
        let kept = self.pod.scheduled.as_deref().filter(|_| name == "PodScheduled");
        Condition {
            r#type: name,
            status: if is_true { "True" } else { "False" },
            last_probe_time: None,
            last_transition_time: kept.map_or_else(|| date(since), str::to_owned),
            reason,
            message,
        }
    }

    fn containers(&self, which: impl Fn(Role) -> bool) -> Vec<ContainerStatus<'_>> {
        let chosen = self.pod.containers.iter().filter(|container| which(container.role));
        chosen.map(|container| self.container(container)).collect()
    }

    fn container<'a>(&'a self, container: &'a Container) -> ContainerStatus<'a> {
        let sandbox = self.sandbox;
        let stage = sandbox.stage();
        let runs = stage == Stage::Running;
        let restarts = if container.role == Role::Init { 0 } else { sandbox.restarts };
        let id = |number: u32| self.container_id(container, number);
        let (state, is_ready, last_state) = match (container.role, stage) {
            (Role::Init, Stage::Running | Stage::Waiting | Stage::Ended)
                if sandbox.sandbox_ready.is_some() =>
            {
                // It did its work in the moment in which the sandbox stood.
                let at = sandbox.sandbox_ready.unwrap_or(sandbox.since);
                let exit = Exit { started: Some(at), finished: at, code: 0 };
                (State::Terminated(terminated(exit, Some(id(0)))), true, State::None {})
            }
            (_, Stage::Running) => {
                let last = sandbox.last.map(|exit| terminated(exit, Some(id(restarts.saturating_sub(1)))));
                let last = last.map_or(State::None {}, State::Terminated);
                (State::Running { started_at: date(sandbox.since) }, true, last)
            }
            (_, Stage::Waiting) => {
                let last = sandbox.last.map(|exit| terminated(exit, Some(id(restarts))));
                (self.backing_off(container), false, last.map_or(State::None {}, State::Terminated))
            }
            (_, Stage::Ended) => {
                let exit = sandbox.last.unwrap_or(Exit { started: None, finished: sandbox.since, code: 137 });
                let id = exit.started.map(|_| id(restarts));
                (State::Terminated(terminated(exit, id)), false, State::None {})
            }
            (_, Stage::Creating | Stage::Starting) => {
                let waits = container.role == Role::Main && self.pod.has_init();
                let reason = if waits { "PodInitializing" } else { "ContainerCreating" };
                let last = sandbox.last.map(|exit| terminated(exit, Some(id(restarts.saturating_sub(1)))));
                let last = last.map_or(State::None {}, State::Terminated);
                (State::Waiting { reason, message: None }, false, last)
            }
        };
        let was_made = !matches!(stage, Stage::Creating | Stage::Starting)
            && (stage != Stage::Ended || sandbox.last.is_some_and(|exit| exit.started.is_some()));
        ContainerStatus {
            name: &container.name,
            last_state,
            ready: is_ready,
            restart_count: restarts,
            image: &container.image,
            image_id: if was_made { image_id(&container.image) } else { String::new() },
            container_id: was_made.then(|| id(restarts)),
            started: runs && container.role != Role::Init,
            state,
        }
    }

    fn backing_off(&self, container: &Container) -> State {
        let message = format!(
            "back-off {} restarting failed container={} pod={}_{}({})",
            duration(self.sandbox.wait() / 1000),
            container.name,
            self.pod.name,
            self.pod.namespace,
            self.uid
        );
        State::Waiting { reason: "CrashLoopBackOff", message: Some(message) }
    }

    fn container_id(&self, container: &Container, restarts: u32) -> String {
        let seed = of_text(self.uid.as_str()) ^ of_text(&container.name).rotate_left(17);
        format!("simulated://{}", digest(mix(seed, restarts.into())))
    }
}

fn terminated(exit: Exit, container_id: Option<String>) -> Terminated {
    Terminated {
        exit_code: exit.code,
        reason: match (exit.started, exit.code) {
            (None, _) => "ContainerStatusUnknown",
            (_, 0) => "Completed",
            _ => "Error",
        },
        started_at: exit.started.map(date),
        finished_at: date(exit.finished),
        container_id,
    }
}

/// A date as Kubernetes writes it, in whole seconds.
fn date(milliseconds: i64) -> String {
    let date = Timestamp::from_second(milliseconds.div_euclid(1000)).unwrap_or(Timestamp::UNIX_EPOCH);
    date.to_string()
}

/// Seconds as Go writes a duration of whole seconds.
fn duration(seconds: i64) -> String {
    let mut text = String::new();
    if seconds >= 60 {
        // Writing to a string does not fail.
        let _ = write!(text, "{}m", seconds / 60);
    }
    let _ = write!(text, "{}s", seconds % 60);
    text
}

fn image_id(image: &str) -> String {
    format!("sha256:{}", digest(of_text(image)))
}

/// What looks like a digest of 256 bits, and follows from a number.
fn digest(seed: u64) -> String {
    let mut text = String::with_capacity(64);
    for part in 0..4 {
        // Writing to a string does not fail.
        let _ = write!(text, "{:016x}", mix(seed, part));
    }
    text
}

#[cfg(test)]
mod tests;
