//! Relists, fences and audits: how a ledger finds out what is true.

use std::time::Duration;

use meridian_proto::v1::{ClaimId, ClaimState, outcome};

use crate::ledger::Ledger;
use crate::world::{HP, TP, World};

#[tokio::test]
async fn a_new_epoch_is_listed_every_binding_in_its_state() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = Ledger::accept(&mut world.ledgers, 1).await;
    assert_eq!(ledger.relist().await, []);
    let mut claims = Vec::new();
    for name in ["bound", "going", "ghost"] {
        world.pod(name, "500m").await;
        let offered = replica.one().await;
        replica.decide(&offered, &["h1"]).await;
        claims.push(ledger.bind_next().await);
        assert_eq!(replica.outcome().await.0, outcome::Result::Bound);
    }
    assert!(!world.delete("going", None).await.unwrap());
    assert!(world.delete("ghost", Some(0)).await.unwrap());
    for claim in &claims[1..] {
        ledger.settled_as(claim, ClaimState::Terminating).await;
    }

    drop(ledger);
    let mut ledger = world.next_ledger(2).await;
    let mut listed = ledger.relist().await;
    listed.sort_by_key(|pod| pod.claim.as_ref().unwrap().sequence);
    let states: Vec<ClaimState> = listed.iter().map(|pod| pod.state()).collect();
    assert_eq!(states, [ClaimState::Bound, ClaimState::Terminating, ClaimState::Terminating]);
    for (pod, claim) in listed.iter().zip(&claims) {
        assert_eq!((&pod.claim, &pod.uid, &pod.demand), (&claim.id, &claim.uid, &claim.demand));
        assert_eq!((&*pod.host, pod.incarnation), ("h1", 1));
    }
    // Asked again, it answers again.
    assert_eq!(ledger.relist().await.len(), 3);
    assert_eq!(world.registry.fence(HP), 2);
    world.shutdown().await;
}

#[tokio::test]
async fn a_claim_accepted_under_an_epoch_that_is_over_is_never_bound() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.pod("web", "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1"]).await;
    let claim = ledger.claim().await;
    // The fence rises between the claim's making and its append.
    world.registry.append_fence(HP, 2).await.unwrap();
    ledger.accept_claim(&claim).await;
    assert_eq!(replica.outcome().await.0, outcome::Result::Refused);
    assert_eq!(world.registry.cached_binding(&meridian_store::Tenant::system(), "default", "web"), None);
    assert_eq!(world.figure("meridian_partition_claims_total", Some("fenced")), 1.0);

    // The process of the older epoch is told when it speaks, and the newer one goes on.
    ledger.audit(vec![claim.id.clone().unwrap()]).await;
    assert!(ledger.ended().await.unwrap().contains("its epoch is 2, yours is 1"));
    let mut ledger = world.next_ledger(2).await;
    let again = replica.one().await;
    replica.decide(&again, &["h1"]).await;
    let bound = ledger.bind_next().await;
    assert_eq!(bound.host_epoch, 2);
    assert_eq!(replica.outcome().await.0, outcome::Result::Bound);
    world.shutdown().await;
}

#[tokio::test]
async fn claims_that_are_only_sent_are_dropped_by_a_relist_and_made_anew() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.pod("web", "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1", "h2"]).await;
    let before = ledger.claim().await;
    // The same process of the host partition takes a new epoch; its stream stays.
    ledger.he = 2;
    assert_eq!(ledger.relist().await, []);
    let claim = ledger.bind_next().await;
    assert!(claim.id.as_ref().unwrap().sequence > before.id.as_ref().unwrap().sequence);
    assert_eq!((&*claim.host, claim.host_epoch), ("h1", 2));
    world.shutdown().await;
}

#[tokio::test]
async fn audits_are_answered_with_what_is_true_for_ever_and_with_nothing_else() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let mut ids = Vec::new();
    for name in ["bound", "going"] {
        world.pod(name, "1").await;
        let offered = replica.one().await;
        replica.decide(&offered, &["h1"]).await;
        ids.push(ledger.bind_next().await.id.unwrap());
        replica.outcome().await;
    }
    world.delete("going", None).await.unwrap();
    assert_eq!(ledger.settled().await, (ids[1].clone(), ClaimState::Terminating));
    world.pod("live", "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1"]).await;
    let live = ledger.claim().await.id.unwrap();
    let te = ledger.te;
    let id = |partition: &str, epoch, sequence| ClaimId { partition: partition.to_owned(), epoch, sequence };
    let unknown = id(TP, te, 999);
    let older = id(TP, te - 1, 1);
    let asked = vec![
        live.clone(),
        id(TP, te + 1, 1),
        id("tenants-2", te, 1),
        ids[0].clone(),
        ids[1].clone(),
        older.clone(),
        unknown.clone(),
    ];
    ledger.audit(asked).await;
    assert_eq!(ledger.settled().await, (ids[0].clone(), ClaimState::Bound));
    assert_eq!(ledger.settled().await, (ids[1].clone(), ClaimState::Terminating));
    assert_eq!(ledger.settled().await, (older, ClaimState::Void));
    assert_eq!(ledger.settled().await, (unknown, ClaimState::Void));
    assert!(ledger.is_quiet(), "no answer about a live claim, a later epoch and another partition");
    world.shutdown().await;
}

#[tokio::test]
async fn a_broken_stream_is_opened_again_and_specs_are_sent_again() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.pod("first", "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1"]).await;
    let bound = ledger.bind_next().await;
    replica.outcome().await;
    world.pod("second", "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1"]).await;
    let lost = ledger.claim().await;
    drop(ledger);
    // The epoch is the one that was listed to, so claims go on at once.
    let mut ledger = world.next_ledger(1).await;
    world.clock.advance(Duration::from_secs(2));
    ledger.want_specs(vec![bound.id.clone().unwrap(), lost.id.clone().unwrap()]).await;
    assert_eq!(ledger.spec().await.claim, bound.id);
    assert_eq!(replica.outcome().await.0, outcome::Result::Refused, "given up at its deadline");
    let again = replica.one().await;
    replica.decide(&again, &["h2"]).await;
    let claim = ledger.bind_next().await;
    assert_eq!(claim.uid, lost.uid);
    assert_ne!(claim.id, lost.id);
    world.shutdown().await;
}
