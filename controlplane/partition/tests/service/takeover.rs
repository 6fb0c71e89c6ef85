//! Two processes of one partition: only the one that holds the store binds.

use std::time::Duration;

use meridian_proto::v1::{ClaimState, outcome};

use crate::ledger::Ledger;
use crate::world::World;

#[tokio::test]
async fn a_deposed_partition_binds_nothing_and_its_claims_are_void() {
    let mut old = World::new().await;
    let mut old_replica = old.replica("r").await;
    let mut old_ledger = old.ledger(1).await;
    for name in ["first", "second"] {
        old.pod(name, "1").await;
    }
    let offered = old_replica.offered_many(2).await;
    old_replica.decide(&offered[0], &["h1"]).await;
    let bound = old_ledger.bind_next().await;
    assert_eq!(old_replica.outcome().await.0, outcome::Result::Bound);
    old_replica.decide(&offered[1], &["h1"]).await;
    let claim = old_ledger.claim().await;

    let mut new = old.successor().await;
    old_ledger.accept_claim(&claim).await;
    // The old one's append is refused, and stays refused however often it is tried.
    while old.figure("meridian_partition_claims_total", Some("append failed")) < 1.0 {
        tokio::task::yield_now().await;
    }
    old.clock.advance(Duration::from_secs(1));
    while old.figure("meridian_partition_claims_total", Some("append failed")) < 2.0 {
        tokio::task::yield_now().await;
    }

    let mut ledger = Ledger::accept(&mut new.ledgers, 1).await;
    assert!(ledger.te > old_ledger.te);
    let (claim_id, bound_id) = (claim.id.clone().unwrap(), bound.id.clone().unwrap());
    // Answered once the whole picture is there; a ledger asks until then.
    let answers = loop {
        ledger.audit(vec![claim_id.clone(), bound_id.clone()]).await;
        ledger.relist().await;
        if !ledger.is_quiet() {
            break [ledger.settled().await, ledger.settled().await];
        }
    };
    assert_eq!(answers, [(claim_id, ClaimState::Void), (bound_id, ClaimState::Bound)]);

    let mut replica = new.replica("r").await;
    let again = replica.one().await;
    assert_eq!(again.pod.key, "default/second");
    replica.decide(&again, &["h2"]).await;
    let rebound = loop {
        let next = ledger.claim().await;
        if next.uid == again.pod.uid {
            break next;
        }
    };
    ledger.accept_claim(&rebound).await;
    ledger.settled_as(&rebound, ClaimState::Bound).await;
    let pod = new.stored("second").await.unwrap();
    assert_eq!(pod["spec"]["nodeName"], "h2");
    assert!(old_ledger.is_quiet(), "the old one has settled nothing");
    new.shutdown().await;
}
