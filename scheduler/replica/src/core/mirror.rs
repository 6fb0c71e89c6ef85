//! The hosts of all host partitions in the engine's cell, and what their ledgers have given away there.
//!
//! A host is *closed* to new pods while its partition says that it is not ready, while its description cannot be read, and
//! while an entry of the ledger does not fit into the mirror (the host has shrunk, or an assumption of this replica stands
//! in the way and will be refused). A closed host offers no pods in the cell, so nothing is placed there, whatever a pod
//! tolerates. Entries that come for it are kept aside until [`Mirror::reconcile`], which must run before decisions. What still
//! does not fit then takes its room all the same, below what is free: the pod is there, and others' terms must meet it.

use std::sync::Arc;

use meridian_engine::{
    ClassId, Demand, Host, HostId, Placement, Queue, Scheduler, Seat, Taint, TaintEffect, TenantId,
};
use meridian_proto::v1;
use rustc_hash::{FxHashMap, FxHashSet};

use super::uid::Uid;

/// The name of a claim, its partition by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClaimKey {
    pub(crate) partition: u32,
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
}

/// Something that a ledger has given away.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The host's number in its feed.
    pub(crate) host: u32,
    /// `None`: what it takes cannot be read.
    pub(crate) class: Option<ClassId>,
    pub(crate) seat: Seat,
    pub(crate) uid: Uid,
    pub(crate) tenant: TenantId,
    /// Its hold in the cell, below what is free where it does not fit; `None` while it holds nothing.
    pub(crate) placement: Option<Placement>,
}

/// A host number of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// In the cell.
    Host(HostId),
    /// Not in the cell: refused, or removed.
    Absent,
}

/// A host as its feed tells it.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) host: Host,
    pub(crate) incarnation: u64,
    pub(crate) is_ready: bool,
}

/// A host in the cell.
#[derive(Debug)]
pub(crate) struct Record {
    id: HostId,
    pub(crate) feed: usize,
    pub(crate) number: u32,
    pub(crate) news: News,
    /// The newest description cannot be used; `news` is the one before.
    is_refused: bool,
    /// Closed in the cell now.
    is_closed: bool,
    is_dirty: bool,
    /// Entries that do not fit.
    unplaced: Vec<ClaimKey>,
}

/// What is known of one host partition.
#[derive(Debug, Default)]
pub(crate) struct FeedHosts {
    /// The partition's name.
    pub(crate) name: String,
    pub(crate) numbers: FxHashMap<u32, Known>,
    pub(crate) entries: FxHashMap<ClaimKey, Entry>,
    /// Absent hosts that may have entries.
    lost: FxHashSet<u32>,
}

/// Hosts and entries of all feeds.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    pub(crate) feeds: Vec<FeedHosts>,
    /// By the host's slot in the cell.
    records: Vec<Option<Record>>,
    dirty: Vec<HostId>,
    /// Hosts that have more room or are described anew since this was last taken.
    pub(crate) helped: Vec<HostId>,
    partitions: FxHashMap<Arc<str>, u32>,
    closed: usize,
}

/// How a closed host is described. Those that bear the taint are kept away by there being no room for pods.
fn closed(news: &News) -> Host {
    let mut host = Host { pods: 0, ..news.host.clone() };
    let taint = Taint {
        key: "node.kubernetes.io/not-ready".to_owned(),
        value: String::new(),
        effect: TaintEffect::NoSchedule,
    };
    if !news.is_ready && !host.taints.contains(&taint) {
        host.taints.push(taint);
    }
    host
}

impl Mirror {
    pub(crate) fn new(feeds: usize) -> Mirror {
        Mirror { feeds: (0..feeds).map(|_| FeedHosts::default()).collect(), ..Mirror::default() }
    }

    /// The number of a tenant partition; `None` when there are absurdly many.
    pub(crate) fn partition(&mut self, name: &str, most: usize) -> Option<u32> {
        if let Some(number) = self.partitions.get(name) {
            return Some(*number);
        }
        if self.partitions.len() >= most {
            return None;
        }
        let number = u32::try_from(self.partitions.len()).ok()?;
        self.partitions.insert(name.into(), number);
        Some(number)
    }

    /// The claim's key, if its partition has ever been heard of.
    pub(crate) fn claim(&self, claim: &v1::ClaimId) -> Option<ClaimKey> {
        let partition = *self.partitions.get(&*claim.partition)?;
        Some(ClaimKey { partition, epoch: claim.epoch, sequence: claim.sequence })
    }

    /// The host in a slot of the cell.
    pub(crate) fn record(&self, id: HostId) -> Option<&Record> {
        self.records.get(id.index())?.as_ref().filter(|record| record.id == id)
    }

    fn record_mut(&mut self, id: HostId) -> Option<&mut Record> {
        self.records.get_mut(id.index())?.as_mut().filter(|record| record.id == id)
    }

    /// How many entries there are.
    pub(crate) fn entries(&self) -> usize {
        self.feeds.iter().map(|feed| feed.entries.len()).sum()
    }

    /// What entries hold in the cell.
    #[cfg(test)]
    pub(crate) fn placements(&self) -> impl Iterator<Item = &Placement> {
        self.feeds.iter().flat_map(|feed| feed.entries.values()).filter_map(|entry| entry.placement.as_ref())
    }

    /// How many hosts are closed.
    pub(crate) fn closed(&self) -> usize {
        self.closed
    }

    /// Takes a host in, or its new description. `Err` of a description says why it cannot be read.
    pub(crate) fn put_host(
        &mut self,
        feed: usize,
        number: u32,
        news: Result<News, String>,
        scheduler: &mut Scheduler,
        queue: &mut Queue,
    ) {
        let known = self.feeds.get(feed).and_then(|feed| feed.numbers.get(&number)).copied();
        let id = match known {
            Some(Known::Host(id)) => Some(id),
            Some(Known::Absent) | None => None,
        };
        let result = news.and_then(|news| match id {
            Some(id) => self.update_host(id, news, scheduler),
            None => self.add_host(feed, number, news, scheduler, queue),
        });
        let Err(problem) = result else { return };
        let name = self.feeds.get(feed).map_or("", |feed| &*feed.name);
        tracing::warn!(
            partition = name,
            number,
            problem,
            "a host's description is refused; nothing is placed there"
        );
        match id {
            Some(id) => {
                if let Some(record) = self.record_mut(id) {
                    record.is_refused = true;
                }
                self.mark(id);
            }
            None => {
                if let Some(feed) = self.feeds.get_mut(feed) {
                    feed.numbers.insert(number, Known::Absent);
                    feed.lost.insert(number);
                }
            }
        }
    }

    fn add_host(
        &mut self,
        feed: usize,
        number: u32,
        news: News,
        scheduler: &mut Scheduler,
        queue: &mut Queue,
    ) -> Result<(), String> {
        let id = scheduler.add_host(&news.host).map_err(|error| error.to_string())?;
        if self.records.len() <= id.index() {
            self.records.resize_with(id.index() + 1, || None);
        }
        let mut unplaced = Vec::new();
        if let Some(hosts) = self.feeds.get_mut(feed) {
            hosts.numbers.insert(number, Known::Host(id));
            if hosts.lost.remove(&number) {
                let here = hosts.entries.iter_mut().filter(|(_, entry)| entry.host == number);
                unplaced.extend(here.map(|(claim, entry)| {
                    if let Some(placement) = entry.placement.take() {
                        // It holds nothing since the host has gone.
                        queue.discharge(entry.tenant, &placement);
                    }
                    *claim
                }));
                unplaced.sort_unstable();
            }
        }
        let record =
            Record { id, feed, number, news, is_refused: false, is_closed: false, is_dirty: false, unplaced };
        if let Some(place) = self.records.get_mut(id.index()) {
            *place = Some(record);
        }
        self.mark(id);
        Ok(())
    }

    fn update_host(&mut self, id: HostId, news: News, scheduler: &mut Scheduler) -> Result<(), String> {
        let record = self.record_mut(id).ok_or("the host has been removed")?;
        let described = if record.is_closed {
            scheduler.update_host(id, &closed(&news))
        } else {
            scheduler.update_host(id, &news.host)
        };
        described.map_err(|error| error.to_string())?;
        record.news = news;
        record.is_refused = false;
        self.mark(id);
        Ok(())
    }

    /// Renumbers a host that a feed knows under another number now.
    pub(crate) fn renumber(&mut self, id: HostId, number: u32) {
        if let Some(record) = self.record_mut(id) {
            record.number = number;
            // Its entries are told anew.
            record.unplaced.clear();
        }
    }

    /// Drops a host. Entries there hold nothing until it comes back or they end.
    pub(crate) fn remove_host(&mut self, feed: usize, number: u32, scheduler: &mut Scheduler) {
        let Some(hosts) = self.feeds.get_mut(feed) else { return };
        let known = hosts.numbers.insert(number, Known::Absent);
        hosts.lost.insert(number);
        if let Some(Known::Host(id)) = known {
            self.drop_host(id, scheduler);
        }
    }

    /// Drops a host whose number has been dropped already.
    pub(crate) fn drop_host(&mut self, id: HostId, scheduler: &mut Scheduler) {
        // Refused only for hosts that are gone, and then there is nothing left to do.
        let _ = scheduler.remove_host(id);
        if let Some(place) = self.records.get_mut(id.index()) {
            let dropped = place.take_if(|record| record.id == id);
            self.closed -= usize::from(dropped.is_some_and(|record| record.is_closed));
        }
    }

    /// Forgets the numbers of a feed, and returns them.
    pub(crate) fn take_numbers(&mut self, feed: usize) -> FxHashMap<u32, Known> {
        let Some(hosts) = self.feeds.get_mut(feed) else { return FxHashMap::default() };
        hosts.lost.clear();
        std::mem::take(&mut hosts.numbers)
    }

    /// Notes a claim that no entry is known for. It takes its room at once, or when the host is reconciled.
    pub(crate) fn add_entry(
        &mut self,
        feed: usize,
        claim: ClaimKey,
        mut entry: Entry,
        scheduler: &mut Scheduler,
        queue: &mut Queue,
    ) {
        let Some(hosts) = self.feeds.get_mut(feed) else { return };
        match hosts.numbers.get(&entry.host) {
            Some(Known::Host(id)) => {
                let id = *id;
                let is_closed = self.record(id).is_none_or(|record| record.is_closed);
                if !is_closed {
                    entry.placement = place(&entry, id, scheduler, queue);
                }
                if entry.placement.is_none() {
                    if let Some(record) = self.record_mut(id) {
                        record.unplaced.push(claim);
                    }
                    self.mark(id);
                }
            }
            Some(Known::Absent) | None => {
                hosts.lost.insert(entry.host);
            }
        }
        if let Some(hosts) = self.feeds.get_mut(feed) {
            hosts.entries.insert(claim, entry);
        }
    }

    /// Ends an entry and gives its room back. Returns its class.
    pub(crate) fn remove_entry(
        &mut self,
        feed: usize,
        claim: ClaimKey,
        scheduler: &mut Scheduler,
        queue: &mut Queue,
    ) -> Option<ClassId> {
        let entry = self.feeds.get_mut(feed)?.entries.remove(&claim)?;
        match entry.placement {
            Some(placement) => {
                if placement.is_nomination() {
                    self.forget_unplaced(feed, entry.host, claim);
                }
                self.release(placement, entry.tenant, scheduler, queue);
            }
            None => self.forget_unplaced(feed, entry.host, claim),
        }
        entry.class
    }

    fn forget_unplaced(&mut self, feed: usize, host: u32, claim: ClaimKey) {
        let known = self.feeds.get(feed).and_then(|feed| feed.numbers.get(&host)).copied();
        if let Some(Known::Host(id)) = known {
            if let Some(record) = self.record_mut(id) {
                record.unplaced.retain(|unplaced| *unplaced != claim);
            }
            self.mark(id);
        }
    }

    /// Gives back what a placement holds, of an entry or of an assumption.
    pub(crate) fn release(
        &mut self,
        placement: Placement,
        tenant: TenantId,
        scheduler: &mut Scheduler,
        queue: &mut Queue,
    ) {
        let id = placement.host();
        queue.discharge(tenant, &placement);
        // Refused only where the host is gone with all that it ran.
        if scheduler.release(placement).is_ok() {
            self.helped.push(id);
            if self.record(id).is_some_and(|record| !record.unplaced.is_empty()) {
                self.mark(id);
            }
        }
    }

    fn mark(&mut self, id: HostId) {
        if let Some(record) = self.record_mut(id)
            && !record.is_dirty
        {
            record.is_dirty = true;
            self.dirty.push(id);
        }
    }

    /// Brings the cell in line: entries that did not fit are tried again, hosts are opened and closed.
    pub(crate) fn reconcile(&mut self, scheduler: &mut Scheduler, queue: &mut Queue) {
        for id in std::mem::take(&mut self.dirty) {
            let Some(place) = self.records.get_mut(id.index()) else { continue };
            let Some(mut record) = place.take_if(|record| record.id == id) else { continue };
            record.is_dirty = false;
            self.reconcile_host(&mut record, scheduler, queue);
            if !record.is_closed {
                self.helped.push(id);
            }
            if let Some(place) = self.records.get_mut(id.index()) {
                *place = Some(record);
            }
        }
    }

    fn reconcile_host(&mut self, record: &mut Record, scheduler: &mut Scheduler, queue: &mut Queue) {
        let id = record.id;
        if !record.unplaced.is_empty() {
            if record.is_closed && scheduler.update_host(id, &record.news.host).is_ok() {
                record.is_closed = false;
                self.closed -= 1;
            }
            if let Some(hosts) = self.feeds.get_mut(record.feed) {
                // What is held below what is free stands in the way of what may fit.
                for claim in &record.unplaced {
                    if let Some(entry) = hosts.entries.get_mut(claim)
                        && let Some(held) = entry.placement.take_if(|placement| placement.is_nomination())
                    {
                        queue.discharge(entry.tenant, &held);
                        let _ = scheduler.release(held);
                    }
                }
                record.unplaced.retain(|claim| {
                    let Some(entry) = hosts.entries.get_mut(claim) else { return false };
                    if entry.placement.is_none() {
                        entry.placement = place(entry, id, scheduler, queue);
                    }
                    entry.placement.is_none()
                });
                for claim in &record.unplaced {
                    if let Some(entry) = hosts.entries.get_mut(claim) {
                        entry.placement = hold(entry, id, scheduler, queue);
                    }
                }
            }
        }
        let close = !record.news.is_ready || record.is_refused || !record.unplaced.is_empty();
        if close == record.is_closed {
            return;
        }
        let described = if close {
            scheduler.update_host(id, &closed(&record.news))
        } else {
            scheduler.update_host(id, &record.news.host)
        };
        match described {
            Ok(()) => {
                record.is_closed = close;
                self.closed = if close { self.closed + 1 } else { self.closed - 1 };
            }
            Err(error) => tracing::error!(%error, close, "a host cannot be opened or closed"),
        }
    }
}

/// What an entry has by number. The ledger counts what it can: the seat may name what its demand does not have any more.
fn seat(entry: &Entry, demand: &Demand) -> Seat {
    Seat {
        devices: if demand.devices.is_some() { entry.seat.devices } else { 0 },
        numa: if demand.numa.is_some() { entry.seat.numa } else { 0 },
    }
}

/// Takes an entry's room in the cell, if there is any.
fn place(entry: &Entry, host: HostId, scheduler: &mut Scheduler, queue: &mut Queue) -> Option<Placement> {
    let class = entry.class?;
    let seat = seat(entry, scheduler.demand(class)?);
    let placement = scheduler.place(class, host, seat).ok()?;
    charge(queue, entry.tenant, &placement);
    Some(placement)
}

/// Takes an entry's room though it is not free.
fn hold(entry: &Entry, host: HostId, scheduler: &mut Scheduler, queue: &mut Queue) -> Option<Placement> {
    let class = entry.class?;
    let seat = seat(entry, scheduler.demand(class)?);
    let placement = scheduler.nominate(class, host, seat).ok()?;
    charge(queue, entry.tenant, &placement);
    Some(placement)
}

/// Counts what a placement holds among what its tenant has.
pub(crate) fn charge(queue: &mut Queue, tenant: TenantId, placement: &Placement) {
    if let Err(error) = queue.charge(tenant, placement) {
        // There are never more tenants here than the queue keeps apart.
        tracing::error!(%error, "what a tenant holds cannot be counted");
    }
}
