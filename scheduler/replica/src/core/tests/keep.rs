//! Pods that have waited for long, and the room that is kept for them.

use std::time::Duration;

use meridian_proto::v1;

use super::REFUSED;
use super::rig::{Rig, added, ended, host, pod};
use crate::QueueSettings;

const AFTER: Duration = Duration::from_secs(300);

/// Pods that room is kept for, with their hosts and for how long, and what else was decided.
fn kept(rig: &mut Rig) -> (Vec<(String, String, u32)>, usize) {
    let decided = rig.decide().len();
    let groups = std::mem::take(&mut rig.core.streams[0].outbox.groups);
    let members = groups.into_iter().flat_map(|group| group.members);
    let kept = members.map(|member| (member.uid, member.host.unwrap().host, member.keep_seconds));
    (kept.collect(), decided)
}

fn keeps(uid: &str, host: &str) -> Vec<(String, String, u32)> {
    vec![(uid.to_owned(), host.to_owned(), 300)]
}

/// Two hosts of four cores full of small pods, and two pods that want a whole one.
fn rig() -> Rig {
    let mut rig = Rig::with_hosts(&[("a", 4), ("b", 4)]);
    rig.feed(0, vec![added(1, "v", 1, 2), added(2, "w", 1, 2), added(3, "x", 2, 1), added(4, "y", 2, 3)]);
    rig.pods(0, vec![pod("large", 4), pod("next", 4)]);
    assert_eq!(kept(&mut rig), (Vec::new(), 0));
    rig
}

/// A small pod ends, and the next one takes its room: so it goes on.
fn churn(rig: &mut Rig, round: u64) {
    rig.feed(0, vec![ended(2 + 2 * round), added(4 + 2 * round, "z", 1, 2)]);
}

#[test]
fn a_pod_that_has_waited_for_long_has_room_kept_and_one_of_a_tenant_at_a_time() {
    let mut rig = rig();
    rig.wait(AFTER / 2);
    rig.feed(0, vec![ended(3)]);
    assert_eq!(kept(&mut rig), (Vec::new(), 0), "not yet");
    rig.wait(AFTER / 2);
    rig.feed(0, vec![ended(9)]);
    assert_eq!(kept(&mut rig), (keeps("large", "b"), 0), "b has a core free");
    assert_eq!(rig.free("b"), -3);
    rig.check();
    // What leaves b goes to nobody else.
    rig.pods(0, vec![pod("small", 1)]);
    assert_eq!(rig.decide(), []);
    rig.feed(0, vec![ended(4)]);
    assert_eq!((rig.decide(), rig.free("b")), (Vec::new(), 0));
    rig.wait(Duration::from_secs(60));
    rig.feed(0, vec![ended(9)]);
    assert_eq!(kept(&mut rig), (Vec::new(), 0), "the other waits until the first has its room");
    // It had none in time: it comes back, and the room is anybody's.
    rig.outcome(0, "large", REFUSED, "");
    let decisions = rig.decide();
    assert_eq!(decisions.iter().map(|decision| &*decision.uid).collect::<Vec<_>>(), ["next"]);
    rig.check();
}

#[test]
fn nothing_is_kept_where_it_is_settled_so_nor_for_what_no_host_could_ever_take() {
    let mut rig = rig();
    rig.core.settle(QueueSettings { keep_after: Duration::ZERO, ..QueueSettings::default() }).unwrap();
    for round in 0..5 {
        rig.wait(AFTER);
        churn(&mut rig, round);
        assert_eq!(kept(&mut rig), (Vec::new(), 0));
    }
    let mut rig = Rig::with_hosts(&[("a", 4)]);
    rig.pods(0, vec![pod("too-large", 5)]);
    rig.decide();
    rig.wait(AFTER);
    rig.feed(0, vec![ended(9)]);
    assert_eq!(kept(&mut rig), (Vec::new(), 0));
    let long = QueueSettings { keep_after: Duration::from_secs(3601), ..QueueSettings::default() };
    assert!(rig.core.settle(long).unwrap_err().to_string().contains("at most an hour"));
}

#[test]
fn what_was_kept_is_forgotten_with_the_pod() {
    let mut rig = rig();
    rig.wait(AFTER);
    rig.feed(0, vec![ended(9)]);
    assert_eq!(kept(&mut rig).0.len(), 1);
    rig.withdraw(0, "large");
    rig.outcome(0, "large", v1::outcome::Result::Gone, "");
    assert_eq!((rig.free("a"), rig.free("b")), (0, 0));
    rig.wait(Duration::from_secs(11));
    rig.feed(0, vec![host(3, "c", 1)]);
    let (kept, _) = kept(&mut rig);
    assert_eq!(kept.iter().map(|(uid, ..)| &**uid).collect::<Vec<_>>(), ["next"]);
    rig.check();
}

#[test]
fn tenants_with_pods_of_one_class_do_not_wait_for_each_other() {
    let mut rig = rig();
    let others = v1::PendingPod { tenant: "u".to_owned(), ..pod("others", 4) };
    rig.pods(0, vec![others]);
    assert_eq!(kept(&mut rig), (Vec::new(), 0));
    let mut uids = Vec::new();
    for _ in 0..2 {
        rig.wait(AFTER);
        rig.feed(0, vec![ended(9)]);
        uids.extend(kept(&mut rig).0.into_iter().map(|(uid, host, _)| (uid, host)));
    }
    let want = [("large", "a"), ("others", "b")].map(|(uid, host)| (uid.to_owned(), host.to_owned()));
    assert_eq!(uids, want);
    rig.check();
}
