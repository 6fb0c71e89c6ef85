//! Deletion in every state.

use meridian_proto::v1::{ClaimState, StatusReport, outcome};
use serde_json::Value;

use crate::ledger::Ledger;
use crate::world::{World, soon};

fn stopped(claim: &meridian_proto::v1::Claim, name: &str, status: &str) -> StatusReport {
    StatusReport {
        tenant: claim.tenant.clone(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
        uid: claim.uid.clone(),
        host: claim.host.clone(),
        number: 7,
        stopped: true,
        status: status.to_owned().into(),
    }
}

#[tokio::test]
async fn a_pod_that_is_only_offered_is_withdrawn() {
    let world = World::new().await;
    let mut replica = world.replica("r").await;
    world.pod("web", "1").await;
    let offered = replica.one().await;
    assert!(world.delete("web", None).await.unwrap(), "it holds nothing and is gone at once");
    assert_eq!(replica.withdrawn().await, std::slice::from_ref(&offered.pod.uid));
    // A decision that crossed the withdrawal counts for nothing.
    replica.decide(&offered, &["h1"]).await;
    world.pod("next", "1").await;
    assert_eq!(replica.one().await.pod.key, "default/next");
    world.shutdown().await;
}

#[tokio::test]
async fn a_claim_for_a_deleted_pod_is_void() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.pod("web", "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1", "h2"]).await;
    let claim = ledger.claim().await;
    assert!(world.delete("web", None).await.unwrap());
    ledger.settled_as(&claim, ClaimState::Void).await;
    assert_eq!(replica.outcome().await.0, outcome::Result::Gone);
    ledger.accept_claim(&claim).await;
    world.pod("next", "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1"]).await;
    assert_eq!(ledger.bind_next().await.uid, offered.pod.uid);
    assert!(ledger.is_quiet());
    world.shutdown().await;
}

#[tokio::test]
async fn a_claim_accepted_while_its_pod_is_deleted_is_void_whichever_is_heard_first() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    for round in 0..20 {
        let name = format!("web-{round}");
        world.pod(&name, "1").await;
        let offered = replica.one().await;
        replica.decide(&offered, &["h1"]).await;
        let claim = ledger.claim().await;
        let (deleted, ()) = tokio::join!(world.delete(&name, None), ledger.accept_claim(&claim));
        if deleted.unwrap() {
            ledger.settled_as(&claim, ClaimState::Void).await;
            assert_eq!(replica.outcome().await.0, outcome::Result::Gone);
            assert!(world.stored(&name).await.is_none());
        } else {
            ledger.settled_as(&claim, ClaimState::Terminating).await;
            assert_eq!(replica.outcome().await.0, outcome::Result::Bound);
        }
    }
    world.shutdown().await;
}

#[tokio::test]
async fn a_bound_pod_is_terminated_and_goes_when_its_host_says_it_stopped() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let claim = bound(&world, &mut replica, &mut ledger, "web").await;
    assert!(!world.delete("web", Some(7)).await.unwrap());
    assert_eq!(ledger.settled().await, (claim.id.clone().unwrap(), ClaimState::Terminating));
    let spec: Value = serde_json::from_slice(&ledger.spec().await.object).unwrap();
    assert_eq!(spec["metadata"]["deletionGracePeriodSeconds"], 7);
    // A host that never had it does not end it.
    let elsewhere = StatusReport { host: "h2".to_owned(), ..stopped(&claim, "web", "") };
    ledger.report(vec![elsewhere]).await;
    assert_eq!(ledger.stored().await.host, "h2");
    assert!(world.stored("web").await.is_some());

    ledger.report(vec![stopped(&claim, "web", "")]).await;
    assert_eq!(ledger.stored().await.number, 7);
    ledger.settled_as(&claim, ClaimState::Void).await;
    assert!(world.stored("web").await.is_none());
    world.shutdown().await;
}

#[tokio::test]
async fn a_finished_pod_lets_go_and_stays_to_be_read() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let claim = bound(&world, &mut replica, &mut ledger, "job").await;
    ledger.report(vec![stopped(&claim, "job", r#"{"phase":"Succeeded"}"#)]).await;
    assert_eq!(ledger.stored().await.uid, claim.uid);
    ledger.settled_as(&claim, ClaimState::Void).await;
    let pod = world.stored("job").await.unwrap();
    assert_eq!((&pod["status"]["phase"], &pod["spec"]["nodeName"]), (&"Succeeded".into(), &"h1".into()));
    assert!(world.delete("job", None).await.unwrap(), "it holds nothing any more");
    world.shutdown().await;
}

#[tokio::test]
async fn a_name_is_held_by_a_pod_deleted_by_force_until_its_host_says_it_stopped() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let claim = bound(&world, &mut replica, &mut ledger, "db").await;
    assert!(world.delete("db", Some(0)).await.unwrap());
    ledger.settled_as(&claim, ClaimState::Terminating).await;
    world.pod("db", "1").await;
    let said =
        |pod: &Value| pod["status"]["conditions"][0]["message"].as_str().unwrap_or_default().to_owned();
    world.until("db", |pod| said(pod).contains("not known to have stopped on host h1")).await;
    world.until_event("db", |event| event["reason"] == "FailedScheduling").await;
    // Others of the tenant are not held up.
    world.pod("other", "1").await;
    assert_eq!(replica.one().await.pod.key, "default/other");

    ledger.report(vec![stopped(&claim, "db", "")]).await;
    ledger.settled_as(&claim, ClaimState::Void).await;
    let offered = replica.one().await;
    assert_eq!(offered.pod.key, "default/db");
    replica.decide(&offered, &["h2"]).await;
    assert_eq!(ledger.bind_next().await.host, "h2");
    world.shutdown().await;
}

#[tokio::test]
async fn a_pod_forced_away_while_its_claim_is_out_leaves_no_trace() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.pod("web", "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1"]).await;
    let claim = ledger.claim().await;
    assert!(world.delete("web", Some(0)).await.unwrap());
    ledger.settled_as(&claim, ClaimState::Void).await;
    assert_eq!(ledger.relist().await, []);
    world.shutdown().await;
}

/// A pod bound to `h1`.
async fn bound(
    world: &World,
    replica: &mut crate::replica::Replica,
    ledger: &mut Ledger,
    name: &str,
) -> meridian_proto::v1::Claim {
    world.pod(name, "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1"]).await;
    let claim = ledger.bind_next().await;
    assert_eq!(replica.outcome().await.0, outcome::Result::Bound);
    // The spec that goes with the binding.
    soon("the pod's spec", ledger.spec()).await;
    claim
}
