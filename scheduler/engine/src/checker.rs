//! Checks a cell against the placements that should be in it, from first principles.
//!
//! It adds up what placements hold and compares it with what hosts offer and with the cell's own accounts and block
//! summaries, and counts pods by topology domain anew. Tests and simulations call it at their end.

use rustc_hash::FxHashMap;

use crate::cell::{Cell, HostId, shareable};
use crate::demand::HostPort;
use crate::host::{DEVICE_MILLI, MAX_DEVICES, MAX_NUMA_NODES};
use crate::placement::Placement;
use crate::resource::ResourceId;
use crate::topology::Miscount;

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// More is placed on a host than it offers.
    #[error("host {host}: {resource}: {placed} placed, {offered} offered")]
    Overcommitted {
        /// The host's name.
        host: String,
        /// The resource's name.
        resource: String,
        /// What placements hold.
        placed: i64,
        /// What the host offers.
        offered: i64,
    },
    /// The cell's account of a resource is not the sum of the placements.
    #[error("host {host}: {resource}: {placed} placed, {accounted} accounted for")]
    Miscounted {
        /// The host's name.
        host: String,
        /// The resource's name.
        resource: String,
        /// What placements hold.
        placed: i64,
        /// What the cell believes.
        accounted: i64,
    },
    /// Two placements bind one port of a host.
    #[error("host {host}: port {port} is bound twice")]
    PortConflict {
        /// The host's name.
        host: String,
        /// The port's number.
        port: u16,
    },
    /// The share in use that scoring reads is not what the quantities come to.
    #[error("host {host}: the share of {resource} in use is wrong")]
    StaleShare {
        /// The host's name.
        host: String,
        /// The resource's name.
        resource: String,
    },
    /// A summary of a block is not what its hosts add up to.
    #[error("block {block}: the summary of resource {resource} is wrong")]
    StaleSummary {
        /// The block's number.
        block: usize,
        /// The resource's name.
        resource: String,
    },
    /// Pods are counted otherwise by topology domain than they are placed.
    #[error("pods counted by {key}: {what} {placed} placed, {accounted} accounted for")]
    MiscountedDomain {
        /// The label whose values are the domains.
        key: String,
        /// Which count.
        what: &'static str,
        /// What placements come to.
        placed: i64,
        /// What the cell believes.
        accounted: i64,
    },
}

/// Every violation in a cell whose hosts have not shrunk below what they run. `placements` are all that were made and
/// neither released nor dropped with their host.
pub fn check<'a>(cell: &Cell, placements: impl IntoIterator<Item = &'a Placement>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut by_host: FxHashMap<HostId, Vec<&Placement>> = FxHashMap::default();
    for placement in placements {
        by_host.entry(placement.host()).or_default().push(placement);
    }
    for host in cell.hosts() {
        let placed = by_host.get(&host).map_or(&[][..], Vec::as_slice);
        check_host(cell, host, placed, &mut violations);
    }
    for (resource, slot) in cell.columns.wrong_shares() {
        let host = cell.name(cell.id(slot)).unwrap_or_default().to_owned();
        violations
            .push(Violation::StaleShare { host, resource: cell.resources.name_at(resource).to_owned() });
    }
    for (resource, block) in cell.columns.wrong_summaries() {
        let resource = cell.resources.name_at(resource).to_owned();
        violations.push(Violation::StaleSummary { block, resource });
    }
    let on_hosts = by_host.iter().filter(|(host, _)| cell.has(**host));
    let members: Vec<_> = on_hosts
        .flat_map(|(host, placed)| placed.iter().map(|placement| (placement.member(), host.index())))
        .collect();
    for Miscount { key, what, placed, accounted } in cell.topology.miscounted(cell, &members) {
        violations.push(Violation::MiscountedDomain { key, what, placed, accounted });
    }
    violations
}

fn check_host(cell: &Cell, host: HostId, placed: &[&Placement], violations: &mut Vec<Violation>) {
    let name = || cell.name(host).unwrap_or_default().to_owned();
    let nominations: Vec<&Placement> =
        placed.iter().copied().filter(|placement| placement.is_nomination()).collect();
    for resource in cell.resources.ids() {
        let counts = |placement: &Placement| placement.ask().request(resource);
        let sum = sum_on(cell, host, placed, shareable(resource), counts);
        // What nominations hold may be in use by others still.
        let seated: Vec<&Placement> =
            placed.iter().copied().filter(|placement| !placement.is_nomination()).collect();
        let waiting = sum - sum_on(cell, host, &seated, shareable(resource), counts);
        compare(
            violations,
            name,
            cell.resource_name(resource),
            sum,
            cell.columns.requested(resource, host.index()),
            cell.columns.allocatable(resource, host.index()).saturating_add(waiting),
        );
    }
    for (number, resource) in [ResourceId::CPU, ResourceId::MEMORY].into_iter().enumerate() {
        let sum = sum_on(cell, host, placed, Some(number), |placement| placement.ask().scoring[number]);
        let accounted = cell.columns.scoring_requested(resource, host.index());
        // Scoring may count more than there is.
        compare(violations, name, "scoring", sum, accounted, i64::MAX);
    }
    let (devices, waiting) = (shares_in_use(placed), shares_in_use(&nominations));
    let set = cell.devices.get(host.index());
    for (number, (sum, waiting)) in devices.into_iter().zip(waiting).enumerate() {
        let accounted = set.and_then(|set| set.used.get(number)).map_or(0, |used| i64::from(*used));
        compare(violations, name, "device", sum, accounted, i64::from(DEVICE_MILLI) + waiting);
    }
    check_nodes(cell, host, placed, violations);
    let ports: Vec<&HostPort> = placed.iter().flat_map(|placement| &placement.ask().ports).collect();
    let seated = || placed.iter().filter(|placement| !placement.is_nomination());
    for placement in seated() {
        let ports = || seated().flat_map(|placement| &placement.ask().ports);
        for port in &placement.ask().ports {
            let own = placement.ask().ports.iter().filter(|other| port.conflicts(other)).count();
            if ports().filter(|other| port.conflicts(other)).count() > own {
                violations.push(Violation::PortConflict { host: name(), port: port.port });
            }
        }
    }
    if ports.len() != cell.ports.bound(host.index()).len() {
        let accounted = cell.ports.bound(host.index()).len() as i64;
        let (host, resource) = (name(), "ports".to_owned());
        violations.push(Violation::Miscounted { host, resource, placed: ports.len() as i64, accounted });
    }
}

/// Adds up what placements took of each NUMA node.
fn check_nodes(cell: &Cell, host: HostId, placed: &[&Placement], violations: &mut Vec<Violation>) {
    let name = || cell.name(host).unwrap_or_default().to_owned();
    let set = cell.numa.get(host.index());
    if set.is_none() && placed.iter().all(|placement| placement.ask().numa.is_none()) {
        return;
    }
    let share = |placement: &Placement, node: usize, resource: ResourceId| {
        let numa = placement.ask().numa.as_ref().filter(|_| placement.numa() >> node & 1 == 1);
        let shares = numa.into_iter().flat_map(|numa| &numa.shares);
        shares.filter(|(taken, _)| *taken == resource).map(|(_, share)| *share).sum::<i64>()
    };
    for node in 0..MAX_NUMA_NODES as usize {
        for resource in cell.resources.ids() {
            let sum: i64 = placed.iter().map(|placement| share(placement, node, resource)).sum();
            let nominations = placed.iter().filter(|placement| placement.is_nomination());
            let waiting: i64 = nominations.map(|placement| share(placement, node, resource)).sum();
            let accounted = set.map_or(0, |set| set.used(node, resource));
            let offered = set.and_then(|set| set.offered(node, resource)).unwrap_or(i64::MAX);
            let resource = format!("{} of NUMA node {node}", cell.resource_name(resource));
            compare(violations, name, &resource, sum, accounted, offered.saturating_add(waiting));
        }
    }
}

/// What placements come to on a host: of CPU (0) and memory (1), machines that share count by its ratio.
fn sum_on(
    cell: &Cell,
    host: HostId,
    placements: &[&Placement],
    shareable: Option<usize>,
    counts: impl Fn(&Placement) -> i64,
) -> i64 {
    let (mut full, mut shared) = (0, 0);
    for placement in placements {
        match shareable {
            Some(_) if placement.ask().shares() => shared += counts(placement),
            _ => full += counts(placement),
        }
    }
    full + shareable.map_or(0, |number| cell.pools.ratio(host.index()).counted(number, shared))
}

/// Per device, what placements have of it, in thousandths.
fn shares_in_use(placements: &[&Placement]) -> Vec<i64> {
    let mut devices = vec![0; MAX_DEVICES as usize];
    for placement in placements {
        for number in crate::mask::bits(placement.devices()) {
            devices[number] += placement.ask().devices.map_or(0, |ask| i64::from(ask.milli));
        }
    }
    devices
}

fn compare(
    violations: &mut Vec<Violation>,
    host: impl Fn() -> String,
    resource: &str,
    placed: i64,
    accounted: i64,
    offered: i64,
) {
    let resource = resource.to_owned();
    if placed != accounted {
        violations.push(Violation::Miscounted { host: host(), resource, placed, accounted });
    } else if placed > offered {
        violations.push(Violation::Overcommitted { host: host(), resource, placed, offered });
    }
}
