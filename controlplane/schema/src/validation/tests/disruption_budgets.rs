//! Disruption budgets and their conditions.

use serde_json::{Value, json};

use super::{filled, refused, refused_update, words};
use crate::table::pod_disruption_budget;
use crate::validation::validate_status_update;

fn budget() -> Value {
    let spec = json!({"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}});
    filled(
        pod_disruption_budget(),
        json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec}),
    )
}

const NO_PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                          '93%', regex used for validation is '[0-9]+%')";

#[test]
fn limits_and_selectors() {
    let kind = pod_disruption_budget();
    let cases: &[(&str, Value, &[&str])] = &[
        ("/spec/minAvailable", json!(0), &[]),
        ("/spec/minAvailable", json!("100%"), &[]),
        // Neither is set: the budget allows nothing.
        ("/spec/minAvailable", json!(null), &[]),
        // It protects all pods, or none.
        ("/spec/selector", json!({}), &[]),
        ("/spec/selector", json!(null), &[]),
        ("/spec/unhealthyPodEvictionPolicy", json!("AlwaysAllow"), &[]),
        (
            "/spec/minAvailable",
            json!(-1),
            &["spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            "/spec/minAvailable",
            json!("101%"),
            &["spec.minAvailable: Invalid value: \"101%\": must not be greater than 100%"],
        ),
        (
            "/spec/minAvailable",
            json!("-1%"),
            &[&format!("spec.minAvailable: Invalid value: \"-1%\": {NO_PERCENT}")],
        ),
        (
            "/spec/minAvailable",
            json!("2"),
            &[&format!("spec.minAvailable: Invalid value: \"2\": {NO_PERCENT}")],
        ),
        (
            "/spec/maxUnavailable",
            json!("30%"),
            &[
                "spec: Invalid value: {\"maxUnavailable\":\"30%\",\"minAvailable\":2,\"selector\":{\"matchLabels\":\
                 {\"app\":\"web\"}}}: minAvailable and maxUnavailable cannot be both set",
            ],
        ),
        (
            "/spec/unhealthyPodEvictionPolicy",
            json!("Never"),
            &[
                "spec.unhealthyPodEvictionPolicy: Unsupported value: \"Never\": supported values: \"AlwaysAllow\", \
                 \"IfHealthyBudget\"",
            ],
        ),
        (
            "/spec/selector",
            json!({"matchExpressions": [{"key": "app", "operator": "In"}]}),
            &[
                "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or \
                 'NotIn'",
            ],
        ),
    ];
    refused(kind, &budget(), cases);
    refused_update(kind, &budget(), cases);
}

#[test]
fn counts_and_conditions_in_status() {
    let kind = pod_disruption_budget();
    let with = |status: Value| {
        let mut object = budget();
        object["status"] = status;
        words(&validate_status_update(kind, &object, &budget()))
    };
    let right = json!({
        "type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
    });
    assert_eq!(with(json!({"disruptionsAllowed": 1, "conditions": [right]})), [""; 0]);
    assert_eq!(
        with(json!({"disruptionsAllowed": -1, "expectedPods": -2})),
        [
            "status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0",
            "status.expectedPods: Invalid value: -2: must be greater than or equal to 0",
        ]
    );
    let wrong = json!({
        "type": "DisruptionAllowed", "status": "Maybe", "reason": "9 lives", "message": "x".repeat(32 * 1024 + 1),
        "observedGeneration": -1,
    });
    let found = with(json!({"conditions": [right, wrong]}));
    let reason = &found[4];
    assert!(
        reason.starts_with(
            "status.conditions[1].reason: Invalid value: \"9 lives\": a condition reason must start with alphabetic"
        ),
        "{reason}"
    );
    assert_eq!(
        [&found[..4], &found[5..]].concat(),
        [
            "status.conditions[1].type: Duplicate value: \"DisruptionAllowed\"",
            "status.conditions[1].status: Unsupported value: \"Maybe\": supported values: \"False\", \"True\", \
             \"Unknown\"",
            "status.conditions[1].observedGeneration: Invalid value: -1: must be greater than or equal to zero",
            "status.conditions[1].lastTransitionTime: Required value: must be set",
            "status.conditions[1].message: Too long: may not be more than 32768 bytes",
        ]
    );
}
