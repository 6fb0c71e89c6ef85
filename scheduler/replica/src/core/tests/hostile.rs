//! Messages that make no sense, or too much of it.

use meridian_proto::v1;

use super::REFUSED;
use super::rig::{Rig, added, changes, demand, ended, entry, host, pod, removed};
use crate::core::Violation;

#[test]
fn what_was_never_defined_ends_the_stream_with_its_name() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    let pods = v1::PendingPods { assignment: 1, pods: vec![pod("p", 77)], ..Default::default() };
    let error = rig.partition(0, v1::partition_message::Message::Pods(pods)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pod p is of class 77, which this stream has not defined; want a ClassDefinition before"
    );
    let mut refused = |change| rig.core.feed_message(0, changes(false, false, vec![change])).unwrap_err();
    assert_eq!(refused(entry(1, "x", 9, 1)), Violation::UnknownHost { number: 9 });
    assert_eq!(refused(entry(1, "x", 1, 99)), Violation::UnknownDemand { number: 99 });
    assert_eq!(refused(v1::HostChange { change: None }), Violation::Empty);
    assert_eq!(
        rig.core.stream_message(0, v1::PartitionMessage { message: None }, rig.now),
        Err(Violation::Empty)
    );
    assert_eq!(
        rig.partition(0, v1::partition_message::Message::Hello(Box::default())),
        Err(Violation::Hello)
    );
    // Part of the feed has been lost: it must not go on from where it was.
    assert_eq!(rig.core.open_feed(0, "hosts-0", true), Err(Violation::Resumed));
    assert_eq!(rig.core.open_feed(0, "hosts-0", false), Ok(()));
    rig.say(0, true, true, vec![host(1, "a", 4)]);
    rig.core.close_feed(0);
    assert_eq!(rig.core.open_feed(0, "hosts-0", true), Ok(()));
    rig.check();
}

#[test]
fn a_pod_that_cannot_be_read_is_refused_alone() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    let requests = v1::Resources { cpu_milli: i64::MAX, ..Default::default() };
    rig.class_of(0, 1, v1::Demand { requests: Some(requests), ..Default::default() }, "meridian");
    rig.pods(0, vec![pod("p", 1), pod("q", 2), pod("q", 2), pod("q", 3)]);
    assert_eq!(rig.decide().len(), 1, "one uid is one pod");
    assert_eq!(rig.free("a"), 1);
    let told = rig.told();
    assert_eq!((told.len(), &*told[0].0), (1, "p"));
    assert!(
        told[0].1.starts_with("the pod cannot be scheduled: demand: cpu is 9223372036854775807"),
        "{}",
        told[0].1
    );
    // One that was fine before is so no longer.
    rig.pods(0, vec![pod("q", 1)]);
    assert_eq!((rig.free("a"), rig.told().len()), (4, 1));
}

#[test]
fn a_host_that_cannot_be_read_takes_no_pods_and_keeps_its_account() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.feed(
        0,
        vec![host(2, "", 4), host(3, "a", 4), host(4, "d", -1), added(1, "x", 2, 1), added(2, "y", 4, 2)],
    );
    assert_eq!(rig.core.scheduler.cell().len(), 1, "no name, a name that is taken, less than nothing");
    rig.feed(0, vec![host(4, "d", 4)]);
    rig.core.pump(8, rig.now);
    assert_eq!(rig.free("d"), 2, "what came before the host is there with it");
    // A description that is no better leaves the host as it was, and closed.
    rig.feed(0, vec![host(4, "d", -1), host(1, "a", 0), ended(1)]);
    rig.pods(0, vec![pod("p", 1)]);
    assert_eq!(rig.decide(), []);
    rig.feed(0, vec![host(4, "d", 3), added(3, "p", 4, 1)]);
    assert_eq!((rig.decide().len(), rig.free("d")), (0, 0));
    rig.feed(0, vec![ended(3)]);
    assert_eq!(rig.decide().len(), 1);
    rig.check();
}

#[test]
fn entries_that_cannot_be_read_close_their_host() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    let requests = v1::Resources { memory: -5, ..Default::default() };
    let absurd = v1::DemandDefinition {
        number: 50,
        demand: Some(v1::Demand { requests: Some(requests), ..Default::default() }),
    };
    let absurd = v1::HostChange { change: Some(v1::host_change::Change::Demand(absurd)) };
    rig.feed(0, vec![absurd, entry(1, "x", 1, 50)]);
    rig.pods(0, vec![pod("p", 1)]);
    assert_eq!(rig.decide(), []);
    rig.feed(0, vec![ended(1)]);
    assert_eq!(rig.decide().len(), 1);
    rig.check();
}

#[test]
fn hosts_go_with_what_they_run_and_come_back_with_it() {
    let mut rig = Rig::with_hosts(&[("a", 4), ("b", 4)]);
    rig.feed(0, vec![added(1, "x", 1, 2)]);
    rig.pods(0, vec![pod("p", 2)]);
    let decided = rig.decide()[0].hosts[0].host.clone();
    rig.feed(0, vec![removed(1), removed(1), removed(99)]);
    assert_eq!(rig.free("a"), -1);
    rig.outcome(0, "p", REFUSED, "");
    rig.feed(0, vec![added(2, "y", 1, 1), host(1, "a", 4)]);
    rig.core.pump(8, rig.now);
    assert_eq!((rig.free("a"), rig.free("b")), (1, 4), "{decided}");
    rig.feed(0, vec![ended(1), ended(2)]);
    assert_eq!(rig.free("a"), 4);
    rig.check();
}

#[test]
fn two_hosts_of_one_name_in_an_account_are_one_and_a_refused_one() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.say(0, true, true, vec![host(1, "a", 4), host(2, "a", 8), demand(1), entry(1, "x", 2, 1)]);
    assert_eq!((rig.core.scheduler.cell().len(), rig.free("a")), (1, 4));
    rig.feed(0, vec![removed(1), host(2, "a", 8)]);
    rig.core.pump(8, rig.now);
    assert_eq!(rig.free("a"), 7);
    rig.check();
}
