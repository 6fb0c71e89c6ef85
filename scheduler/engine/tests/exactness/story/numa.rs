//! NUMA nodes: a pod's CPUs, memory, huge pages and devices beside each other.

use meridian_engine::{Demand, Host, NumaDemand, NumaNode, Profile, Resources};

use super::{Story, device_pod, host, pod, with_devices};

const PAGES: &str = "hugepages-1Gi";

/// A host of so many cores and as many GiB of memory, half of each on either of two nodes.
fn two_nodes(name: &str, cores: i64) -> Host {
    let node = |devices| NumaNode {
        resources: Resources { cpu_milli: cores * 500, memory: cores << 29, ..Resources::default() },
        devices,
    };
    Host { numa: vec![node(0b0011), node(0b1100)], ..host(name, cores) }
}

/// On so many nodes, with CPUs of its own.
fn pinned(demand: Demand, nodes: u32) -> Demand {
    Demand { numa: Some(NumaDemand { nodes, pinned: true }), ..demand }
}

impl Story {
    /// The mask of the NUMA nodes that the pod gets.
    fn schedule_nodes(&mut self, demand: &Demand) -> Option<u32> {
        self.start(demand).map(|running| running.seat.numa)
    }
}

#[test]
fn what_is_free_on_two_nodes_is_no_room_on_one() {
    let mut story = Story::new(Profile::meridian(), &[two_nodes("a", 16), host("b", 16)]);
    assert_eq!(story.schedule_nodes(&pinned(pod(5), 1)), Some(0b01));
    assert_eq!(story.schedule_nodes(&pinned(pod(5), 1)), Some(0b10), "three cores are left on the first");
    assert_eq!(
        story.explain(&pinned(pod(4), 1)),
        "0/2 nodes are available: 1 Insufficient NUMA nodes, 1 node(s) didn't have the requested NUMA nodes."
    );
    assert_eq!(story.schedule_nodes(&pinned(pod(4), 2)), Some(0b11), "two cores on each");
    assert!(!story.fits_when_idle(&pinned(pod(9), 1)));
    assert!(story.fits_when_idle(&pinned(pod(16), 2)));
}

#[test]
fn the_fullest_node_that_fits_is_filled() {
    let mut story = Story::new(Profile::meridian(), &[two_nodes("a", 16)]);
    let large = story.start(&pinned(pod(6), 1)).expect("it fits");
    assert_eq!(story.schedule_nodes(&pinned(pod(2), 1)), Some(0b01), "there it leaves the other whole");
    assert_eq!(story.schedule_nodes(&pinned(pod(8), 1)), Some(0b10));
    assert!(story.release(large));
    assert_eq!(story.schedule_nodes(&pinned(pod(6), 1)), Some(0b01), "given back where it was taken");
}

#[test]
fn pods_that_ask_for_no_node_count_for_the_host_alone() {
    let mut story = Story::new(Profile::meridian(), &[two_nodes("a", 16)]);
    assert_eq!(story.schedule_nodes(&pod(9)), Some(0));
    assert_eq!(story.schedule_nodes(&pinned(pod(7), 1)), Some(0b01));
    assert_eq!(
        story.explain(&pinned(pod(1), 1)),
        "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."
    );
}

#[test]
fn huge_pages_are_told_apart_by_node_where_the_host_says_so() {
    let pages = |mut host: Host, by_node: &[i64]| {
        host.allocatable.extended.insert(PAGES.to_owned(), 4 << 30);
        for (node, pages) in host.numa.iter_mut().zip(by_node) {
            node.resources.extended.insert(PAGES.to_owned(), pages << 30);
        }
        host
    };
    let mut story = Story::new(Profile::meridian(), &[pages(two_nodes("a", 16), &[1, 3])]);
    let wants = |gib: i64| {
        let mut demand = pinned(pod(1), 1);
        demand.requests.extended.insert(PAGES.to_owned(), gib << 30);
        demand
    };
    assert_eq!(story.schedule_nodes(&wants(2)), Some(0b10));
    assert_eq!(story.explain(&wants(2)), "0/1 nodes are available: 1 Insufficient NUMA nodes.");
    assert!(story.update(&pages(two_nodes("a", 16), &[])), "only the host as a whole has them now");
    assert_eq!(story.schedule_nodes(&wants(2)), Some(0b10), "the fuller one by CPU");
}

#[test]
fn devices_are_those_of_the_node() {
    let mut story = Story::new(Profile::meridian(), &[with_devices(two_nodes("a", 16), "A10", 4)]);
    let mut got =
        |demand: &Demand| story.start(demand).map(|running| (running.seat.numa, running.seat.devices));
    assert_eq!(got(&device_pod(1, 1000, &[])), Some((0, 0b0001)));
    assert_eq!(got(&pinned(device_pod(2, 1000, &[]), 1)), Some((0b10, 0b1100)), "one is left on the first");
    let apart = NumaDemand { nodes: 2, pinned: false };
    assert_eq!(got(&Demand { numa: Some(apart), ..device_pod(2, 1000, &[]) }), None);
    assert_eq!(got(&pinned(device_pod(1, 400, &[]), 1)), Some((0b01, 0b0010)));
}
