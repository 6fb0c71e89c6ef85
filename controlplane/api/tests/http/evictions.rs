//! Disruption budgets and evictions as clients meet them.

use serde_json::{Value, json};

use crate::region::{PODS, Region, pod};

const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

/// A pod that runs and is ready, and a budget for it whose status says what the controller would.
async fn guarded(region: &Region, allowed: i64) {
    region.create(PODS, &pod("a")).await;
    let running =
        json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
    assert_eq!(region.patch(&format!("{PODS}/a/status"), "merge-patch", &running).await.status, 200);
    let budget = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": { "name": "guard" },
        "spec": { "maxUnavailable": "10%", "selector": { "matchLabels": { "app": "a" } } },
    });
    let created = region.create(BUDGETS, &budget).await;
    let nothing =
        json!({ "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0 });
    assert_eq!((&created["status"], &created["metadata"]["generation"]), (&nothing, &json!(1)));
    let mut observed = created;
    observed["status"] = json!({
        "observedGeneration": 1, "currentHealthy": 4, "desiredHealthy": 3, "disruptionsAllowed": allowed, "expectedPods": 4,
    });
    assert_eq!(region.put(&format!("{BUDGETS}/guard/status"), &observed).await.status, 200);
}

fn eviction(version: &str) -> Value {
    json!({ "apiVersion": version, "kind": "Eviction", "metadata": { "name": "a", "namespace": "default" } })
}

#[tokio::test]
async fn an_eviction_that_a_budget_does_not_allow_is_one_request_too_many() {
    let region = Region::start().await;
    guarded(&region, 0).await;
    for version in ["policy/v1", "policy/v1beta1"] {
        let refused = region.post(&format!("{PODS}/a/eviction"), &eviction(version)).await;
        refused.refused(
            429,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget.",
        );
        let message = "The disruption budget guard needs 3 healthy pods and has 4 currently";
        assert_eq!(
            refused.at("/details"),
            json!({ "causes": [{ "reason": "DisruptionBudget", "message": message }] })
        );
        assert_eq!(refused.header("retry-after"), "");
    }
    // Since it was changed, nobody has looked at it.
    let wider = json!({ "spec": { "maxUnavailable": "90%" } });
    region.patch(&format!("{BUDGETS}/guard"), "merge-patch", &wider).await;
    let refused = region.post(&format!("{PODS}/a/eviction"), &eviction("policy/v1")).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"), "{}", refused.text());
    assert_eq!(region.get(&format!("{PODS}/a")).await.status, 200);
    region.post(&format!("{PODS}/a/eviction"), &eviction("policy/v1alpha1")).await.refused(
        400,
        "BadRequest",
        "does not match the expected API version (policy/v1)",
    );
}

#[tokio::test]
async fn an_eviction_that_is_allowed_is_taken_out_of_the_budget() {
    let region = Region::start().await;
    guarded(&region, 1).await;
    let path = format!("{PODS}/a/eviction");
    let tried = region.post(&format!("{path}?dryRun=All"), &eviction("policy/v1")).await;
    assert_eq!(tried.status, 201, "{}", tried.text());
    assert_eq!(region.get(&format!("{BUDGETS}/guard")).await.at("/status/disruptionsAllowed"), 1);
    let evicted = region.post(&path, &eviction("policy/v1beta1")).await;
    assert_eq!(
        (evicted.status.as_u16(), evicted.at("/status")),
        (201, json!("Success")),
        "{}",
        evicted.text()
    );
    let budget = region.get(&format!("{BUDGETS}/guard")).await;
    assert_eq!(budget.at("/status/disruptionsAllowed"), 0);
    assert!(budget.at("/status/disruptedPods/a").is_string(), "{}", budget.text());
    assert_eq!(region.get(&format!("{PODS}/a")).await.status, 404);
}

#[tokio::test]
async fn a_budget_is_checked_and_printed() {
    let region = Region::start().await;
    let both = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": { "name": "guard" },
        "spec": { "maxUnavailable": 1, "minAvailable": 1 },
    });
    region.post(BUDGETS, &both).await.refused(
        422,
        "Invalid",
        "minAvailable and maxUnavailable cannot be both set",
    );
    guarded(&region, 1).await;
    let table = region.get_as(BUDGETS, "application/json;as=Table;v=v1;g=meta.k8s.io").await.json();
    let columns: Vec<&str> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|column| column["name"].as_str())
        .collect();
    assert_eq!(columns, ["Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age"]);
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(cells[..4], [json!("guard"), json!("N/A"), json!("10%"), json!(1)]);
}
