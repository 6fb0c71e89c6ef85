//! What a budget allows, from its pods and their owners. No objects are written here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use meridian_api::{DISRUPTION_TIMEOUT, allow_disruptions, forbid_disruptions};
use serde_json::{Map, Value, json};

use super::protected::{Owner, Pod, Pods};
use crate::object;

/// How many pods an owner wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) uid: Box<str>,
    pub(super) replicas: i64,
}

/// How many pods there should be, and how many of them healthy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) pods: i64,
    pub(super) healthy: i64,
    /// Whether some pods have no owner and so are not counted.
    pub(super) has_unmanaged: bool,
}

/// What to write, and when to look again.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) status: Value,
    /// Pods that were evicted and yet stayed.
    pub(super) not_deleted: Vec<String>,
    pub(super) look_again: Option<Timestamp>,
}

/// What a budget expects. A share is one of what the pods' owners want in all; pods of nobody count only where a number of
/// pods is to be left.
pub(super) fn expected(
    budget: &Value,
    pods: &Pods,
    scale: impl Fn(&Owner) -> Result<Option<Scale>, String>,
) -> Result<Expected, String> {
    let limit = |name: &str| budget.pointer(name).filter(|limit| !limit.is_null());
    if let Some(most) = limit("/spec/maxUnavailable") {
        let (pods, has_unmanaged) = wanted(pods, scale)?;
        let healthy = (pods - object::scaled(Some(most), pods, true)).max(0);
        return Ok(Expected { pods, healthy, has_unmanaged });
    }
    match limit("/spec/minAvailable") {
        None => Ok(Expected::default()),
        Some(Value::Number(least)) => {
            let healthy = least.as_i64().unwrap_or(0);
            let pods = i64::try_from(pods.len()).unwrap_or(i64::MAX);
            Ok(Expected { pods, healthy, has_unmanaged: false })
        }
        Some(share) => {
            let (pods, has_unmanaged) = wanted(pods, scale)?;
            Ok(Expected { pods, healthy: object::scaled(Some(share), pods, true), has_unmanaged })
        }
    }
}

/// How many pods the owners want in all, and whether there are pods of nobody.
fn wanted(
    pods: &Pods,
    scale: impl Fn(&Owner) -> Result<Option<Scale>, String>,
) -> Result<(i64, bool), String> {
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    let mut scales: BTreeMap<Box<str>, i64> = BTreeMap::new();
    let mut has_unmanaged = false;
    for (name, pod) in pods {
        let Some(owner) = &pod.owner else {
            has_unmanaged = true;
            continue;
        };
        if !asked.insert(&owner.uid) {
            continue;
        }
        let found = scale(owner)?.ok_or_else(|| format!("found no controllers for pod {name:?}"))?;
        scales.insert(found.uid, found.replicas);
    }
    Ok((scales.values().fold(0, |sum, replicas| sum.saturating_add(*replicas)), has_unmanaged))
}

/// The status of a budget. One that cannot be computed stays as it is but allows nothing.
pub(super) fn status(budget: &Value, pods: &Pods, expected: Result<&Expected, &str>, now: Timestamp) -> Next {
    let mut next = budget.clone();
    let expected = match expected {
        Ok(expected) => expected,
        Err(why) => {
            forbid_disruptions(&mut next, why, now);
            return Next { status: next["status"].take(), not_deleted: Vec::new(), look_again: None };
        }
    };
    let disrupted = Disrupted::of(budget, pods, now);
    let counts =
        |name: &str, pod: &Pod| pod.is_ready && !pod.is_deleting && !disrupted.pods.contains_key(name);
    let healthy = pods.iter().filter(|(name, pod)| counts(name, pod)).count();
    let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
    // While no pods are expected none may go: the first may have come just now.
    let allowed = if expected.pods > 0 { (healthy - expected.healthy).max(0) } else { 0 };

    let conditions = budget.pointer("/status/conditions").cloned();
    next["status"] = json!({
        "observedGeneration": object::number(budget, "/metadata/generation").unwrap_or(0),
        "currentHealthy": healthy,
        "desiredHealthy": expected.healthy,
        "expectedPods": expected.pods,
    });
    if let Some(conditions) = conditions {
        next["status"]["conditions"] = conditions;
    }
    if !disrupted.pods.is_empty() {
        next["status"]["disruptedPods"] = Value::Object(disrupted.pods);
    }
    allow_disruptions(&mut next, allowed, now);
    let (not_deleted, look_again) = (disrupted.not_deleted, disrupted.look_again);
    Next { status: next["status"].take(), not_deleted, look_again }
}

/// Pods that evictions were allowed for and that are not seen going yet.
struct Disrupted {
    pods: Map<String, Value>,
    not_deleted: Vec<String>,
    look_again: Option<Timestamp>,
}

impl Disrupted {
    fn of(budget: &Value, pods: &Pods, now: Timestamp) -> Self {
        let mut disrupted = Self { pods: Map::new(), not_deleted: Vec::new(), look_again: None };
        let recorded = budget.pointer("/status/disruptedPods").and_then(Value::as_object);
        for (name, at) in recorded.into_iter().flatten() {
            if pods.get(name.as_str()).is_none_or(|pod| pod.is_deleting) {
                continue;
            }
            let since = at.as_str().and_then(|at| at.parse::<Timestamp>().ok());
            let until = since.and_then(|since| since.checked_add(DISRUPTION_TIMEOUT).ok());
            match until.filter(|until| *until > now) {
                None => disrupted.not_deleted.push(name.clone()),
                Some(until) => {
                    disrupted.pods.insert(name.clone(), at.clone());
                    disrupted.look_again = Some(disrupted.look_again.map_or(until, |at| at.min(until)));
                }
            }
        }
        disrupted
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A pod of an owner; of nobody without one.
    fn pod(owner: &str, is_ready: bool) -> Pod {
        let owner = (!owner.is_empty()).then(|| Owner {
            api_version: "apps/v1".into(),
            kind: "ReplicaSet".into(),
            name: owner.into(),
            uid: owner.into(),
        });
        Pod { is_ready, is_deleting: false, owner }
    }

    fn named(pods: impl IntoIterator<Item = Pod>) -> Pods {
        pods.into_iter().enumerate().map(|(at, pod)| (format!("p{at}").into(), Arc::new(pod))).collect()
    }

    /// Owners called `a` and `b` want ten and three pods; that of `a2` is the same as that of `a`; `gone` is gone.
    fn scales(owner: &Owner) -> Result<Option<Scale>, String> {
        match &*owner.name {
            "a" | "a2" => Ok(Some(Scale { uid: "deployment-a".into(), replicas: 10 })),
            "b" => Ok(Some(Scale { uid: "b".into(), replicas: 3 })),
            "gone" => Ok(None),
            other => Err(format!("no matches for kind {other:?}")),
        }
    }

    #[test]
    fn shares_are_of_what_owners_want_and_round_up() {
        let both = || named([pod("a", true), pod("a2", true), pod("b", true)]);
        let naked = || named([pod("", true), pod("a", true), pod("", false)]);
        for (spec, pods, wanted, healthy, has_unmanaged) in [
            (json!({"minAvailable": 2}), both(), 3, 2, false),
            (json!({"minAvailable": "50%"}), both(), 13, 7, false),
            (json!({"minAvailable": "0%"}), both(), 13, 0, false),
            (json!({"minAvailable": "100%"}), both(), 13, 13, false),
            (json!({"maxUnavailable": 4}), both(), 13, 9, false),
            (json!({"maxUnavailable": "10%"}), both(), 13, 11, false),
            (json!({"maxUnavailable": 50}), both(), 13, 0, false),
            (json!({}), both(), 0, 0, false),
            // A number that is to be left counts pods of nobody; a share cannot.
            (json!({"minAvailable": 2}), naked(), 3, 2, false),
            (json!({"minAvailable": "50%"}), naked(), 10, 5, true),
            (json!({"maxUnavailable": 1}), naked(), 10, 9, true),
            (json!({"maxUnavailable": 1}), Pods::new(), 0, 0, false),
        ] {
            let found = expected(&json!({ "spec": spec }), &pods, scales);
            assert_eq!(found, Ok(Expected { pods: wanted, healthy, has_unmanaged }), "{spec}");
        }
    }

    #[test]
    fn an_owner_whose_scale_is_not_known_is_an_error_where_it_matters() {
        let budget = |spec: Value| json!({ "spec": spec });
        for (owner, why) in
            [("gone", "found no controllers for pod \"p0\""), ("odd", "no matches for kind \"odd\"")]
        {
            let pods = named([pod(owner, true)]);
            let found = expected(&budget(json!({"maxUnavailable": 1})), &pods, scales);
            assert_eq!(found, Err(why.to_owned()));
            assert!(expected(&budget(json!({"minAvailable": 1})), &pods, scales).is_ok());
        }
    }

    fn computed(budget: &Value, pods: &Pods, expected: (i64, i64), now: i64) -> Next {
        let expected = Expected { pods: expected.0, healthy: expected.1, has_unmanaged: false };
        status(budget, pods, Ok(&expected), at(now))
    }

    #[test]
    fn ready_pods_that_stay_are_healthy() {
        let budget = json!({"metadata": {"generation": 4}});
        let going = Pod { is_deleting: true, ..pod("a", true) };
        let pods = named([pod("a", true), pod("a", false), going, pod("a", true)]);
        let next = computed(&budget, &pods, (4, 1), 7);
        assert_eq!(
            next.status,
            json!({
                "observedGeneration": 4, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 4, "disruptionsAllowed": 1,
                "conditions": [{
                    "type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": "",
                    "observedGeneration": 4, "lastTransitionTime": "1970-01-01T00:00:07Z",
                }],
            })
        );
        assert!(next.look_again.is_none() && next.not_deleted.is_empty());
        // Once more, nothing changes, whenever that is.
        let again = json!({"metadata": {"generation": 4}, "status": next.status});
        assert_eq!(computed(&again, &pods, (4, 1), 70).status, again["status"]);
        let allowed = |expected| computed(&budget, &pods, expected, 7).status["disruptionsAllowed"].clone();
        assert_eq!((allowed((4, 2)), allowed((4, 3)), allowed((0, 0))), (json!(0), json!(0), json!(0)));
    }

    #[test]
    fn an_evicted_pod_counts_again_when_it_is_still_there_after_two_minutes() {
        let second = |second| at(second).to_string();
        let budget = json!({
            "metadata": {"generation": 1},
            "status": {"disruptedPods": {
                "p0": second(100), "p1": second(130), "p2": second(100), "p9": second(100), "p3": "never",
            }},
        });
        let going = Pod { is_deleting: true, ..pod("a", true) };
        let pods = named([pod("a", true), pod("a", true), going, pod("a", true), pod("a", true)]);
        let count = |next: &Next| next.status["currentHealthy"].clone();
        let told = |next: &Next| next.status.get("disruptedPods").cloned().unwrap_or_default();

        let next = computed(&budget, &pods, (5, 1), 219);
        assert_eq!((count(&next), told(&next)), (json!(2), json!({"p0": second(100), "p1": second(130)})));
        assert_eq!((next.look_again, next.not_deleted), (Some(at(220)), vec!["p3".to_owned()]));
        let next = computed(&budget, &pods, (5, 1), 220);
        assert_eq!((count(&next), told(&next)), (json!(3), json!({"p1": second(130)})));
        assert_eq!(
            (next.look_again, next.not_deleted),
            (Some(at(250)), vec!["p0".to_owned(), "p3".to_owned()])
        );
        let next = computed(&budget, &pods, (5, 1), 250);
        assert_eq!((count(&next), told(&next), next.look_again), (json!(4), Value::Null, None));
    }

    #[test]
    fn a_budget_that_cannot_be_computed_allows_nothing_and_keeps_the_rest() {
        let budget = json!({
            "metadata": {"generation": 2},
            "status": {"observedGeneration": 1, "disruptionsAllowed": 3, "disruptedPods": {"p0": "1970-01-01T00:00:00Z"}},
        });
        let next = status(&budget, &named([pod("gone", true)]), Err("no such scale"), at(9));
        assert_eq!(next.status["disruptionsAllowed"], 0);
        assert_eq!(next.status["disruptedPods"], budget["status"]["disruptedPods"]);
        assert_eq!(next.status["observedGeneration"], 1);
        let condition = &next.status["conditions"][0];
        assert_eq!(
            (&condition["reason"], &condition["message"]),
            (&json!("SyncFailed"), &json!("no such scale"))
        );
    }
}
