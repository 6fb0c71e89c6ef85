//! The few parts of a stored Pod that the partition looks at, read without building the whole object.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A Pod as far as it matters here. Borrows from the stored bytes.
#[derive(Debug, Deserialize)]
pub(crate) struct PodView<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    /// The spec as stored: equal bytes are equal specs.
    #[serde(borrow)]
    pub(crate) spec: &'a RawValue,
    #[serde(borrow, default)]
    status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata<'a> {
    #[serde(borrow)]
    creation_timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
    #[serde(borrow)]
    owner_references: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Cow<'a, str>,
    #[serde(borrow, rename = "startTime")]
    start_time: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "nominatedNodeName")]
    nominated_node_name: Cow<'a, str>,
    #[serde(borrow)]
    conditions: Option<&'a RawValue>,
}

/// The fields of a spec that say whether somebody is to place the pod, and who makes way for whom.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SpecView<'a> {
    /// The host the pod is bound to, or asks for by name.
    #[serde(borrow)]
    pub(crate) node_name: Cow<'a, str>,
    /// The scheduler asked for.
    #[serde(borrow)]
    pub(crate) scheduler_name: Cow<'a, str>,
    /// Higher goes first.
    pub(crate) priority: Option<i32>,
    /// Whether others may be stopped for the pod: not where it is `Never`.
    #[serde(borrow)]
    pub(crate) preemption_policy: Cow<'a, str>,
    /// How long it may take to end.
    pub(crate) termination_grace_period_seconds: Option<i64>,
}

/// A condition of a pod.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub(crate) struct Condition {
    /// Which condition.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// `True`, `False` or `Unknown`.
    pub(crate) status: String,
    /// One word on why.
    pub(crate) reason: String,
    /// A sentence on why.
    pub(crate) message: String,
}

impl<'a> PodView<'a> {
    /// Reads stored bytes.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Whether all of its containers have ended for good.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(&*self.status.phase, "Succeeded" | "Failed")
    }

    /// When it was created, as stored.
    pub(crate) fn created(&self) -> &str {
        self.metadata.creation_timestamp.as_deref().unwrap_or_default()
    }

    /// The value of a label. Labels are only read where the label seems to be among them.
    pub(crate) fn label(&self, key: &str) -> Option<String> {
        let labels = self.metadata.labels.filter(|labels| labels.get().contains(key))?;
        let mut labels: HashMap<String, String> = serde_json::from_str(labels.get()).ok()?;
        labels.remove(key).filter(|value| !value.is_empty())
    }

    /// Its labels and its owners, as stored.
    pub(crate) fn labels_and_owners(&self) -> (Option<&'a RawValue>, Option<&'a RawValue>) {
        (self.metadata.labels, self.metadata.owner_references)
    }

    /// When its host took it on, as stored; before that, when it was created.
    pub(crate) fn started(&self) -> &str {
        self.status.start_time.as_deref().unwrap_or_else(|| self.created())
    }

    /// How far it has come; a pod without a phase is Pending.
    pub(crate) fn phase(&self) -> &str {
        if self.status.phase.is_empty() { "Pending" } else { &self.status.phase }
    }

    /// The host that it is promised.
    pub(crate) fn nominated(&self) -> Option<&str> {
        (!self.status.nominated_node_name.is_empty()).then_some(&*self.status.nominated_node_name)
    }

    /// Whether, by whom and where it is to be placed.
    pub(crate) fn spec_view(&self) -> Result<SpecView<'a>, serde_json::Error> {
        serde_json::from_str(self.spec.get())
    }

    /// The condition of a type, where the status has it.
    pub(crate) fn condition(&self, kind: &str) -> Option<Condition> {
        let conditions: Vec<Condition> = serde_json::from_str(self.status.conditions?.get()).ok()?;
        conditions.into_iter().find(|condition| condition.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_matters_and_nothing_else() {
        let pod =
            br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","generation":3,"labels":{"x":"y"},
            "creationTimestamp":"2000-01-01T00:00:00Z","deletionTimestamp":"2000-01-01T00:00:01Z"},
            "spec":{"nodeName":"h","containers":[{"name":"\u00e9"}]},
            "status":{"phase":"Failed","conditions":[{"type":"Ready","status":"False"},
                {"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/1 nodes"}]}}"#;
        let view = PodView::read(pod).unwrap();
        assert!(view.has_ended());
        assert_eq!((view.label("x").as_deref(), view.label("z")), (Some("y"), None));
        assert_eq!((view.phase(), view.created()), ("Failed", "2000-01-01T00:00:00Z"));
        assert_eq!(view.spec_view().unwrap().node_name, "h");
        assert_eq!(view.condition("PodScheduled").unwrap().message, "0/1 nodes");
        assert_eq!(view.condition("Initialized"), None);
        let bare = PodView::read(br#"{"spec":{}}"#).unwrap();
        assert!(!bare.has_ended() && bare.phase() == "Pending");
        assert!(PodView::read(br#"{"metadata":{}}"#).is_err());
    }
}
