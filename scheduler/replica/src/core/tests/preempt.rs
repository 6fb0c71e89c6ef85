//! Pods that fit nowhere, and those who make way for them.

use std::time::Duration;

use meridian_proto::v1;

use super::rig::{Rig, added, ended, host, pod};
use super::{BOUND, REFUSED};

fn urgent(uid: &str, class: u32, priority: i32) -> v1::PendingPod {
    v1::PendingPod { priority, ..pod(uid, class) }
}

fn victim(uid: &str, sequence: u64, priority: i32) -> v1::Victim {
    v1::Victim {
        uid: uid.to_owned(),
        partition: "hosts-0".to_owned(),
        claim: Some(v1::ClaimId { partition: "tenants".to_owned(), epoch: 1, sequence }),
        priority,
        ..v1::Victim::default()
    }
}

impl Rig {
    fn asked(&mut self) -> Vec<v1::VictimsRequest> {
        assert_eq!(self.decide(), []);
        std::mem::take(&mut self.core.streams[0].outbox.victims).into()
    }

    /// Answers a question in two parts.
    fn answer(&mut self, number: u64, budgets: &[i32], mut victims: Vec<v1::Victim>) {
        let budgets: Vec<_> =
            budgets.iter().map(|allowed| v1::BudgetAllowance { allowed: *allowed }).collect();
        let rest = victims.split_off(victims.len() / 2);
        for (victims, is_last) in [(victims, false), (rest, true)] {
            let part = v1::Victims { number, budgets: budgets.clone(), victims, is_last };
            self.partition(0, v1::partition_message::Message::Victims(part)).unwrap();
        }
    }

    /// Pods that are to run, with the host and those who make way.
    fn groups(&mut self) -> Vec<(String, String, Vec<String>)> {
        while self.core.pump(8, self.now) {}
        let groups = std::mem::take(&mut self.core.streams[0].outbox.groups);
        let members = groups.into_iter().flat_map(|group| {
            assert_eq!((group.assignment, group.members.len()), (7, 1));
            group.members
        });
        members.map(|member| (member.uid, member.host.unwrap().host, member.victims)).collect()
    }
}

fn decided(uid: &str, host: &str, victims: &[&str]) -> (String, String, Vec<String>) {
    (uid.to_owned(), host.to_owned(), victims.iter().map(ToString::to_string).collect())
}

/// Two hosts of four cores, each full of a pod, and one that wants the room.
fn rig() -> (Rig, v1::VictimsRequest) {
    let mut rig = Rig::with_hosts(&[("a", 4), ("b", 4)]);
    rig.feed(0, vec![added(1, "v", 1, 4), added(2, "w", 2, 4)]);
    rig.pods(0, vec![urgent("p", 3, 5)]);
    let mut asked = rig.asked();
    assert_eq!(asked.len(), 1);
    (rig, asked.remove(0))
}

#[test]
fn who_could_make_way_is_asked_once_and_the_least_important_does() {
    let (mut rig, asked) = rig();
    assert_eq!((&*asked.tenant, asked.below), ("t", 5));
    rig.pods(0, vec![urgent("q", 3, 4)]);
    assert_eq!(rig.asked(), [], "the question is out");
    rig.wait(Duration::from_secs(6));
    let again = rig.asked();
    assert_eq!(again.len(), 1, "no answer came");
    rig.answer(asked.number, &[], vec![victim("v", 1, 1), victim("w", 2, 0)]);
    assert_eq!(rig.groups(), [], "that answer comes too late");
    rig.answer(again[0].number, &[], vec![victim("v", 1, 1), victim("w", 2, 0)]);
    assert_eq!(rig.groups(), [decided("p", "b", &["w"]), decided("q", "a", &["v"])]);
    assert_eq!((rig.free("a"), rig.free("b")), (-3, -3), "nobody gets what they leave");
    rig.pods(0, vec![pod("v2", 4), pod("x", 1)]);
    assert_eq!(rig.decide(), []);
    rig.check();

    // The ledger keeps the room; its entry takes over.
    rig.feed(0, vec![added(3, "p", 2, 3)]);
    assert_eq!(rig.free("b"), 0);
    rig.feed(0, vec![ended(2)]);
    rig.outcome(0, "p", BOUND, "b");
    let decisions = rig.decide();
    assert_eq!((rig.free("b"), &*decisions[0].uid), (0, "x"));
    rig.check();
}

#[test]
fn an_exhausted_budget_protects_and_a_pod_that_stops_already_costs_nothing() {
    let (mut rig, asked) = rig();
    let protected = v1::Victim { budgets: vec![1, 99], ..victim("v", 1, 0) };
    rig.answer(asked.number, &[3, 0], vec![protected.clone(), victim("w", 2, 1)]);
    assert_eq!(rig.groups(), [decided("p", "b", &["w"])]);
    rig.outcome(0, "p", REFUSED, "");
    assert_eq!(rig.free("b"), 0);
    rig.wait(Duration::from_secs(3));
    rig.pods(0, vec![v1::PendingPod { first: true, ..urgent("p", 3, 5) }]);
    let asked = rig.asked();
    let leaving = v1::Victim { terminating: true, ..protected };
    rig.answer(asked[0].number, &[3, 0], vec![leaving, victim("w", 2, 0)]);
    assert_eq!(rig.groups(), [decided("p", "a", &["v"])]);
}

#[test]
fn equals_make_no_way_nor_does_anybody_for_one_that_may_not_preempt() {
    let (mut rig, asked) = rig();
    rig.answer(asked.number, &[], vec![victim("v", 1, 5), victim("w", 2, 9), victim("gone", 7, 0)]);
    assert_eq!(rig.groups(), []);
    let _ = rig.told();
    rig.pods(0, vec![v1::PendingPod { never_preempts: true, ..urgent("q", 3, 9) }]);
    assert_eq!(rig.asked(), []);
    let why = "0/2 nodes are available: 2 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.";
    assert_eq!(rig.told(), [("q".to_owned(), why.to_owned())]);
    rig.feed(0, vec![host(3, "c", 3)]);
    assert_eq!(rig.decide().len(), 1, "room comes otherwise");
}

#[test]
fn what_was_told_is_forgotten_with_its_stream() {
    let (mut rig, asked) = rig();
    rig.answer(asked.number, &[0], vec![v1::Victim { budgets: vec![0], ..victim("v", 1, 0) }]);
    assert_eq!(rig.groups(), [decided("p", "a", &["v"])]);
    rig.core.open_stream(0, rig.now);
    rig.define(0);
    rig.pods(0, vec![urgent("q", 3, 5)]);
    assert_eq!(rig.asked().len(), 1);
    assert_eq!(rig.groups(), []);
    rig.check();
}
