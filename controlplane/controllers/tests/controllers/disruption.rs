//! Budgets and evictions, with hosts' part played as in the other tests.

use super::*;

fn budgets() -> &'static Kind {
    meridian_schema::pod_disruption_budget()
}

fn budget(spec: Value) -> Value {
    let mut spec = spec;
    spec["selector"] = json!({"matchLabels": {"app": "web"}});
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}, "spec": spec})
}

/// Allowed, healthy, desired and expected, once the last change of the budget is looked at.
fn counts(world: &World) -> Option<[i64; 4]> {
    let budget = world.get(budgets(), "web")?;
    let status = &budget["status"];
    (status["observedGeneration"] == budget["metadata"]["generation"]).then(|| {
        ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"]
            .map(|name| status[name].as_i64().unwrap_or(-1))
    })
}

async fn evict(world: &World, caller: &Caller, pod: &str) -> Result<(), meridian_api::Failure> {
    let eviction = json!({"metadata": {"name": pod}});
    let options = CreateOptions::default();
    world.registry.evict(caller, "default", pod, eviction, &options).await.map(|_| ())
}

/// Whether an event of a reason says something.
fn says(reason: &'static str, message: &'static str) -> impl FnMut(&World) -> bool {
    move |world| {
        world.list(meridian_schema::event()).iter().any(|event| {
            event["reason"] == reason && event["message"].as_str().is_some_and(|said| said.contains(message))
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_follows_its_pods_and_what_is_wanted_of_them() {
    let world = World::new().await;
    let agents = world.run_pods();
    world.create(budgets(), budget(json!({"maxUnavailable": "20%"}))).await;
    world.until("it is looked at", |world| counts(world) == Some([0, 0, 0, 0])).await;
    world.until("that there are no pods is told", says("NoPods", "No matching pods found")).await;
    world.create(meridian_schema::deployment(), deployment(10, "one")).await;
    world.until("ten pods", |world| counts(world) == Some([2, 10, 8, 10])).await;
    world
        .change(budgets(), "web", |web| {
            web["spec"] = budget(json!({"minAvailable": 9}))["spec"].clone();
            true
        })
        .await;
    world.until("a number is to be left", |world| counts(world) == Some([1, 10, 9, 10])).await;
    world
        .change(budgets(), "web", |web| {
            web["spec"]["selector"] = json!({"matchLabels": {"app": "other"}});
            true
        })
        .await;
    world.until("others' pods", |world| counts(world) == Some([0, 0, 9, 0])).await;
    world
        .change(budgets(), "web", |web| {
            web["spec"] = budget(json!({"minAvailable": "50%"}))["spec"].clone();
            true
        })
        .await;
    world.until("half", |world| counts(world) == Some([5, 10, 5, 10])).await;
    world
        .change(meridian_schema::deployment(), "web", |web| {
            web["spec"]["replicas"] = 4.into();
            true
        })
        .await;
    world.until("four pods", |world| counts(world) == Some([2, 4, 2, 4])).await;
    world.delete(budgets(), "web", PropagationPolicy::Background).await;
    agents.abort();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_without_an_owner_that_has_a_scale_are_told_about() {
    let world = World::new().await;
    let agents = world.run_pods();
    let (pods, maps) = (meridian_schema::pod(), meridian_schema::config_map());
    world.create(meridian_schema::deployment(), deployment(2, "one")).await;
    world.create(budgets(), budget(json!({"maxUnavailable": 1}))).await;
    world.until("two pods", |world| counts(world) == Some([1, 2, 1, 2])).await;
    let pod = |name: &str, owners: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": "web"}, "ownerReferences": owners},
            "spec": {"containers": [{"name": "c", "image": "one"}]},
        })
    };
    // One of nobody counts as healthy and not as wanted.
    world.create(pods, pod("naked", json!([]))).await;
    world.until("a third pod", |world| counts(world) == Some([2, 3, 1, 2])).await;
    world.until("that it has no owner is told", says("UnmanagedPods", "found to be unmanaged")).await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}});
    let map = world.create(maps, map).await;
    let owner =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "m", "uid": map.uid, "controller": true});
    world.create(pods, pod("odd", json!([owner]))).await;
    let reason = |world: &World| condition(&world.get(budgets(), "web").unwrap(), "DisruptionAllowed");
    world.until("who wants it has no scale", |world| reason(world) == r#""False" "SyncFailed""#).await;
    let why = "configmaps does not implement the scale subresource";
    world.until("that is told", says("CalculateExpectedPodCountFailed", why)).await;
    assert_eq!(evict(&world, &world.caller, "naked").await.unwrap_err().code, 429);
    world.delete(pods, "odd", PropagationPolicy::Background).await;
    world.until("it is gone", |world| counts(world) == Some([2, 3, 1, 2])).await;
    assert_eq!(reason(&world), r#""True" "SufficientPods""#);
    agents.abort();
    world.end().await;
}

/// Many evict at once, again and again, while pods are replaced: at no moment are fewer ready than the budget says.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn evictions_that_race_with_each_other_and_the_controllers_keep_the_budget() {
    const LEAST: usize = 7;
    let world = World::new().await;
    let agents = world.run_pods();
    world.create(meridian_schema::deployment(), deployment(10, "one")).await;
    world.until("ten pods run", |world| is_rolled_out(world, 10)).await;
    world.create(budgets(), budget(json!({"minAvailable": LEAST}))).await;
    world.until("the budget counts them", |world| counts(world) == Some([3, 10, 7, 10])).await;

    let mut changes = world.registry.follow(Home::Tenants);
    let mut ready = std::collections::BTreeSet::new();
    let mut started = false;
    let (mut fewest, mut ended) = (usize::MAX, 0);
    let (evicted, mut told) = tokio::sync::mpsc::unbounded_channel();
    let evictors: Vec<_> = (0..4)
        .map(|_| {
            let (registry, caller, evicted) = (world.registry.clone(), world.caller.clone(), evicted.clone());
            tokio::spawn(async move {
                loop {
                    for pod in registry.cached_list(Some(&caller.tenant), meridian_schema::pod(), "default") {
                        let eviction = json!({"metadata": {"name": pod.name}});
                        let options = CreateOptions::default();
                        if registry.evict(&caller, "default", &pod.name, eviction, &options).await.is_ok() {
                            let _ = evicted.send(());
                        }
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let watching = async {
        while ended < 60 {
            for change in changes.next().await.unwrap() {
                match change {
                    Change::Put { entry, .. } if entry.kind.kind == "Pod" => {
                        let is_ready = condition(&entry.value(), "Ready").starts_with(r#""True""#);
                        if is_ready && !entry.deleting {
                            ready.insert(entry.name.clone());
                        } else {
                            ready.remove(&entry.name);
                        }
                    }
                    Change::Deleted(entry) if entry.kind.kind == "Pod" => {
                        ready.remove(&entry.name);
                    }
                    Change::InSync => started = true,
                    _ => {}
                }
                if started {
                    fewest = fewest.min(ready.len());
                }
            }
            while told.try_recv().is_ok() {
                ended += 1;
            }
        }
    };
    tokio::time::timeout(PATIENCE, watching).await.expect("sixty are evicted in time");
    // What they began is done all the same: paid for and not done, it would be missing for two minutes.
    evictors.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(fewest >= LEAST, "{fewest} were ready at some moment");
    world
        .until("all is replaced", |world| {
            let recorded = world.get(budgets(), "web").unwrap()["status"].get("disruptedPods").cloned();
            counts(world) == Some([3, 10, 7, 10]) && recorded.is_none()
        })
        .await;
    agents.abort();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_is_not_used_up_by_what_is_not_evicted() {
    let world = World::new().await;
    let agents = world.run_pods();
    world.create(meridian_schema::deployment(), deployment(3, "one")).await;
    world.create(budgets(), budget(json!({"maxUnavailable": 0}))).await;
    world.until("three pods", |world| counts(world) == Some([0, 3, 3, 3])).await;
    let name = world.list(meridian_schema::pod())[0]["metadata"]["name"].as_str().unwrap().to_owned();
    assert_eq!(evict(&world, &world.caller, &name).await.unwrap_err().code, 429);
    let before = world.get(budgets(), "web").unwrap();
    // One that is not ready is not counted, and goes as soon as the rest is healthy enough: never, for this budget.
    world
        .registry
        .modify(&world.caller, meridian_schema::pod(), "default", &name, None, Some(Sub::Status), |pod| {
            pod["status"]["conditions"][0]["status"] = "False".into();
            true
        })
        .await
        .unwrap();
    world.until("two are healthy", |world| counts(world) == Some([0, 2, 3, 3])).await;
    assert_eq!(evict(&world, &world.caller, &name).await.unwrap_err().code, 429);
    world
        .change(budgets(), "web", |web| {
            web["spec"]["unhealthyPodEvictionPolicy"] = "AlwaysAllow".into();
            true
        })
        .await;
    world.until("it is looked at", |world| counts(world) == Some([0, 2, 3, 3])).await;
    evict(&world, &world.caller, &name).await.unwrap();
    world.until("it is replaced", |world| counts(world) == Some([0, 3, 3, 3])).await;
    let after = world.get(budgets(), "web").unwrap();
    assert_eq!(after["status"].get("disruptedPods"), None);
    assert_eq!(
        after["status"]["conditions"][0]["lastTransitionTime"],
        before["status"]["conditions"][0]["lastTransitionTime"]
    );
    agents.abort();
    world.end().await;
}
