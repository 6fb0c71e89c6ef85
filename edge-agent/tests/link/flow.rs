//! A pod's whole way, and what happens when links, agents and disks go.

use std::sync::Arc;
use std::time::Duration;

use meridian_edge_agent::{Delays, LocalStore};
use meridian_environment::{Clock, ManualClock};
use meridian_proto::v1::{LinkMessage, agent_message, desired_pod::Action};
use meridian_proto::{Connector, link_service};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::partition::*;

/// A listener behind gRPC on a free port, and a connector to it.
async fn over_grpc() -> (Connector<meridian_proto::v1::AgentMessage, LinkMessage>, LinkListener) {
    let (connector, listener) = link();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    let router = link_service(connector).into_axum_router();
    tokio::spawn(async move { axum::serve(socket, router).await });
    (Connector::link_at(&address).unwrap(), listener)
}

#[tokio::test]
async fn a_process_has_more_links_than_a_server_takes_on_one_connection() {
    let (connector, mut listener) = over_grpc().await;
    // The server here takes 200.
    let mut links = Vec::new();
    for number in 0..250 {
        let both = async { tokio::join!(connector.connect(), listener.accept()) };
        let (near, far) = soon(&format!("link {number}"), both).await;
        links.push((near.unwrap(), far.unwrap()));
    }
}

/// The whole way of a pod, with a link that breaks on it.
async fn whole_way(
    connector: Connector<meridian_proto::v1::AgentMessage, LinkMessage>,
    mut listener: LinkListener,
) {
    let store = LocalStore::in_memory().unwrap();
    let hosts = one(connector, &store);
    let (mut link, inventory) = Link::register(&mut listener, 5, 1, 100).await;
    assert_eq!(
        (link.hello.name.as_str(), link.hello.epoch, link.hello.positions.len()),
        ("host-00000", 0, 0)
    );
    assert!(inventory.pods.is_empty());
    soon("registering", hosts.registered().wait_for(|registered| *registered == 1)).await.unwrap();
    assert_eq!(hosts.progress().registered, 1);

    link.desire(101, vec![run("a"), run("b")]).await;
    let (status, value) = link.status("a", is_running).await;
    assert_eq!(
        (status.tenant.as_str(), status.namespace.as_str(), status.name.as_str()),
        ("blue", "default", "pod-a")
    );
    assert_eq!((&value["qosClass"], status.stopped), (&json!("BestEffort"), false));
    link.stored(&status).await;

    // The link breaks: pods go on, and the agent comes back to where it was.
    drop(link);
    let (mut link, inventory) = Link::register(&mut listener, 5, 1, 101).await;
    assert_eq!(link.hello.epoch, 1);
    let position = &link.hello.positions[0];
    assert_eq!((position.name.as_str(), position.epoch, position.number), ("hosts-0", 5, 101));
    let pods: Vec<_> =
        inventory.pods.iter().map(|pod| (pod.uid.as_str(), pod.stopped, pod.object.is_empty())).collect();
    assert_eq!(pods, [("a", false, false), ("b", false, false)]);
    // `b` was told on the link that broke or not at all: it is told until it is stored.
    let (b, _) = link.status("b", is_running).await;
    link.stored(&b).await;

    link.desire(102, vec![order("a", Action::Stop)]).await;
    let (end, value) = link.status("a", is_stopped).await;
    assert_eq!(value["containerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
    assert!(end.number > status.number);
    link.stored(&end).await;
    // Stored and not forgotten: on the next link it is told again, and an order to run it is in vain.
    drop(link);
    let (mut link, inventory) = Link::register(&mut listener, 5, 1, 102).await;
    assert!(inventory.pods.iter().any(|pod| pod.uid == "a" && pod.stopped && pod.object.is_empty()));
    link.status("a", is_stopped).await;
    link.desire(103, vec![run("a")]).await;
    link.status("a", is_stopped).await;
    link.desire(104, vec![order("a", Action::Forget), order("b", Action::Forget)]).await;
    link.acknowledged(104).await;
    drop(link);
    // What runs is not forgotten, whatever is said.
    let (mut link, inventory) = Link::register(&mut listener, 5, 1, 104).await;
    assert_eq!(inventory.pods.iter().map(|pod| pod.uid.as_str()).collect::<Vec<_>>(), ["b"]);

    let shutdown = tokio::spawn(hosts.shutdown());
    loop {
        match link.try_next().await {
            Some(agent_message::Message::Goodbye(goodbye)) => break assert!(!goodbye.is_final),
            Some(_) => {}
            None => panic!("want a goodbye before the end"),
        }
    }
    soon("shutting down", shutdown).await.unwrap();
}

#[tokio::test]
async fn a_pod_goes_its_whole_way_within_the_process() {
    let (connector, listener) = link();
    whole_way(connector, listener).await;
}

#[tokio::test]
async fn a_pod_goes_its_whole_way_over_grpc() {
    let (connector, listener) = over_grpc().await;
    whole_way(connector, listener).await;
}

#[tokio::test]
async fn an_agent_that_was_killed_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agents.redb");
    let (connector, mut listener) = link();
    let store = LocalStore::open(&path).unwrap();
    let hosts = one(connector.clone(), &store);
    let (mut link, _) = Link::register(&mut listener, 5, 1, 0).await;
    link.desire(1, vec![run("a"), run("b")]).await;
    let (before, first) = link.status("a", is_running).await;
    link.desire(2, vec![order("b", Action::Stop), order("never", Action::Stop)]).await;
    let (never, value) = link.status("never", is_stopped).await;
    assert_eq!((never.name.as_str(), value), ("", Value::Null));
    link.acknowledged(2).await;
    // No goodbye, no closing: the file as it is at this moment.
    let copy = folder.path().join("copy.redb");
    std::fs::copy(&path, &copy).unwrap();
    drop((hosts, link));
    let store = LocalStore::open(&copy).unwrap();
    let _hosts = one(connector, &store);
    let mut link = Link::accept(&mut listener, 5).await;
    while link.hello.epoch == 0 {
        link = Link::accept(&mut listener, 5).await;
    }
    assert_eq!(link.hello.positions[0].number, 2);
    let inventory = link.take_in(1, 2).await;
    let pods: Vec<_> = inventory.pods.iter().map(|pod| (pod.uid.as_str(), pod.stopped)).collect();
    assert_eq!(pods, [("a", false), ("b", true), ("never", true)]);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let agent_message::Message::Statuses(statuses) = link.next().await else { continue };
        for status in statuses.pods {
            let value: Value = serde_json::from_slice(&status.status).unwrap_or_default();
            if status.uid == "a" {
                assert!(status.number > before.number, "numbers go on");
                assert_eq!(value, first, "the container is the one that ran before");
            }
            if status.uid == "never" {
                assert_eq!(value, Value::Null);
            }
            seen.push((status.uid, status.stopped));
        }
    }
    seen.sort();
    assert_eq!(seen, [("a".to_owned(), false), ("b".to_owned(), true), ("never".to_owned(), true)]);
}

#[tokio::test]
async fn time_passes_for_pods_as_their_annotations_say() {
    let clock = Arc::new(ManualClock::new());
    let (connector, mut listener) = link();
    let second = Duration::from_secs(1);
    let delays =
        Delays { create: second, start: second, stop: 2 * second, run: Some(60 * second), jitter_percent: 0 };
    let _hosts = one_with(connector, &LocalStore::in_memory().unwrap(), delays, clock.clone());
    let (mut link, _) = Link::register(&mut listener, 5, 1, 0).await;
    let job = pod(
        "job",
        "Never",
        &json!({"sim.meridian.io/run-seconds": "5", "sim.meridian.io/start-seconds": "0.5"}),
    );
    let batch = pod("batch", "OnFailure", &json!({}));
    let fails =
        pod("fails", "Never", &json!({"sim.meridian.io/run-seconds": "0", "sim.meridian.io/exit-code": "2"}));
    let orders =
        vec![run("web"), run_with("job", &job), run_with("batch", &batch), run_with("fails", &fails)];
    link.desire(1, orders).await;
    let (_, value) = link.status("web", |_, value| value["phase"] == "Pending").await;
    assert_eq!(value["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
    // Each second is waited for by what it brings: the clock does not run ahead of the agent.
    let mut phases = std::collections::BTreeMap::new();
    let wanted = [
        ("batch", "Succeeded", true),
        ("fails", "Failed", true),
        ("job", "Succeeded", true),
        ("web", "Running", false),
    ];
    while phases.len() < 4
        || !wanted.iter().all(|(uid, phase, stopped)| phases[*uid] == ((*phase).to_owned(), *stopped))
    {
        clock.advance(Duration::from_millis(500));
        let Ok(message) = tokio::time::timeout(Duration::from_millis(20), link.next()).await else {
            continue;
        };
        let agent_message::Message::Statuses(statuses) = message else { continue };
        for status in statuses.pods {
            let value: Value = serde_json::from_slice(&status.status).unwrap();
            phases.insert(status.uid.clone(), (value["phase"].as_str().unwrap().to_owned(), status.stopped));
            link.stored(&status).await;
        }
        assert!(clock.now() < Duration::from_secs(600), "{phases:?}");
    }
    // A stop takes its two seconds, and a link that waits for no heartbeat.
    let before = clock.now();
    link.desire(2, vec![order("web", Action::Stop)]).await;
    link.acknowledged(2).await;
    clock.advance(2 * second);
    let (_, value) = link.status("web", is_stopped).await;
    assert_eq!(value["phase"], "Succeeded");
    assert!(clock.now() - before >= 2 * second);
}
