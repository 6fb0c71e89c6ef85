//! Pods that are bound all or none.

use std::time::Duration;

use meridian_proto::v1::{Claim, ClaimState, DecidedHost, MemberDecision, outcome};
use meridian_store::Tenant;

use crate::ledger::Ledger;
use crate::replica::{Offered, Replica, host};
use crate::world::{World, passing};

/// Three pods that a replica has been offered.
async fn three(world: &World, replica: &mut Replica) -> Vec<Offered> {
    for name in ["a", "b", "c"] {
        world.pod(name, "1").await;
    }
    replica.offered_many(3).await
}

/// Their claims, after a decision on all of them together.
async fn claimed(ledger: &mut Ledger, replica: &Replica, offered: &[Offered]) -> Vec<Claim> {
    let members: Vec<_> = offered.iter().map(|offered| (offered, "h1", &[][..])).collect();
    replica.decide_group(&members).await;
    ledger.claims(offered.len()).await
}

fn is_bound(world: &World, name: &str) -> bool {
    world.registry.cached_binding(&Tenant::system(), "default", name).is_some()
}

#[tokio::test]
async fn a_gang_is_claimed_together_and_bound_by_one_append_after_all_its_yeses() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let offered = three(&world, &mut replica).await;
    let claims = claimed(&mut ledger, &replica, &offered).await;
    let sequence = |claim: &Claim| claim.id.as_ref().unwrap().sequence;
    assert!(claims.iter().all(|claim| claim.group == sequence(&claims[0]) && claim.group != 0));
    assert!(claims.is_sorted_by_key(sequence) && claims.iter().all(|claim| claim.victims.is_empty()));

    ledger.accept_claim(&claims[2]).await;
    ledger.accept_claim(&claims[0]).await;
    // Something else goes all the way in the meantime.
    world.pod("other", "1").await;
    let other = replica.one().await;
    replica.decide(&other, &["h2"]).await;
    let claim = ledger.bind_next().await;
    assert_eq!((&*claim.uid, claim.group), (&*other.pod.uid, 0));
    assert_eq!(replica.outcome().await.0, outcome::Result::Bound);
    assert!(["a", "b", "c"].iter().all(|name| !is_bound(&world, name)));

    ledger.accept_claim(&claims[1]).await;
    replica.all_of(3, outcome::Result::Bound).await;
    for _ in 0..3 {
        assert_eq!(ledger.settled().await.1, ClaimState::Bound);
    }
    let mut versions = Vec::new();
    for name in ["a", "b", "c"] {
        let pod = world.stored(name).await.unwrap();
        assert_eq!(pod["spec"]["nodeName"], "h1");
        versions.push(pod["metadata"]["resourceVersion"].clone());
    }
    assert!(versions.iter().all(|version| *version == versions[0]), "one append: {versions:?}");
    world.shutdown().await;
}

/// However one of a gang ends, the others are void, and all come back together after a while.
#[tokio::test]
async fn with_one_of_a_gang_all_claims_are_void_and_the_pods_come_back_together() {
    for end in ["refusal", "deadline", "relist"] {
        let mut world = World::new().await;
        let mut replica = world.replica("r").await;
        let mut ledger = world.ledger(1).await;
        let offered = three(&world, &mut replica).await;
        let claims = claimed(&mut ledger, &replica, &offered).await;
        ledger.accept_claim(&claims[0]).await;
        ledger.accept_claim(&claims[2]).await;
        let void: &[Claim] = match end {
            "refusal" => {
                ledger.refuse(&claims[1], "OutOfcpu").await;
                &[claims[0].clone(), claims[2].clone()]
            }
            "deadline" => {
                while world.figure("meridian_partition_claims_total", Some("group refused")) < 1.0 {
                    world.clock.advance(Duration::from_millis(500));
                    tokio::task::yield_now().await;
                }
                &claims
            }
            _ => {
                ledger.he = 2;
                assert!(ledger.relist().await.is_empty());
                &claims
            }
        };
        let mut settled = Vec::new();
        for _ in void {
            let (id, state) = ledger.settled().await;
            assert_eq!(state, ClaimState::Void, "{end}");
            settled.push(id);
        }
        settled.sort_unstable_by_key(|id| id.sequence);
        let ids: Vec<_> = void.iter().filter_map(|claim| claim.id.clone()).collect();
        assert_eq!(settled, ids, "{end}");
        replica.all_of(3, outcome::Result::Refused).await;
        // A late yes binds nobody.
        ledger.accept_claim(&claims[1]).await;
        let clock = world.clock.clone();
        let again = passing(&clock, replica.offered_many(3)).await;
        assert!(again.iter().all(|offered| offered.pod.first));
        assert!(["a", "b", "c"].iter().all(|name| !is_bound(&world, name)), "{end}");
        let claims = claimed(&mut ledger, &replica, &again).await;
        for claim in &claims {
            ledger.accept_claim(claim).await;
        }
        replica.all_of(3, outcome::Result::Bound).await;
        world.shutdown().await;
    }
}

#[tokio::test]
async fn a_member_that_is_deleted_ends_its_gang() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let offered = three(&world, &mut replica).await;
    let claims = claimed(&mut ledger, &replica, &offered).await;
    ledger.accept_claim(&claims[0]).await;
    assert!(world.delete("b", None).await.unwrap());
    for _ in 0..3 {
        assert_eq!(ledger.settled().await.1, ClaimState::Void);
    }
    let clock = world.clock.clone();
    let mut results = Vec::new();
    while results.len() < 3 {
        results.extend(
            replica.outcomes().await.into_iter().map(|outcome| (outcome.uid.clone(), outcome.result())),
        );
    }
    for (uid, result) in results {
        let gone = uid == offered[1].pod.uid;
        assert_eq!(result, if gone { outcome::Result::Gone } else { outcome::Result::Refused });
    }
    assert_eq!(passing(&clock, replica.offered_many(2)).await.len(), 2);
    world.shutdown().await;
}

/// The store refuses one member, which the history had not told of: nobody is bound.
#[tokio::test]
async fn a_gang_whose_append_is_refused_for_one_is_bound_in_no_part() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let offered = three(&world, &mut replica).await;
    let claims = claimed(&mut ledger, &replica, &offered).await;
    for claim in &claims[..2] {
        ledger.accept_claim(claim).await;
    }
    // Another process of the host partition has been listed to, of which this one hears by its append alone.
    world.registry.append_fence(crate::world::HP, 5).await.unwrap();
    ledger.accept_claim(&claims[2]).await;
    replica.all_of(3, outcome::Result::Refused).await;
    assert!(["a", "b", "c"].iter().all(|name| !is_bound(&world, name)));
    world.shutdown().await;
}

#[tokio::test]
async fn nonsense_about_groups_claims_nothing() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let blue = Tenant::new("blue").unwrap();
    world.pod("bound", "1").await;
    let bound = replica.one().await;
    replica.decide(&bound, &["h1"]).await;
    ledger.bind_next().await;
    assert_eq!(replica.outcome().await.0, outcome::Result::Bound);
    world.pod("a", "1").await;
    let a = replica.one().await;
    let spec = serde_json::json!({"containers": [{"name": "main", "image": "app"}]});
    world.pod_in(&blue, "b", spec).await;
    let b = replica.one().await;

    let member = |uid: &str| MemberDecision {
        uid: uid.to_owned(),
        host: Some(host("h1")),
        victims: Vec::new(),
        ..MemberDecision::default()
    };
    let (of_a, of_b) = (member(&a.pod.uid), member(&b.pod.uid));
    let many = (0..10_000).map(|number| member(&format!("uid-{number}")));
    let unknown = DecidedHost { partition: "nowhere".to_owned(), ..host("h1") };
    // What is said, and which of the two pods come back from it.
    let nonsense: Vec<(Vec<MemberDecision>, Vec<&Offered>)> = vec![
        (Vec::new(), Vec::new()),
        ([of_a.clone()].into_iter().chain(many).collect(), vec![&a]),
        (vec![of_a.clone(), of_a.clone()], vec![&a]),
        (vec![of_a.clone(), member(&bound.pod.uid)], vec![&a]),
        (vec![of_a.clone(), member("")], vec![&a]),
        (vec![of_a.clone(), of_b.clone()], vec![&a, &b]),
        (vec![MemberDecision { host: None, ..of_a.clone() }], vec![&a]),
        (vec![MemberDecision { host: Some(unknown), ..of_a.clone() }], vec![&a]),
        (vec![MemberDecision { victims: vec!["x".to_owned(); 10_000], ..of_a.clone() }], vec![&a]),
    ];
    let clock = world.clock.clone();
    for (said, back) in nonsense {
        replica.say_group(a.assignment, said.clone()).await;
        if back.is_empty() {
            continue;
        }
        replica.all_of(back.len(), outcome::Result::Refused).await;
        let again = passing(&clock, replica.offered_many(back.len())).await;
        assert!(again.iter().all(|again| back.iter().any(|back| back.pod.uid == again.pod.uid)));
    }
    // Under an assignment that is over.
    replica.say_group(a.assignment + 1, vec![of_a.clone()]).await;
    replica.say_group(a.assignment, vec![of_a]).await;
    let claim = ledger.bind_next().await;
    assert_eq!(claim.uid, a.pod.uid);
    assert!(ledger.is_quiet());
    world.shutdown().await;
}

#[tokio::test]
async fn a_large_gang_is_bound_whole() {
    const PODS: usize = 600;
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    for number in 0..PODS {
        world.pod(&format!("pod-{number}"), "1").await;
    }
    let offered = replica.offered_many(PODS).await;
    let claims = claimed(&mut ledger, &replica, &offered).await;
    for claim in &claims {
        ledger.accept_claim(claim).await;
    }
    replica.all_of(PODS, outcome::Result::Bound).await;
    let first = world.stored("pod-0").await.unwrap();
    let last = world.stored(&format!("pod-{}", PODS - 1)).await.unwrap();
    assert_eq!(first["metadata"]["resourceVersion"], last["metadata"]["resourceVersion"]);
    world.shutdown().await;
}
