//! Replicas that come and go.

use std::collections::BTreeSet;

use meridian_proto::v1::{outcome, partition_message, replica_message};
use meridian_store::Tenant;
use serde_json::json;

use crate::replica::Replica;
use crate::world::{World, passing};

const TENANTS: usize = 40;

fn tenant(number: usize) -> Tenant {
    Tenant::new(&format!("tenant-{number}")).unwrap()
}

async fn pods(world: &World, name: &str) {
    for number in 0..TENANTS {
        let spec = json!({"containers": [{"name": "main", "image": "app"}]});
        world.pod_in(&tenant(number), name, spec).await;
    }
}

fn tenants(offered: &[crate::replica::Offered]) -> BTreeSet<String> {
    offered.iter().map(|offered| offered.pod.tenant.clone()).collect()
}

#[tokio::test]
async fn tenants_move_to_a_replica_that_joins_and_back_when_it_leaves() {
    let mut world = World::new().await;
    let mut ledger = world.ledger(1).await;
    let mut one = world.replica("one").await;
    pods(&world, "web").await;
    let at_one = one.offered_many(TENANTS).await;

    let mut two = world.replica("two").await;
    let mut withdrawn: BTreeSet<String> = one.withdrawn().await.into_iter().collect();
    let moved = two.offered_many(withdrawn.len()).await;
    assert!((8..32).contains(&moved.len()), "{} of {TENANTS} moved", moved.len());
    assert!(moved.iter().all(|offered| withdrawn.remove(&offered.pod.uid)));
    assert!(moved[0].assignment > at_one[0].assignment);

    // The first replica's decision about a pod that moved comes too late; about one that stayed it counts.
    let old = at_one.iter().find(|offered| offered.pod.uid == moved[0].pod.uid).unwrap();
    let kept = at_one.iter().find(|o| moved.iter().all(|m| m.pod.uid != o.pod.uid)).unwrap();
    one.decide(old, &["h1"]).await;
    one.decide(kept, &["h1"]).await;
    assert_eq!(ledger.bind_next().await.uid, kept.pod.uid);
    assert_eq!(one.outcome().await.0, outcome::Result::Bound);
    assert!(ledger.is_quiet());
    assert_eq!(world.figure("meridian_partition_stale_decisions_total", None), 1.0);
    assert_eq!(world.figure("meridian_partition_live_replicas", None), 2.0);

    // Its pods in the middle of a claim are bound all the same when it leaves, and the others go back.
    two.decide(&moved[0], &["h1"]).await;
    let claim = ledger.claim().await;
    drop(two);
    let back = one.offered_many(moved.len() - 1).await;
    assert_eq!(tenants(&back), tenants(&moved[1..]));
    ledger.accept_claim(&claim).await;
    ledger.settled_as(&claim, meridian_proto::v1::ClaimState::Bound).await;
    world.shutdown().await;
}

#[tokio::test]
async fn a_replica_that_comes_anew_under_its_name_takes_the_place_of_its_older_stream() {
    let world = World::new().await;
    let mut old = world.replica("one").await;
    world.pod("web", "1").await;
    let before = old.one().await;
    let mut new = world.replica("one").await;
    let offered = new.one().await;
    assert_eq!(offered.pod.uid, before.pod.uid);
    assert!(offered.assignment > before.assignment);
    assert!(old.next().await.is_none(), "its stream ends");
    assert_eq!(world.figure("meridian_partition_live_replicas", None), 1.0);
    world.shutdown().await;
}

#[tokio::test]
async fn a_replica_that_can_be_told_nothing_any_more_leads_nobody() {
    let world = World::new().await;
    let mut deaf = world.replica("deaf").await;
    deaf.turn_deaf();
    let mut good = world.replica("good").await;
    pods(&world, "web").await;
    let offered = good.offered_many(TENANTS).await;
    assert_eq!(tenants(&offered).len(), TENANTS);
    world.shutdown().await;
}

#[tokio::test]
async fn a_replica_that_reads_nothing_holds_up_nobody_else_and_is_given_up() {
    const PODS: usize = 300;
    let mut world = World::new().await;
    let mut ledger = world.ledger(1).await;
    let mut good = world.replica("good").await;
    let mut stuck = world.replica("stuck").await;
    // Tenants of either, by whom their first pod goes to.
    pods(&world, "probe").await;
    let mut of_stuck = Vec::new();
    let mut seen = 0;
    while seen < TENANTS {
        // Both get theirs; the order in which they read does not matter.
        let at_good = good.offered().await;
        seen += at_good.len();
        if seen + of_stuck.len() >= TENANTS {
            break;
        }
        while seen + of_stuck.len() < TENANTS {
            match stuck.try_offered() {
                Some(offered) => of_stuck.extend(offered),
                None => break,
            }
        }
    }
    let stuck_tenant = Tenant::new(&of_stuck[0].pod.tenant).unwrap();
    // Each pod is a class of its own, so each takes messages of its own: more than any stream holds.
    for number in 0..PODS {
        let spec = json!({"containers": [{
            "name": "main", "image": "app", "resources": {"requests": {"cpu": format!("{}m", 1000 + number)}},
        }]});
        world.pod_in(&stuck_tenant, &format!("web-{number}"), spec).await;
    }
    let good_tenant =
        (0..TENANTS).map(tenant).find(|t| of_stuck.iter().all(|o| o.pod.tenant != t.as_str())).unwrap();
    let spec = json!({"containers": [{"name": "main", "image": "app"}]});
    world.pod_in(&good_tenant, "quick", spec).await;
    let offered = good.one().await;
    good.decide(&offered, &["h1"]).await;
    assert_eq!(ledger.bind_next().await.uid, offered.pod.uid);
    assert_eq!(good.outcome().await.0, outcome::Result::Bound);

    // After a while it counts as gone, and its tenants go to the other.
    let expected = of_stuck.len() + PODS;
    let taken = passing(&world.clock, good.offered_many(expected)).await;
    assert!(taken.iter().any(|offered| offered.pod.key == "default/web-299"));
    assert_eq!(world.figure("meridian_partition_streams_ended_total", Some("stalled")), 1.0);
    world.shutdown().await;
}

#[tokio::test]
async fn a_stream_that_does_not_open_as_it_should_is_refused_by_name() {
    let world = World::new().await;
    let goodbye = |next: Option<partition_message::Message>| match next {
        Some(partition_message::Message::Goodbye(goodbye)) => goodbye,
        other => panic!("want a goodbye, got {other:?}"),
    };
    let mut replica = world.silent_replica().await;
    let mut hello = Replica::greeting("r");
    hello.required_features.push("gangs".to_owned());
    replica.say(replica_message::Message::Hello(Box::new(hello))).await;
    let refused = goodbye(replica.next().await);
    assert!(refused.is_final && refused.reason.contains("\"gangs\""));

    let mut replica = world.silent_replica().await;
    replica.say(replica_message::Message::Decisions(Default::default())).await;
    assert!(goodbye(replica.next().await).reason.contains("no Hello"));
    assert!(replica.next().await.is_none());

    // One that says nothing is not waited for for ever.
    let mut replica = world.silent_replica().await;
    let ended = passing(&world.clock, replica.next()).await;
    assert!(goodbye(ended).reason.contains("no Hello"));
    assert_eq!(world.figure("meridian_partition_live_replicas", None), 0.0);
    world.shutdown().await;
}
