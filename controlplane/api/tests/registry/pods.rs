//! Pods and binding records: who holds what, and until when.

use meridian_api::{
    BindOrder, BindRequest, BindResult, BindingState, Change, CreateOptions, DeleteOptions, Entry, Failure,
    Reason, Sub, UpdateOptions,
};
use meridian_schema as schema;
use meridian_store::Tenant;
use serde_json::json;
use tokio::sync::mpsc;

use crate::region::{Region, binding, pod, system};

fn force() -> DeleteOptions {
    DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() }
}

async fn bind(region: &Region, entry: &Entry, host: &str, sequence: u64, epoch: u64) -> BindResult {
    let request = BindRequest { host_epoch: epoch, ..binding(entry, host, sequence) };
    region.registry.append_bindings(&entry.tenant, &[request]).await.remove(0)
}

/// A pod that is bound to `host-1` under epoch 1.
async fn bound(region: &Region, name: &str) -> Entry {
    region.registry.append_fence("hosts", 1).await.unwrap();
    let entry = region.create("system", schema::pod(), pod(name)).await.unwrap();
    match bind(region, &entry, "host-1", 1, 1).await {
        BindResult::Bound(entry) => (*entry).clone(),
        other => panic!("want it bound: {other:?}"),
    }
}

async fn state(region: &Region, name: &str) -> Option<BindingState> {
    region.registry.list(&system(), schema::pod(), "", &Default::default()).await.unwrap();
    region.registry.cached_binding(&Tenant::system(), "default", name).map(|record| record.state)
}

async fn stopped(region: &Region, entry: &Entry, host: &str) {
    region.registry.pod_stopped(&entry.tenant, "default", &entry.name, &entry.uid, host).await.unwrap();
}

#[tokio::test]
async fn a_pod_is_bound_once_in_its_life() {
    let region = Region::new().await;
    let entry = bound(&region, "web").await;
    let value = entry.value();
    assert_eq!(value["spec"]["nodeName"], "host-1");
    assert_eq!(value["status"]["conditions"][0]["type"], "PodScheduled");
    assert_eq!(value["status"]["conditions"][0]["status"], "True");
    // The same claim again: its answer got lost. Another claim: the pod has been bound.
    assert!(matches!(bind(&region, &entry, "host-1", 1, 1).await, BindResult::Bound(_)));
    assert!(matches!(bind(&region, &entry, "host-1", 2, 1).await, BindResult::NotPending));
    // Not even when its host let it go, and somebody took the condition off.
    stopped(&region, &entry, "host-1").await;
    let mut value = region.get(schema::pod(), "web").await.unwrap().value();
    value["status"]["conditions"] = json!([]);
    let options = UpdateOptions::default();
    region
        .registry
        .update(&system(), schema::pod(), "default", "web", Some(Sub::Status), value, &options)
        .await
        .unwrap();
    assert!(matches!(bind(&region, &entry, "host-1", 3, 1).await, BindResult::NotPending));
}

#[tokio::test]
async fn a_binding_wants_the_epoch_that_counts() {
    let region = Region::new().await;
    let entry = region.create("system", schema::pod(), pod("web")).await.unwrap();
    assert!(matches!(bind(&region, &entry, "host-1", 1, 1).await, BindResult::Fenced { current: 0 }));
    region.registry.append_fence("hosts", 2).await.unwrap();
    assert_eq!(region.registry.fence("hosts"), 2);
    assert!(matches!(bind(&region, &entry, "host-1", 1, 1).await, BindResult::Fenced { current: 2 }));
    assert!(matches!(bind(&region, &entry, "host-1", 1, 3).await, BindResult::Fenced { current: 2 }));
    assert!(matches!(bind(&region, &entry, "host-1", 1, 2).await, BindResult::Bound(_)));
    let old = region.registry.append_fence("hosts", 1).await.unwrap_err();
    assert_eq!(old.reason, Reason::Conflict);
    // The answer to a fence lists what is bound, the same once more when asked again.
    for _ in 0..2 {
        let fenced = region.registry.append_fence("hosts", 2).await.unwrap();
        let listed: Vec<_> =
            fenced.bindings.iter().map(|held| (held.name.as_str(), held.record.state)).collect();
        assert_eq!(listed, [("web", BindingState::Bound)]);
    }
    assert!(region.registry.append_fence("others", 1).await.unwrap().bindings.is_empty());
    let region = region.restarted().await;
    assert_eq!(region.registry.fence("hosts"), 2);
}

#[tokio::test]
async fn a_pod_without_a_host_goes_at_once_and_one_with_a_host_when_that_says_so() {
    let region = Region::new().await;
    region.create("system", schema::pod(), pod("pending")).await.unwrap();
    assert!(region.delete(schema::pod(), "pending").await.unwrap().gone);

    let entry = bound(&region, "web").await;
    let deleted = region.delete(schema::pod(), "web").await.unwrap();
    assert!(!deleted.gone);
    let value = deleted.entry.value();
    assert_eq!(value["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(value["metadata"]["deletionTimestamp"], "2000-01-01T00:00:30Z");
    assert_eq!(state(&region, "web").await, Some(BindingState::Terminating));
    // Only less time can be given than was.
    for (asked, granted) in [
        (Some(60), "2000-01-01T00:00:30Z"),
        (Some(5), "2000-01-01T00:00:05Z"),
        (None, "2000-01-01T00:00:05Z"),
    ] {
        let options = DeleteOptions { grace_period_seconds: asked, ..DeleteOptions::default() };
        let again = region.delete_with(schema::pod(), "web", &options).await.unwrap();
        assert_eq!(again.entry.value()["metadata"]["deletionTimestamp"], granted);
    }
    stopped(&region, &entry, "another-host").await;
    assert_eq!(state(&region, "web").await, Some(BindingState::Terminating));
    stopped(&region, &entry, "host-1").await;
    assert_eq!(state(&region, "web").await, None);
    assert!(region.get(schema::pod(), "web").await.unwrap_err().is_not_found());
    stopped(&region, &entry, "host-1").await;
}

#[tokio::test]
async fn a_pod_deleted_by_force_holds_its_host_and_name_as_a_ghost() {
    let region = Region::new().await;
    let first = bound(&region, "web").await;
    assert!(region.delete_with(schema::pod(), "web", &force()).await.unwrap().gone);
    assert_eq!(state(&region, "web").await, Some(BindingState::Ghost));
    let fenced = region.registry.append_fence("hosts", 1).await.unwrap();
    assert_eq!(fenced.bindings[0].record.state, BindingState::Ghost);

    let second = region.create("system", schema::pod(), pod("web")).await.unwrap();
    assert!(matches!(bind(&region, &second, "host-2", 2, 1).await, BindResult::NameHeld));
    // The ghost's claim is no claim of the new pod.
    assert!(matches!(bind(&region, &first, "host-1", 1, 1).await, BindResult::NotPending));
    // The new one holds nothing, and deleting it does nothing to the ghost.
    assert!(region.delete(schema::pod(), "web").await.unwrap().gone);
    assert_eq!(state(&region, "web").await, Some(BindingState::Ghost));
    let third = region.create("system", schema::pod(), pod("web")).await.unwrap();
    stopped(&region, &first, "host-1").await;
    assert_eq!(state(&region, "web").await, None);
    assert!(matches!(bind(&region, &third, "host-2", 3, 1).await, BindResult::Bound(_)));
}

#[tokio::test]
async fn finalizers_hold_a_pod_that_stopped_and_its_record_not() {
    let region = Region::new().await;
    region.registry.append_fence("hosts", 1).await.unwrap();
    let mut object = pod("web");
    object["metadata"]["finalizers"] = json!(["example.com/volume"]);
    let entry = region.create("system", schema::pod(), object).await.unwrap();
    assert!(matches!(bind(&region, &entry, "host-1", 1, 1).await, BindResult::Bound(_)));
    assert!(!region.delete(schema::pod(), "web").await.unwrap().gone);
    stopped(&region, &entry, "host-1").await;
    assert_eq!(state(&region, "web").await, None);
    let mut value = region.get(schema::pod(), "web").await.unwrap().value();
    value["metadata"]["finalizers"] = json!([]);
    region.update(schema::pod(), "web", value).await.unwrap();
    assert!(region.get(schema::pod(), "web").await.unwrap_err().is_not_found());

    // Taken off before it stopped, they leave it to its host; by force, a ghost stays behind.
    for (grace, left) in [(30, Some(BindingState::Terminating)), (0, Some(BindingState::Ghost))] {
        let name = format!("web-{grace}");
        let mut object = pod(&name);
        object["metadata"]["finalizers"] = json!(["example.com/volume"]);
        let entry = region.create("system", schema::pod(), object).await.unwrap();
        assert!(matches!(bind(&region, &entry, "host-1", 2 + grace, 1).await, BindResult::Bound(_)));
        let options = DeleteOptions { grace_period_seconds: Some(grace as i64), ..DeleteOptions::default() };
        let mut value = region.delete_with(schema::pod(), &name, &options).await.unwrap().entry.value();
        value["metadata"]["finalizers"] = json!([]);
        region.update(schema::pod(), &name, value).await.unwrap();
        assert_eq!(state(&region, &name).await, left);
        assert_eq!(region.get(schema::pod(), &name).await.is_ok(), grace > 0);
    }
}

#[tokio::test]
async fn a_finished_pod_lets_its_host_go_and_stays() {
    let region = Region::new().await;
    let entry = bound(&region, "job").await;
    let mut value = entry.value();
    value["status"]["phase"] = json!("Succeeded");
    let options = UpdateOptions::default();
    region
        .registry
        .update(&system(), schema::pod(), "default", "job", Some(Sub::Status), value, &options)
        .await
        .unwrap();
    stopped(&region, &entry, "host-1").await;
    assert_eq!(state(&region, "job").await, None);
    assert_eq!(region.get(schema::pod(), "job").await.unwrap().value()["status"]["phase"], "Succeeded");
    assert!(region.delete(schema::pod(), "job").await.unwrap().gone);
}

#[tokio::test]
async fn a_gang_is_bound_as_a_whole_or_not_at_all() {
    let region = Region::new().await;
    let registry = &region.registry;
    let tenant = Tenant::system();
    let mut pods = Vec::new();
    for name in ["a", "b", "c"] {
        pods.push(region.create("system", schema::pod(), pod(name)).await.unwrap());
    }
    let gang = |first: u64| -> Vec<_> {
        pods.iter().zip(first..).map(|(entry, sequence)| binding(entry, "host-1", sequence)).collect()
    };
    let results = registry.append_gang(&tenant, &gang(1)).await;
    assert!(results.iter().all(|result| matches!(result, BindResult::Fenced { current: 0 })));
    registry.append_fence("hosts", 1).await.unwrap();
    region.delete(schema::pod(), "b").await.unwrap();
    let results = registry.append_gang(&tenant, &gang(4)).await;
    assert!(matches!(
        results.as_slice(),
        [BindResult::GangRefused, BindResult::NotPending, BindResult::GangRefused]
    ));
    assert_eq!(state(&region, "a").await, None);
    pods[1] = region.create("system", schema::pod(), pod("b")).await.unwrap();
    let gang: Vec<_> = pods.iter().zip(7..).map(|(entry, at)| binding(entry, "host-1", at)).collect();
    let before = region.tenants.revision().await.unwrap();
    let results = registry.append_gang(&tenant, &gang).await;
    assert!(results.iter().all(|result| matches!(result, BindResult::Bound(_))), "{results:?}");
    assert_eq!(region.tenants.revision().await.unwrap(), before.next());
    let again = registry.append_gang(&tenant, &gang).await;
    assert!(again.iter().all(|result| matches!(result, BindResult::Bound(_))), "{again:?}");
}

#[tokio::test]
async fn of_one_commit_the_record_is_told_before_the_pod() {
    let region = Region::new().await;
    let mut follow = region.registry.follow(schema::Home::Tenants);
    while !matches!(follow.next().await.unwrap().last(), Some(Change::InSync)) {}
    let entry = bound(&region, "web").await;
    let mut told = Vec::new();
    while told.last().is_none_or(
        |last| !matches!(last, Change::Put { entry: last, .. } if last.modified == entry.modified),
    ) {
        let batch = follow.next().await.unwrap();
        let last = told.len() + batch.len();
        told.extend(batch);
        // Never apart.
        assert!(!matches!(told[last - 1], Change::Binding { .. }));
    }
    let at =
        told.iter().position(|change| matches!(change, Change::Binding { record: Some(_), .. })).unwrap();
    assert!(matches!(&told[at + 1], Change::Put { entry, .. } if entry.node_name == "host-1"));
}

/// Answers the orders to bind: at `host-1` there is room, nowhere else.
fn binder(region: &Region) -> tokio::task::JoinHandle<()> {
    let (orders, mut inbox) = mpsc::channel::<BindOrder>(8);
    region.registry.set_binder(orders);
    let registry = region.registry.clone();
    tokio::spawn(async move {
        registry.append_fence("hosts", 1).await.unwrap();
        let mut sequence = 100;
        while let Some(order) = inbox.recv().await {
            sequence += 1;
            let entry = registry.get(&system(), schema::pod(), &order.namespace, &order.name).await.unwrap();
            let answer =
                match order.node.as_str() {
                    "host-1" => {
                        let request = binding(&entry, "host-1", sequence);
                        match registry.append_bindings(&order.tenant, &[request]).await.remove(0) {
                            BindResult::Bound(_) => Ok(()),
                            other => Err(Failure::new(Reason::Conflict, format!("{other:?}"))),
                        }
                    }
                    node => Err(Failure::new(Reason::Conflict, format!("no room on {node}"))
                        .because("OutOfcpu", "", "")),
                };
            let _ = order.reply.send(answer);
        }
    })
}

#[tokio::test]
async fn a_binding_by_a_client_is_claimed_too() {
    let region = Region::new().await;
    let registry = &region.registry;
    let options = CreateOptions::default();
    let to = |node: &str| json!({ "target": { "kind": "Node", "name": node } });
    region.create("system", schema::pod(), pod("web")).await.unwrap();
    let nobody = registry.bind(&system(), "default", "web", to("host-1"), &options).await.unwrap_err();
    assert_eq!(nobody.code, 503);
    let running = binder(&region);
    let full = registry.bind(&system(), "default", "web", to("host-2"), &options).await.unwrap_err();
    assert_eq!((full.code, full.message.as_str()), (409, "no room on host-2"));
    registry.bind(&system(), "default", "web", to("host-1"), &options).await.unwrap();
    assert_eq!(region.get(schema::pod(), "web").await.unwrap().node_name, "host-1");
    let twice = registry.bind(&system(), "default", "web", to("host-1"), &options).await.unwrap_err();
    assert_eq!(twice.code, 409);
    assert_eq!(registry.bind(&system(), "default", "web", json!({}), &options).await.unwrap_err().code, 400);
    assert_eq!(
        registry.bind(&system(), "default", "none", to("host-1"), &options).await.unwrap_err().code,
        404
    );
    running.abort();
}

#[tokio::test]
async fn a_pod_created_for_a_host_is_bound_there_or_fails() {
    let region = Region::new().await;
    let running = binder(&region);
    let mut watch = region.watch("system", schema::pod(), &Default::default()).await;
    let mut phases = std::collections::BTreeMap::new();
    for (name, node) in [("fits", "host-1"), ("not", "host-2")] {
        let mut object = pod(name);
        object["spec"]["nodeName"] = json!(node);
        region.create("system", schema::pod(), object).await.unwrap();
    }
    while phases.len() < 2 {
        let Some(meridian_api::WatchEvent::Modified(entry)) = watch.next().await else { continue };
        let value = entry.value();
        phases.insert(
            entry.name.clone(),
            (value["status"]["phase"].clone(), value["status"]["reason"].clone()),
        );
    }
    assert_eq!(phases["fits"], (json!("Pending"), json!(null)));
    assert_eq!(phases["not"], (json!("Failed"), json!("OutOfcpu")));
    assert_eq!(state(&region, "fits").await, Some(BindingState::Bound));
    running.abort();
}

#[tokio::test]
async fn an_eviction_is_a_delete_with_its_options() {
    let region = Region::new().await;
    let entry = bound(&region, "web").await;
    let eviction = json!({ "metadata": { "name": "web" }, "deleteOptions": { "gracePeriodSeconds": 7, "preconditions": { "uid": entry.uid } } });
    let options = CreateOptions::default();
    let evicted = region.registry.evict(&system(), "default", "web", eviction, &options).await.unwrap();
    assert_eq!(evicted.entry.value()["metadata"]["deletionGracePeriodSeconds"], 7);
    let other = json!({ "deleteOptions": { "preconditions": { "uid": "other" } } });
    assert_eq!(
        region.registry.evict(&system(), "default", "web", other, &options).await.unwrap_err().code,
        409
    );
    let nonsense = json!({ "deleteOptions": { "propagationPolicy": "Sideways" } });
    assert_eq!(
        region.registry.evict(&system(), "default", "web", nonsense, &options).await.unwrap_err().code,
        422
    );
}
