//! Pods that make way for others.

use std::time::Duration;

use meridian_api::{Caller, CreateOptions};
use meridian_proto::v1::{
    BudgetAllowance, Claim, ClaimState, MemberDecision, StatusReport, Victims, VictimsRequest, outcome,
    partition_message, replica_message,
};
use meridian_schema::pod_disruption_budget;
use meridian_store::Tenant;
use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::replica::{Offered, Replica, host};
use crate::world::{World, passing};

struct Scene {
    world: World,
    replica: Replica,
    ledger: Ledger,
    /// A pod of priority 5, bound to `h1`, under this claim.
    victim: Claim,
    /// One of priority 9, offered.
    preemptor: Offered,
}

async fn scene() -> Scene {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let victim = bound(&world, &mut replica, &mut ledger, &Tenant::system(), "victim", 5).await;
    let preemptor = offered(&world, &mut replica, &Tenant::system(), "preemptor", 9).await;
    Scene { world, replica, ledger, victim, preemptor }
}

async fn offered(
    world: &World,
    replica: &mut Replica,
    tenant: &Tenant,
    name: &str,
    priority: i32,
) -> Offered {
    world.pod_of_priority(tenant, name, priority).await;
    let offered = replica.one().await;
    assert_eq!(offered.pod.priority, priority);
    offered
}

async fn bound(
    world: &World,
    replica: &mut Replica,
    ledger: &mut Ledger,
    tenant: &Tenant,
    name: &str,
    priority: i32,
) -> Claim {
    let offered = offered(world, replica, tenant, name, priority).await;
    replica.decide(&offered, &["h1"]).await;
    let claim = ledger.bind_next().await;
    assert_eq!(replica.outcome().await.0, outcome::Result::Bound);
    claim
}

impl Scene {
    /// The claim of the preemptor, with its victim.
    async fn claimed(&mut self) -> Claim {
        self.replica.decide_group(&[(&self.preemptor, "h1", &[&self.victim.uid])]).await;
        let claim = self.ledger.claim().await;
        assert_eq!(claim.victims, [self.victim.id.clone().unwrap()]);
        claim
    }

    /// Asks who could make way.
    async fn could_make_way(&mut self, tenant: &str, below: i32) -> Victims {
        let request = VictimsRequest { number: 7, tenant: tenant.to_owned(), below };
        self.replica.say(replica_message::Message::Victims(request)).await;
        match self.replica.next().await {
            Some(partition_message::Message::Victims(victims)) => victims,
            other => panic!("want those who could make way, got {other:?}"),
        }
    }

    async fn is_going(&self, name: &str) -> bool {
        self.world.stored(name).await.is_some_and(|pod| pod["metadata"]["deletionTimestamp"].is_string())
    }

    async fn victim_stops(&self) {
        let report = StatusReport {
            tenant: "system".to_owned(),
            namespace: "default".to_owned(),
            name: "victim".to_owned(),
            uid: self.victim.uid.clone(),
            host: "h1".to_owned(),
            number: 9,
            stopped: true,
            ..StatusReport::default()
        };
        self.ledger.report(vec![report]).await;
    }
}

fn nominated(pod: &Value) -> &Value {
    &pod["status"]["nominatedNodeName"]
}

#[tokio::test]
async fn victims_stop_once_their_room_is_kept_and_the_preemptor_is_bound_when_they_have() {
    let mut scene = scene().await;
    let claim = scene.claimed().await;
    assert!(!scene.is_going("victim").await, "the ledger may know better");
    scene.ledger.keep_waiting(&claim).await;
    scene.ledger.settled_as(&scene.victim.clone(), ClaimState::Terminating).await;
    let victim = scene.world.stored("victim").await.unwrap();
    assert_eq!(victim["metadata"]["deletionGracePeriodSeconds"], 20);
    let conditions = victim["status"]["conditions"].as_array().unwrap();
    let disrupted = conditions.iter().find(|condition| condition["type"] == "DisruptionTarget").unwrap();
    assert_eq!(
        (&disrupted["reason"], &disrupted["status"]),
        (&"PreemptionByScheduler".into(), &"True".into())
    );
    let event = scene.world.until_event("victim", |event| event["reason"] == "Preempted").await;
    assert_eq!(event["message"], format!("Preempted by pod {} on node h1", scene.preemptor.pod.uid));
    scene.world.until("preemptor", |pod| nominated(pod) == "h1").await;
    assert_eq!(scene.world.figure("meridian_partition_preempted_pods_total", None), 1.0);
    // Said again it stops nobody else, and binds nobody.
    scene.ledger.keep_waiting(&claim).await;

    scene.victim_stops().await;
    scene.ledger.settled_as(&scene.victim.clone(), ClaimState::Void).await;
    assert!(scene.world.stored("victim").await.is_none());
    assert_eq!(scene.world.stored("preemptor").await.unwrap()["spec"]["nodeName"], Value::Null);
    scene.ledger.accept_claim(&claim).await;
    scene.ledger.settled_as(&claim, ClaimState::Bound).await;
    assert_eq!(scene.replica.outcome().await.0, outcome::Result::Bound);
    let pod = scene.world.stored("preemptor").await.unwrap();
    assert_eq!((&pod["spec"]["nodeName"], nominated(&pod)), (&"h1".into(), &Value::Null));
    scene.world.shutdown().await;
}

#[tokio::test]
async fn nobody_stops_where_there_is_room_after_all_or_where_the_claim_is_refused() {
    for is_accepted in [true, false] {
        let mut scene = scene().await;
        let claim = scene.claimed().await;
        if is_accepted {
            scene.ledger.accept_claim(&claim).await;
            scene.ledger.settled_as(&claim, ClaimState::Bound).await;
            assert_eq!(scene.replica.outcome().await.0, outcome::Result::Bound);
        } else {
            scene.ledger.refuse(&claim, "OutOfcpu").await;
            assert_eq!(scene.replica.outcome().await.0, outcome::Result::Refused);
            let clock = scene.world.clock.clone();
            assert!(passing(&clock, scene.replica.one()).await.pod.first);
        }
        assert!(!scene.is_going("victim").await);
        scene.world.shutdown().await;
    }
}

#[tokio::test]
async fn nobody_stops_before_all_of_the_group_have_been_answered() {
    let mut scene = scene().await;
    let other = offered(&scene.world, &mut scene.replica, &Tenant::system(), "other", 9).await;
    scene.replica.decide_group(&[(&scene.preemptor, "h1", &[&scene.victim.uid]), (&other, "h2", &[])]).await;
    let claims = scene.ledger.claims(2).await;
    scene.ledger.keep_waiting(&claims[0]).await;
    scene.ledger.refuse(&claims[1], "OutOfcpu").await;
    scene.ledger.settled_as(&claims[0], ClaimState::Void).await;
    scene.replica.all_of(2, outcome::Result::Refused).await;
    assert!(!scene.is_going("victim").await);

    let clock = scene.world.clock.clone();
    let again = passing(&clock, scene.replica.offered_many(2)).await;
    scene.replica.decide_group(&[(&again[0], "h1", &[&scene.victim.uid]), (&again[1], "h2", &[])]).await;
    let claims = scene.ledger.claims(2).await;
    scene.ledger.keep_waiting(&claims[0]).await;
    scene.ledger.accept_claim(&claims[1]).await;
    scene.ledger.settled_as(&scene.victim.clone(), ClaimState::Terminating).await;
    scene.ledger.accept_claim(&claims[0]).await;
    scene.replica.all_of(2, outcome::Result::Bound).await;
    scene.world.shutdown().await;
}

#[tokio::test]
async fn a_claim_does_not_wait_for_ever() {
    let mut scene = scene().await;
    let claim = scene.claimed().await;
    scene.ledger.keep_waiting(&claim).await;
    scene.ledger.settled_as(&scene.victim.clone(), ClaimState::Terminating).await;
    scene.world.until("preemptor", |pod| nominated(pod) == "h1").await;
    // The time to end in, and some.
    scene.world.clock.advance(Duration::from_secs(25));
    scene.ledger.keep_waiting(&claim).await;
    assert!(scene.ledger.is_quiet());
    scene.world.clock.advance(Duration::from_secs(6));
    scene.ledger.settled_as(&claim, ClaimState::Void).await;
    assert_eq!(scene.replica.outcome().await.0, outcome::Result::Refused);
    scene.world.until("preemptor", |pod| *nominated(pod) == Value::Null).await;
    // Told of too late.
    scene.ledger.accept_claim(&claim).await;
    let clock = scene.world.clock.clone();
    scene.preemptor = passing(&clock, scene.replica.one()).await;
    // A victim that is going already is waited for, and not told again.
    let claim = scene.claimed().await;
    scene.ledger.keep_waiting(&claim).await;
    scene.world.until("preemptor", |pod| nominated(pod) == "h1").await;
    assert_eq!(scene.world.figure("meridian_partition_preempted_pods_total", None), 1.0);
    scene.ledger.accept_claim(&claim).await;
    scene.ledger.settled_as(&claim, ClaimState::Bound).await;
    scene.world.shutdown().await;
}

#[tokio::test]
async fn room_is_kept_for_as_long_as_the_replica_says_and_nobody_stops() {
    let mut scene = scene().await;
    let keeping = |offered: &Offered, victims: &[&str]| MemberDecision {
        uid: offered.pod.uid.clone(),
        host: Some(host("h1")),
        victims: victims.iter().map(ToString::to_string).collect(),
        keep_seconds: 40,
        ..MemberDecision::default()
    };
    let clock = scene.world.clock.clone();
    // For a pod that stands alone and has nobody stopped.
    let with_victim = keeping(&scene.preemptor, &[&scene.victim.uid]);
    scene.replica.say_group(scene.preemptor.assignment, vec![with_victim]).await;
    assert_eq!(scene.replica.outcome().await.0, outcome::Result::Refused);
    scene.preemptor = passing(&clock, scene.replica.one()).await;

    for is_in_time in [false, true] {
        let member = keeping(&scene.preemptor, &[]);
        scene.replica.say_group(scene.preemptor.assignment, vec![member]).await;
        let claim = scene.ledger.claim().await;
        assert!(claim.keeps && claim.victims.is_empty());
        scene.ledger.keep_waiting(&claim).await;
        scene.world.until("preemptor", |pod| nominated(pod) == "h1").await;
        clock.advance(Duration::from_secs(35));
        scene.ledger.keep_waiting(&claim).await;
        assert!(scene.ledger.is_quiet() && !scene.is_going("victim").await);
        if is_in_time {
            scene.ledger.accept_claim(&claim).await;
            scene.ledger.settled_as(&claim, ClaimState::Bound).await;
            assert_eq!(scene.replica.outcome().await.0, outcome::Result::Bound);
        } else {
            clock.advance(Duration::from_secs(6));
            scene.ledger.settled_as(&claim, ClaimState::Void).await;
            assert_eq!(scene.replica.outcome().await.0, outcome::Result::Refused);
            scene.world.until("preemptor", |pod| *nominated(pod) == Value::Null).await;
            scene.preemptor = passing(&clock, scene.replica.one()).await;
        }
    }
    assert_eq!(scene.world.figure("meridian_partition_preempted_pods_total", None), 0.0);
    scene.world.shutdown().await;
}

#[tokio::test]
async fn a_preemptor_that_is_deleted_lets_go_of_what_was_kept_for_it() {
    let mut scene = scene().await;
    let claim = scene.claimed().await;
    scene.ledger.keep_waiting(&claim).await;
    scene.ledger.settled_as(&scene.victim.clone(), ClaimState::Terminating).await;
    assert!(scene.world.delete("preemptor", None).await.unwrap());
    scene.ledger.settled_as(&claim, ClaimState::Void).await;
    assert_eq!(scene.replica.outcome().await.0, outcome::Result::Gone);
    scene.world.shutdown().await;
}

#[tokio::test]
async fn what_was_kept_does_not_outlive_the_process_that_claimed_it() {
    let mut scene = scene().await;
    let claim = scene.claimed().await;
    scene.ledger.keep_waiting(&claim).await;
    scene.ledger.settled_as(&scene.victim.clone(), ClaimState::Terminating).await;
    scene.world.until("preemptor", |pod| nominated(pod) == "h1").await;
    let mut new = scene.world.successor().await;
    let mut ledger = Ledger::accept(&mut new.ledgers, 1).await;
    let (kept, victim) = (claim.id.clone().unwrap(), scene.victim.id.clone().unwrap());
    let answers = loop {
        ledger.audit(vec![kept.clone(), victim.clone()]).await;
        ledger.relist().await;
        if !ledger.is_quiet() {
            break [ledger.settled().await, ledger.settled().await];
        }
    };
    assert_eq!(answers, [(kept, ClaimState::Void), (victim, ClaimState::Terminating)]);
    new.until("preemptor", |pod| *nominated(pod) == Value::Null).await;
    assert_eq!(new.replica("r").await.one().await.pod.key, "default/preemptor");
    new.shutdown().await;
}

#[tokio::test]
async fn who_need_not_make_way_does_not() {
    let mut scene = scene().await;
    let (world, replica, ledger) = (&scene.world, &mut scene.replica, &mut scene.ledger);
    let (system, blue) = (Tenant::system(), Tenant::new("blue").unwrap());
    let equal = bound(world, replica, ledger, &system, "equal", 9).await;
    let foreign = bound(world, replica, ledger, &blue, "foreign", 1).await;
    let pending = offered(world, replica, &system, "pending", 1).await;
    let clock = scene.world.clock.clone();
    let named = |victims: &[&str], on: &str| MemberDecision {
        uid: scene.preemptor.pod.uid.clone(),
        host: Some(host(on)),
        victims: victims.iter().map(ToString::to_string).collect(),
        ..MemberDecision::default()
    };
    let victim = &*scene.victim.uid;
    let cases = [
        named(&[&equal.uid], "h1"),
        named(&[victim, &foreign.uid], "h1"),
        named(&[&pending.pod.uid], "h1"),
        named(&["nobody"], "h1"),
        named(&[&scene.preemptor.pod.uid], "h1"),
        // It runs elsewhere.
        named(&[victim], "h2"),
    ];
    for case in cases {
        scene.replica.say_group(scene.preemptor.assignment, vec![case]).await;
        assert_eq!(scene.replica.outcome().await.0, outcome::Result::Refused);
        passing(&clock, scene.replica.one()).await;
    }
    assert!(scene.ledger.is_quiet(), "nothing was claimed");
    for name in ["victim", "equal"] {
        assert!(!scene.is_going(name).await, "{name}");
    }
    scene.world.shutdown().await;
}

/// What the cluster cannot do without goes before every tenant's pods, which learn no more than that.
#[tokio::test]
async fn pods_of_tenants_make_way_for_what_is_critical() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let blue = Tenant::new("blue").unwrap();
    let victim = bound(&world, &mut replica, &mut ledger, &blue, "victim", 1_000_000_000).await;
    world.pod_of_class(&Tenant::system(), "critical", "system-cluster-critical").await;
    let critical = replica.one().await;
    replica.decide_group(&[(&critical, "h1", &[&victim.uid])]).await;
    let claim = ledger.claim().await;
    ledger.keep_waiting(&claim).await;
    ledger.settled_as(&victim, ClaimState::Terminating).await;
    let event = world.until_event("victim", |event| event["reason"] == "Preempted").await;
    let node = world.registry.host_name(&blue, "h1");
    assert_ne!(node, "h1");
    assert_eq!(event["message"], format!("Preempted by a pod of the system on node {node}"));
    ledger.accept_claim(&claim).await;
    ledger.settled_as(&claim, ClaimState::Bound).await;
    assert_eq!(replica.outcome().await.0, outcome::Result::Bound);
    world.shutdown().await;
}

#[tokio::test]
async fn a_replica_is_told_who_could_make_way_in_tenants_that_it_leads() {
    let mut scene = scene().await;
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "all"},
        "spec": {"minAvailable": 1, "selector": {}},
    });
    let (caller, options) = (Caller::system("test"), CreateOptions::default());
    let (registry, kind) = (scene.world.registry.clone(), pod_disruption_budget());
    registry.create(&caller, kind, "default", budget, &options).await.unwrap();
    registry.list(&caller, kind, "default", &Default::default()).await.unwrap();
    // The cache hears of a binding a moment after it was made.
    let told = loop {
        let told = scene.could_make_way("system", 9).await;
        if !told.victims.is_empty() {
            break told;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((told.number, told.is_last, &*told.budgets), (7, true, &[BudgetAllowance { allowed: 0 }][..]));
    let [victim] = &*told.victims else { panic!("want the one bound pod, got {told:?}") };
    assert_eq!((&victim.uid, &victim.claim, victim.priority), (&scene.victim.uid, &scene.victim.id, 5));
    assert_eq!((victim.terminating, &*victim.budgets), (false, &[0][..]));
    for (tenant, below) in [("system", 5), ("blue", 9), ("no/tenant", 9)] {
        let told = scene.could_make_way(tenant, below).await;
        assert!(told.is_last && told.victims.is_empty(), "{tenant}");
    }
    let claim = scene.claimed().await;
    scene.ledger.keep_waiting(&claim).await;
    scene.ledger.settled_as(&scene.victim.clone(), ClaimState::Terminating).await;
    while !scene.could_make_way("system", 9).await.victims[0].terminating {
        tokio::task::yield_now().await;
    }
    scene.world.shutdown().await;
}
