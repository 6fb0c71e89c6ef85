//! Groups of pods.

use std::time::Duration;

use meridian_proto::v1;
use meridian_proto::v1::outcome::Result;

use super::rig::{Rig, host, pod};

fn of(group: &str, least: u32, uid: &str, class: u32) -> v1::PendingPod {
    let group = v1::PodGroup { name: format!("ns/{group}"), least, ..Default::default() };
    v1::PendingPod { group: Some(group), ..pod(uid, class) }
}

fn groups(rig: &mut Rig) -> Vec<Vec<(String, String)>> {
    assert!(rig.decide().is_empty(), "nobody is alone");
    let groups = std::mem::take(&mut rig.core.streams[0].outbox.groups);
    let member =
        |member: v1::MemberDecision| (member.uid, member.host.map_or_else(String::new, |host| host.host));
    groups.into_iter().map(|group| group.members.into_iter().map(member).collect()).collect()
}

#[test]
fn a_group_is_decided_when_enough_wait_the_largest_first() {
    let mut rig = Rig::with_hosts(&[("a", 4), ("b", 3)]);
    rig.pods(0, vec![of("g", 3, "small", 1), of("g", 3, "large", 4)]);
    assert!(groups(&mut rig).is_empty());
    rig.assigned(0, 9, vec![of("g", 3, "middle", 2)]);
    let decided = groups(&mut rig);
    let expected = [("large", "a"), ("middle", "b"), ("small", "b")];
    assert_eq!(decided, [expected.map(|(uid, host)| (uid.to_owned(), host.to_owned()))]);
    assert_eq!((rig.free("a"), rig.free("b")), (0, 0));
    rig.check();
}

#[test]
fn a_group_that_does_not_fit_takes_nothing_is_told_why_and_goes_when_there_is_room() {
    let mut rig = Rig::with_hosts(&[("a", 2)]);
    rig.pods(0, (0..3).map(|number| of("g", 3, &format!("p{number}"), 1)).collect());
    assert!(groups(&mut rig).is_empty());
    assert_eq!(rig.free("a"), 2);
    let told = rig.told();
    let why = "pod group ns/g: 2/3 members of the pod group fit, and no more than 2 would if nothing else ran: 0/1 nodes \
               are available: 1 Insufficient cpu.";
    assert_eq!(told.iter().map(|(_, message)| message.as_str()).collect::<Vec<_>>(), [why; 3]);
    // One pod alone goes past it.
    rig.pods(0, vec![pod("alone", 2)]);
    assert_eq!(rig.decide().len(), 1);
    rig.feed(0, vec![host(2, "b", 5)]);
    rig.wait(Duration::from_secs(60));
    assert_eq!(groups(&mut rig).len(), 1);
    assert_eq!(rig.free("b"), 2);
    rig.check();
}

#[test]
fn a_group_that_is_refused_comes_back_whole_and_leaves_nothing_behind() {
    let mut rig = Rig::with_hosts(&[("a", 2)]);
    let both = || vec![of("g", 2, "p", 1), of("g", 2, "q", 1)];
    rig.pods(0, both());
    assert_eq!(groups(&mut rig).len(), 1);
    for uid in ["p", "q"] {
        rig.outcome(0, uid, Result::Refused, "");
    }
    assert_eq!((rig.free("a"), rig.core.gangs.len()), (2, 0));
    rig.pods(0, both());
    assert_eq!(groups(&mut rig).len(), 1);
    for uid in ["p", "q"] {
        rig.outcome(0, uid, Result::Bound, "a");
    }
    // Another of the group, for which one is enough now.
    rig.pods(0, vec![of("g", 1, "r", 1)]);
    assert!(groups(&mut rig).is_empty());
    rig.withdraw(0, "r");
    assert_eq!(rig.core.queue.len(), 0);
    rig.check();
}

#[test]
fn a_group_that_makes_no_sense_is_refused_and_the_next_message_is_taken() {
    let mut rig = Rig::with_hosts(&[("a", 2)]);
    rig.pods(0, vec![of("g", 0, "none", 1), of("h", 5_000, "many", 1), of("i", 1, "one", 1)]);
    assert_eq!(groups(&mut rig).len(), 1);
    let told = rig.told();
    assert_eq!(told.len(), 2);
    assert!(told[0].1.contains("group.least is 0, want 1 to 1024"), "{told:?}");
}
