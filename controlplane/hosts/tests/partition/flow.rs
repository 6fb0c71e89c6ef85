//! A pod's way: claimed, bound, run, reported, stopped, forgotten.

use std::time::Duration;

use meridian_proto::v1::ClaimState;

use crate::peers::{Agent, Replica, Tenant};
use crate::region::{Region, condition};

#[tokio::test]
async fn a_host_registers_and_is_a_ready_node() {
    let region = Region::new().await;
    let mut replica = Replica::new(&region, None).await;
    let agent = Agent::register(&region, "h1", 0, None).await;
    assert_eq!((agent.incarnation, agent.resumed_from), (1, 0));
    replica.until(|replica| replica.host("h1").is_some()).await;
    assert!(!replica.is_ready("h1"), "not before its inventory");
    let mut agent = agent;
    agent.inventory(&[]).await;
    assert!(agent.hear_desired().await.is_complete);
    replica.until(|replica| replica.is_ready("h1")).await;
    let told = replica.host("h1").unwrap();
    assert_eq!(told.incarnation, 1);
    assert_eq!(told.host.as_ref().unwrap().labels["zone"], "a");
    assert_eq!(told.host.as_ref().unwrap().allocatable.as_ref().unwrap().cpu_milli, 1000);
    let node = region.node("h1").unwrap();
    assert_eq!(condition(&node, "Ready"), "True");
    assert_eq!(node["metadata"]["labels"]["kubernetes.io/hostname"], "h1");
    assert_eq!(node["status"]["addresses"][0]["address"], "10.0.0.1");
}

#[tokio::test]
async fn a_pod_is_claimed_bound_run_reported_stopped_and_forgotten() {
    let region = Region::new().await;
    let mut replica = Replica::new(&region, None).await;
    let mut agent = Agent::new(&region, "h1").await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let claim = tenant.claim_when_ready("a", "h1", 1).await;
    replica.until(|replica| replica.entries.len() == 1).await;
    let entry = replica.entries.values().next().unwrap();
    assert_eq!((entry.uid.as_str(), entry.host), ("a", replica.host("h1").unwrap().number));
    assert_eq!(replica.demands[&entry.demand].requests.as_ref().unwrap().cpu_milli, 100);

    tenant.bind(&claim).await;
    assert_eq!(agent.hear_orders().await, ["run a"]);
    agent.acknowledge(agent.number).await;
    agent.status("a", 1, false).await;
    let report = tenant.hear_report("a").await;
    assert_eq!((report.host.as_str(), report.number, report.stopped), ("h1", 1, false));
    assert_eq!((report.namespace.as_str(), report.name.as_str()), ("default", "name-a"));
    tenant.stored(&report).await;
    assert_eq!(agent.hear_stored().await, [("a".to_owned(), 1)]);

    tenant.settle(&claim, ClaimState::Terminating).await;
    assert_eq!(agent.hear_orders().await, ["stop a in 7"]);
    agent.status("a", 2, true).await;
    let report = tenant.hear_report("a").await;
    assert!(report.stopped);
    tenant.stored(&report).await;
    assert_eq!(agent.hear_stored().await, [("a".to_owned(), 2)]);
    // It is told again until the claim is settled: only that gives the room back.
    let passing = async {
        loop {
            region.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        report = tenant.hear_report("a") => assert!(report.stopped),
        () = passing => {}
    }
    tenant.settle(&claim, ClaimState::Void).await;
    assert_eq!(agent.hear_orders().await, ["forget a"]);
    replica.until(|replica| replica.entries.is_empty()).await;
    assert_eq!(replica.restarts, 1);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_in_the_kubelets_words() {
    let region = Region::new().await;
    let _agent = Agent::new(&region, "h1").await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    tenant.claim_when_ready("a", "h1", 1).await;
    let claim = tenant.claim("b", "h1", 1, 1000);
    let answer = tenant.ask(&claim).await;
    assert!(!answer.accepted);
    assert_eq!(answer.reason, "OutOfcpu");
    assert_eq!(
        answer.message,
        "Node didn't have enough resource: cpu, requested: 1000, used: 100, capacity: 1000"
    );
    assert_eq!((answer.free.unwrap().cpu_milli, answer.free_pods), (900, 9));
    assert_eq!(region.metric("meridian_hosts_claims_total", "rejected"), Some(1.0));
    assert_eq!(region.metric("meridian_hosts_recovering", ""), Some(0.0));
    region
        .until("it is counted", |region| {
            region.metric("meridian_hosts_ledger_entries", "held") == Some(1.0)
                && region.metric("meridian_hosts_hosts", "ready") == Some(1.0)
        })
        .await;
    for (host, incarnation, reason) in [("h1", 9, "NodeIncarnation"), ("h2", 1, "NodeNotFound")] {
        let claim = tenant.claim("c", host, incarnation, 1);
        assert_eq!(tenant.ask(&claim).await.reason, reason);
    }
}

#[tokio::test]
async fn the_newest_status_is_told_and_told_again_until_it_is_stored() {
    let region = Region::new().await;
    let mut agent = Agent::new(&region, "h1").await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let claim = tenant.claim_when_ready("a", "h1", 1).await;
    tenant.bind(&claim).await;
    agent.hear_orders().await;
    agent.status("a", 5, false).await;
    assert_eq!(tenant.hear_report("a").await.number, 5);
    // The stream breaks, and the partition comes again.
    drop(tenant);
    let mut tenant = Tenant::greet(&region, "tp", 1).await;
    let report = tenant.hear_report("a").await;
    assert_eq!(report.number, 5);
    // An older one says nothing; a newer one replaces it, and its storing stores both.
    agent.status("a", 4, false).await;
    agent.status("a", 6, true).await;
    let report = tenant.hear_report("a").await;
    assert_eq!((report.number, report.stopped), (6, true));
    agent.status("a", 7, false).await;
    let report = tenant.hear_report("a").await;
    assert_eq!((report.number, report.stopped), (7, true), "what has stopped has");
    tenant.stored(&report).await;
    assert_eq!(agent.hear_stored().await, [("a".to_owned(), 7)]);
    // Nobody is to be told of a pod that nobody knows.
    agent.status("nobody", 3, false).await;
    assert_eq!(agent.hear_stored().await, [("nobody".to_owned(), 3)]);
}

#[tokio::test]
async fn a_replica_goes_on_from_where_it_was() {
    let region = Region::new().await;
    let _agent = Agent::new(&region, "h1").await;
    let mut tenant = Tenant::new(&region, "tp", 1, Vec::new()).await;
    let mut replica = Replica::new(&region, None).await;
    replica.until(|replica| replica.is_ready("h1")).await;
    let position = (replica.epoch, replica.number);
    tenant.claim_when_ready("a", "h1", 1).await;
    let resumed = Replica::new(&region, Some(position)).await;
    assert_eq!((resumed.restarts, resumed.hosts.len(), resumed.entries.len()), (0, 0, 1));
    for stale in [(position.0 + 1, position.1), (position.0, u64::MAX)] {
        let anew = Replica::new(&region, Some(stale)).await;
        assert_eq!((anew.restarts, anew.hosts.len(), anew.entries.len()), (1, 1, 1));
    }
}
