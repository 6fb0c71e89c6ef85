//! Evictions and the budgets that have a say in them.

use std::sync::Arc;

use futures::future::join_all;
use meridian_api::{BindResult, Caller, CreateOptions, Deleted, Entry, Failure, Sub};
use meridian_schema as schema;
use serde_json::{Value, json};

use crate::region::{Region, binding, caller, pod, system};

/// A pod with the label `app=web` in a phase, ready or not.
async fn web(region: &Region, name: &str, phase: &str, ready: bool) -> Arc<Entry> {
    let mut object = pod(name);
    object["metadata"]["labels"] = json!({ "app": "web" });
    region.create("system", schema::pod(), object).await.unwrap();
    let status = |pod: &mut Value| {
        pod["status"]["phase"] = json!(phase);
        let ready = if ready { "True" } else { "False" };
        pod["status"]["conditions"] = json!([{ "type": "Ready", "status": ready }]);
        true
    };
    change(region, schema::pod(), name, status).await
}

async fn change(
    region: &Region,
    kind: &'static schema::Kind,
    name: &str,
    change: impl FnMut(&mut Value) -> bool + Send,
) -> Arc<Entry> {
    let changed =
        region.registry.modify(&system(), kind, "default", name, None, Some(Sub::Status), change).await;
    changed.unwrap().expect("it is there")
}

/// A budget for pods with the label `app=web`, whose status says what the controller would.
async fn budget(region: &Region, name: &str, allowed: i64, healthy: (i64, i64)) {
    let object = json!({
        "metadata": { "name": name },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } },
    });
    region.create("system", schema::pod_disruption_budget(), object).await.unwrap();
    let status = json!({
        "observedGeneration": 1,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy.0,
        "desiredHealthy": healthy.1,
        "expectedPods": healthy.0,
    });
    change(region, schema::pod_disruption_budget(), name, |budget| {
        budget["status"] = status.clone();
        true
    })
    .await;
}

async fn evict(region: &Region, name: &str, options: Value) -> Result<Deleted, Failure> {
    evict_as(region, &system(), name, options).await
}

async fn evict_as(region: &Region, who: &Caller, name: &str, options: Value) -> Result<Deleted, Failure> {
    let eviction = json!({ "metadata": { "name": name }, "deleteOptions": options });
    region.registry.evict(who, "default", name, eviction, &CreateOptions::default()).await
}

async fn status(region: &Region, name: &str) -> Value {
    region.get(schema::pod_disruption_budget(), name).await.unwrap().value()["status"].clone()
}

/// The message of the cause of a refusal by a budget.
fn cause(failure: &Failure) -> &str {
    assert_eq!(
        (failure.code, failure.message.as_str()),
        (429, "Cannot evict pod as it would violate the pod's disruption budget.")
    );
    let cause = &failure.details.as_ref().expect("details").causes[0];
    assert_eq!(cause.reason, "DisruptionBudget");
    &cause.message
}

#[tokio::test]
async fn a_budget_gives_out_what_it_has() {
    let region = Region::new().await;
    for name in ["a", "b", "c"] {
        web(&region, name, "Running", true).await;
    }
    budget(&region, "web", 2, (3, 1)).await;
    for name in ["a", "b"] {
        assert!(evict(&region, name, json!({})).await.unwrap().gone);
    }
    let refused = evict(&region, "c", json!({})).await.unwrap_err();
    assert_eq!(cause(&refused), "The disruption budget web needs 1 healthy pods and has 3 currently");
    assert_eq!(refused.retry_after_seconds(), None);
    let status = status(&region, "web").await;
    assert_eq!(status["disruptionsAllowed"], 0);
    assert_eq!(status["disruptedPods"], json!({ "a": "2000-01-01T00:00:00Z", "b": "2000-01-01T00:00:00Z" }));
    assert_eq!(
        (&status["conditions"][0]["status"], &status["conditions"][0]["reason"]),
        (&json!("False"), &json!("InsufficientPods"))
    );
    // A delete asks nobody.
    assert!(region.delete(schema::pod(), "c").await.unwrap().gone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn evictions_that_race_never_exceed_a_budget_together() {
    const PODS: usize = 40;
    let region = Arc::new(Region::new().await);
    for index in 0..PODS {
        web(&region, &format!("web-{index}"), "Running", true).await;
    }
    budget(&region, "web", 7, (40, 33)).await;
    let races = (0..PODS).map(|index| {
        let region = region.clone();
        tokio::spawn(async move { evict(&region, &format!("web-{index}"), json!({})).await })
    });
    let (mut gone, mut kept) = (0, 0);
    for raced in join_all(races).await {
        match raced.unwrap() {
            Ok(_) => gone += 1,
            Err(refused) => {
                cause(&refused);
                kept += 1;
            }
        }
    }
    assert_eq!((gone, kept), (7, PODS - 7));
    let left = region.list("system", schema::pod(), &Default::default()).await.unwrap().items;
    assert_eq!(left.len(), PODS - 7);
    let status = status(&region, "web").await;
    let disrupted = status["disruptedPods"].as_object().unwrap();
    assert_eq!((status["disruptionsAllowed"].as_i64(), disrupted.len()), (Some(0), 7));
    assert!(left.iter().all(|pod| !disrupted.contains_key(&pod.name)));
}

#[tokio::test]
async fn pods_that_count_for_nothing_need_no_leave() {
    let region = Region::new().await;
    budget(&region, "web", 0, (1, 2)).await;
    for phase in ["Pending", "Succeeded", "Failed"] {
        web(&region, "web", phase, true).await;
        assert!(evict(&region, "web", json!({})).await.unwrap().gone, "{phase}");
    }
    let mut held = pod("going");
    held["metadata"] = json!({ "name": "going", "labels": { "app": "web" }, "finalizers": ["a.b/c"] });
    region.create("system", schema::pod(), held).await.unwrap();
    change(&region, schema::pod(), "going", |pod| {
        pod["status"]["phase"] = json!("Running");
        true
    })
    .await;
    assert_eq!(evict(&region, "going", json!({})).await.unwrap_err().code, 429);
    region.delete(schema::pod(), "going").await.unwrap();
    assert!(!evict(&region, "going", json!({})).await.unwrap().gone);
    assert_eq!(status(&region, "web").await.get("disruptedPods"), None);
}

#[tokio::test]
async fn pods_that_are_not_ready_go_as_their_budget_says() {
    let (kind, always) = (schema::pod_disruption_budget(), json!("AlwaysAllow"));
    for (policy, allowed, healthy, goes) in [
        (Value::Null, 0, (2, 2), true),
        (json!("IfHealthyBudget"), 0, (3, 2), true),
        (json!("IfHealthyBudget"), 0, (1, 2), false),
        // Nothing is wanted, or nothing is known yet.
        (Value::Null, 0, (0, 0), false),
        // One is allowed anyway, and is taken.
        (Value::Null, 1, (1, 2), true),
        (always.clone(), 0, (1, 2), true),
        (always, 0, (0, 0), true),
    ] {
        let region = Region::new().await;
        budget(&region, "web", allowed, healthy).await;
        if !policy.is_null() {
            let mut object = region.get(kind, "web").await.unwrap().value();
            object["spec"]["unhealthyPodEvictionPolicy"] = policy.clone();
            region.update(kind, "web", object).await.unwrap();
            change(&region, kind, "web", |budget| {
                budget["status"]["observedGeneration"] = json!(2);
                true
            })
            .await;
        }
        web(&region, "web", "Running", false).await;
        let evicted = evict(&region, "web", json!({})).await;
        assert_eq!(evicted.is_ok(), goes, "{policy} {allowed} {healthy:?}: {evicted:?}");
        assert_eq!(status(&region, "web").await["disruptionsAllowed"], 0);
    }
}

#[tokio::test]
async fn a_budget_that_is_not_up_to_date_allows_nothing() {
    let region = Region::new().await;
    let kind = schema::pod_disruption_budget();
    web(&region, "web", "Running", true).await;
    budget(&region, "web", 5, (6, 1)).await;
    let mut object = region.get(kind, "web").await.unwrap().value();
    object["spec"]["minAvailable"] = json!(6);
    let updated = region.update(kind, "web", object).await.unwrap().value();
    assert_eq!(
        (&updated["metadata"]["generation"], &updated["status"]["disruptionsAllowed"]),
        (&json!(2), &json!(5))
    );
    let refused = evict(&region, "web", json!({})).await.unwrap_err();
    assert_eq!(cause(&refused), "The disruption budget web is still being processed by the server.");
    assert_eq!(refused.retry_after_seconds(), Some(1));

    change(&region, kind, "web", |budget| {
        budget["status"]["observedGeneration"] = json!(2);
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        meridian_api::forbid_disruptions(budget, "no such scale", now);
        true
    })
    .await;
    let refused = evict(&region, "web", json!({})).await.unwrap_err();
    assert_eq!(
        cause(&refused),
        "The disruption budget web does not allow evicting pods currently because it failed sync: no such scale"
    );

    change(&region, kind, "web", |budget| {
        let pods = (0..=2000).map(|index| (format!("p{index}"), json!("2026-01-01T00:00:00Z")));
        budget["status"]["disruptedPods"] = Value::Object(pods.collect());
        budget["status"]["disruptionsAllowed"] = json!(1);
        true
    })
    .await;
    let refused = evict(&region, "web", json!({})).await.unwrap_err();
    assert!(refused.code == 403 && refused.message.contains("DisruptedPods map too big"), "{refused}");
}

#[tokio::test]
async fn a_pod_with_two_budgets_cannot_be_evicted() {
    let region = Region::new().await;
    web(&region, "web", "Running", true).await;
    budget(&region, "one", 1, (2, 1)).await;
    budget(&region, "two", 1, (2, 1)).await;
    let refused = evict(&region, "web", json!({})).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (
            500,
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    );
    region.delete(schema::pod_disruption_budget(), "two").await.unwrap();
    assert!(evict(&region, "web", json!({})).await.unwrap().gone);
}

#[tokio::test]
async fn budgets_of_others_have_no_say() {
    let region = Region::new().await;
    budget(&region, "web", 0, (1, 1)).await;
    let mut object = pod("web");
    object["metadata"]["labels"] = json!({ "app": "web" });
    region.create("blue", schema::pod(), object).await.unwrap();
    let blue = caller("blue");
    let running = |pod: &mut Value| {
        pod["status"]["phase"] = json!("Running");
        true
    };
    let status = Some(Sub::Status);
    region.registry.modify(&blue, schema::pod(), "default", "web", None, status, running).await.unwrap();
    assert!(evict_as(&region, &blue, "web", json!({})).await.unwrap().gone);
}

#[tokio::test]
async fn what_an_eviction_presumes_is_looked_at_before_the_budget() {
    let region = Region::new().await;
    let entry = web(&region, "web", "Running", true).await;
    budget(&region, "web", 1, (2, 1)).await;
    let before = status(&region, "web").await;
    for preconditions in [json!({ "uid": "other" }), json!({ "resourceVersion": "1" })] {
        let options = json!({ "preconditions": preconditions });
        assert_eq!(evict(&region, "web", options).await.unwrap_err().code, 409);
    }
    assert!(evict(&region, "web", json!({ "dryRun": ["All"] })).await.unwrap().gone);
    let eviction = json!({ "metadata": { "name": "web" } });
    let dry_run = CreateOptions { dry_run: true };
    region.registry.evict(&system(), "default", "web", eviction, &dry_run).await.unwrap();
    assert_eq!(status(&region, "web").await, before);
    assert_eq!(region.get(schema::pod(), "web").await.unwrap().resource_version(), entry.resource_version());
    let version = entry.resource_version().to_string();
    let options = json!({ "preconditions": { "uid": entry.uid, "resourceVersion": version } });
    assert!(evict(&region, "web", options).await.unwrap().gone);
    // Tried only, an eviction is refused all the same.
    web(&region, "next", "Running", true).await;
    assert_eq!(evict(&region, "next", json!({ "dryRun": ["All"] })).await.unwrap_err().code, 429);
}

#[tokio::test]
async fn a_pod_says_that_it_was_evicted() {
    let region = Region::new().await;
    region.registry.append_fence("hosts", 1).await.unwrap();
    let entry = region.create("system", schema::pod(), pod("web")).await.unwrap();
    let request = binding(&entry, "host-1", 1);
    let bound = region.registry.append_bindings(&entry.tenant, &[request]).await.remove(0);
    assert!(matches!(bound, BindResult::Bound(_)));
    let evicted = evict(&region, "web", json!({ "gracePeriodSeconds": 7 })).await.unwrap();
    let value = evicted.entry.value();
    assert!(!evicted.gone && value["metadata"]["deletionGracePeriodSeconds"] == 7);
    let conditions = value["status"]["conditions"].as_array().unwrap();
    let target = conditions.iter().find(|condition| condition["type"] == "DisruptionTarget").unwrap();
    assert_eq!(
        (&target["status"], &target["reason"], &target["message"]),
        (&json!("True"), &json!("EvictionByEvictionAPI"), &json!("Eviction API: evicting"))
    );
    assert_eq!(target["lastTransitionTime"], "2000-01-01T00:00:00Z");
}
