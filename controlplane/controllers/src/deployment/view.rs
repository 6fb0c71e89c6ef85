//! What the deployment controller reads of a Deployment and of its ReplicaSets.

use jiff::Timestamp;
use serde_json::Value;

use crate::object;

/// On a ReplicaSet and its Deployment: the number of the roll-out.
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
/// On a ReplicaSet: earlier roll-outs that it also stood for.
pub(crate) const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// On a ReplicaSet: how many replicas its Deployment wanted when it was last scaled.
pub(crate) const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
/// On a ReplicaSet: how many replicas its Deployment allowed at most when it was last scaled.
pub(crate) const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
/// The label that tells the ReplicaSets of one Deployment, and their pods, apart.
pub(crate) const TEMPLATE_HASH: &str = "pod-template-hash";

/// How pods of an old template make way for those of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// All of the old end before the first of the new starts.
    Recreate,
    /// At most `surge` more than wanted exist, and at most `unavailable` fewer than wanted are available.
    Rolling { surge: i64, unavailable: i64 },
}

/// A Deployment, as far as the controller decides by it.
#[derive(Clone, Debug)]
pub(crate) struct Deployment {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) generation: i64,
    pub(crate) replicas: i64,
    pub(crate) strategy: Strategy,
    pub(crate) min_ready_seconds: i64,
    pub(crate) history_limit: i64,
    /// Seconds without progress after which a roll-out is called stuck; none: never.
    pub(crate) progress_deadline: Option<i64>,
    pub(crate) is_paused: bool,
    pub(crate) template: Value,
    pub(crate) collisions: i64,
    /// The object itself.
    pub(crate) object: Value,
}

/// A ReplicaSet of a Deployment.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaSet {
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    /// As specified.
    pub(crate) replicas: i64,
    /// As counted: pods there are, ready ones, available ones.
    pub(crate) actual: i64,
    pub(crate) ready: i64,
    pub(crate) available: i64,
    pub(crate) revision: i64,
    pub(crate) object: Value,
}

impl Deployment {
    pub(crate) fn new(object: Value) -> Self {
        let replicas = object::number(&object, "/spec/replicas").unwrap_or(1).max(0);
        // What stands for "never" in objects that were stored with the default of a Deployment of old.
        let deadline = object::number(&object, "/spec/progressDeadlineSeconds")
            .filter(|seconds| *seconds < i64::from(i32::MAX));
        Self {
            name: object::name(&object).to_owned(),
            uid: object::uid(&object).to_owned(),
            generation: object::number(&object, "/metadata/generation").unwrap_or(0),
            replicas,
            strategy: strategy(&object, replicas),
            min_ready_seconds: object::number(&object, "/spec/minReadySeconds").unwrap_or(0),
            history_limit: object::number(&object, "/spec/revisionHistoryLimit").unwrap_or(10).max(0),
            progress_deadline: deadline,
            is_paused: object.pointer("/spec/paused").and_then(Value::as_bool).unwrap_or(false),
            template: object.pointer("/spec/template").cloned().unwrap_or(Value::Null),
            collisions: object::number(&object, "/status/collisionCount").unwrap_or(0),
            object,
        }
    }

    /// The most pods that may exist while rolling.
    pub(crate) fn most_replicas(&self) -> i64 {
        match self.strategy {
            Strategy::Rolling { surge, .. } if self.replicas > 0 => self.replicas + surge,
            _ => self.replicas,
        }
    }

    /// How many of the pods wanted may be unavailable while rolling.
    pub(crate) fn may_be_unavailable(&self) -> i64 {
        match self.strategy {
            Strategy::Rolling { unavailable, .. } => unavailable.min(self.replicas),
            Strategy::Recreate => 0,
        }
    }
}

impl ReplicaSet {
    pub(crate) fn new(object: Value) -> Self {
        let count = |pointer| object::number(&object, pointer).unwrap_or(0).max(0);
        Self {
            name: object::name(&object).to_owned(),
            created: object::time(&object, "/metadata/creationTimestamp").unwrap_or(Timestamp::UNIX_EPOCH),
            replicas: object::number(&object, "/spec/replicas").unwrap_or(1).max(0),
            actual: count("/status/replicas"),
            ready: count("/status/readyReplicas"),
            available: count("/status/availableReplicas"),
            revision: annotated(&object, REVISION).unwrap_or(0),
            object,
        }
    }

    /// Whether the pods that it makes are those that a template asks for. The label that the controller itself adds does not
    /// count.
    pub(crate) fn is_of(&self, template: &Value) -> bool {
        without_hash(self.object.pointer("/spec/template").unwrap_or(&Value::Null)) == without_hash(template)
    }

    pub(crate) fn desired_annotation(&self) -> Option<i64> {
        annotated(&self.object, DESIRED_REPLICAS)
    }

    pub(crate) fn most_annotation(&self) -> Option<i64> {
        annotated(&self.object, MAX_REPLICAS)
    }
}

fn annotated(object: &Value, name: &str) -> Option<i64> {
    object::annotation(object, name)?.parse().ok()
}

fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(TEMPLATE_HASH);
    }
    template
}

fn strategy(object: &Value, replicas: i64) -> Strategy {
    if object::text(object, "/spec/strategy/type") == "Recreate" {
        return Strategy::Recreate;
    }
    let surge = object::scaled(object.pointer("/spec/strategy/rollingUpdate/maxSurge"), replicas, true);
    let unavailable =
        object::scaled(object.pointer("/spec/strategy/rollingUpdate/maxUnavailable"), replicas, false);
    // Both come out as zero where a percentage of few replicas is rounded: then nothing could ever roll.
    let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
    Strategy::Rolling { surge, unavailable }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rolling(replicas: i64, surge: Value, unavailable: Value) -> Strategy {
        let strategy = json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}});
        Deployment::new(json!({"spec": {"replicas": replicas, "strategy": strategy}})).strategy
    }

    #[test]
    fn percentages_of_surge_round_up_and_of_unavailable_down() {
        assert_eq!(rolling(10, json!("25%"), json!("25%")), Strategy::Rolling { surge: 3, unavailable: 2 });
        assert_eq!(rolling(3, json!(0), json!("10%")), Strategy::Rolling { surge: 0, unavailable: 1 });
        assert_eq!(rolling(0, json!("25%"), json!("25%")), Strategy::Rolling { surge: 0, unavailable: 1 });
    }

    #[test]
    fn templates_are_compared_without_the_label_that_tells_them_apart() {
        let template = |hash: Option<&str>, image: &str| {
            let mut labels = json!({"app": "web"});
            if let Some(hash) = hash {
                labels[TEMPLATE_HASH] = hash.into();
            }
            json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}})
        };
        let set = ReplicaSet::new(json!({"spec": {"template": template(Some("abc"), "a")}}));
        assert!(set.is_of(&template(None, "a")));
        assert!(!set.is_of(&template(None, "b")));
    }
}
