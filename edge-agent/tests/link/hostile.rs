//! A host partition that is replaced, mistaken or malicious.

use meridian_edge_agent::LocalStore;
use meridian_proto::v1::{
    Desired, Goodbye, HeartbeatAnswer, Hello, Registered, StatusStoredNumber, StatusesStored, agent_message,
    desired_pod::Action, link_message,
};
use serde_json::Value;

use crate::partition::*;

/// Waits for the agent's last word on a link.
async fn goodbye(mut link: Link) -> String {
    loop {
        match link.try_next().await {
            Some(agent_message::Message::Goodbye(goodbye)) => return goodbye.reason,
            Some(_) => {}
            None => panic!("want a goodbye"),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_run_is_told_and_nothing_breaks() {
    let (connector, mut listener) = link();
    let _hosts = one(connector, &LocalStore::in_memory().unwrap());
    let (mut link, _) = Link::register(&mut listener, 5, 1, 10).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let bad =
        ["", "{", "null", "[]", "{\"metadata\":7}", "{\"spec\":{\"containers\":\"x\"}}", "\u{0}", &deep];
    let orders = bad.iter().enumerate().map(|(number, object)| run_with(&format!("bad-{number}"), object));
    link.desire(11, orders.collect()).await;
    let mut ended = std::collections::BTreeSet::new();
    while ended.len() < bad.len() {
        let agent_message::Message::Statuses(statuses) = link.next().await else { continue };
        for status in statuses.pods {
            let value: Value = serde_json::from_slice(&status.status).unwrap();
            assert_eq!(
                (status.stopped, &value["phase"], &value["reason"]),
                (true, &"Failed".into(), &"InvalidPod".into())
            );
            ended.insert(status.uid);
        }
    }
    // Orders that make no sense, among one that does; numbers that go back; answers to what was never asked.
    let mut unknown = order("x", Action::Run);
    unknown.action = 77;
    let mut backwards = order("never", Action::Stop);
    backwards.grace_seconds = i64::MIN;
    let mut endless = order("never-2", Action::Stop);
    endless.grace_seconds = i64::MAX;
    let orders = vec![
        unknown,
        order("y", Action::Unspecified),
        run(""),
        run(&"u".repeat(100_000)),
        order("nobody", Action::Forget),
        backwards,
        endless,
        run("good"),
        run("good"),
    ];
    link.desire(12, orders).await;
    let stored = vec![StatusStoredNumber { uid: "nobody".into(), number: u64::MAX }];
    link.say(link_message::Message::Stored(StatusesStored { pods: stored })).await;
    link.say(link_message::Message::Heartbeat(HeartbeatAnswer { number: u64::MAX })).await;
    for number in [12, 3, 0] {
        link.desire(number, vec![run("late"), order("good", Action::Stop)]).await;
    }
    link.desire(u64::MAX, vec![]).await;
    link.acknowledged(u64::MAX).await;
    drop(link);
    let (_link, inventory) = Link::register(&mut listener, 5, 1, u64::MAX).await;
    let pods: Vec<_> = inventory.pods.iter().filter(|pod| !pod.uid.starts_with("bad-")).collect();
    let pods: Vec<_> = pods.iter().map(|pod| (pod.uid.as_str(), pod.stopped)).collect();
    assert_eq!(pods, [("good", false), ("never", true), ("never-2", true)]);
}

#[tokio::test]
async fn a_partition_that_was_replaced_is_not_obeyed() {
    let (connector, mut listener) = link();
    let _hosts = one(connector, &LocalStore::in_memory().unwrap());
    let (mut link, _) = Link::register(&mut listener, 5, 1, 0).await;
    link.desire(1, vec![run("a")]).await;
    link.status("a", is_running).await;
    // The same link speaks for an epoch that is over.
    let desired =
        Desired { number: 2, host_epoch: 4, pods: vec![order("a", Action::Stop)], is_complete: true };
    link.say(link_message::Message::Desired(desired)).await;
    let reason = goodbye(link).await;
    assert_eq!(reason, "epoch 4 of the host partition is lower than epoch 5, which this host has obeyed");
    // So does another link, from its first word on.
    let link = Link::accept(&mut listener, 4).await;
    assert_eq!(goodbye(link).await, reason);
    let (_link, inventory) = Link::register(&mut listener, 6, 1, 0).await;
    assert!(!inventory.pods[0].stopped, "what the old one said has not been obeyed");
}

#[tokio::test]
async fn a_partition_that_says_the_wrong_thing_is_told_so() {
    let (connector, mut listener) = link();
    let _hosts = one(connector, &LocalStore::in_memory().unwrap());
    let hello = || Hello {
        lowest_version: 1,
        highest_version: 1,
        cell: "north".into(),
        name: "hosts-0".into(),
        epoch: 5,
        ..Hello::default()
    };
    let registered = |incarnation| {
        let heartbeat_milliseconds = u64::MAX;
        link_message::Message::Registered(Registered { incarnation, heartbeat_milliseconds, resumed_from: 0 })
    };
    for (message, want) in [
        (link_message::Message::Hello(Box::new(hello())), "a second Hello"),
        (
            link_message::Message::Hello(Box::new(Hello {
                lowest_version: 2,
                highest_version: 3,
                ..hello()
            })),
            "versions 2 to 3",
        ),
        (
            link_message::Message::Hello(Box::new(Hello { required_features: vec!["x".into()], ..hello() })),
            "not known here, want none of them or a newer build here: \"x\"",
        ),
        (
            link_message::Message::Hello(Box::new(Hello { cell: "south".into(), ..hello() })),
            "\"south\", want \"north\"",
        ),
        (
            link_message::Message::Desired(Desired { host_epoch: 5, ..Desired::default() }),
            "Desired before Registered",
        ),
        (registered(0), "the incarnation 0"),
    ] {
        let link = Link::accept(&mut listener, 5).await;
        link.say(message).await;
        let reason = goodbye(link).await;
        assert!(reason.contains(want), "{reason}");
    }
    // A partition that says goodbye is come back to, even when it means for good.
    let link = Link::accept(&mut listener, 5).await;
    link.say(link_message::Message::Goodbye(Goodbye { reason: "later".into(), is_final: false })).await;
    drop(link);
    let (mut link, _) = Link::register(&mut listener, 5, 3, 0).await;
    link.desire(1, vec![run("a")]).await;
    link.status("a", is_running).await;
    drop(link);
    // Another incarnation: what ran is ended, and the host comes with an empty store.
    let link = Link::accept(&mut listener, 5).await;
    assert_eq!(link.hello.epoch, 3);
    link.say(registered(4)).await;
    assert_eq!(goodbye(link).await, "this host was incarnation 3, not 4");
    let mut link = Link::accept(&mut listener, 5).await;
    assert_eq!(link.hello.epoch, 0);
    assert!(link.take_in(4, 0).await.pods.is_empty());
}
