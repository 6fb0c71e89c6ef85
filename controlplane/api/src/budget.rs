//! Disruption budgets: what evictions and the controller that keeps budgets both read and write of them.

use jiff::{SignedDuration, Timestamp};
use meridian_schema::LabelSelector;
use serde_json::{Value, json};

use crate::object::{at, member, number, put_condition, seconds};

/// The condition of a budget that says whether it allows disruptions.
pub(crate) const DISRUPTION_ALLOWED: &str = "DisruptionAllowed";

/// The reason of the condition where the budget could not be computed.
pub(crate) const SYNC_FAILED: &str = "SyncFailed";

/// A pod that was to be evicted and is still there after this long is taken for one that stays.
pub const DISRUPTION_TIMEOUT: SignedDuration = SignedDuration::from_secs(120);

/// The pods that a budget protects, by their labels. None of them, where it has no selector or one that cannot be read.
#[must_use]
pub fn budget_selector(budget: &Value) -> Option<LabelSelector> {
    LabelSelector::from_object(at(budget, &["spec", "selector"])?).ok()
}

/// Sets how many disruptions a budget allows, and the condition that tells so.
pub fn allow_disruptions(budget: &mut Value, allowed: i64, now: Timestamp) {
    member(budget, "status").insert("disruptionsAllowed".to_owned(), json!(allowed));
    let observed = number(budget, &["status", "observedGeneration"]).unwrap_or_default();
    let (status, reason) =
        if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    set_allowed(budget, status, reason, "", observed, now);
}

/// Has a budget that cannot be computed allow nothing, and say why.
pub fn forbid_disruptions(budget: &mut Value, why: &str, now: Timestamp) {
    member(budget, "status").insert("disruptionsAllowed".to_owned(), json!(0));
    let generation = number(budget, &["metadata", "generation"]).unwrap_or_default();
    set_allowed(budget, "False", SYNC_FAILED, why, generation, now);
}

fn set_allowed(budget: &mut Value, status: &str, reason: &str, message: &str, observed: i64, now: Timestamp) {
    let mut condition =
        json!({ "type": DISRUPTION_ALLOWED, "status": status, "reason": reason, "message": message });
    if observed > 0 {
        condition["observedGeneration"] = json!(observed);
    }
    put_condition(budget, condition, &seconds(now));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_condition_changes_its_time_with_its_status_only() {
        let mut budget = json!({ "metadata": { "generation": 3 }, "status": { "observedGeneration": 2 } });
        allow_disruptions(&mut budget, 2, at_second(1));
        allow_disruptions(&mut budget, 1, at_second(2));
        assert_eq!(
            budget["status"],
            json!({
                "observedGeneration": 2,
                "disruptionsAllowed": 1,
                "conditions": [{
                    "type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": "",
                    "observedGeneration": 2, "lastTransitionTime": "1970-01-01T00:00:01Z",
                }],
            })
        );
        allow_disruptions(&mut budget, 0, at_second(3));
        forbid_disruptions(&mut budget, "no such scale", at_second(4));
        let condition = &budget["status"]["conditions"][0];
        assert_eq!(
            (&condition["reason"], &condition["message"]),
            (&json!("SyncFailed"), &json!("no such scale"))
        );
        assert_eq!(condition["lastTransitionTime"], "1970-01-01T00:00:03Z");
        assert_eq!(condition["observedGeneration"], 3);
    }

    #[test]
    fn an_absent_selector_selects_nothing_and_an_empty_one_everything() {
        let labels: crate::Labels = Box::from([("app".into(), "web".into())]);
        let selects = |spec: Value| {
            budget_selector(&json!({ "spec": spec })).is_some_and(|selector| selector.matches(&labels))
        };
        assert!(selects(json!({ "selector": {} })) && !selects(json!({})));
        assert!(selects(json!({ "selector": { "matchLabels": { "app": "web" } } })));
        assert!(!selects(json!({ "selector": { "matchLabels": { "app": "db" } } })));
    }
}
