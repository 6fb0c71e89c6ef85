//! Many hosts, and what befalls them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use meridian_edge_agent::{Delays, HostFault, LocalStore, SimulatedHosts};
use meridian_environment::MonotonicClock;
use meridian_proto::v1::agent_message;
use tokio::task::JoinSet;

use crate::partition::*;

const HOST: &str = "host-00000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_agents_register_and_run_pods() {
    const HOSTS: usize = 1000;
    let (connector, mut listener) = link();
    let store = LocalStore::in_memory().unwrap();
    let hosts = SimulatedHosts::start(options(HOSTS as u32, connector, &store)).unwrap();
    let mut links = JoinSet::new();
    for number in 0..HOSTS {
        let duplex = soon("a link", async { Link::accept(&mut listener, 1).await }).await;
        links.spawn(async move {
            let mut link = duplex;
            link.take_in(1, 0).await;
            let uid = format!("pod-{number}");
            link.desire(1, vec![run(&uid)]).await;
            let (_, status) = link.status(&uid, is_running).await;
            let host = link.hello.name.clone();
            (link, host, status["podIP"].as_str().unwrap().to_owned())
        });
    }
    let mut addresses = BTreeMap::new();
    let mut names = BTreeSet::new();
    let mut kept = Vec::new();
    while let Some(ended) = soon("a pod to run", links.join_next()).await {
        let (link, host, address) = ended.unwrap();
        assert_eq!(addresses.insert(address, host.clone()), None, "an address comes twice");
        names.insert(host);
        kept.push(link);
    }
    assert_eq!(names, hosts.names().collect());
    soon("registering", hosts.registered().wait_for(|registered| *registered == HOSTS)).await.unwrap();
    soon("shutting down", hosts.shutdown()).await;
    for mut link in kept {
        while let Some(message) = link.try_next().await {
            if let agent_message::Message::Goodbye(_) = message {
                break;
            }
        }
    }
}

/// One host with a pod that runs.
async fn with_a_pod(delays: Delays) -> (SimulatedHosts, LinkListener, Link) {
    let (connector, mut listener) = link();
    let store = LocalStore::in_memory().unwrap();
    let hosts = one_with(connector, &store, delays, Arc::new(MonotonicClock::new()));
    let (mut link, _) = Link::register(&mut listener, 5, 1, 0).await;
    link.desire(1, vec![run("a")]).await;
    let (status, _) = link.status("a", is_running).await;
    link.stored(&status).await;
    (hosts, listener, link)
}

/// Waits until a link is gone without a word.
async fn is_cut(mut link: Link) {
    while let Some(message) = link.try_next().await {
        assert!(!matches!(message, agent_message::Message::Goodbye(_)), "a host that fails says nothing");
    }
}

#[tokio::test]
async fn a_host_that_crashes_comes_back_and_makes_its_containers_again() {
    let (hosts, mut listener, link) = with_a_pod(Delays::ZERO).await;
    hosts.fail(HOST, HostFault::Crash).unwrap();
    is_cut(link).await;
    soon("the loss", hosts.registered().wait_for(|registered| *registered == 0)).await.unwrap();
    hosts.recover(HOST).unwrap();
    let (mut link, inventory) = Link::register(&mut listener, 5, 1, 1).await;
    assert_eq!((link.hello.epoch, inventory.pods.len()), (1, 1), "the same incarnation, and its pod");
    let (_, status) = link.status("a", |_, value| value["containerStatuses"][0]["restartCount"] == 1).await;
    let container = &status["containerStatuses"][0];
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 137);
    assert_eq!((container["ready"].as_bool(), &status["phase"]), (Some(true), &"Running".into()));
}

#[tokio::test]
async fn a_host_that_is_cut_off_goes_on_and_comes_back() {
    let (hosts, mut listener, link) = with_a_pod(Delays::ZERO).await;
    hosts.fail(HOST, HostFault::LinkDown).unwrap();
    is_cut(link).await;
    hosts.recover(HOST).unwrap();
    let (mut link, inventory) = Link::register(&mut listener, 5, 1, 1).await;
    assert_eq!(inventory.pods.len(), 1);
    link.desire(2, vec![run("b")]).await;
    link.status("b", is_running).await;
}

#[tokio::test]
async fn a_host_that_was_wiped_comes_as_another_incarnation() {
    let (hosts, mut listener, link) = with_a_pod(Delays::ZERO).await;
    hosts.fail(HOST, HostFault::Wipe).unwrap();
    is_cut(link).await;
    let mut link = Link::accept(&mut listener, 5).await;
    assert_eq!((link.hello.epoch, link.hello.positions.len()), (0, 0));
    assert!(link.take_in(2, 0).await.pods.is_empty());
    link.desire(1, vec![run("b")]).await;
    link.status("b", is_running).await;
    drop(link);
    let (link, inventory) = Link::register(&mut listener, 5, 2, 1).await;
    assert_eq!((link.hello.epoch, inventory.pods[0].uid.as_str()), (2, "b"));
}

#[tokio::test]
async fn a_slow_host_takes_a_second_for_what_took_none() {
    let (hosts, _listener, mut link) = with_a_pod(Delays::ZERO).await;
    hosts.fail(HOST, HostFault::Slow).unwrap();
    // The agent notices a condition before it takes in what is sent after it.
    link.desire(2, vec![run("b")]).await;
    let start = tokio::time::Instant::now();
    let (_, pending) = link.status("b", |_, _| true).await;
    assert_eq!(pending["phase"], "Pending");
    link.status("b", is_running).await;
    assert!(start.elapsed() >= Duration::from_millis(1900), "{:?}", start.elapsed());
    hosts.recover(HOST).unwrap();
    link.desire(3, vec![run("c")]).await;
    let (_, status) = link.status("c", |_, _| true).await;
    assert_eq!(status["phase"], "Running");
}
