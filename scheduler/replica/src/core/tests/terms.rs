//! Terms between pods: what ledgers tell of pods that others have placed counts, and partitions can ask whether it has come.

use meridian_engine::{Demand, Identity, Operator, PodAffinityTerm, Requirement};
use meridian_proto::v1;
use meridian_proto::v1::partition_message::Message;
use meridian_wire::demand_to_message;

use super::rig::{Rig, added, changes, cores, ended, host, pod};

/// A pod of an app that runs in no zone with another of that app.
fn apart(cpu: i64, app: &str) -> Demand {
    let labels = [("app".to_owned(), app.to_owned())].into();
    let is_app = Requirement { key: "app".to_owned(), operator: Operator::In(vec![app.to_owned()]) };
    let mut demand = cores(cpu);
    demand.identity = Identity { tenant: "t".to_owned(), namespace: "ns".to_owned(), labels };
    demand.terms.anti_affinity = vec![PodAffinityTerm {
        topology_key: "zone".to_owned(),
        selector: Some(vec![is_app]),
        ..PodAffinityTerm::default()
    }];
    demand
}

fn demand(number: u32, demand: &Demand) -> v1::HostChange {
    let demand = Some(demand_to_message(demand));
    let definition = v1::DemandDefinition { number, demand };
    v1::HostChange { change: Some(v1::host_change::Change::Demand(definition)) }
}

/// Hosts 1 and 2 are in one zone, 3 in another.
fn zoned(number: u32, cpu: i64) -> v1::HostChange {
    let mut change = host(number, &format!("h{number}"), cpu);
    if let Some(v1::host_change::Change::Host(state)) = &mut change.change
        && let Some(host) = &mut state.host
    {
        let zone = if number < 3 { "a" } else { "b" };
        host.labels.insert("zone".to_owned(), zone.to_owned());
    }
    change
}

fn rig() -> Rig {
    let mut rig = Rig::unsynced(1);
    let mut told = vec![demand(1, &apart(1, "web")), demand(2, &apart(2, "web")), demand(3, &cores(3))];
    told.extend((1..4).map(|number| zoned(number, 4)));
    rig.core.feed_message(0, changes(true, true, told)).unwrap();
    rig.class_of(0, 20, demand_to_message(&apart(1, "web")), "default-scheduler");
    rig
}

fn hosts(rig: &mut Rig) -> Vec<String> {
    rig.decide().into_iter().map(|decision| decision.hosts[0].host.clone()).collect()
}

#[test]
fn pods_that_others_have_placed_are_kept_away_from() {
    let mut rig = rig();
    rig.feed(0, vec![added(1, "x", 1, 1)]);
    rig.pods(0, vec![pod("p", 20), pod("q", 20)]);
    assert_eq!(hosts(&mut rig), ["h3"]);
    rig.feed(0, vec![ended(1)]);
    assert_eq!(hosts(&mut rig), ["h1"]);
    rig.check();
}

#[test]
fn a_pod_that_does_not_fit_is_there_all_the_same() {
    let mut rig = rig();
    // The host has shrunk below what runs there, before this replica heard of it.
    rig.feed(0, vec![added(1, "x", 1, 3), added(2, "y", 1, 2)]);
    rig.pods(0, vec![pod("p", 20), pod("q", 20)]);
    assert_eq!(hosts(&mut rig), ["h3"], "y keeps the other host of its zone to itself");
    rig.check();
    rig.feed(0, vec![ended(1)]);
    assert_eq!(hosts(&mut rig), Vec::<String>::new(), "it fits now");
    rig.feed(0, vec![ended(2)]);
    assert_eq!(hosts(&mut rig), ["h1"]);
    rig.check();
}

fn asked(number: u64, claims: &[u64], ended: &[u64], is_last: bool) -> Message {
    let claim =
        |sequence: &u64| v1::ClaimId { partition: "tenants".to_owned(), epoch: 1, sequence: *sequence };
    Message::Claims(v1::TenantClaims {
        number,
        tenant: "t".to_owned(),
        claims: claims.iter().map(claim).collect(),
        ended: ended.iter().map(claim).collect(),
        is_last,
    })
}

fn seen(rig: &mut Rig, stream: usize) -> Vec<u64> {
    let said = std::iter::from_fn(|| rig.core.take_message(stream));
    said.filter_map(|said| match said.message {
        Some(v1::replica_message::Message::Seen(seen)) => Some(seen.number),
        _ => None,
    })
    .collect()
}

#[test]
fn a_partition_hears_when_all_its_claims_have_been_told_of() {
    let mut rig = rig();
    rig.feed(0, vec![added(1, "x", 1, 1)]);
    rig.partition(0, asked(5, &[1, 2], &[], false)).unwrap();
    rig.partition(0, asked(5, &[2, 3, 4], &[], true)).unwrap();
    assert_eq!(seen(&mut rig, 0), Vec::<u64>::new());
    rig.feed(0, vec![added(2, "y", 2, 1), added(3, "z", 2, 1)]);
    assert_eq!(seen(&mut rig, 0), Vec::<u64>::new());
    // The other partition's stream asks under the same number about something else.
    rig.partition(1, asked(5, &[4], &[], true)).unwrap();
    rig.partition(0, asked(5, &[], &[4], false)).unwrap();
    assert_eq!((seen(&mut rig, 0), seen(&mut rig, 1)), (vec![5], Vec::new()));
    rig.feed(0, vec![added(4, "w", 2, 1)]);
    assert_eq!(seen(&mut rig, 1), [5]);
    rig.partition(0, asked(6, &[], &[], true)).unwrap();
    assert_eq!(seen(&mut rig, 0), [6], "nothing to wait for");
    rig.partition(0, asked(7, &[9], &[], true)).unwrap();
    let now = rig.now;
    rig.core.open_stream(0, now);
    rig.feed(0, vec![added(9, "v", 2, 1)]);
    assert_eq!(seen(&mut rig, 0), Vec::<u64>::new(), "of a stream that has ended");
}
