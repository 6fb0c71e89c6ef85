//! Peers that say what they should not. Whatever they say, the partition goes on and others are served.

use meridian_proto::v1::{self, *};
use serde_json::json;

use crate::peers::{Agent, Replica, Tenant, demand, hello, next, node_object};
use crate::region::Region;

/// Somebody else is served.
async fn is_well(region: &Region, host: &str) {
    let _agent = Agent::new(region, host).await;
    let mut tenant = Tenant::new(region, host, 1, Vec::new()).await;
    tenant.claim_when_ready("pod", host, 1).await;
}

#[tokio::test]
async fn agents_that_cannot_be_taken_in_are_told_why() {
    let region = Region::new().await;
    for (name, node, want) in [
        ("h1", json!({"metadata": {"name": "h2"}}), "want one name"),
        ("h1", json!([]), "cannot be used"),
        (
            "h1",
            json!({"metadata": {"name": "h1"}, "status": {"allocatable": {"cpu": "-1"}}}),
            "cannot be used",
        ),
        ("Not A Name", json!({"metadata": {"name": "Not A Name"}}), "want a DNS name"),
    ] {
        let mut agent = Agent::greet(&region, name, 0, None).await;
        agent.registration(&node).await;
        let goodbye = agent.hear_goodbye().await;
        assert!(goodbye.is_final && goodbye.reason.contains(want), "{}", goodbye.reason);
    }
    let mut agent = Agent::greet(&region, "h1", 0, None).await;
    let node = "{".repeat(100_000).into();
    agent.say(agent_message::Message::Registration(Registration { node })).await;
    assert!(agent.hear_goodbye().await.reason.contains("no JSON"));
    // Out of order.
    let mut agent = Agent::greet(&region, "h1", 0, None).await;
    agent.inventory(&[]).await;
    assert!(agent.hear_goodbye().await.is_final);
    let mut agent = Agent::new(&region, "h3").await;
    agent.say(agent_message::Message::Hello(Box::new(hello("h3", 1)))).await;
    assert!(agent.hear_goodbye().await.is_final);
    let mut stream = region.links.connect().await.unwrap();
    let message = Some(agent_message::Message::Heartbeat(Heartbeat { number: 1 }));
    stream.sender.send(AgentMessage { message }).await.unwrap();
    let first = next(&mut stream).await.unwrap().message;
    assert!(matches!(first, Some(link_message::Message::Goodbye(_))), "{first:?}");
    is_well(&region, "h9").await;
}

#[tokio::test]
async fn agents_that_talk_nonsense_harm_nobody() {
    let region = Region::new().await;
    let mut agent = Agent::new(&region, "h1").await;
    assert_eq!(agent.name(), "h1");
    for uid in ["", "unknown", &"x".repeat(10_000)] {
        agent.status(uid, u64::MAX, true).await;
        agent.status(uid, 0, false).await;
    }
    agent.acknowledge(u64::MAX).await;
    agent.acknowledge(0).await;
    let long = "y".repeat(10_000);
    agent.inventory(&[("", false), ("twice", false), ("twice", false), (&long, true)]).await;
    let pod = InventoryPod { uid: "odd".into(), object: "{]".into(), ..InventoryPod::default() };
    agent.say(agent_message::Message::Inventory(Inventory { pods: vec![pod] })).await;
    loop {
        if agent.hear_orders().await.iter().any(|order| order == "stop odd in 30") {
            break;
        }
    }
    let too_many = Inventory { pods: vec![InventoryPod::default(); 20_000] };
    agent.say(agent_message::Message::Inventory(too_many)).await;
    assert!(agent.hear_goodbye().await.is_final);
    // One that shrinks below what it runs, and says so again and again.
    let mut agent = Agent::register(&region, "h1", 1, None).await;
    agent.registration(&node_object("h1", "0")).await;
    agent.registration(&node_object("h1", "0")).await;
    is_well(&region, "h9").await;
}

#[tokio::test]
async fn tenant_partitions_that_talk_nonsense_get_nothing() {
    let region = Region::new().await;
    let mut agent = Agent::new(&region, "h1").await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let claim = tenant.claim_when_ready("a", "h1", 1).await;
    for (change, reason) in [
        (Box::new(|claim: &mut Claim| claim.uid.clear()) as Box<dyn Fn(&mut Claim)>, "InvalidClaim"),
        (Box::new(|claim| claim.demand = Some(demand(i64::MIN))), "InvalidDemand"),
        (Box::new(|claim| claim.demand = Some(demand(i64::MAX))), "InvalidDemand"),
        (Box::new(|claim| claim.host.clear()), "NodeNotFound"),
        (Box::new(|claim| claim.host_epoch = 0), "Fenced"),
        (Box::new(|claim| claim.devices = u64::MAX), "OutOfdevices"),
        (Box::new(|claim| claim.incarnation = u64::MAX), "NodeIncarnation"),
    ] {
        let mut odd = tenant.claim("b", "h1", 1, 1);
        change(&mut odd);
        let answer = tenant.ask(&odd).await;
        assert!(!answer.accepted);
        assert_eq!(answer.reason, reason, "{}", answer.message);
    }
    // What is settled that nobody claimed, and under other epochs.
    let strange =
        Claim { id: Some(v1::ClaimId { sequence: 99, ..claim.id.clone().unwrap() }), ..claim.clone() };
    tenant.bind(&strange).await;
    tenant.he += 1;
    tenant.bind(&claim).await;
    tenant.he -= 1;
    let settlement = Settlement { claim: None, state: 77 };
    let settlements = Settlements { host_epoch: tenant.he, settlements: vec![settlement] };
    tenant.say(tenant_partition_message::Message::Settlements(settlements)).await;
    let stored = StoredStatus { uid: String::new(), host: "nowhere".into(), number: u64::MAX };
    tenant.say(tenant_partition_message::Message::Stored(StatusStored { pods: vec![stored] })).await;
    let listing = Listing {
        host_partition: "hp".into(),
        epoch: tenant.he,
        part: 7,
        is_last: true,
        pods: vec![ListedPod::default()],
    };
    tenant.say(tenant_partition_message::Message::Listing(listing)).await;
    // Only now.
    tenant.settle(&claim, ClaimState::Bound).await;
    assert_eq!(agent.hear_orders().await, ["run a"]);
    let replica = Replica::new(&region, None).await;
    assert_eq!(replica.entries.len(), 1);
    // A claim in another's name ends the stream.
    let mut foreign = tenant.claim("c", "h1", 1, 1);
    foreign.id.as_mut().unwrap().partition = "other".into();
    tenant.say(tenant_partition_message::Message::Claims(Claims { claims: vec![foreign] })).await;
    assert!(tenant.hear_goodbye().await.is_final);
    is_well(&region, "h9").await;
}
