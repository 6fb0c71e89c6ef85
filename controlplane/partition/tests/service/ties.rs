//! Tied tenants: who decides for them knows where their pods are, and they go nowhere else.

use meridian_proto::v1::{ClaimState, StatusReport, outcome};
use meridian_store::Tenant;
use serde_json::{Value, json};

use crate::world::World;

/// A pod beside which no pod may run.
fn alone() -> Value {
    json!({
        "containers": [{"name": "main", "image": "app"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}},
        ]}},
    })
}

#[tokio::test]
async fn a_leader_is_asked_what_it_knows_and_a_refused_pod_tries_no_runner_up() {
    let mut world = World::new().await;
    let mut ledger = world.ledger(1).await;
    let mut one = world.replica("one").await;
    world.pod("plain", "1").await;
    let plain = one.one().await;
    one.decide(&plain, &["h1", "h2"]).await;
    let claimed = ledger.claim().await;

    world.pod_with("web", alone()).await;
    let asked = one.asked().await;
    assert!(asked.is_last && asked.claims.is_empty(), "nothing is bound: {asked:?}");
    // From now on no pod of the tenant goes where its replica does not expect it.
    ledger.refuse(&claimed, "OutOfcpu").await;
    let (result, refused) = one.outcome().await;
    assert_eq!((result, &refused.uid), (outcome::Result::Refused, &plain.pod.uid));
    assert!(ledger.is_quiet());
    one.seen(asked.number + 1).await;
    one.seen(asked.number).await;
    let mut offered = one.offered_many(2).await;
    offered.sort_by_key(|offered| offered.pod.key.clone());
    let [plain, web] = &offered[..] else { panic!("want two pods: {offered:?}") };
    assert!(plain.pod.first);
    let demand = one.classes[&web.pod.class].demand.clone().unwrap();
    assert_eq!(demand.terms.unwrap().anti_affinity.len(), 1);
    assert_eq!(demand.identity.unwrap().tenant, "system");
    one.decide(web, &["h1", "h2"]).await;
    let bound = ledger.bind_next().await;
    assert_eq!(bound.host, "h1");
    assert_eq!(one.outcome().await.0, outcome::Result::Bound);

    // The next leader is to know of it. What ends meanwhile it need not wait for.
    drop(one);
    let mut two = world.replica("two").await;
    let asked = two.asked().await;
    assert_eq!(asked.claims, [bound.id.clone().unwrap()]);
    world.delete("web", Some(0)).await.unwrap();
    world.pod_with("next", alone()).await;
    let report = StatusReport {
        tenant: bound.tenant.clone(),
        namespace: "default".to_owned(),
        name: "web".to_owned(),
        uid: bound.uid.clone(),
        host: bound.host.clone(),
        number: 7,
        stopped: true,
        ..StatusReport::default()
    };
    ledger.report(vec![report]).await;
    let ended = two.asked().await;
    assert_eq!((ended.number, &ended.ended), (asked.number, &asked.claims));
    two.seen(asked.number).await;
    assert_eq!(two.offered_many(2).await.len(), 2, "the plain one and the next");
    world.shutdown().await;
}

#[tokio::test]
async fn nobody_is_asked_while_a_claim_of_the_former_leader_is_under_way() {
    let mut world = World::new().await;
    let mut ledger = world.ledger(1).await;
    let mut one = world.replica("one").await;
    world.pod_with("web", alone()).await;
    let asked = one.asked().await;
    one.seen(asked.number).await;
    let web = one.one().await;
    one.decide(&web, &["h1"]).await;
    let claim = ledger.claim().await;
    world.pod_with("other", alone()).await;
    one.one().await;
    drop(one);
    let mut two = world.replica("two").await;
    // A tenant without such pods is not held up.
    let red = Tenant::new("red").unwrap();
    world.pod_in(&red, "plain", json!({"containers": [{"name": "main", "image": "app"}]})).await;
    assert_eq!(two.one().await.pod.tenant, "red");
    ledger.accept_claim(&claim).await;
    ledger.settled_as(&claim, ClaimState::Bound).await;
    assert_eq!(two.asked().await.claims, [claim.id.unwrap()], "once it is known what became of it");
    world.shutdown().await;
}

#[tokio::test]
async fn a_claim_on_a_runner_up_is_waited_for_before_the_tenant_is_tied() {
    let mut world = World::new().await;
    let mut ledger = world.ledger(1).await;
    let mut replica = world.replica("one").await;
    world.pod("plain", "1").await;
    let plain = replica.one().await;
    replica.decide(&plain, &["h1", "h2"]).await;
    let first = ledger.claim().await;
    ledger.refuse(&first, "OutOfcpu").await;
    let second = ledger.claim().await;
    assert_eq!(second.host, "h2");
    world.pod_with("web", alone()).await;
    world.pod_with("more", alone()).await;
    ledger.accept_claim(&second).await;
    ledger.settled_as(&second, ClaimState::Bound).await;
    let (result, said) = replica.outcome().await;
    assert_eq!((result, &*said.host), (outcome::Result::Bound, "h2"));
    assert_eq!(replica.asked().await.claims, [second.id.unwrap()]);
    world.shutdown().await;
}
