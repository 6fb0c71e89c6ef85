//! What a ReplicaSet should do next about its pods, and its status. No objects are written here.

use std::borrow::Borrow;
use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::object;
use crate::pod::Pod;

/// What to do about the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    Create(usize),
    /// Names and uids.
    Delete(Vec<(String, String)>),
}

/// Compares what there is with what is wanted.
pub(crate) fn step<P: Borrow<Pod>>(replicas: i64, pods: &[P], now: Timestamp) -> Step {
    let mut active: Vec<&Pod> = pods.iter().map(Borrow::borrow).filter(|pod| pod.is_active()).collect();
    let wanted = usize::try_from(replicas).unwrap_or(0);
    match active.len().cmp(&wanted) {
        Ordering::Equal => Step::Nothing,
        Ordering::Less => Step::Create(wanted - active.len()),
        Ordering::Greater => {
            active.sort_by(|a, b| dispensable(a, b, now));
            let surplus = active.len() - wanted;
            Step::Delete(active[..surplus].iter().map(|pod| (pod.name.clone(), pod.uid.clone())).collect())
        }
    }
}

/// Which of two pods is rather deleted, by the order that Kubernetes documents: unbound, pending, not ready, cheap to lose,
/// ready for a shorter time, restarted more often, younger. Times are compared by their order of magnitude, so that among
/// pods of about one age it is chance, here the uid, and not the start's order that decides.
fn dispensable(a: &Pod, b: &Pod, now: Timestamp) -> Ordering {
    let magnitude = |since: Timestamp| {
        let seconds = now.as_second().saturating_sub(since.as_second()).max(0);
        (seconds + 1).ilog2()
    };
    let ready = |pod: &Pod| pod.ready_since.map(magnitude);
    a.is_bound
        .cmp(&b.is_bound)
        .then(a.phase.cmp(&b.phase))
        .then(a.ready_since.is_some().cmp(&b.ready_since.is_some()))
        .then(a.deletion_cost.cmp(&b.deletion_cost))
        .then(ready(a).cmp(&ready(b)))
        .then(b.restarts.cmp(&a.restarts))
        .then(magnitude(a.created).cmp(&magnitude(b.created)))
        .then(a.uid.cmp(&b.uid))
}

/// The status of a ReplicaSet, and when it must be looked at again without any change: when a pod becomes available.
pub(crate) fn status<P: Borrow<Pod>>(
    set: &Value,
    pods: &[P],
    failure: Option<&str>,
    now: Timestamp,
) -> (Value, Option<Timestamp>) {
    let min_ready_seconds = object::number(set, "/spec/minReadySeconds").unwrap_or(0);
    let template_labels = set.pointer("/spec/template/metadata/labels").and_then(Value::as_object);
    let (mut replicas, mut labeled, mut ready, mut available) = (0, 0, 0, 0);
    let mut look_again: Option<Timestamp> = None;
    for pod in pods.iter().map(Borrow::borrow).filter(|pod| pod.is_active()) {
        replicas += 1;
        labeled += i64::from(template_labels.is_none_or(|wanted| carries(pod, wanted)));
        if let Some(at) = pod.available_at(min_ready_seconds) {
            ready += 1;
            if at <= now {
                available += 1;
            } else {
                look_again = Some(look_again.map_or(at, |earlier| earlier.min(at)));
            }
        }
    }
    let mut status = json!({
        "replicas": replicas,
        "observedGeneration": object::number(set, "/metadata/generation").unwrap_or(0),
    });
    for (name, count) in
        [("fullyLabeledReplicas", labeled), ("readyReplicas", ready), ("availableReplicas", available)]
    {
        if count > 0 {
            status[name] = count.into();
        }
    }
    let others = set.pointer("/status/conditions").and_then(Value::as_array).map(|conditions| {
        conditions.iter().filter(|condition| condition["type"] != "ReplicaFailure").cloned().collect()
    });
    let mut conditions: Vec<Value> = others.unwrap_or_default();
    if let Some(message) = failure {
        let before = object::condition(set, "ReplicaFailure");
        let since = before.and_then(|before| before["lastTransitionTime"].as_str()).map(str::to_owned);
        conditions.push(json!({
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": message,
            "lastTransitionTime": since.unwrap_or_else(|| meridian_api::seconds(now)),
        }));
    }
    if !conditions.is_empty() {
        status["conditions"] = conditions.into();
    }
    (status, look_again)
}

fn carries(pod: &Pod, wanted: &Map<String, Value>) -> bool {
    wanted.iter().all(|(key, value)| pod.labels.get(key).is_some_and(|present| value == present))
}

/// A new pod of a ReplicaSet: its template, its owner, and a name to be completed by the API server.
pub(crate) fn new_pod(set: &Value, owner: Value) -> Value {
    let template = set.pointer("/spec/template").cloned().unwrap_or(Value::Null);
    let mut metadata = json!({
        "generateName": format!("{}-", object::name(set)),
        "namespace": object::namespace(set),
        "ownerReferences": [owner],
    });
    for part in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.pointer(&format!("/metadata/{part}")).filter(|value| !value.is_null()) {
            metadata[part] = value.clone();
        }
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": template.get("spec").cloned().unwrap_or(Value::Null),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::Phase;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn pod(name: &str) -> Pod {
        Pod {
            name: name.to_owned(),
            uid: name.to_owned(),
            is_bound: true,
            phase: Phase::Running,
            ready_since: Some(at(0)),
            created: at(0),
            restarts: 0,
            deletion_cost: 0,
            labels: Default::default(),
            is_deleting: false,
        }
    }

    fn deleted(pods: &[Pod], replicas: i64) -> Vec<String> {
        match step(replicas, pods, at(1000)) {
            Step::Delete(names) => names.into_iter().map(|(name, _)| name).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ended_and_leaving_pods_are_replaced() {
        let mut ended = pod("ended");
        ended.phase = Phase::Ended;
        let mut leaving = pod("leaving");
        leaving.is_deleting = true;
        assert_eq!(step(3, &[pod("a"), ended, leaving], at(0)), Step::Create(2));
        assert_eq!(step(1, &[pod("a")], at(0)), Step::Nothing);
    }

    #[test]
    fn the_most_dispensable_pods_go_first() {
        let unbound = Pod { is_bound: false, phase: Phase::Pending, ready_since: None, ..pod("unbound") };
        let pending = Pod { phase: Phase::Pending, ready_since: None, ..pod("pending") };
        let unready = Pod { ready_since: None, ..pod("unready") };
        let cheap = Pod { deletion_cost: -1, ..pod("cheap") };
        let fresh = Pod { ready_since: Some(at(999)), ..pod("fresh") };
        let restarted = Pod { restarts: 3, ..pod("restarted") };
        let young = Pod { created: at(990), ..pod("young") };
        let all = [pod("plain"), young, restarted, fresh, cheap, unready, pending, unbound];
        let order = ["unbound", "pending", "unready", "cheap", "fresh", "restarted", "young", "plain"];
        assert_eq!(deleted(&all, 0), order);
        assert_eq!(deleted(&all, 6), order[..2]);
    }

    #[test]
    fn pods_are_available_when_they_have_been_ready_for_long_enough() {
        let set = json!({"metadata": {"generation": 3}, "spec": {"minReadySeconds": 10}});
        let pods =
            [pod("a"), Pod { ready_since: Some(at(95)), ..pod("b") }, Pod { ready_since: None, ..pod("c") }];
        let (status, look_again) = status(&set, &pods, None, at(100));
        assert_eq!(
            status,
            json!({"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 2, "availableReplicas": 1, "observedGeneration": 3})
        );
        assert_eq!(look_again, Some(at(105)));
    }

    #[test]
    fn a_failure_is_told_and_goes_away() {
        let set = json!({"metadata": {"generation": 1}, "spec": {}});
        let (with, _) = status::<Pod>(&set, &[], Some("pods is forbidden"), at(5));
        assert_eq!(with["conditions"][0]["reason"], "FailedCreate");
        let again = json!({"metadata": {"generation": 1}, "spec": {}, "status": with});
        let (later, _) = status::<Pod>(&again, &[], Some("pods is forbidden"), at(9));
        assert_eq!(later["conditions"][0]["lastTransitionTime"], "1970-01-01T00:00:05Z");
        let (without, _) = status::<Pod>(&again, &[], None, at(9));
        assert!(without.get("conditions").is_none());
    }
}
