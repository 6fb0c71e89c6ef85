//! Bindings to hosts that somebody has named.

use meridian_api::{Caller, CreateOptions, Failure};
use meridian_proto::v1::{ClaimState, StatusReport, outcome};
use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::world::{World, passing, soon};

fn bind(world: &World, name: &str, host: &str) -> tokio::task::JoinHandle<Result<(), Failure>> {
    let (registry, name) = (world.registry.clone(), name.to_owned());
    let binding = json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": host}});
    tokio::spawn(async move {
        let caller = Caller::system("somebody");
        registry.bind(&caller, "default", &name, binding, &CreateOptions::default()).await
    })
}

async fn pinned(world: &World, name: &str, host: &str) {
    let containers = json!([{"name": "main", "image": "app", "resources": {"requests": {"cpu": "1"}}}]);
    world.pod_with(name, json!({"containers": containers, "nodeName": host})).await;
}

#[tokio::test]
async fn a_binding_claims_the_host_and_answers_when_it_is_durable() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.node("h1", 4).await;
    world.pod("web", "1").await;
    let offered = replica.one().await;
    let binding = bind(&world, "web", "h1");
    let claim = ledger.claim().await;
    assert_eq!((&*claim.host, claim.incarnation), ("h1", 4));
    assert_eq!(replica.outcome().await.0, outcome::Result::Gone, "it is no longer the replica's");
    replica.decide(&offered, &["h2"]).await;
    // Another one at the same time is a conflict.
    let second = soon("the second binding", bind(&world, "web", "h1")).await.unwrap().unwrap_err();
    assert!(second.is_conflict() && second.message.contains("claimed for it already"), "{second:?}");
    ledger.accept_claim(&claim).await;
    soon("the binding", binding).await.unwrap().unwrap();
    assert_eq!(world.stored("web").await.unwrap()["spec"]["nodeName"], "h1");
    assert!(ledger.is_quiet() || ledger.settled().await.1 == ClaimState::Bound);
    world.shutdown().await;
}

#[tokio::test]
async fn a_refused_binding_is_a_conflict_and_the_pod_goes_back_to_be_decided() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.node("h1", 1).await;
    world.pod("web", "1").await;
    replica.one().await;
    let binding = bind(&world, "web", "h1");
    let claim = ledger.claim().await;
    ledger.refuse(&claim, "OutOfcpu").await;
    let failure = soon("the binding", binding).await.unwrap().unwrap_err();
    assert!(failure.is_conflict() && failure.message.contains("refused for OutOfcpu"), "{failure:?}");
    assert_eq!(replica.outcome().await.0, outcome::Result::Gone);
    assert_eq!(replica.one().await.pod.key, "default/web");

    let nowhere = soon("the binding", bind(&world, "web", "h9")).await.unwrap().unwrap_err();
    assert_eq!((nowhere.code, nowhere.message.contains("\"h9\"")), (503, true));
    world.shutdown().await;
}

#[tokio::test]
async fn a_pod_that_names_its_host_is_bound_there() {
    let mut world = World::new().await;
    let mut ledger = world.ledger(1).await;
    world.node("h1", 1).await;
    pinned(&world, "agent", "h1").await;
    let claim = ledger.bind_next().await;
    assert_eq!(claim.host, "h1");
    world.until_record("agent", |record| record.is_some_and(|record| record.host == "h1")).await;
    world.shutdown().await;
}

#[tokio::test]
async fn a_host_that_has_no_room_for_the_pod_that_names_it_fails_the_pod() {
    let mut world = World::new().await;
    let mut ledger = world.ledger(1).await;
    world.node("h1", 1).await;
    pinned(&world, "agent", "h1").await;
    let claim = ledger.claim().await;
    ledger.refuse(&claim, "OutOfcpu").await;
    let pod = world.until("agent", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(pod["status"]["reason"], "OutOfcpu");
    assert!(pod["status"]["message"].as_str().unwrap().contains("refused for OutOfcpu"));
    assert!(world.delete("agent", None).await.unwrap(), "it holds nothing");
    world.shutdown().await;
}

#[tokio::test]
async fn a_pod_whose_host_is_not_there_waits_for_it_also_over_a_restart() {
    let world = World::new().await;
    pinned(&world, "agent", "h1").await;
    world.pod("web", "1").await;
    let mut next = world.successor().await;
    world.node("h1", 2).await;
    let mut ledger = Ledger::accept(&mut next.ledgers, 1).await;
    ledger.relist().await;
    let claim = passing(&next.clock, ledger.claim()).await;
    assert_eq!((&*claim.host, claim.incarnation), ("h1", 2));
    // Refusals that pass fail nobody.
    ledger.refuse(&claim, "NodeNotReady").await;
    let claim = passing(&next.clock, ledger.claim()).await;
    ledger.accept_claim(&claim).await;
    ledger.settled_as(&claim, ClaimState::Bound).await;
    assert_eq!(claim.host, "h1");
    let pod = next.stored("agent").await.unwrap();
    assert_eq!(
        (&pod["status"]["phase"], &pod["spec"]["nodeName"]),
        (&Value::from("Pending"), &Value::from("h1"))
    );
    next.shutdown().await;
}

#[tokio::test]
async fn a_pod_that_names_its_host_waits_for_an_earlier_one_of_its_name() {
    let mut world = World::new().await;
    let mut ledger = world.ledger(1).await;
    world.node("h1", 1).await;
    pinned(&world, "agent", "h1").await;
    let first = ledger.bind_next().await;
    world.until_record("agent", |record| record.is_some()).await;
    assert!(world.delete("agent", Some(0)).await.unwrap(), "gone at once");
    pinned(&world, "agent", "h1").await;
    world.until_event("agent", |event| event["message"].as_str().unwrap().contains("deleted by force")).await;
    let pod = world.stored("agent").await.unwrap();
    assert_eq!(pod["status"]["phase"], "Pending");
    ledger
        .report(vec![StatusReport {
            tenant: "system".to_owned(),
            uid: first.uid.clone(),
            host: "h1".to_owned(),
            number: 1,
            stopped: true,
            ..StatusReport::default()
        }])
        .await;
    let second = passing(&world.clock.clone(), ledger.bind_next()).await;
    assert_eq!(&*second.host, "h1");
    assert_ne!(second.uid, first.uid);
    world.shutdown().await;
}

/// A volume that pods of one host at a time may use is not torn between two, whoever asks.
#[tokio::test]
async fn a_volume_keeps_a_pod_from_another_host_until_its_user_has_stopped() {
    let mut world = World::new().await;
    let mut ledger = world.ledger(1).await;
    world.node("h1", 1).await;
    world.node("h2", 1).await;
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    let spec = json!({"containers": [{"name": "main", "image": "app"}], "volumes": volumes});
    for name in ["first", "second"] {
        world.pod_with(name, spec.clone()).await;
    }
    let binding = bind(&world, "first", "h1");
    let first = ledger.bind_next().await;
    soon("the binding", binding).await.unwrap().unwrap();

    let binding = bind(&world, "second", "h2");
    let second = ledger.claim().await;
    ledger.accept_claim(&second).await;
    ledger.settled_as(&second, ClaimState::Void).await;
    let failure = soon("the binding", binding).await.unwrap().unwrap_err();
    assert!(failure.message.contains("volume data is used by a pod on host h1"), "{failure:?}");
    assert_eq!(failure.code, 503, "later it may be had");
    world
        .until("second", |pod| pod["status"]["conditions"].to_string().contains("volume data is used"))
        .await;

    world.delete("first", None).await.unwrap();
    let report = StatusReport {
        tenant: first.tenant.clone(),
        namespace: "default".to_owned(),
        name: "first".to_owned(),
        uid: first.uid.clone(),
        host: "h1".to_owned(),
        number: 1,
        stopped: true,
        ..StatusReport::default()
    };
    ledger.report(vec![report]).await;
    ledger.settled_as(&first, ClaimState::Void).await;
    let binding = bind(&world, "second", "h2");
    ledger.bind_next().await;
    soon("the binding", binding).await.unwrap().unwrap();
    world.shutdown().await;
}
