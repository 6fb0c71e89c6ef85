//! The cell: everything one scheduler knows of its hosts, in columns over dense slots.
//!
//! A host is a slot; 64 slots are a block, the unit in which plugins work. The cell keeps what hosts offer and what has
//! been taken from them, and says what changed since a version through its [`Journal`]. It makes no choices. Names live
//! in records beside the columns and are read only at the border.

mod column;
mod description;
mod device;
mod journal;
mod label;
mod link;
mod nomination;
mod numa;
mod pool;
mod port;
mod record;
mod taint;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

pub(crate) use self::column::{Columns, block_of, shares};
pub(crate) use self::device::{DeviceSet, DeviceTable};
pub(crate) use self::journal::Journal;
pub(crate) use self::label::LabelIndex;
pub(crate) use self::link::usable as usable_devices;
pub(crate) use self::numa::{NumaSet, NumaTable, admitting as admitting_nodes};
pub(crate) use self::pool::{Amounts, MAX_POOLS, Pools, shareable};
pub(crate) use self::port::PortTable;
pub(crate) use self::record::Record;
pub(crate) use self::taint::TaintTable;
use crate::ask::Ask;
use crate::demand::{Links, Runtime};
use crate::host::{DEVICE_MILLI, Host, HostError, TaintEffect};
use crate::placement::{PlaceError, Placement, ReleaseError, Seat};
use crate::resource::{MAX_RESOURCES, ResourceId, ResourceTable, Resources};
use crate::topology::Topology;

/// Hosts in a block: one bit each in a word.
pub(crate) const BLOCK: usize = 64;

/// A host of a cell. Ids of removed hosts never name another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId {
    slot: u32,
    generation: u32,
}

impl HostId {
    /// The host's slot: its place in the order that breaks ties. Slots of removed hosts are used again, lowest first.
    pub fn index(self) -> usize {
        self.slot as usize
    }
}

/// The hosts of a region, in columns.
#[derive(Clone, Debug)]
pub struct Cell {
    pub(crate) resources: ResourceTable,
    pub(crate) columns: Columns,
    pub(crate) alive: Vec<u64>,
    pub(crate) cordoned: Vec<u64>,
    /// Hosts that take only pods that tolerate something: cordoned, or with a taint that repels.
    pub(crate) apart: Vec<u64>,
    /// Hosts that start containers, and those that start virtual machines.
    pub(crate) runs: [Vec<u64>; 2],
    pub(crate) pools: Pools,
    pub(crate) records: Vec<Option<Record>>,
    pub(crate) labels: LabelIndex,
    pub(crate) taints: TaintTable,
    pub(crate) ports: PortTable,
    pub(crate) devices: DeviceTable,
    pub(crate) numa: NumaTable,
    pub(crate) journal: Journal,
    pub(crate) topology: Topology,
    generations: Vec<u32>,
    by_name: FxHashMap<Arc<str>, u32>,
    free_slots: BinaryHeap<Reverse<u32>>,
    hosts: usize,
    largest_cpu: Multiset,
    largest_devices: Multiset,
    /// What all hosts offer of devices, in thousandths.
    offered_devices: i128,
}

/// Values with how often they occur, so that the largest stays known under removal.
type Multiset = BTreeMap<i64, u32>;

fn insert(set: &mut Multiset, value: i64) {
    *set.entry(value).or_default() += 1;
}

fn remove(set: &mut Multiset, value: i64) {
    if let Some(count) = set.get_mut(&value) {
        *count -= 1;
        if *count == 0 {
            set.remove(&value);
        }
    }
}

fn largest(set: &Multiset) -> i64 {
    set.last_key_value().map_or(0, |(value, _)| *value)
}

fn device_milli(host: &Host) -> i64 {
    host.devices.as_ref().map_or(0, |devices| i64::from(devices.count) * i64::from(DEVICE_MILLI))
}

impl Default for Cell {
    fn default() -> Self {
        Cell::new()
    }
}

impl Cell {
    /// A cell without hosts.
    pub fn new() -> Cell {
        let resources = ResourceTable::new();
        Cell {
            columns: Columns::new(resources.len()),
            resources,
            alive: Vec::new(),
            cordoned: Vec::new(),
            apart: Vec::new(),
            runs: Default::default(),
            pools: Pools::default(),
            records: Vec::new(),
            labels: LabelIndex::default(),
            taints: TaintTable::default(),
            ports: PortTable::default(),
            devices: DeviceTable::default(),
            numa: NumaTable::default(),
            journal: Journal::default(),
            topology: Topology::default(),
            generations: Vec::new(),
            by_name: FxHashMap::default(),
            free_slots: BinaryHeap::new(),
            hosts: 0,
            largest_cpu: Multiset::new(),
            largest_devices: Multiset::new(),
            offered_devices: 0,
        }
    }

    /// How many hosts there are.
    pub fn len(&self) -> usize {
        self.hosts
    }

    /// Whether there are no hosts.
    pub fn is_empty(&self) -> bool {
        self.hosts == 0
    }

    /// The host of this name.
    pub fn host_named(&self, name: &str) -> Option<HostId> {
        self.by_name.get(name).map(|slot| self.id(*slot as usize))
    }

    /// The name of a host; `None` when it has been removed.
    pub fn name(&self, host: HostId) -> Option<&str> {
        self.record(host).map(|record| &*record.name)
    }

    /// All hosts, in the order of their slots.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> + '_ {
        (0..self.records.len()).filter(|slot| self.records[*slot].is_some()).map(|slot| self.id(slot))
    }

    /// What is left of a resource on a host, in the resource's unit; negative where a host has shrunk below what it
    /// runs. `None` when the host has been removed.
    pub fn free(&self, host: HostId, resource: ResourceId) -> Option<i64> {
        self.has(host).then(|| self.columns.free(resource, host.index()))
    }

    /// What a host offers of a resource.
    pub fn allocatable(&self, host: HostId, resource: ResourceId) -> Option<i64> {
        self.has(host).then(|| self.columns.allocatable(resource, host.index()))
    }

    /// The id of a resource that a host or a pod of this cell has named.
    pub fn resource(&self, name: &str) -> Option<ResourceId> {
        self.resources.get(name)
    }

    /// The name of a resource.
    pub fn resource_name(&self, resource: ResourceId) -> &str {
        self.resources.name(resource)
    }

    /// The model of a host's devices and what is free of each, in thousandths.
    pub fn devices(&self, host: HostId) -> Option<(&str, &[u16])> {
        self.record(host)?;
        let set = self.devices.get(host.index())?;
        Some((self.devices.model_name(set.model), &set.free))
    }

    /// Takes a host in. Uses the lowest free slot.
    pub fn add_host(&mut self, host: &Host) -> Result<HostId, HostError> {
        host.validate()?;
        if self.by_name.contains_key(host.name.as_str()) {
            return Err(HostError::DuplicateName { name: host.name.clone() });
        }
        self.check_pool(host)?;
        self.intern_resources(host)?;
        let slot = match self.free_slots.pop() {
            Some(Reverse(slot)) => slot as usize,
            None => self.push_slot(),
        };
        let name: Arc<str> = Arc::from(host.name.as_str());
        self.by_name.insert(Arc::clone(&name), slot as u32);
        self.hosts += 1;
        self.alive[slot / BLOCK] |= 1 << (slot % BLOCK);
        self.columns.open(slot);
        self.records[slot] = Some(Record { name, labels: Vec::new(), taints: Vec::new() });
        self.devices.set(slot, host);
        self.numa.set(slot, &host.numa, &self.resources);
        self.pools.set(slot, host.overcommit);
        self.count(host);
        self.describe(slot, host);
        Ok(self.id(slot))
    }

    /// Takes a host's new description in. What runs there stays, even where it no longer fits.
    pub fn update_host(&mut self, id: HostId, host: &Host) -> Result<(), HostError> {
        host.validate()?;
        let slot = id.index();
        let old = Arc::clone(&self.record(id).ok_or(HostError::Gone)?.name);
        let is_renamed = *old != *host.name;
        if is_renamed && self.by_name.contains_key(host.name.as_str()) {
            return Err(HostError::DuplicateName { name: host.name.clone() });
        }
        self.devices.check(slot, host)?;
        if self.is_described_as(slot, host) {
            return Ok(());
        }
        self.check_pool(host)?;
        self.intern_resources(host)?;
        if is_renamed {
            let name: Arc<str> = Arc::from(host.name.as_str());
            self.by_name.remove(&old);
            self.by_name.insert(Arc::clone(&name), slot as u32);
            if let Some(record) = &mut self.records[slot] {
                record.name = name;
            }
        }
        self.discount(slot);
        self.devices.set(slot, host);
        self.numa.set(slot, &host.numa, &self.resources);
        self.move_to_pool(slot, host);
        self.count(host);
        self.describe(slot, host);
        Ok(())
    }

    /// Drops a host and all that runs there.
    pub fn remove_host(&mut self, id: HostId) -> Result<(), HostError> {
        self.record(id).ok_or(HostError::Gone)?;
        let slot = id.index();
        self.topology.clear(slot);
        self.undescribe(slot);
        self.discount(slot);
        if let Some(record) = self.records[slot].take() {
            self.by_name.remove(&record.name);
        }
        self.tell_topology(slot);
        self.columns.close(slot);
        self.ports.clear(slot);
        self.devices.clear(slot);
        self.numa.clear(slot);
        self.pools.clear(slot);
        for runs in &mut self.runs {
            runs[slot / BLOCK] &= !(1 << (slot % BLOCK));
        }
        self.alive[slot / BLOCK] &= !(1 << (slot % BLOCK));
        self.cordoned[slot / BLOCK] &= !(1 << (slot % BLOCK));
        self.apart[slot / BLOCK] &= !(1 << (slot % BLOCK));
        self.generations[slot] = self.generations[slot].wrapping_add(1);
        self.free_slots.push(Reverse(slot as u32));
        self.hosts -= 1;
        self.journal.static_change(slot);
        Ok(())
    }

    /// Commits a demand to a host if it fits now: the last word on every placement. `seat` says which devices and NUMA nodes
    /// to use. Constraints (labels, taints) are not looked at.
    pub(crate) fn place(
        &mut self,
        ask: &Arc<Ask>,
        host: HostId,
        seat: Seat,
    ) -> Result<Placement, PlaceError> {
        if !self.has(host) {
            return Err(PlaceError::Gone);
        }
        if let Some(resource) = ask.unknown.first() {
            return Err(PlaceError::Insufficient { resource: resource.clone() });
        }
        let slot = host.index();
        for (resource, request) in &ask.at(self, slot).requests {
            if !crate::fit::admits(self.columns.free(*resource, slot), *request) {
                return Err(PlaceError::Insufficient { resource: self.resources.name(*resource).to_owned() });
            }
        }
        if !self.ports.admits(slot, &ask.ports) {
            return Err(PlaceError::PortTaken);
        }
        self.numa.check(slot, ask, seat, true)?;
        self.devices.take(slot, ask.devices.as_ref(), seat.devices)?;
        self.numa.take(slot, ask, seat.numa);
        self.take(slot, ask);
        Ok(Placement::new(host, seat, Arc::clone(ask)))
    }

    /// The NUMA nodes that a pod should use on a host; `None` where it finds no room on any.
    pub(crate) fn numa_nodes(&self, ask: &Ask, slot: usize) -> Option<u32> {
        let Some(asked) = &ask.numa else { return Some(0) };
        self.numa.get(slot)?.choose(asked, |within| self.has_devices(ask, slot, within))
    }

    /// The devices of a host among which a pod's are chosen, where not all that have enough free are alike to it.
    pub(crate) fn usable_devices(&self, ask: &Ask, slot: usize) -> u64 {
        let Some(asked) = ask.devices.filter(|asked| ask.numa.is_some() || asked.links != Links::Anywhere)
        else {
            return u64::MAX;
        };
        let within = match (&ask.numa, self.numa.get(slot)) {
            (None, _) => u64::MAX,
            (Some(_), Some(set)) => set.devices(self.numa_nodes(ask, slot).unwrap_or(0)),
            (Some(_), None) => 0,
        };
        self.devices.get(slot).and_then(|set| set.usable(&asked, within)).unwrap_or(0)
    }

    /// Whether a pod gets its devices out of some of a host's.
    fn has_devices(&self, ask: &Ask, slot: usize, within: u64) -> bool {
        let fits = |asked| self.devices.get(slot).is_some_and(|set| set.usable(asked, within).is_some());
        ask.devices.as_ref().is_none_or(fits)
    }

    /// Takes all that is asked for but devices and NUMA nodes.
    fn take(&mut self, slot: usize, ask: &Ask) {
        if ask.shares() {
            self.share(slot, ask, 1);
        } else {
            for (resource, request) in &ask.requests {
                self.columns.take(*resource, slot, *request);
            }
            self.columns.take_scoring(slot, ask.scoring);
        }
        self.columns.take_padded(slot, i32::from(ask.is_padded()));
        self.ports.bind(slot, &ask.ports);
        self.topology.start(ask.member, slot);
        self.journal.change(slot);
    }

    /// Takes what a machine that shares asks for (`sign` 1), or gives it back (-1): it counts by what all that share on the
    /// host come to.
    fn share(&mut self, slot: usize, ask: &Ask, sign: i64) {
        let before = self.pools.counted(slot);
        self.pools.share(slot, ask.amounts().map(|amount| sign * amount));
        self.recount(slot, before);
        for (resource, request) in ask.requests.iter().filter(|(resource, _)| shareable(*resource).is_none())
        {
            self.columns.take(*resource, slot, sign * *request);
        }
    }

    /// Has the columns follow what the machines that share on a host count for, which was `before`.
    fn recount(&mut self, slot: usize, before: Amounts) {
        let now = self.pools.counted(slot);
        for (resource, number) in [(ResourceId::CPU, 0), (ResourceId::MEMORY, 1)] {
            self.columns.take(resource, slot, now[number] - before[number]);
        }
        self.columns.take_scoring(slot, [now[2] - before[2], now[3] - before[3]]);
    }

    fn check_pool(&self, host: &Host) -> Result<(), HostError> {
        let has_room = self.pools.has_room_for(host.overcommit);
        has_room.then_some(()).ok_or_else(|| HostError::TooManyPools { name: host.name.clone() })
    }

    /// Has a host's ratio be another one, for what runs there as well.
    fn move_to_pool(&mut self, slot: usize, host: &Host) {
        let before = self.pools.counted(slot);
        self.pools.set(slot, host.overcommit);
        self.recount(slot, before);
    }

    /// Gives back what a placement took.
    pub(crate) fn release(&mut self, placement: Placement) -> Result<(), ReleaseError> {
        if !self.has(placement.host()) {
            return Err(ReleaseError::Gone);
        }
        let slot = placement.host().index();
        let ask = placement.ask();
        if ask.shares() {
            self.share(slot, ask, -1);
        } else {
            for (resource, request) in &ask.requests {
                self.columns.take(*resource, slot, -*request);
            }
            self.columns.take_scoring(slot, [-ask.scoring[0], -ask.scoring[1]]);
        }
        self.columns.take_padded(slot, -i32::from(ask.is_padded()));
        self.ports.unbind(slot, &ask.ports);
        self.devices.give(slot, ask.devices.as_ref(), placement.devices());
        self.numa.give(slot, ask, placement.numa());
        self.topology.stop(placement.member(), slot);
        self.journal.change(slot);
        Ok(())
    }

    /// Whether a host starts what a pod is run by.
    pub(crate) fn is_ready_for(&self, runtime: Runtime, slot: usize) -> bool {
        self.ready_for(runtime)[slot / BLOCK] >> (slot % BLOCK) & 1 == 1
    }

    /// The hosts that start what a pod is run by.
    pub(crate) fn ready_for(&self, runtime: Runtime) -> &[u64] {
        match runtime {
            Runtime::Containers => &self.runs[0],
            Runtime::VirtualMachine => &self.runs[1],
        }
    }

    /// The largest CPU of a host, in thousandths.
    pub(crate) fn largest_cpu(&self) -> i64 {
        largest(&self.largest_cpu)
    }

    /// The most devices of a host, in thousandths.
    pub(crate) fn largest_devices(&self) -> i64 {
        largest(&self.largest_devices)
    }

    /// What all hosts offer of devices, in thousandths.
    pub(crate) fn offered_devices(&self) -> i128 {
        self.offered_devices
    }

    pub(crate) fn blocks(&self) -> usize {
        self.alive.len()
    }

    pub(crate) fn id(&self, slot: usize) -> HostId {
        HostId { slot: slot as u32, generation: self.generations[slot] }
    }

    pub(crate) fn slot_named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).map(|slot| *slot as usize)
    }

    pub(crate) fn record(&self, host: HostId) -> Option<&Record> {
        self.has(host).then(|| self.records[host.index()].as_ref()).flatten()
    }

    /// Whether a host is there. Asked for each placement, so it looks only at what is dense.
    pub(crate) fn has(&self, host: HostId) -> bool {
        let slot = host.index();
        let is_alive = || self.alive[slot / BLOCK] >> (slot % BLOCK) & 1 == 1;
        self.generations.get(slot).is_some_and(|generation| *generation == host.generation) && is_alive()
    }

    /// Gives every resource of `named` a column.
    pub(crate) fn intern(&mut self, named: &Resources) -> bool {
        if self.resources.len() + self.resources.missing(named) > MAX_RESOURCES {
            return false;
        }
        for name in named.extended.keys() {
            self.resources.intern(name);
        }
        self.columns.grow_resources(self.resources.len(), &self.alive);
        true
    }

    fn intern_resources(&mut self, host: &Host) -> Result<(), HostError> {
        if self.intern(&host.allocatable) {
            Ok(())
        } else {
            Err(HostError::TooManyResources { name: host.name.clone() })
        }
    }

    /// Counts a host in what is known of the cell as a whole.
    fn count(&mut self, host: &Host) {
        insert(&mut self.largest_cpu, host.allocatable.cpu_milli);
        insert(&mut self.largest_devices, device_milli(host));
        self.offered_devices += i128::from(device_milli(host));
    }

    /// Takes back what [`count`](Self::count) did for the host that is in a slot.
    fn discount(&mut self, slot: usize) {
        remove(&mut self.largest_cpu, self.columns.allocatable(ResourceId::CPU, slot));
        remove(&mut self.largest_devices, self.devices.capacity_milli(slot));
        self.offered_devices -= i128::from(self.devices.capacity_milli(slot));
    }

    fn push_slot(&mut self) -> usize {
        let slot = self.records.len();
        self.records.push(None);
        self.generations.push(0);
        if slot.is_multiple_of(BLOCK) {
            self.alive.push(0);
            self.cordoned.push(0);
            self.apart.push(0);
            self.runs.iter_mut().for_each(|runs| runs.push(0));
            self.pools.push_block();
            self.columns.push_block();
            self.journal.push_block();
        }
        slot
    }

    /// Writes a host's description over the slot's former one.
    fn describe(&mut self, slot: usize, host: &Host) {
        self.undescribe(slot);
        let (block, bit) = (slot / BLOCK, 1 << (slot % BLOCK));
        if host.unschedulable {
            self.cordoned[block] |= bit;
        } else {
            self.cordoned[block] &= !bit;
        }
        let repels = host.taints.iter().any(|taint| taint.effect != TaintEffect::PreferNoSchedule);
        if host.unschedulable || repels {
            self.apart[block] |= bit;
        } else {
            self.apart[block] &= !bit;
        }
        let ready = [host.runtimes.containers, host.runtimes.virtual_machines];
        for (runs, ready) in self.runs.iter_mut().zip(ready) {
            runs[block] = runs[block] & !bit | if ready { bit } else { 0 };
        }
        let labels = self.labels.add(slot as u32, &host.labels);
        let taints = self.taints.add(slot as u32, &host.taints);
        if let Some(record) = &mut self.records[slot] {
            record.labels = labels;
            record.taints = taints;
        }
        let mut offered = vec![0; self.resources.len()];
        for (name, quantity) in host.allocatable.named() {
            if let Some(resource) = self.resources.get(name) {
                offered[resource.index()] = quantity;
            }
        }
        offered[ResourceId::PODS.index()] = host.pods;
        self.columns.offer(slot, &offered);
        self.tell_topology(slot);
        self.journal.static_change(slot);
    }

    /// Has topology domains follow what a host is described as.
    fn tell_topology(&mut self, slot: usize) {
        let mut topology = std::mem::take(&mut self.topology);
        topology.host_changed(self, slot);
        self.topology = topology;
    }

    fn undescribe(&mut self, slot: usize) {
        if let Some(record) = &mut self.records[slot] {
            let (labels, taints) = (std::mem::take(&mut record.labels), std::mem::take(&mut record.taints));
            self.labels.remove(slot as u32, &labels);
            self.taints.remove(slot as u32, &taints);
        }
    }
}
