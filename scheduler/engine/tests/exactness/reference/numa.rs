//! NUMA nodes: what is free on each, and which a pod gets.

use meridian_engine::{Demand, Seat};

use super::device;
use super::machine::{Machine, quantity};

/// An equal share of what the pod asks for, rounded up.
fn share(demand: &Demand, resource: &str) -> i64 {
    let nodes = demand.numa.map_or(1, |numa| i64::from(numa.nodes));
    (quantity(&demand.requests, resource) + nodes - 1) / nodes
}

/// What is free of a resource on a node.
fn free(machine: &Machine, node: usize, resource: &str) -> i64 {
    let there = machine.pods.iter().filter(|pod| pod.demand.numa.is_some() && pod.seat.numa >> node & 1 == 1);
    let taken: i64 = there.map(|pod| share(&pod.demand, resource)).sum();
    quantity(&machine.host.numa[node].resources, resource) - taken
}

fn has_room(machine: &Machine, node: usize, demand: &Demand) -> bool {
    // What no node names is not told apart by node.
    let named = machine.host.numa.iter().flat_map(|node| node.resources.extended.keys());
    let mut resources = ["cpu", "memory"].into_iter().chain(named.map(String::as_str));
    resources.all(|resource| {
        let share = share(demand, resource);
        share == 0 || share <= free(machine, node, resource)
    })
}

fn devices_on(machine: &Machine, nodes: u32) -> u64 {
    let numbers = (0..machine.host.numa.len()).filter(|node| nodes >> node & 1 == 1);
    numbers.map(|node| machine.host.numa[node].devices).fold(0, |all, devices| all | devices)
}

/// Whether the pod can have these nodes and devices.
pub(crate) fn fits(machine: &Machine, demand: &Demand, seat: Seat) -> bool {
    let Some(wanted) = &demand.numa else { return seat.numa == 0 };
    let mut nodes = (0..32).filter(|node| seat.numa >> node & 1 == 1);
    seat.numa.count_ones() == wanted.nodes
        && nodes.all(|node| node < machine.host.numa.len() && has_room(machine, node, demand))
        && seat.devices & !devices_on(machine, seat.numa) == 0
}

/// The nodes that the pod gets: those with least CPU free in the sum, then least memory, then the lowest mask. None (0) for
/// a pod that does not ask for any; `None` where it finds no room.
pub(crate) fn choose(machine: &Machine, demand: &Demand) -> Option<u32> {
    if demand.numa.is_none() {
        return Some(0);
    }
    let sum = |nodes: u32, resource: &str| -> i64 {
        let numbers = (0..machine.host.numa.len()).filter(|node| nodes >> node & 1 == 1);
        numbers.map(|node| free(machine, node, resource)).sum()
    };
    let has_devices = |nodes: u32| {
        let Some(wanted) = &demand.devices else { return true };
        let devices = devices_on(machine, nodes);
        let free = machine.free_devices();
        let fitting = (0..free.len())
            .filter(|number| devices >> number & 1 == 1 && free[*number] >= i64::from(wanted.milli));
        device::linked(machine, demand, fitting.collect()).is_some()
    };
    (0..1_u32 << machine.host.numa.len())
        .filter(|nodes| fits(machine, demand, Seat { devices: 0, numa: *nodes }) && has_devices(*nodes))
        .min_by_key(|nodes| (sum(*nodes, "cpu"), sum(*nodes, "memory"), *nodes))
}

/// The devices among which the pod's are chosen.
pub(crate) fn devices(machine: &Machine, demand: &Demand) -> Option<u64> {
    if demand.numa.is_none() {
        return Some(u64::MAX);
    }
    Some(devices_on(machine, choose(machine, demand)?))
}
