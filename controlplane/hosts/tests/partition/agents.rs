//! Agents that come and go, and what users do to their Nodes.

use std::time::Duration;

use meridian_api::{Caller, DeleteOptions};
use meridian_proto::v1::{Goodbye, Heartbeat, agent_message, link_message};
use serde_json::json;

use crate::peers::{Agent, Replica, Tenant, node_object};
use crate::region::{PATIENCE, Region, condition, taints};

#[tokio::test]
async fn a_host_that_falls_silent_is_marked_and_comes_back() {
    let region = Region::new().await;
    let mut replica = Replica::new(&region, None).await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let mut agent = Agent::new(&region, "h1").await;
    let claim = tenant.claim_when_ready("a", "h1", 1).await;
    tenant.bind(&claim).await;
    assert_eq!(agent.hear_orders().await, ["run a"]);
    agent.acknowledge(agent.number).await;
    // As long as heartbeats come it is ready.
    for number in 0..10 {
        region.clock.advance(Duration::from_secs(20));
        agent.say(agent_message::Message::Heartbeat(Heartbeat { number })).await;
        while !matches!(agent.hear().await, link_message::Message::Heartbeat(beat) if beat.number == number) {
        }
    }
    assert_eq!(condition(&region.node("h1").unwrap(), "Ready"), "True");

    region
        .until("the node is unknown", |region| condition(&region.node("h1").unwrap(), "Ready") == "Unknown")
        .await;
    let unreachable = "node.kubernetes.io/unreachable";
    assert_eq!(
        taints(&region.node("h1").unwrap()),
        [format!("{unreachable}:NoSchedule"), format!("{unreachable}:NoExecute")]
    );
    replica.until(|replica| !replica.is_ready("h1")).await;
    assert!(!agent.hear_goodbye().await.is_final);
    let late = tenant.claim("b", "h1", 1, 1);
    assert_eq!(tenant.ask(&late).await.reason, "NodeNotReady");

    let position = Some((agent.epoch, agent.number));
    let mut again = Agent::register(&region, "h1", 1, position).await;
    assert_eq!((again.incarnation, again.resumed_from), (1, agent.number));
    again.inventory(&[("a", false)]).await;
    replica.until(|replica| replica.is_ready("h1")).await;
    region
        .until("the node is ready", |region| {
            let node = region.node("h1").unwrap();
            condition(&node, "Ready") == "True" && taints(&node).is_empty()
        })
        .await;
    assert_eq!(replica.entries.len(), 1, "what is bound stays bound");
}

#[tokio::test]
async fn an_agent_that_says_goodbye_is_not_ready_at_once() {
    let region = Region::new().await;
    let mut replica = Replica::new(&region, None).await;
    let mut agent = Agent::new(&region, "h1").await;
    replica.until(|replica| replica.is_ready("h1")).await;
    agent.say(agent_message::Message::Goodbye(Goodbye::default())).await;
    replica.until(|replica| !replica.is_ready("h1")).await;
    region
        .until("the node is not ready", |region| condition(&region.node("h1").unwrap(), "Ready") == "False")
        .await;
    assert!(taints(&region.node("h1").unwrap())[0].starts_with("node.kubernetes.io/not-ready"));
}

#[tokio::test]
async fn what_was_not_acknowledged_is_told_again() {
    let region = Region::new().await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let mut agent = Agent::new(&region, "h1").await;
    let complete = agent.hear_desired().await;
    let claims = [tenant.claim_when_ready("a", "h1", 1).await, tenant.claim("b", "h1", 1, 1)];
    assert!(tenant.ask(&claims[1]).await.accepted);
    tenant.bind(&claims[0]).await;
    assert_eq!(agent.hear_orders().await, ["run a"]);
    let position = Some((agent.epoch, complete.number));
    drop(agent);
    // Bound while nobody was connected.
    tenant.bind(&claims[1]).await;
    let mut again = Agent::register(&region, "h1", 1, position).await;
    assert_eq!(again.resumed_from, complete.number);
    assert_eq!(again.hear_orders().await, ["run a"]);
    again.inventory(&[]).await;
    assert_eq!(again.hear_orders().await, ["run b"]);
    // One that has lost its place is told everything, as one account.
    let mut anew = Agent::register(&region, "h1", 1, None).await;
    assert!(anew.resumed_from >= again.number);
    anew.inventory(&[("a", false)]).await;
    let account = anew.hear_desired().await;
    assert!(account.is_complete);
    assert_eq!(crate::peers::orders(&account), ["run b"]);
}

#[tokio::test]
async fn a_host_with_an_empty_store_is_of_a_new_incarnation() {
    let region = Region::new().await;
    let mut replica = Replica::new(&region, None).await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let mut agent = Agent::new(&region, "h1").await;
    let claim = tenant.claim_when_ready("a", "h1", 1).await;
    tenant.bind(&claim).await;
    assert_eq!(agent.hear_orders().await, ["run a"]);
    let mut imaged = Agent::new(&region, "h1").await;
    assert_eq!(imaged.incarnation, 2);
    let report = tenant.hear_report("a").await;
    assert!(report.stopped && report.status.is_empty());
    assert!(imaged.hear_desired().await.pods.is_empty(), "it is never run there again");
    replica.until(|replica| replica.host("h1").is_some_and(|host| host.incarnation == 2 && host.ready)).await;
    let old = tenant.claim("b", "h1", 1, 1);
    assert_eq!(tenant.ask(&old).await.reason, "NodeIncarnation");
    // The first stream was ended for the second.
    assert!(!agent.hear_goodbye().await.is_final);
}

#[tokio::test]
async fn pods_that_nobody_knows_are_stopped_and_count_until_they_are() {
    let region = Region::new().await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let mut agent = Agent::register(&region, "h1", 0, None).await;
    agent.inventory(&[("stray", false), ("done", true)]).await;
    assert_eq!(agent.hear_orders().await, ["stop stray in 30", "forget done"]);
    let large = tenant.claim("a", "h1", 1, 1000);
    let answer = tenant.ask(&large).await;
    assert_eq!((answer.reason.as_str(), answer.free.unwrap().cpu_milli), ("OutOfcpu", 900));
    agent.status("stray", 1, true).await;
    assert_eq!(agent.hear_orders().await, ["forget stray"]);
    let large = tenant.claim("a", "h1", 1, 1000);
    assert!(tenant.ask(&large).await.accepted);
}

#[tokio::test]
async fn users_cordon_and_label_nodes_and_agents_leave_that_alone() {
    let region = Region::new().await;
    let mut replica = Replica::new(&region, None).await;
    let mut agent = Agent::new(&region, "h1").await;
    replica.until(|replica| replica.is_ready("h1")).await;
    region
        .change_node("h1", |node| {
            node["metadata"]["labels"]["mine"] = json!("1");
            node["spec"]["unschedulable"] = json!(true);
            node["spec"]["taints"] = json!([{"key": "user", "effect": "NoSchedule"}]);
        })
        .await;
    let described = |replica: &Replica| replica.host("h1").and_then(|host| host.host.clone()).unwrap();
    replica.until(|replica| described(replica).unschedulable).await;
    assert_eq!(described(&replica).labels["mine"], "1");
    assert_eq!(described(&replica).taints.len(), 1);
    // The agent describes its host anew, larger and in another zone.
    let mut node = node_object("h1", "2");
    node["metadata"]["labels"]["zone"] = json!("b");
    agent.registration(&node).await;
    let cpu = |replica: &Replica| described(replica).allocatable.unwrap().cpu_milli;
    replica.until(|replica| described(replica).labels["zone"] == "b" && cpu(replica) == 2000).await;
    let host = described(&replica);
    assert!(host.unschedulable && host.labels["mine"] == "1" && host.taints.len() == 1);
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let claim = tenant.claim("a", "h1", 1, 2000);
    assert!(tenant.ask(&claim).await.accepted);
}

#[tokio::test]
async fn a_node_that_is_deleted_goes_once_nothing_is_left_on_it() {
    let region = Region::new().await;
    let mut replica = Replica::new(&region, None).await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let mut agent = Agent::new(&region, "h1").await;
    let claim = tenant.claim_when_ready("a", "h1", 1).await;
    tenant.bind(&claim).await;
    agent.hear_orders().await;
    let delete = || async {
        let caller = Caller::system("test");
        let options = DeleteOptions::default();
        let deleted = region.registry.delete(&caller, meridian_schema::node(), "", "h1", &options).await;
        assert!(deleted.unwrap().gone);
    };
    // Its agent lives: it comes again, and so does the Node.
    delete().await;
    assert!(!agent.hear_goodbye().await.is_final);
    let mut again = Agent::register(&region, "h1", 1, None).await;
    assert_eq!(again.incarnation, 1);
    again.inventory(&[("a", false)]).await;
    assert!(again.hear_desired().await.is_complete);
    // The agent is gone: to delete the Node says that the host is off.
    again.say(agent_message::Message::Goodbye(Goodbye::default())).await;
    region
        .until("it is not ready", |region| condition(&region.node("h1").unwrap(), "Ready") == "False")
        .await;
    delete().await;
    let report = tenant.hear_report("a").await;
    assert!(report.stopped);
    tenant.settle(&claim, meridian_proto::v1::ClaimState::Void).await;
    replica.until(|replica| replica.entries.is_empty()).await;
    let passing = async {
        loop {
            region.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = replica.until(|replica| replica.host("h1").is_none()) => {}
        () = passing => {}
    }
    assert!(region.node("h1").is_none());
}

/// The renewal that a host's Lease tells; none: there is no Lease.
async fn renewed(region: &Region, host: &str) -> Option<String> {
    // What is shown is at most so old.
    region.clock.advance(Duration::from_secs(1));
    let caller = Caller::system("test");
    let lease = region.registry.get(&caller, meridian_schema::lease(), "kube-node-lease", host).await.ok()?;
    let lease = lease.value();
    let node = region.node(host).expect("a host with a lease has a Node");
    assert_eq!(lease["metadata"]["ownerReferences"][0]["uid"], node["metadata"]["uid"]);
    assert_eq!(lease["spec"]["holderIdentity"], host);
    Some(lease["spec"]["renewTime"].as_str().unwrap_or("never").to_owned())
}

#[tokio::test]
async fn a_lease_tells_when_a_host_was_last_heard_of() {
    let region = Region::new().await;
    assert_eq!(renewed(&region, "h1").await, None);
    let mut agent = Agent::new(&region, "h1").await;
    let first = renewed(&region, "h1").await.expect("there is a lease");
    let beat = async |region: &Region, agent: &mut Agent, number| {
        region.clock.advance(Duration::from_secs(10));
        agent.say(agent_message::Message::Heartbeat(Heartbeat { number })).await;
        while !matches!(agent.hear().await, link_message::Message::Heartbeat(beat) if beat.number == number) {
        }
    };
    let appended = region.tenant_revision().await;
    for number in 0..10 {
        beat(&region, &mut agent, number).await;
    }
    assert_eq!(region.tenant_revision().await, appended, "a heartbeat is no write");
    let later = renewed(&region, "h1").await.expect("there is a lease");
    assert!(later > first && later.ends_with('Z') && later.len() == 27, "{first} {later}");
    assert_eq!(renewed(&region, "h1").await, Some(later));

    // After a restart the host is known, and not heard of yet.
    let region = region.restart().await;
    assert_eq!(renewed(&region, "h1").await.as_deref(), Some("never"));
    let _agent = Agent::new(&region, "h1").await;
    assert_ne!(renewed(&region, "h1").await.as_deref(), Some("never"));
    let caller = Caller::system("test");
    let node = meridian_schema::node();
    region.registry.delete(&caller, node, "", "h1", &DeleteOptions::default()).await.unwrap();
    let gone = tokio::time::timeout(PATIENCE, async {
        while region.registry.get(&caller, meridian_schema::lease(), "kube-node-lease", "h1").await.is_ok() {
            region.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    });
    gone.await.expect("the lease goes with the Node");
}
