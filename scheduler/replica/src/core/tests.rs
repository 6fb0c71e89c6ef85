//! The core, fed by hand.

mod gang;
mod hostile;
mod keep;
mod preempt;
mod random;
mod rig;
mod share;
mod tenants;
mod terms;
mod wait;

use std::time::Duration;

use meridian_proto::v1;

use super::QueueSettings;

use self::rig::{Rig, added, ended, entry, host, host_with, pod};

const BOUND: v1::outcome::Result = v1::outcome::Result::Bound;
const REFUSED: v1::outcome::Result = v1::outcome::Result::Refused;
const GONE: v1::outcome::Result = v1::outcome::Result::Gone;

#[test]
fn a_decision_takes_room_that_its_entry_takes_over_and_gives_back() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.pods(0, vec![pod("p", 3)]);
    let decisions = rig.decide();
    assert_eq!(decisions.len(), 1);
    assert_eq!((&*decisions[0].uid, decisions[0].assignment), ("p", 7));
    let decided = &decisions[0].hosts[0];
    assert_eq!((&*decided.partition, &*decided.host, decided.incarnation), ("hosts-0", "a", 1));
    assert_eq!(rig.free("a"), 1);

    rig.feed(0, vec![added(1, "p", 1, 3)]);
    assert_eq!(rig.free("a"), 1, "counted once");
    rig.outcome(0, "p", BOUND, "a");
    assert_eq!((rig.free("a"), rig.core.pods.len()), (1, 0));
    // Said twice, it still counts once.
    rig.feed(0, vec![added(1, "p", 1, 3)]);
    assert_eq!(rig.free("a"), 1);
    rig.feed(0, vec![ended(1), ended(1), ended(9)]);
    assert_eq!(rig.free("a"), 4);
    rig.check();
}

#[test]
fn a_binding_heard_of_before_its_entry_stays_assumed_until_then() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.pods(0, vec![pod("p", 3)]);
    rig.decide();
    rig.outcome(0, "p", BOUND, "a");
    // The pod has been deleted; its room is taken until its host has stopped it.
    rig.withdraw(0, "p");
    assert_eq!(rig.free("a"), 1);
    rig.feed(0, vec![added(1, "p", 1, 3)]);
    assert_eq!((rig.free("a"), rig.core.pods.len()), (1, 0));
    rig.feed(0, vec![ended(1)]);
    assert_eq!(rig.free("a"), 4);
}

#[test]
fn what_is_refused_gone_or_withdrawn_gives_its_room_back() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.pods(0, vec![pod("p", 1), pod("q", 1), pod("r", 1), pod("s", 1)]);
    assert_eq!(rig.decide().len(), 4);
    assert_eq!(rig.free("a"), 0);
    rig.outcome(0, "p", REFUSED, "");
    rig.outcome(0, "q", GONE, "");
    rig.withdraw(0, "r");
    // Not the stream that the pod came on.
    rig.outcome(1, "s", GONE, "");
    assert_eq!((rig.free("a"), rig.core.pods.len()), (3, 1));
    rig.check();
}

#[test]
fn an_entry_for_another_host_confirms_nothing() {
    let mut rig = Rig::with_hosts(&[("a", 4), ("b", 2)]);
    rig.pods(0, vec![pod("p", 3)]);
    assert_eq!(rig.decide()[0].hosts[0].host, "a");
    // A claim of an earlier decision that has not been voided yet.
    rig.feed(0, vec![added(1, "p", 2, 1)]);
    assert_eq!((rig.free("a"), rig.free("b")), (1, 1));
    rig.feed(0, vec![ended(1), added(2, "p", 1, 3)]);
    assert_eq!((rig.free("a"), rig.free("b")), (1, 2));
    // Bound elsewhere than decided: the assumption is wrong, the entry right.
    rig.pods(0, vec![pod("q", 1)]);
    let host = rig.decide()[0].hosts[0].host.clone();
    let before = rig.free(&host);
    rig.outcome(0, "q", BOUND, "elsewhere");
    assert_eq!(rig.free(&host), before + 1);
}

#[test]
fn an_assumption_runs_out_when_its_feed_says_nothing_of_it() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.pods(0, vec![pod("p", 1), pod("q", 1)]);
    rig.decide();
    rig.outcome(0, "p", BOUND, "a");
    rig.wait(Duration::from_secs(29));
    assert_eq!(rig.free("a"), 2);
    // While the feed is broken its silence says nothing.
    rig.core.close_feed(0);
    rig.wait(Duration::from_secs(2));
    assert_eq!(rig.free("a"), 2);
    rig.core.open_feed(0, "hosts-0", true).unwrap();
    rig.wait(Duration::from_secs(30));
    assert_eq!((rig.free("a"), rig.core.counts().expired), (3, 1), "the decision under way stays");
    assert_eq!(rig.core.next_time(), None);
}

#[test]
fn pods_of_a_broken_stream_are_said_again_or_run_out() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.pods(0, vec![pod("p", 1), pod("q", 1), pod("r", 1), pod("big", 9)]);
    assert_eq!(rig.decide().len(), 3);
    rig.feed(0, vec![added(1, "p", 1, 1)]);
    rig.core.close_stream(0, rig.now);
    assert_eq!((rig.free("a"), rig.core.pods.len()), (1, 2), "what waits and what has an entry is forgotten");
    rig.core.open_stream(0, rig.now);
    rig.define(0);
    rig.pods(0, vec![pod("q", 1)]);
    assert_eq!(rig.free("a"), 2);
    assert_eq!(rig.decide().len(), 1);
    // The claim of the one that nobody says again turns up after all.
    rig.feed(0, vec![added(2, "r", 1, 1)]);
    assert_eq!((rig.free("a"), rig.core.pods.len()), (1, 1));
    rig.check();
}

#[test]
fn a_new_account_replaces_the_old_one_when_it_is_complete() {
    let mut rig = Rig::with_hosts(&[("a", 4), ("b", 4), ("c", 4)]);
    rig.feed(0, vec![added(1, "x", 1, 1), added(2, "y", 2, 2), added(3, "z", 3, 3)]);
    rig.pods(0, vec![pod("p", 3)]);
    let decided = rig.decide()[0].hosts[0].host.clone();
    assert_eq!(decided, "a");
    let mut account =
        vec![host(11, "a", 8), host(12, "b", 4), rig::demand(1), rig::demand(2), entry(1, "x", 11, 1)];
    rig.say(0, true, false, account.clone());
    assert_eq!((rig.free("a"), rig.free("b"), rig.free("c")), (0, 2, 1), "not complete yet");
    assert!(!rig.core.is_in_sync());
    // It breaks off; the next one comes through.
    rig.core.close_feed(0);
    rig.core.open_feed(0, "hosts-0", false).unwrap();
    account.push(entry(5, "w", 12, 2));
    rig.say(0, true, true, account);
    assert!(rig.core.is_in_sync());
    assert_eq!((rig.free("a"), rig.free("b"), rig.free("c")), (4, 2, -1), "the assumption on a stays");
    rig.feed(0, vec![ended(1), ended(2), ended(5)]);
    assert_eq!((rig.free("a"), rig.free("b")), (5, 4));
    rig.check();
    // The new demands are this stream's, the old numbers mean nothing any more.
    let unknown = rig.core.feed_message(0, rig::changes(false, false, vec![entry(6, "v", 11, 3)]));
    assert_eq!(unknown, Err(super::Violation::UnknownDemand { number: 3 }));
}

#[test]
fn two_streams_may_use_the_same_numbers() {
    let mut rig = Rig::with_hosts(&[("a", 20)]);
    rig.class(1, 3, 5, "default-scheduler");
    rig.pods(0, vec![pod("p", 3)]);
    rig.pods(1, vec![pod("q", 3)]);
    assert_eq!(rig.decide().len(), 2);
    assert_eq!(rig.free("a"), 20 - 3 - 5);
    let forget = v1::ForgetClasses { numbers: vec![3, 99] };
    rig.partition(1, v1::partition_message::Message::ForgetClasses(forget)).unwrap();
    rig.pods(0, vec![pod("r", 3)]);
    assert_eq!(rig.decide().len(), 1);
    rig.outcome(1, "q", REFUSED, "");
    assert_eq!(rig.free("a"), 20 - 3 - 3);
    // Nothing refers to the second stream's class any more.
    let before = rig.core.classes.len();
    rig.core.close_stream(1, rig.now);
    assert!(rig.core.classes.len() < before + 1);
    rig.check();
}

#[test]
fn a_host_that_is_not_ready_takes_nothing_new_whatever_is_tolerated() {
    let mut rig = Rig::with_hosts(&[]);
    rig.tolerant(0, 5, 1);
    rig.feed(0, vec![host_with(1, "a", 4, false), added(1, "x", 1, 2)]);
    rig.pods(0, vec![pod("p", 1), v1::PendingPod { class: 5, ..pod("q", 1) }]);
    assert_eq!(rig.decide(), []);
    assert_eq!(rig.free("a"), 2, "what runs there is in the account");
    rig.feed(0, vec![added(2, "y", 1, 1), ended(1)]);
    assert_eq!((rig.decide(), rig.free("a")), (Vec::new(), 3));
    rig.feed(0, vec![host_with(1, "a", 4, true)]);
    assert_eq!(rig.decide().len(), 2);
    assert_eq!(rig.free("a"), 1);
    rig.check();
}

#[test]
fn an_entry_that_does_not_fit_closes_its_host_until_it_does() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.pods(0, vec![pod("p", 3)]);
    assert_eq!(rig.decide().len(), 1);
    // Another replica was faster.
    rig.feed(0, vec![added(1, "x", 1, 2)]);
    rig.pods(0, vec![pod("q", 1)]);
    assert_eq!(rig.decide(), []);
    rig.outcome(0, "p", REFUSED, "");
    assert_eq!(rig.decide().len(), 1);
    assert_eq!(rig.free("a"), 1);
    // The host shrinks below what it runs, a new account says so, and one ends.
    rig.feed(0, vec![added(2, "y", 1, 1), host(1, "a", 2)]);
    rig.say(
        0,
        true,
        true,
        vec![host(1, "a", 2), rig::demand(2), rig::demand(1), entry(1, "x", 1, 2), entry(2, "y", 1, 1)],
    );
    rig.pods(0, vec![pod("r", 1)]);
    assert_eq!(rig.decide(), []);
    rig.outcome(0, "q", REFUSED, "");
    rig.feed(0, vec![ended(1)]);
    assert_eq!(rig.decide().len(), 1);
    assert_eq!(rig.free("a"), 0);
    rig.check();
}

#[test]
fn refused_pods_go_first_within_their_priority() {
    let mut rig = Rig::with_hosts(&[("a", 100)]);
    let with = |uid: &str, priority, first| v1::PendingPod { priority, first, ..pod(uid, 1) };
    rig.pods(
        0,
        vec![with("low", 0, false), with("again", 0, true), with("high", 1, false), with("next", 0, true)],
    );
    let uids: Vec<String> = rig.decide().into_iter().map(|decision| decision.uid).collect();
    assert_eq!(uids, ["high", "again", "next", "low"]);
}

#[test]
fn a_pod_said_again_is_decided_again_under_the_new_assignment() {
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.pods(0, vec![pod("p", 3)]);
    rig.decide();
    rig.assigned(0, 8, vec![pod("p", 2)]);
    assert_eq!(rig.free("a"), 4);
    let decisions = rig.decide();
    assert_eq!((decisions.len(), decisions[0].assignment, rig.free("a")), (1, 8, 2));
    // Also when it comes from another partition.
    rig.pods(1, vec![pod("p", 1)]);
    assert_eq!((rig.decide().len(), rig.free("a"), rig.core.pods.len()), (1, 3, 1));
}

#[test]
fn nothing_is_decided_before_all_hosts_are_known_or_too_late() {
    let mut rig = Rig::unsynced(2);
    rig.pods(0, vec![pod("p", 1)]);
    rig.say(0, true, true, vec![host(1, "a", 4)]);
    assert_eq!(rig.decide(), []);
    assert_eq!(rig.core.next_time(), Some(Duration::from_secs(10)));
    rig.wait(Duration::from_secs(10));
    assert_eq!(rig.decide().len(), 1);
    assert!(!rig.core.is_in_sync());
    let mut rig = Rig::unsynced(2);
    rig.pods(0, vec![pod("p", 1)]);
    rig.wait(Duration::from_secs(60));
    assert_eq!((rig.decide(), rig.told()), (Vec::new(), Vec::new()));
    rig.say(0, true, true, vec![]);
    rig.say(1, true, true, vec![host(1, "a", 4)]);
    assert_eq!(rig.decide().len(), 1);
}
