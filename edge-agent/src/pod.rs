//! What an agent needs of a Pod object, in little memory: the object itself lies in the local store.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// What a pod's containers do when they end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum RestartPolicy {
    #[default]
    Always,
    OnFailure,
    Never,
}

/// What a container is to its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs to its end before others start.
    Init,
    /// Starts before others and runs beside them.
    Sidecar,
    Main,
}

#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) name: Box<str>,
    pub(crate) image: Box<str>,
    pub(crate) role: Role,
}

/// What the pod's annotations say about how it is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Overrides {
    /// Milliseconds from start to exit.
    pub(crate) run: Option<u64>,
    /// Milliseconds from the pod's sandbox to its containers running.
    pub(crate) start: Option<u64>,
    pub(crate) exit_code: i32,
}

/// A pod, as its agent knows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pod {
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) restart_policy: RestartPolicy,
    pub(crate) host_network: bool,
    pub(crate) containers: Box<[Container]>,
    pub(crate) overrides: Overrides,
    /// Why it cannot be run; none: it can.
    pub(crate) problem: Option<Box<str>>,
    /// When it was scheduled, as its status says.
    pub(crate) scheduled: Option<Box<str>>,
    /// Conditions of its status that are not an agent's to set.
    pub(crate) conditions: Vec<Value>,
    /// Everything else of its status that is not an agent's to set.
    pub(crate) status: Map<String, Value>,
}

const RUN_SECONDS: &str = "sim.meridian.io/run-seconds";
const START_SECONDS: &str = "sim.meridian.io/start-seconds";
const EXIT_CODE: &str = "sim.meridian.io/exit-code";

/// The parts of a status that an agent writes anew.
const OURS: [&str; 11] = [
    "conditions",
    "containerStatuses",
    "hostIP",
    "hostIPs",
    "initContainerStatuses",
    "message",
    "phase",
    "podIP",
    "podIPs",
    "reason",
    "startTime",
];

/// The conditions that an agent sets, in the order in which it lists them.
pub(crate) const CONDITIONS: [&str; 5] =
    ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Option<Map<String, Value>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: Box<str>,
    namespace: Option<Box<str>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    restart_policy: Option<RestartPolicy>,
    host_network: Option<bool>,
    containers: Option<Vec<GivenContainer>>,
    init_containers: Option<Vec<GivenContainer>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GivenContainer {
    name: Box<str>,
    image: Option<Box<str>>,
    restart_policy: Option<RestartPolicy>,
}

impl Pod {
    /// Reads a Pod object. One that cannot be run comes back with its problem, to be told as the pod's end.
    pub(crate) fn read(object: &[u8]) -> Self {
        let given: Given = match serde_json::from_slice(object) {
            Ok(given) => given,
            Err(error) => {
                let problem = format!("this pod's object cannot be read: {error}");
                return Self { problem: Some(problem.into()), ..Self::default() };
            }
        };
        let Given { metadata, spec, status } = given;
        let mut pod = Self {
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name,
            restart_policy: spec.restart_policy.unwrap_or_default(),
            host_network: spec.host_network.unwrap_or_default(),
            ..Self::default()
        };
        let init = spec.init_containers.unwrap_or_default().into_iter().map(|container| {
            let sidecar = container.restart_policy == Some(RestartPolicy::Always);
            (container, if sidecar { Role::Sidecar } else { Role::Init })
        });
        let main = spec.containers.unwrap_or_default().into_iter().map(|container| (container, Role::Main));
        pod.containers = init
            .chain(main)
            .map(|(given, role)| Container { name: given.name, image: given.image.unwrap_or_default(), role })
            .collect();
        if pod.name.is_empty() {
            pod.problem = Some("this pod's object has no metadata.name".into());
        } else if pod.main().next().is_none() {
            pod.problem = Some("this pod's object has no containers in spec.containers".into());
        }
        match Overrides::read(metadata.annotations.as_ref()) {
            Ok(overrides) => pod.overrides = overrides,
            Err(problem) => pod.problem = Some(problem.into()),
        }
        pod.keep_status(status.unwrap_or_default());
        pod
    }

    /// The containers that a pod is ready by.
    pub(crate) fn main(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|container| container.role == Role::Main)
    }

    pub(crate) fn has_init(&self) -> bool {
        self.containers.iter().any(|container| container.role == Role::Init)
    }

    fn keep_status(&mut self, mut status: Map<String, Value>) {
        if let Some(Value::Array(conditions)) = status.remove("conditions") {
            for condition in conditions {
                let name = condition.get("type").and_then(Value::as_str).unwrap_or_default();
                if name == "PodScheduled" {
                    let since = condition.get("lastTransitionTime").and_then(Value::as_str);
                    self.scheduled = since.map(Into::into);
                } else if !CONDITIONS.contains(&name) {
                    self.conditions.push(condition);
                }
            }
        }
        for field in OURS {
            status.remove(field);
        }
        self.status = status;
    }
}

impl Overrides {
    fn read(annotations: Option<&BTreeMap<String, String>>) -> Result<Self, String> {
        let Some(annotations) = annotations else { return Ok(Self::default()) };
        let seconds = |name: &str| match annotations.get(name) {
            None => Ok(None),
            Some(text) => match text.parse::<f64>() {
                // A century is more than anybody waits, and far from where milliseconds would overflow.
                Ok(seconds) if (0.0..=3.2e9).contains(&seconds) => Ok(Some((seconds * 1000.0) as u64)),
                _ => Err(format!("the annotation {name} is {text:?}, want seconds from 0 to 3200000000")),
            },
        };
        let exit_code = match annotations.get(EXIT_CODE) {
            None => 0,
            Some(text) => match text.parse() {
                Ok(code @ 0..=255) => code,
                _ => return Err(format!("the annotation {EXIT_CODE} is {text:?}, want 0 to 255")),
            },
        };
        Ok(Self { run: seconds(RUN_SECONDS)?, start: seconds(START_SECONDS)?, exit_code })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(object: &Value) -> Pod {
        Pod::read(object.to_string().as_bytes())
    }

    #[test]
    fn reads_what_matters_and_keeps_what_is_not_an_agents() {
        let pod = read(&json!({
            "metadata": {
                "name": "web-1", "namespace": "shop", "labels": {"a": "b"},
                "annotations": {"sim.meridian.io/run-seconds": "1.5", "sim.meridian.io/exit-code": "3", "other": "x"},
            },
            "spec": {
                "restartPolicy": "OnFailure", "hostNetwork": true,
                "initContainers": [{"name": "setup", "image": "i"}, {"name": "proxy", "image": "p", "restartPolicy": "Always"}],
                "containers": [{"name": "web", "image": "nginx:1", "resources": {"requests": {"cpu": "1"}}}],
            },
            "status": {
                "phase": "Pending", "qosClass": "Burstable", "resize": "Proposed",
                "conditions": [
                    {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                    {"type": "Ready", "status": "False"},
                    {"type": "example.com/gate", "status": "True"},
                ],
            },
        }));
        assert_eq!((&*pod.namespace, &*pod.name), ("shop", "web-1"));
        assert_eq!((pod.restart_policy, pod.host_network), (RestartPolicy::OnFailure, true));
        assert_eq!(
            pod.containers.iter().map(|c| c.role).collect::<Vec<_>>(),
            [Role::Init, Role::Sidecar, Role::Main]
        );
        assert_eq!(pod.overrides, Overrides { run: Some(1500), start: None, exit_code: 3 });
        assert_eq!(pod.scheduled.as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(pod.conditions, [json!({"type": "example.com/gate", "status": "True"})]);
        assert_eq!(Value::Object(pod.status), json!({"qosClass": "Burstable", "resize": "Proposed"}));
        assert_eq!(pod.problem, None);
    }

    #[test]
    fn says_why_a_pod_cannot_be_run() {
        let named = |annotation: &str, value: &str| json!({"metadata": {"name": "a", "annotations": {annotation: value}}, "spec": {"containers": [{"name": "c"}]}});
        for (object, want) in [
            (json!("text"), "this pod's object cannot be read: invalid type"),
            (
                json!({"spec": {"restartPolicy": "Sometimes"}}),
                "this pod's object cannot be read: unknown variant `Sometimes`",
            ),
            (json!({"spec": {"containers": [{"name": "c"}]}}), "this pod's object has no metadata.name"),
            (
                json!({"metadata": {"name": "a"}, "spec": {"containers": null}}),
                "this pod's object has no containers",
            ),
            (
                named(RUN_SECONDS, "-1"),
                "the annotation sim.meridian.io/run-seconds is \"-1\", want seconds from 0",
            ),
            (named(START_SECONDS, "NaN"), "the annotation sim.meridian.io/start-seconds is \"NaN\""),
            (named(EXIT_CODE, "256"), "the annotation sim.meridian.io/exit-code is \"256\", want 0 to 255"),
        ] {
            let problem = read(&object).problem.unwrap_or_default();
            assert!(problem.starts_with(want), "{problem}");
        }
    }
}
