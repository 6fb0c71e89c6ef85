//! The region's own replica has pods make way for others.

use std::sync::Arc;

use meridian_api::{Caller, CreateOptions, Entry};
use meridian_schema::{Kind, event, pod, pod_disruption_budget, priority_class};
use meridian_store::Tenant;
use serde_json::{Value, json};

use crate::world::{World, soon};

async fn put(world: &World, tenant: &Tenant, kind: &'static Kind, ns: &str, object: Value) -> Arc<Entry> {
    let (caller, options) = (Caller::component("test", tenant), CreateOptions::default());
    world.region.registry().create(&caller, kind, ns, object, &options).await.unwrap()
}

async fn list(world: &World, tenant: &Tenant, kind: &'static Kind, ns: &str) -> Vec<Value> {
    let caller = Caller::component("test", tenant);
    let listed = world.region.registry().list(&caller, kind, ns, &Default::default()).await.unwrap();
    listed.items.iter().map(|entry| entry.value()).collect()
}

async fn create(world: &World, tenant: &Tenant, name: &str, cpu: &str, class: &str) -> String {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}],
            "terminationGracePeriodSeconds": 1,
            "priorityClassName": class,
        },
    });
    put(world, tenant, pod(), "default", object).await.uid.clone()
}

fn is_held(world: &World, tenant: &Tenant, name: &str) -> bool {
    world.region.registry().cached_binding(tenant, "default", name).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_high_priority_takes_the_room_of_one_that_no_budget_protects() {
    let world = World::new(1).await;
    let tenant = Tenant::new("blue").unwrap();
    for (name, value, policy) in
        [("low", 1, "PreemptLowerPriority"), ("high", 9, "PreemptLowerPriority"), ("patient", 9, "Never")]
    {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
            "value": value, "preemptionPolicy": policy,
        });
        put(&world, &tenant, priority_class(), "", class).await;
    }
    // Admission looks at what is cached, which this waits for.
    list(&world, &tenant, priority_class(), "").await;
    let node = world.node(&world.host()).unwrap();
    let cpu = node["status"]["allocatable"]["cpu"].as_str().unwrap();
    let all: i64 =
        cpu.strip_suffix('m').map_or_else(|| cpu.parse::<i64>().unwrap() * 1000, |m| m.parse().unwrap());
    let most = format!("{}m", all * 45 / 100);

    // The host is full of two pods, and the one that would be stopped must not be.
    let first = create(&world, &tenant, "first", &most, "low").await;
    world.until_phase(&first, "Running").await;
    let second = create(&world, &tenant, "second", &most, "low").await;
    world.until_phase(&second, "Running").await;
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "second"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "second"}}},
    });
    put(&world, &tenant, pod_disruption_budget(), "default", budget).await;

    let patient = create(&world, &tenant, "patient", &most, "patient").await;
    world.until_waits(&patient, "preemption: not eligible due to preemptionPolicy=Never.").await;
    let urgent = create(&world, &tenant, "urgent", &most, "high").await;
    let running = world.until_phase(&urgent, "Running").await;
    assert_eq!(running["status"]["nominatedNodeName"], Value::Null);
    assert!(!is_held(&world, &tenant, "first") && is_held(&world, &tenant, "second"));
    let told = async {
        loop {
            let events = list(&world, &tenant, event(), "default").await;
            let preempted = |event: &&Value| event["reason"] == "Preempted";
            if let Some(event) = events.iter().find(preempted) {
                break event["involvedObject"]["name"].clone();
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(soon("an event", told).await, "first");
    // Nobody of its priority makes way for one that may wait, and what has taken room is not made to give it back.
    world.until_waits(&patient, "preemption: not eligible due to preemptionPolicy=Never.").await;
    let equal = create(&world, &tenant, "equal", &most, "high").await;
    let running = world.until_phase(&equal, "Running").await;
    assert!(running["spec"]["nodeName"].is_string());
    assert!(
        is_held(&world, &tenant, "urgent") && !is_held(&world, &tenant, "second"),
        "budgets are a best effort"
    );
    let third = create(&world, &tenant, "third", &most, "high").await;
    world.until_waits(&third, "nodes are available").await;
    assert!(is_held(&world, &tenant, "urgent") && is_held(&world, &tenant, "equal"));
    world.end().await;
}
