//! A replica between scripted partitions.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use meridian_engine::{Demand, Host, Profile, Resources};
use meridian_environment::{Ids, ManualClock};
use meridian_proto::{Duplex, Listener, local, v1};
use meridian_replica::{Replica, ReplicaOptions};
use meridian_wire::{demand_to_message, host_to_message};
use v1::host_feed_request::Message as Request;
use v1::host_feed_response::Message as Response;
use v1::partition_message::Message as Said;
use v1::replica_message::Message as Heard;

type Pods = Duplex<v1::PartitionMessage, v1::ReplicaMessage>;
type Feed = Duplex<v1::HostFeedResponse, v1::HostFeedRequest>;

/// A replica with one tenant partition and one host partition, which the test plays.
struct Rig {
    replica: Replica,
    clock: Arc<ManualClock>,
    pods: Listener<v1::PartitionMessage, v1::ReplicaMessage>,
    hosts: Listener<v1::HostFeedResponse, v1::HostFeedRequest>,
    metrics: prometheus::Registry,
}

fn rig(capacity: usize) -> Rig {
    let (to_pods, pods) = local("pods", capacity);
    let (to_hosts, hosts) = local("hosts", capacity);
    let clock = Arc::new(ManualClock::new());
    let metrics = prometheus::Registry::new();
    let replica = Replica::start(ReplicaOptions {
        name: "replica-0".to_owned(),
        cell: "cell".to_owned(),
        profiles: vec![Profile::meridian()],
        partitions: vec![to_pods],
        hosts: vec![to_hosts],
        clock: clock.clone(),
        ids: Arc::new(Ids::seeded(7)),
        metrics: metrics.clone(),
    })
    .unwrap();
    Rig { replica, clock, pods, hosts, metrics }
}

/// The next stream, however long the replica waits before it opens one.
async fn accept<Out, In>(listener: &mut Listener<Out, In>, clock: &ManualClock) -> Duplex<Out, In> {
    loop {
        tokio::select! {
            biased;
            stream = listener.accept() => return stream.unwrap(),
            () = tokio::task::yield_now() => clock.advance(Duration::from_millis(1)),
        }
    }
}

fn hello(name: &str, epoch: u64) -> v1::Hello {
    v1::Hello {
        lowest_version: 1,
        highest_version: 4,
        features: vec!["something new".to_owned()],
        cell: "cell".to_owned(),
        name: name.to_owned(),
        epoch,
        ..Default::default()
    }
}

async fn say(pods: &Pods, message: Said) {
    pods.sender.send(v1::PartitionMessage { message: Some(message) }).await.unwrap();
}

async fn tell(feed: &Feed, message: Response) {
    feed.sender.send(v1::HostFeedResponse { message: Some(message) }).await.unwrap();
}

async fn hear(pods: &mut Pods) -> Option<Heard> {
    pods.receiver.recv().await.map(|message| message.message.unwrap())
}

async fn requested(feed: &mut Feed) -> Option<Request> {
    feed.receiver.recv().await.map(|message| message.message.unwrap())
}

impl Rig {
    async fn pods(&mut self) -> Pods {
        let mut pods = accept(&mut self.pods, &self.clock).await;
        let Some(Heard::Hello(heard)) = hear(&mut pods).await else { panic!("no hello") };
        assert_eq!((heard.lowest_version, heard.highest_version), (1, 1));
        assert_eq!((&*heard.cell, &*heard.name, heard.positions), ("cell", "replica-0", Vec::new()));
        say(&pods, Said::Hello(Box::new(hello("tenants", 3)))).await;
        pods
    }

    /// The feed, and the positions that the replica has come with.
    async fn feed(&mut self, epoch: u64) -> (Feed, Vec<v1::Position>) {
        let mut feed = accept(&mut self.hosts, &self.clock).await;
        let Some(Request::Hello(heard)) = requested(&mut feed).await else { panic!("no hello") };
        tell(&feed, Response::Hello(Box::new(hello("hosts", epoch)))).await;
        (feed, heard.positions)
    }

    async fn is_ready(&self, ready: bool) {
        self.replica.readiness().wait_for(|now| *now == ready).await.unwrap();
        assert_eq!(self.replica.is_ready(), ready);
    }
}

fn demand() -> v1::Demand {
    let requests = Resources { cpu_milli: 1_000, ..Resources::default() };
    demand_to_message(&Demand { requests, ..Demand::default() })
}

fn host(number: u32, cores: i64) -> v1::HostChange {
    let allocatable = Resources { cpu_milli: cores * 1_000, memory: 1 << 30, ..Resources::default() };
    let host = Host { name: format!("host-{number}"), allocatable, pods: 10_000, ..Host::default() };
    let host = Some(host_to_message(&host));
    let state = v1::HostState { number, host, incarnation: 5, ready: true };
    v1::HostChange { change: Some(v1::host_change::Change::Host(state)) }
}

fn account(number: u64, hosts: Vec<v1::HostChange>) -> Response {
    Response::Changes(v1::HostChanges { number, restart: true, in_sync: true, changes: hosts })
}

fn class(number: u32) -> Said {
    Said::Class(v1::ClassDefinition {
        number,
        demand: Some(demand()),
        profile: "default-scheduler".to_owned(),
    })
}

fn pending(uids: impl IntoIterator<Item = String>, class: u32) -> Said {
    let pods = uids.into_iter().map(|uid| v1::PendingPod { uid, class, ..Default::default() }).collect();
    Said::Pods(v1::PendingPods { assignment: 2, pods, ..Default::default() })
}

async fn decisions(pods: &mut Pods, count: usize) -> Vec<v1::Decision> {
    let mut decisions = Vec::new();
    while decisions.len() < count {
        match hear(pods).await {
            Some(Heard::Decisions(more)) => decisions.extend(more.decisions),
            other => panic!("wanted decisions, got {other:?}"),
        }
    }
    decisions
}

#[tokio::test]
async fn pods_are_decided_and_the_end_is_announced() {
    let mut rig = rig(16);
    let (mut feed, positions) = rig.feed(1).await;
    assert_eq!(positions, Vec::new());
    let mut pods = rig.pods().await;
    assert!(!rig.replica.is_ready());
    say(&pods, class(4)).await;
    say(&pods, pending(["p".to_owned()], 4)).await;
    tell(&feed, account(9, vec![host(1, 8)])).await;
    rig.is_ready(true).await;
    let decision = decisions(&mut pods, 1).await.remove(0);
    assert_eq!((&*decision.uid, decision.assignment, decision.hosts.len()), ("p", 2, 1));
    let decided = &decision.hosts[0];
    assert_eq!((&*decided.partition, &*decided.host, decided.incarnation), ("hosts", "host-1", 5));

    let names: Vec<String> = rig.metrics.gather().iter().map(|family| family.name().to_owned()).collect();
    assert!(names.contains(&"meridian_scheduler_events_total".to_owned()), "{names:?}");

    let end = tokio::spawn(rig.replica.shutdown());
    assert!(
        matches!(hear(&mut pods).await, Some(Heard::Goodbye(goodbye)) if goodbye.reason == "the replica stops")
    );
    assert!(matches!(requested(&mut feed).await, Some(Request::Goodbye(_))));
    end.await.unwrap();
}

#[tokio::test]
async fn a_broken_feed_goes_on_where_it_was_and_a_new_epoch_begins_anew() {
    let mut rig = rig(16);
    let (feed, _) = rig.feed(1).await;
    let mut pods = rig.pods().await;
    say(&pods, class(1)).await;
    tell(&feed, account(9, vec![host(1, 1)])).await;
    let more = v1::HostChanges { number: 12, changes: vec![host(2, 1)], ..Default::default() };
    tell(&feed, Response::Changes(more)).await;
    rig.is_ready(true).await;
    drop(feed);
    rig.is_ready(false).await;
    let (feed, positions) = rig.feed(1).await;
    assert_eq!(positions, [v1::Position { name: "hosts".to_owned(), epoch: 1, number: 12 }]);
    rig.is_ready(true).await;
    // Both hosts are still known.
    say(&pods, pending(["p".to_owned(), "q".to_owned()], 1)).await;
    assert_eq!(decisions(&mut pods, 2).await.len(), 2);

    // An account that breaks off cannot be gone on from.
    let half = v1::HostChanges { number: 13, restart: true, changes: vec![host(7, 1)], ..Default::default() };
    tell(&feed, Response::Changes(half)).await;
    drop(feed);
    rig.is_ready(false).await;
    let (feed, positions) = rig.feed(2).await;
    assert_eq!(positions, Vec::new());
    tell(&feed, account(1, vec![host(7, 1)])).await;
    rig.is_ready(true).await;
    say(&pods, pending(["r".to_owned()], 1)).await;
    assert_eq!(decisions(&mut pods, 1).await[0].hosts[0].host, "host-7");
    rig.replica.shutdown().await;
}

#[tokio::test]
async fn pods_of_a_broken_stream_are_decided_on_the_next() {
    let mut rig = rig(16);
    let (feed, _) = rig.feed(1).await;
    tell(&feed, account(1, vec![host(1, 2)])).await;
    let mut pods = rig.pods().await;
    say(&pods, class(1)).await;
    say(&pods, pending(["p".to_owned(), "q".to_owned()], 1)).await;
    decisions(&mut pods, 2).await;
    drop(pods);
    let mut pods = rig.pods().await;
    // Numbers of the old stream mean nothing; what was decided for these pods is given up for them.
    say(&pods, class(9)).await;
    say(&pods, pending(["p".to_owned(), "q".to_owned()], 9)).await;
    assert_eq!(decisions(&mut pods, 2).await.len(), 2);
    rig.replica.shutdown().await;
}

#[tokio::test]
async fn nonsense_ends_the_stream_with_the_reason_and_the_next_one_serves() {
    let mut rig = rig(16);
    let (mut feed, _) = rig.feed(1).await;
    let mut pods = rig.pods().await;
    say(&pods, pending(["p".to_owned()], 77)).await;
    match hear(&mut pods).await {
        Some(Heard::Goodbye(goodbye)) => {
            assert!(goodbye.reason.contains("of class 77") && !goodbye.is_final, "{}", goodbye.reason);
        }
        other => panic!("wanted a goodbye, got {other:?}"),
    }
    assert!(hear(&mut pods).await.is_none());
    let mut pods = rig.pods().await;
    say(&pods, Said::Hello(Box::new(hello("tenants", 3)))).await;
    assert!(matches!(hear(&mut pods).await, Some(Heard::Goodbye(_))));

    // The feed names a host that does not exist after an account that was fine: nothing of it can be relied upon.
    tell(&feed, account(5, vec![host(1, 8)])).await;
    let entry = v1::LedgerEntry { claim: Some(v1::ClaimId::default()), host: 6, ..Default::default() };
    let demand = v1::DemandDefinition { number: 0, demand: Some(demand()) };
    let changes = vec![
        v1::HostChange { change: Some(v1::host_change::Change::Demand(demand)) },
        v1::HostChange { change: Some(v1::host_change::Change::Entry(entry)) },
    ];
    tell(&feed, Response::Changes(v1::HostChanges { number: 6, changes, ..Default::default() })).await;
    match requested(&mut feed).await {
        Some(Request::Goodbye(goodbye)) => {
            assert!(goodbye.reason.contains("on host 6"), "{}", goodbye.reason)
        }
        other => panic!("wanted a goodbye, got {other:?}"),
    }
    let (feed, positions) = rig.feed(1).await;
    assert_eq!(positions, Vec::new());
    tell(&feed, account(7, vec![host(1, 8)])).await;
    let mut pods = rig.pods().await;
    say(&pods, class(1)).await;
    say(&pods, pending(["p".to_owned()], 1)).await;
    decisions(&mut pods, 1).await;
    rig.replica.shutdown().await;
}

#[tokio::test]
async fn peers_that_cannot_be_worked_with_are_told_so_and_asked_again() {
    let mut rig = rig(16);
    for (opening, reason) in [
        (
            Said::Hello(Box::new(v1::Hello { required_features: vec!["gangs".to_owned()], ..hello("t", 1) })),
            "gangs",
        ),
        (Said::Hello(Box::new(v1::Hello { lowest_version: 2, ..hello("t", 1) })), "versions 2 to 4"),
        (Said::Hello(Box::new(v1::Hello { cell: "other".to_owned(), ..hello("t", 1) })), "\"other\""),
        (class(1), "no Hello"),
    ] {
        let mut pods = accept(&mut rig.pods, &rig.clock).await;
        say(&pods, opening).await;
        assert!(matches!(hear(&mut pods).await, Some(Heard::Hello(_))));
        match hear(&mut pods).await {
            Some(Heard::Goodbye(goodbye)) => assert!(goodbye.reason.contains(reason), "{}", goodbye.reason),
            other => panic!("wanted a goodbye, got {other:?}"),
        }
    }
    // One that refuses, one that says nothing, and one that hangs up are asked again as well.
    let pods = accept(&mut rig.pods, &rig.clock).await;
    say(&pods, Said::Goodbye(v1::Goodbye { reason: "not you".to_owned(), is_final: true })).await;
    let silent = accept(&mut rig.pods, &rig.clock).await;
    drop(accept(&mut rig.pods, &rig.clock).await);
    rig.pods().await;
    drop((pods, silent));
    rig.replica.shutdown().await;
}

#[tokio::test]
async fn a_partition_that_sends_all_before_it_reads_gets_all_its_decisions() {
    let mut rig = rig(2);
    let (feed, _) = rig.feed(1).await;
    tell(&feed, account(1, (0..20).map(|number| host(number, 1_000)).collect())).await;
    let mut pods = rig.pods().await;
    say(&pods, class(1)).await;
    for batch in 0..200 {
        say(&pods, pending((0..50).map(|pod| format!("{batch}-{pod}")), 1)).await;
    }
    let decisions = decisions(&mut pods, 10_000).await;
    assert!(
        decisions
            .iter()
            .enumerate()
            .all(|(place, decision)| { decision.uid == format!("{}-{}", place / 50, place % 50) })
    );
    rig.replica.shutdown().await;
}
