//! Replicas that decide beside each other.

use std::collections::BTreeSet;
use std::time::Duration;

use meridian_proto::v1;

use super::rig::{Rig, added, demand, host, pod};

const HOSTS: u32 = 16 * 64;

/// A replica of a cell of equal hosts in sixteen blocks.
fn replica() -> Rig {
    let mut rig = Rig::unsynced(1);
    let hosts = (1..=HOSTS).map(|number| host(number, &format!("h{number:04}"), 4));
    rig.say(0, true, true, (1..10).map(demand).chain(hosts).collect());
    rig
}

fn offer(rig: &mut Rig, replicas: u32, replica: u32, pods: Vec<v1::PendingPod>) {
    let pods = v1::PendingPods { assignment: 1, pods, replicas, replica };
    rig.partition(0, v1::partition_message::Message::Pods(pods)).unwrap();
}

#[test]
fn replicas_that_see_the_same_take_different_hosts_and_name_runners_up() {
    let mut taken = BTreeSet::new();
    for number in 0..4 {
        let mut rig = replica();
        // Three decisions, so that the class has an index.
        offer(&mut rig, 4, number, (0..3).map(|pod_number| pod(&format!("p{pod_number}"), 1)).collect());
        let decisions = rig.decide();
        let last = decisions.last().unwrap();
        let named: BTreeSet<&str> = last.hosts.iter().map(|host| &*host.host).collect();
        // One a block of its own, and the best of all.
        assert_eq!(named.len(), last.hosts.len(), "each host once");
        assert_eq!(named.len(), if number == 0 { 4 } else { 5 }, "{named:?}");
        assert!(taken.insert(last.hosts[0].host.clone()), "{} is taken twice", last.hosts[0].host);
        rig.check();
    }
}

#[test]
fn a_replica_alone_names_the_best_host_and_no_other() {
    let mut rig = replica();
    offer(&mut rig, 1, 0, vec![pod("p", 1), pod("q", 1), pod("r", 1)]);
    let hosts = |decision: &v1::Decision| -> Vec<String> {
        decision.hosts.iter().map(|host| host.host.clone()).collect()
    };
    let decided: Vec<_> = rig.decide().iter().map(hosts).collect();
    // The pods count for nothing in scores, so the first host stays the best while they fit there.
    assert_eq!(decided, [["h0001"], ["h0001"], ["h0001"]]);
}

#[test]
fn a_runner_up_that_took_the_pod_takes_over_from_the_host_assumed() {
    let mut rig = replica();
    offer(&mut rig, 2, 0, vec![pod("p", 3), pod("q", 3), pod("r", 3)]);
    let decisions = rig.decide();
    let last = decisions.last().unwrap();
    let (assumed, took) = (&*last.hosts[0].host, &*last.hosts[1].host);
    assert_eq!((rig.free(assumed), rig.free(took)), (1, 4));
    let number = took.trim_start_matches('h').parse().unwrap();
    rig.outcome(0, "r", v1::outcome::Result::Bound, took);
    rig.feed(0, vec![added(1, "r", number, 3)]);
    assert_eq!((rig.free(assumed), rig.free(took)), (4, 1));
    rig.wait(Duration::from_secs(60));
    rig.check();
}
