//! From a pending pod to its binding.

use meridian_proto::v1::{ClaimState, outcome};
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn a_pod_is_offered_claimed_bound_and_told_of() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let entry = world.pod("web", "250m").await;
    let offered = replica.one().await;
    assert_eq!(
        (&*offered.pod.uid, &*offered.pod.key, offered.pod.first),
        (&*entry.uid, "default/web", false)
    );
    let class = &replica.classes[&offered.pod.class];
    assert_eq!(class.profile, "default-scheduler");
    let demand = class.demand.clone().unwrap();
    assert_eq!(demand.requests.as_ref().unwrap().cpu_milli, 250);

    replica.decide(&offered, &["h1", "h2"]).await;
    let claim = ledger.claim().await;
    assert_eq!((&*claim.host, &*claim.uid, claim.incarnation), ("h1", &*entry.uid, 1));
    assert_eq!(claim.demand, Some(demand));
    assert_eq!(claim.id.as_ref().unwrap().epoch, ledger.te);
    assert_eq!(world.stored("web").await.unwrap()["spec"]["nodeName"], Value::Null, "nothing is bound yet");

    ledger.accept_claim(&claim).await;
    assert_eq!(ledger.settled().await, (claim.id.clone().unwrap(), ClaimState::Bound));
    let spec = ledger.spec().await;
    assert_eq!((&spec.claim, &*spec.uid), (&claim.id, &*entry.uid));
    let object: Value = serde_json::from_slice(&spec.object).unwrap();
    assert_eq!(object["spec"]["nodeName"], "h1");
    assert_eq!(object["status"]["conditions"][0]["type"], "PodScheduled");
    let (result, outcome) = replica.outcome().await;
    assert_eq!((result, &*outcome.host), (outcome::Result::Bound, "h1"));
    let event = world.until_event("web", |event| event["reason"] == "Scheduled").await;
    assert_eq!(event["message"], "Successfully assigned default/web to h1");
    assert_eq!(event["involvedObject"]["uid"], *entry.uid);
    assert_eq!(event["source"]["component"], "default-scheduler");
    assert_eq!(event["type"], "Normal");
    let record = world.registry.cached_binding(&entry.tenant, "default", "web").unwrap();
    assert_eq!((&*record.host, record.claim.sequence), ("h1", claim.id.unwrap().sequence));
    world.shutdown().await;
}

#[tokio::test]
async fn a_refusal_tries_the_runner_up_under_a_new_name_and_then_comes_back_first() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.pod("web", "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1", "h2"]).await;
    let first = ledger.claim().await;
    ledger.refuse(&first, "OutOfcpu").await;
    let second = ledger.claim().await;
    assert_eq!(second.host, "h2");
    assert!(second.id.as_ref().unwrap().sequence > first.id.as_ref().unwrap().sequence);
    // A late yes to what was given up counts for nothing.
    ledger.accept_claim(&first).await;
    ledger.refuse(&second, "OutOfmemory").await;
    assert_eq!(replica.outcome().await.0, outcome::Result::Refused);
    let again = replica.one().await;
    assert!(again.pod.first && again.pod.uid == offered.pod.uid);

    // A second refusal in a row holds the pod back for a moment.
    replica.decide(&again, &["h1"]).await;
    let third = ledger.claim().await;
    ledger.refuse(&third, "OutOfcpu").await;
    assert_eq!(replica.outcome().await.0, outcome::Result::Refused);
    world.clock.advance(std::time::Duration::from_millis(20));
    let again = replica.one().await;
    replica.decide(&again, &["h3"]).await;
    let claim = ledger.bind_next().await;
    assert_eq!(claim.host, "h3");
    assert_eq!(replica.outcome().await.0, outcome::Result::Bound);
    assert_eq!(world.stored("web").await.unwrap()["spec"]["nodeName"], "h3");
    assert!(ledger.is_quiet());
    world.shutdown().await;
}

#[tokio::test]
async fn a_claim_without_an_answer_is_void_at_its_deadline_and_the_next_has_a_new_name() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.pod("web", "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1", "h2"]).await;
    let lost = ledger.claim().await;
    world.clock.advance(std::time::Duration::from_secs(2));
    ledger.settled_as(&lost, ClaimState::Void).await;
    let claim = ledger.claim().await;
    assert_eq!(claim.host, "h2");
    assert_ne!(claim.id, lost.id);
    // The answer that was late comes after all.
    ledger.accept_claim(&lost).await;
    ledger.accept_claim(&claim).await;
    ledger.settled_as(&claim, ClaimState::Bound).await;
    assert_eq!(world.stored("web").await.unwrap()["spec"]["nodeName"], "h2");
    world.shutdown().await;
}

#[tokio::test]
async fn pods_of_one_template_share_a_class_and_hundreds_are_bound_together() {
    const PODS: usize = 300;
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    for number in 0..PODS {
        world.pod(&format!("web-{number}"), if number % 3 == 0 { "100m" } else { "0.2" }).await;
    }
    let offered = replica.offered_many(PODS).await;
    assert_eq!(replica.classes.len(), 2);
    let decisions: Vec<_> = offered.iter().map(|offered| (offered, &["h1", "h2"][..])).collect();
    replica.decide_all(&decisions).await;
    let mut last = 0;
    for _ in 0..PODS {
        let claim = ledger.claim().await;
        let sequence = claim.id.as_ref().unwrap().sequence;
        assert!(sequence > last, "claims are sent in the order of their making");
        last = sequence;
        ledger.accept_claim(&claim).await;
    }
    for _ in 0..PODS {
        assert_eq!(ledger.settled().await.1, ClaimState::Bound);
    }
    let mut bound = 0;
    while bound < PODS {
        let outcomes = replica.outcomes().await;
        assert!(outcomes.iter().all(|outcome| outcome.result() == outcome::Result::Bound));
        bound += outcomes.len();
    }
    assert_eq!(world.figure("meridian_partition_claims_total", Some("bound")), PODS as f64);
    assert_eq!(world.figure("meridian_partition_pending_pods", None), 0.0);
    world.shutdown().await;
}

#[tokio::test]
async fn what_fits_nowhere_is_said_in_the_condition_and_as_an_event() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.pod("big", "900").await;
    let offered = replica.one().await;
    let message = "0/3 nodes are available: 3 Insufficient cpu.";
    replica.fits_nowhere(&offered, message).await;
    let scheduled = |pod: &Value| pod["status"]["conditions"][0].clone();
    let pod = world.until("big", |pod| scheduled(pod)["message"] == message).await;
    assert_eq!(
        (&scheduled(&pod)["type"], &scheduled(&pod)["status"]),
        (&json!("PodScheduled"), &json!("False"))
    );
    assert_eq!(scheduled(&pod)["reason"], "Unschedulable");
    let event = world.until_event("big", |event| event["reason"] == "FailedScheduling").await;
    assert_eq!(
        (&event["message"], &event["type"], &event["count"]),
        (&json!(message), &json!("Warning"), &json!(1))
    );

    // The same again later only counts, and writes no condition.
    world.clock.advance(std::time::Duration::from_secs(60));
    replica.fits_nowhere(&offered, message).await;
    let again = world.until_event("big", |event| event["count"] == 2).await;
    assert_eq!(again["metadata"]["name"], event["metadata"]["name"]);
    assert_eq!(
        world.stored("big").await.unwrap()["metadata"]["resourceVersion"],
        pod["metadata"]["resourceVersion"]
    );

    // Then there is room.
    replica.decide(&offered, &["h9"]).await;
    ledger.bind_next().await;
    let pod = world.until("big", |pod| pod["spec"]["nodeName"] == "h9").await;
    assert_eq!(scheduled(&pod)["status"], "True");
    world.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_honoured_is_offered_to_nobody_until_it_can() {
    let world = World::new().await;
    let mut replica = world.replica("r").await;
    let container = json!([{"name": "main", "image": "app"}]);
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "c"}}]);
    world.pod_with("claims", json!({"containers": container, "volumes": volumes})).await;
    world.pod_with("gated", json!({"containers": container, "schedulingGates": [{"name": "wait"}]})).await;
    world.pod_with("foreign", json!({"containers": container, "schedulerName": "somebody-else"})).await;
    let said =
        |pod: &Value| pod["status"]["conditions"][0]["message"].as_str().unwrap_or_default().to_owned();
    let pod = world.until("claims", |pod| said(pod).contains("spec.volumes[0].persistentVolumeClaim")).await;
    assert_eq!(pod["status"]["conditions"][0]["reason"], "Unschedulable");
    world.until_event("claims", |event| event["reason"] == "FailedScheduling").await;
    let pod = world.until("gated", |pod| said(pod).contains("scheduling gates")).await;
    assert_eq!(pod["status"]["conditions"][0]["reason"], "SchedulingGated");

    let caller = meridian_api::Caller::system("test");
    let open = |pod: &mut Value| pod["spec"].as_object_mut().unwrap().remove("schedulingGates").is_some();
    let kind = meridian_schema::pod();
    world.registry.modify(&caller, kind, "default", "gated", None, None, open).await.unwrap();
    let offered = replica.one().await;
    assert_eq!(offered.pod.key, "default/gated", "the others were not offered before");
    world.shutdown().await;
}
