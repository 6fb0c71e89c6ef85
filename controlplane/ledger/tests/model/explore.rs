//! The states of small worlds, breadth first. `MERIDIAN_STATES` sets how many are visited of each world.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::steps::Step;
use crate::world::{Config, World};

/// Visits states, nearest first, and checks each. The answer is how many there were, and whether those were all.
fn explore(config: Config) -> (usize, bool) {
    let most = std::env::var("MERIDIAN_STATES").map_or(6_000, |states| states.parse().expect("a number"));
    let first = World::new(config);
    let mut from: FxHashMap<u64, (u64, Option<Step>)> = FxHashMap::default();
    from.insert(first.fingerprint(), (0, None));
    let mut front = VecDeque::from([first]);
    while let Some(world) = front.pop_front() {
        let here = world.fingerprint();
        for step in world.steps() {
            let mut next = world.clone();
            next.take(&step);
            let there = next.fingerprint();
            if from.contains_key(&there) {
                continue;
            }
            from.insert(there, (here, Some(step)));
            if let Err(problem) = next.check() {
                panic!("{problem}, after:\n{}", trace(&from, there));
            }
            if from.len() >= most {
                return (from.len(), false);
            }
            front.push_back(next);
        }
    }
    (from.len(), true)
}

fn trace(from: &FxHashMap<u64, (u64, Option<Step>)>, mut at: u64) -> String {
    let mut steps = Vec::new();
    while let Some((before, Some(step))) = from.get(&at) {
        steps.push(format!("{step:?}"));
        at = *before;
    }
    steps.reverse();
    steps.join("\n")
}

/// Each of these reaches far more states than it is given time for.
fn holds(config: Config) {
    let (states, is_all) = explore(config);
    assert!(is_all || states >= 6_000, "{states} states");
}

#[test]
fn every_state_without_faults() {
    let (states, is_all) = explore(Config::small());
    assert!(is_all && states > 1_000, "{states} states");
}

#[test]
fn a_restart_of_the_ledger() {
    holds(Config { most_he: 2, ..Config::small() });
}

#[test]
fn a_take_over() {
    holds(Config { most_te: 2, ..Config::small() });
}

#[test]
fn two_tenant_partitions_a_restart_and_a_take_over() {
    holds(Config { tenants: 2, pods: vec![(1, 0, 0), (1, 1, 1)], most_he: 2, most_te: 2, ..Config::small() });
}

#[test]
fn deleting_forcing_and_finishing() {
    holds(Config { most_deletes: 1, most_forced: 1, most_finished: 1, ..Config::small() });
}

#[test]
fn a_name_used_again_on_two_hosts() {
    holds(Config {
        hosts: vec![1, 1],
        pods: vec![(1, 0, 0), (1, 0, 0)],
        most_forced: 1,
        most_images: 1,
        ..Config::small()
    });
}

#[test]
fn two_ledgers() {
    holds(Config { ledgers: 2, hosts: vec![1, 1], most_he: 2, ..Config::small() });
}

#[test]
fn pods_of_different_sizes() {
    holds(Config {
        hosts: vec![2],
        pods: vec![(1, 0, 0), (1, 1, 0), (2, 2, 0)],
        most_claims: 3,
        most_he: 2,
        ..Config::small()
    });
}

#[test]
fn a_gang_on_two_ledgers() {
    holds(Config { ledgers: 2, hosts: vec![1, 1], gangs: vec![vec![0, 1]], most_he: 2, ..Config::small() });
}

#[test]
fn two_gangs_that_want_the_same_room() {
    holds(Config {
        tenants: 2,
        hosts: vec![2],
        pods: vec![(1, 0, 0), (1, 1, 0), (1, 2, 1), (1, 3, 1)],
        gangs: vec![vec![0, 1], vec![2, 3]],
        most_claims: 4,
        ..Config::small()
    });
}

#[test]
fn a_preemptor_and_its_victim() {
    holds(Config { preemptors: vec![(1, vec![0])], most_claims: 3, most_deletes: 1, ..Config::small() });
}

#[test]
fn a_preemptor_its_victim_a_restart_and_a_take_over() {
    holds(Config { preemptors: vec![(1, vec![0])], most_he: 2, most_te: 2, ..Config::small() });
}

#[test]
fn a_gang_that_preempts() {
    holds(Config {
        hosts: vec![2],
        pods: vec![(1, 0, 0), (1, 1, 0), (1, 2, 0)],
        gangs: vec![vec![1, 2]],
        preemptors: vec![(1, vec![0]), (2, vec![0])],
        most_claims: 5,
        ..Config::small()
    });
}

#[test]
fn a_pod_that_waits_for_what_another_leaves() {
    holds(Config { keepers: vec![1], most_claims: 3, most_deletes: 1, most_finished: 1, ..Config::small() });
}

#[test]
fn two_that_wait_for_what_another_leaves() {
    holds(Config {
        pods: vec![(1, 0, 0), (1, 1, 0), (1, 2, 0)],
        keepers: vec![1, 2],
        most_claims: 3,
        most_finished: 1,
        ..Config::small()
    });
}

#[test]
fn one_that_waits_for_what_another_leaves_a_restart_and_a_take_over() {
    holds(Config { keepers: vec![1], most_finished: 1, most_he: 2, most_te: 2, ..Config::small() });
}
