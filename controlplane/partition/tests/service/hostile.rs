//! Peers that say what they should not.

use meridian_proto::v1::{
    Answer, ClaimId, ClaimState, DecidedHost, Decision, Decisions, ExplainResponse, Hello, Relist,
    SpecsWanted, Unschedulable, UnschedulablePod, host_partition_message, outcome, replica_message,
};

use crate::replica::{Replica, host};
use crate::world::World;

fn decision(uid: &str, assignment: u64, hosts: Vec<DecidedHost>) -> replica_message::Message {
    let decisions = vec![Decision { uid: uid.to_owned(), assignment, hosts }];
    replica_message::Message::Decisions(Decisions { decisions })
}

#[tokio::test]
async fn nonsense_from_a_replica_decides_nothing() {
    let mut world = World::new().await;
    let mut ledger = world.ledger(1).await;
    let mut replica = world.replica("r").await;
    world.pod("web", "1").await;
    let offered = replica.one().await;
    let uid = &*offered.pod.uid;
    replica.say(decision("nobody", offered.assignment, vec![host("h1")])).await;
    replica.say(decision(uid, offered.assignment + 1, vec![host("h1")])).await;
    replica.say(decision("", 0, Vec::new())).await;
    let pods = vec![
        UnschedulablePod { uid: uid.to_owned(), assignment: 0, message: "stale".to_owned() },
        UnschedulablePod { uid: "nobody".to_owned(), assignment: offered.assignment, message: String::new() },
    ];
    replica.say(replica_message::Message::Unschedulable(Unschedulable { pods })).await;
    replica.say(replica_message::Message::Explanation(ExplainResponse::default())).await;

    // Hosts that nobody knows, and none: the pod comes back.
    let strange = |partition: &str| DecidedHost { partition: partition.to_owned(), ..host("h") };
    replica.say(decision(uid, offered.assignment, vec![strange("x"), strange("")])).await;
    assert_eq!(replica.outcome().await.0, outcome::Result::Refused);
    let offered = replica.one().await;
    replica.say(decision(uid, offered.assignment, Vec::new())).await;
    assert_eq!(replica.outcome().await.0, outcome::Result::Refused);
    world.clock.advance(std::time::Duration::from_secs(2));
    let offered = replica.one().await;
    // Of a million hosts a few are tried.
    let hosts: Vec<DecidedHost> = (0..10_000).map(|number| host(&format!("h{number}"))).collect();
    replica.say(decision(uid, offered.assignment, hosts)).await;
    for _ in 0..8 {
        let claim = ledger.claim().await;
        ledger.refuse(&claim, "OutOfcpu").await;
    }
    assert_eq!(replica.outcome().await.0, outcome::Result::Refused);
    world.clock.advance(std::time::Duration::from_secs(2));
    let offered = replica.one().await;
    replica.decide(&offered, &["h1"]).await;
    // Doubled, it is one decision.
    replica.decide(&offered, &["h2"]).await;
    assert_eq!(ledger.bind_next().await.host, "h1");
    assert!(ledger.is_quiet());

    replica.say(replica_message::Message::Hello(Box::new(Replica::greeting("again")))).await;
    assert_eq!(replica.outcome().await.0, outcome::Result::Bound);
    assert!(replica.next().await.is_none(), "a second hello ends the stream");
    world.shutdown().await;
}

#[tokio::test]
async fn nonsense_from_a_host_partition_binds_and_voids_nothing() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.pod("web", "1").await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1"]).await;
    let claim = ledger.claim().await;
    let id = claim.id.clone().unwrap();
    let accept = |claim: Option<ClaimId>| Answer { claim, accepted: true, ..Answer::default() };
    let wrong = [
        None,
        Some(ClaimId::default()),
        Some(ClaimId { sequence: id.sequence + 1, ..id.clone() }),
        Some(ClaimId { epoch: id.epoch + 1, ..id.clone() }),
        Some(ClaimId { partition: "other".to_owned(), ..id.clone() }),
    ];
    ledger.answer(wrong.into_iter().map(accept).collect()).await;
    // It is to wait, and for nobody.
    ledger.keep_waiting(&claim).await;
    // Of an epoch that is not the claim's.
    ledger.he = 7;
    ledger.answer(vec![accept(Some(id.clone()))]).await;
    ledger.audit(vec![id.clone()]).await;
    ledger.he = 1;
    let relist = Relist { host_partition: "another".to_owned(), epoch: 9, ranges: Vec::new() };
    ledger.say(host_partition_message::Message::Relist(relist)).await;
    let wanted = SpecsWanted { claims: vec![ClaimId::default(), id.clone()] };
    ledger.say(host_partition_message::Message::SpecsWanted(wanted)).await;
    // A status that names nobody is settled at once.
    ledger.report(vec![Default::default()]).await;
    ledger.stored().await;
    assert_eq!(world.registry.fence("another"), 0);

    // Yes twice, and then no: one binding.
    let refused = Answer { claim: claim.id.clone(), reason: "OutOfcpu".to_owned(), ..Answer::default() };
    ledger.answer(vec![accept(Some(id.clone())), accept(Some(id.clone())), refused]).await;
    assert_eq!(ledger.settled().await, (id, ClaimState::Bound));
    assert_eq!(replica.outcome().await.0, outcome::Result::Bound);
    assert!(ledger.is_quiet());
    ledger.say(host_partition_message::Message::Hello(Box::default())).await;
    assert_eq!(ledger.ended().await, None);
    world.shutdown().await;
}

#[tokio::test]
async fn a_host_partition_that_is_not_the_one_meant_is_left() {
    let mut world = World::new().await;
    let mut stream = crate::world::soon("a stream", world.ledgers.accept()).await.unwrap();
    stream.receiver.recv().await.unwrap();
    let theirs = Hello { name: "hosts-9".to_owned(), epoch: 3, ..Replica::greeting("hosts-9") };
    let hello = host_partition_message::Message::Hello(Box::new(theirs));
    stream.sender.send(meridian_proto::v1::HostPartitionMessage { message: Some(hello) }).await.unwrap();
    let goodbye = stream.receiver.recv().await.unwrap().message.unwrap();
    let meridian_proto::v1::tenant_partition_message::Message::Goodbye(goodbye) = goodbye else {
        panic!("want a goodbye, got {goodbye:?}");
    };
    assert!(goodbye.reason.contains("\"hosts-9\", want \"hosts-1\""), "{}", goodbye.reason);
    // The right one is found later.
    drop(stream);
    world.next_ledger(1).await.relist().await;
    world.shutdown().await;
}
