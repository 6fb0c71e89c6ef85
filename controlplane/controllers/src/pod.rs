//! A pod, as far as controllers decide by it: read once when it changes, so that a ReplicaSet of thousands need not read all of
//! them again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// What is known of a pod.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) is_bound: bool,
    pub(crate) phase: Phase,
    /// Since when it is ready; none: it is not.
    pub(crate) ready_since: Option<Timestamp>,
    pub(crate) created: Timestamp,
    pub(crate) restarts: i64,
    /// What its owner's users say that it costs to lose it.
    pub(crate) deletion_cost: i64,
    pub(crate) is_deleting: bool,
}

/// How far a pod has come, in the order in which pods are worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Pending,
    Unknown,
    Running,
    Ended,
}

impl Pod {
    /// Reads a stored pod.
    pub(crate) fn parse(stored: &[u8]) -> Result<Self, serde_json::Error> {
        let Stored { metadata, spec, status } = serde_json::from_slice(stored)?;
        let ready = status
            .conditions
            .iter()
            .find(|condition| condition.kind == "Ready" && condition.status == "True");
        Ok(Self {
            name: metadata.name.into_owned(),
            uid: metadata.uid.into_owned(),
            deletion_cost: metadata
                .annotations
                .get("controller.kubernetes.io/pod-deletion-cost")
                .and_then(|cost| cost.parse().ok())
                .unwrap_or(0),
            labels: metadata.labels,
            is_bound: spec.node_name.is_some_and(|name| !name.is_empty()),
            phase: match status.phase.as_deref() {
                Some("Running") => Phase::Running,
                Some("Succeeded" | "Failed") => Phase::Ended,
                Some("Unknown") => Phase::Unknown,
                _ => Phase::Pending,
            },
            ready_since: ready.map(|condition| parsed(condition.last_transition_time.as_deref())),
            created: parsed(metadata.creation_timestamp.as_deref()),
            restarts: status
                .container_statuses
                .iter()
                .map(|container| container.restart_count)
                .max()
                .unwrap_or(0),
            is_deleting: metadata.deletion_timestamp.is_some(),
        })
    }

    /// Whether it counts as one of the replicas.
    pub(crate) fn is_active(&self) -> bool {
        self.phase != Phase::Ended && !self.is_deleting
    }

    /// When it has been ready for long enough; none: it is not ready.
    pub(crate) fn available_at(&self, min_ready_seconds: i64) -> Option<Timestamp> {
        let wait = SignedDuration::from_secs(min_ready_seconds.max(0));
        Some(self.ready_since?.checked_add(wait).unwrap_or(Timestamp::MAX))
    }
}

fn parsed(time: Option<&str>) -> Timestamp {
    time.and_then(|time| time.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    spec: Spec<'a>,
    #[serde(borrow, default)]
    status: Status<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(borrow)]
    creation_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    deletion_timestamp: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    node_name: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Option<Cow<'a, str>>,
    #[serde(borrow)]
    conditions: Vec<Condition<'a>>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    last_transition_time: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    #[serde(default)]
    restart_count: i64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stored_pod_is_read() {
        let stored = json!({
            "metadata": {
                "name": "a", "uid": "u", "labels": {"app": "web"}, "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"},
            },
            "spec": {"nodeName": "h", "containers": []},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:01:00Z"}],
                "containerStatuses": [{"restartCount": 2}, {"restartCount": 1}],
            },
        });
        let pod = Pod::parse(stored.to_string().as_bytes()).unwrap();
        assert!(pod.is_bound && pod.is_active());
        assert_eq!((pod.restarts, pod.deletion_cost, pod.phase), (2, -5, Phase::Running));
        assert_eq!(pod.available_at(30), "2026-01-01T00:01:30Z".parse().ok());
        assert_eq!(pod.labels["app"], "web");
    }

    #[test]
    fn a_pod_without_a_status_is_pending() {
        let pod = Pod::parse(br#"{"metadata": {"name": "a"}}"#).unwrap();
        assert_eq!((pod.phase, pod.ready_since, pod.is_bound), (Phase::Pending, None, false));
        assert!(Pod::parse(b"{}").is_err() && Pod::parse(b"[").is_err());
    }
}
