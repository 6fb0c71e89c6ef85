//! The partition's process ends, and the next one puts everything together again; and messages are lost.

use std::time::Duration;

use meridian_proto::v1::{ClaimState, Goodbye, agent_message, host_partition_message};
use serde_json::json;

use crate::peers::{Agent, Replica, Tenant, listed};
use crate::region::{Region, condition};

#[tokio::test]
async fn after_a_restart_all_bindings_are_known_again() {
    let region = Region::new().await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let mut other = Tenant::new(&region, "other", 1, Vec::new()).await;
    let mut agent = Agent::new(&region, "h1").await;
    let mut claims = vec![tenant.claim_when_ready("runs", "h1", 1).await];
    for uid in ["lost", "stops", "held"] {
        let claim = tenant.claim(uid, "h1", 1, 100);
        assert!(tenant.ask(&claim).await.accepted);
        claims.push(claim);
    }
    tenant.bind(&claims[0]).await;
    assert_eq!(agent.hear_orders().await, ["run runs"]);
    let he = tenant.he;
    let region = region.restart().await;
    assert_eq!(region.partition.epoch(), he + 1);

    let mut tenant = Tenant::greet(&region, "tp", 1).await;
    let mut again = Agent::register(&region, "h1", 1, Some((agent.epoch, agent.number))).await;
    assert_eq!((again.incarnation, again.resumed_from), (1, 0));
    again.inventory(&[("runs", false), ("stops", false), ("stray", false)]).await;
    let early = tenant.claim("early", "h1", 1, 1);
    assert_eq!(tenant.ask(&early).await.reason, "Recovering");
    let mut replica = Replica::begin(&region, None).await;
    replica.until(|replica| !replica.hosts.is_empty()).await;
    assert!(!replica.is_ready("h1") && !replica.is_in_sync, "what runs there is not known yet");
    // Of the four one was not bound after all.
    let bound = vec![
        listed(&claims[0], ClaimState::Bound),
        listed(&claims[1], ClaimState::Bound),
        listed(&claims[2], ClaimState::Terminating),
    ];
    let he = tenant.he;
    let listing = |part, is_last, pods| meridian_proto::v1::Listing {
        host_partition: "hp".into(),
        epoch: he,
        part,
        is_last,
        pods,
    };
    for (part, pod) in bound.into_iter().enumerate() {
        let listing = listing(part as u32, part == 2, vec![pod]);
        tenant.say(meridian_proto::v1::tenant_partition_message::Message::Listing(listing)).await;
    }
    let asked = tenant.hear_audit().await;
    assert_eq!(asked.len(), 3, "what became of them while the list was on its way");
    let still = tenant.claim("still", "h1", 1, 1);
    assert_eq!(tenant.ask(&still).await.reason, "Recovering", "not before all have listed");
    drop(other);
    other = Tenant::new(&region, "other", 1, Vec::new()).await;
    let orders = again.hear_orders().await;
    assert_eq!(orders, ["stop stops in 30", "stop stray in 30"]);
    let wanted = tenant
        .hear_until(|message| match message {
            host_partition_message::Message::SpecsWanted(wanted) => Some(wanted.claims),
            _ => None,
        })
        .await;
    assert_eq!(wanted, [claims[1].id.clone().unwrap()]);
    tenant.specify(&claims[1], serde_json::json!({})).await;
    assert_eq!(again.hear_orders().await, ["run lost"]);
    replica.until(|replica| replica.is_ready("h1") && replica.entries.len() == 3).await;
    replica.until(|replica| replica.is_in_sync).await;
    let late = other.claim("late", "h1", 1, 1);
    assert!(other.ask(&late).await.accepted);
}

#[tokio::test]
async fn what_is_held_is_asked_about_when_time_passes_and_when_the_partition_comes_again() {
    let region = Region::new().await;
    let _agent = Agent::new(&region, "h1").await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let claim = tenant.claim_when_ready("a", "h1", 1).await;
    let passing = async {
        loop {
            region.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        asked = tenant.hear_audit() => assert_eq!(asked, [claim.id.clone().unwrap()]),
        () = passing => {}
    }
    drop(tenant);
    // Its successor knows nothing of the claim: it is void.
    let mut successor = Tenant::greet(&region, "tp", 2).await;
    assert_eq!(successor.hear_audit().await, [claim.id.clone().unwrap()]);
    successor.settle(&claim, ClaimState::Void).await;
    let whole = successor.claim("b", "h1", 1, 1000);
    assert!(successor.ask(&whole).await.accepted);
    // A process that has been deposed is not heard any more.
    let stream = region.ledger.connect().await.unwrap();
    let hello = crate::peers::hello("tp", 1);
    let message = Some(meridian_proto::v1::tenant_partition_message::Message::Hello(Box::new(hello)));
    stream.sender.send(meridian_proto::v1::TenantPartitionMessage { message }).await.unwrap();
    let mut stream = stream;
    let answer = crate::peers::next(&mut stream).await.unwrap().message;
    assert!(matches!(answer, Some(host_partition_message::Message::Goodbye(goodbye)) if goodbye.is_final));
}

#[tokio::test]
async fn a_process_that_has_been_deposed_ends() {
    let region = Region::new().await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let _next = region.store.take_over().await.unwrap();
    // A claim for a later epoch says so; the store is asked whether it is true.
    let mut claim = tenant.claim("a", "h1", 1, 1);
    claim.host_epoch += 1;
    assert_eq!(tenant.ask(&claim).await.reason, "Deposed");
    tenant.hear_goodbye().await;
    region.until("the partition has ended", |region| region.partition.is_over()).await;
    // Whoever waits for that is told.
    region.partition.ended().await;
}

#[tokio::test]
async fn a_host_declared_off_before_its_bindings_were_known_is_off() {
    let region = Region::new().await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let mut agent = Agent::new(&region, "h1").await;
    let claim = tenant.claim_when_ready("a", "h1", 1).await;
    tenant.bind(&claim).await;
    agent.hear_orders().await;
    agent.say(agent_message::Message::Goodbye(Goodbye::default())).await;
    region
        .until("it is not ready", |region| condition(&region.node("h1").unwrap(), "Ready") == "False")
        .await;
    drop(agent);
    let region = region.restart().await;
    region
        .change_node("h1", |node| {
            node["spec"]["taints"] = json!([
                {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"},
            ]);
        })
        .await;
    let mut tenant = Tenant::new(&region, "tp", 2, vec![listed(&claim, ClaimState::Bound)]).await;
    let passing = async {
        loop {
            region.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    let report = tokio::select! {
        report = tenant.hear_report("a") => report,
        () = passing => unreachable!("time does not end"),
    };
    assert!(report.stopped && report.status.is_empty());
}
