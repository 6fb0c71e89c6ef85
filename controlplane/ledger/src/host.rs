//! The host partition's side of the protocol: what has been given away on each host, and what each host should run.
//!
//! The ledger is in memory and made anew with each epoch `he` of the partition, which the store's log hands out. It is
//! *recovering* until every tenant partition known has listed its bindings, and refuses claims until then; from there on
//! it is *open*. An entry is room taken on a host: *Held* for a claim that was accepted, *Bound* once the tenant
//! partition says that the pod is durably bound, *Terminating* once it is to be stopped. Entries never expire. They go
//! when the tenant partition says that the claim is void, and by nothing else.
//!
//! A claim that names victims may find its room still taken by them: it is *Waiting* then, and its room is counted from
//! there on, so that nobody else takes what the victims leave.
//!
//! Files: `partition` has the tenant partitions and their lists, `claim` what claims may be refused for, `decide` how they
//! are decided, alone and in groups, `waiting` what becomes of those that wait, `entry` the entries, `agent` what hosts
//! have and should have.

mod agent;
mod change;
mod claim;
mod decide;
mod entry;
mod inspect;
mod partition;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

use meridian_engine::{Demand, Host, HostError, HostId, Seat};
use rustc_hash::FxHashMap;

pub use self::agent::InventoryPod;
use self::agent::Stray;
pub use self::change::Change;
pub use self::claim::{Answer, Claim, Refusal};
pub use self::entry::{AgentState, Entry, EntryState};
use self::entry::{Entries, Row, Slot};
use self::partition::Partition;
pub use self::partition::{Greeting, ListedPod, Listing, ListingError};
use crate::account::{Account, Free};
use crate::identity::{ClaimId, HostNumber, Uid};
use crate::tenant::Settlement;

/// A host as the ledger keeps it.
struct HostRow {
    id: HostId,
    /// Without labels and taints, which are not the ledger's business.
    description: Host,
    incarnation: u64,
    /// Whether the host has said what runs there.
    has_inventory: bool,
    /// Whether the host is heard of.
    is_reachable: bool,
    entries: Vec<Slot>,
    /// Entries that wait for their room, those first that came first.
    waiting: Vec<Slot>,
    strays: Vec<Stray>,
    version: u64,
}

/// The ledger of one process of a host partition.
pub struct Ledger {
    epoch: u64,
    is_open: bool,
    partitions: BTreeMap<Arc<str>, Partition>,
    hosts: FxHashMap<HostNumber, HostRow>,
    by_name: FxHashMap<String, HostNumber>,
    entries: Entries,
    account: Account,
    /// Bound pods whose specs have not come.
    wanting: Vec<ClaimId>,
    /// Entries made since the last tick, and those Held that were there at it.
    recent: Vec<ClaimId>,
    held: Vec<ClaimId>,
    changes: Vec<Change>,
}

impl Ledger {
    /// The ledger of epoch `he`, which must have been taken durably, with all tenant partitions that are durably known. The
    /// hosts of the durable records come next, by [`add_host`](Self::add_host).
    #[must_use]
    pub fn new(epoch: u64, known: impl IntoIterator<Item = Arc<str>>) -> Self {
        let partitions: BTreeMap<_, _> = known.into_iter().map(|name| (name, Partition::default())).collect();
        Self {
            epoch,
            is_open: partitions.is_empty(),
            partitions,
            hosts: FxHashMap::default(),
            by_name: FxHashMap::default(),
            entries: Entries::default(),
            account: Account::new(),
            wanting: Vec::new(),
            recent: Vec::new(),
            held: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// What followed from the inputs since this was last called, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Takes in a host whose record, with this number and incarnation, is durable. It takes no claims until its
    /// [`inventory`](Self::inventory) is in.
    ///
    /// # Errors
    ///
    /// [`HostError`]: nothing was changed.
    pub fn add_host(&mut self, number: HostNumber, host: &Host, incarnation: u64) -> Result<(), HostError> {
        let description = plain(host);
        if self.hosts.contains_key(&number) {
            return Err(HostError::DuplicateName { name: format!("number {number}") });
        }
        let id = self.account.add_host(&description)?;
        self.by_name.insert(description.name.clone(), number);
        self.hosts.insert(
            number,
            HostRow {
                id,
                description,
                incarnation,
                has_inventory: false,
                is_reachable: true,
                entries: Vec::new(),
                waiting: Vec::new(),
                strays: Vec::new(),
                version: 0,
            },
        );
        Ok(())
    }

    /// Takes in a host's new description, which must be durable where it grew. What runs there stays: free may be negative
    /// afterwards.
    ///
    /// # Errors
    ///
    /// [`HostError`]: nothing was changed.
    pub fn update_host(&mut self, number: HostNumber, host: &Host) -> Result<(), HostError> {
        let row = self.hosts.get_mut(&number).ok_or(HostError::Gone)?;
        let description = plain(host);
        if description == row.description {
            return Ok(());
        }
        if description.name != row.description.name {
            return Err(HostError::DuplicateName { name: description.name });
        }
        self.account.update_host(row.id, &description)?;
        row.description = description;
        row.version += 1;
        self.seat(number);
        Ok(())
    }

    /// Drops a host where nothing is given away.
    ///
    /// # Errors
    ///
    /// The number of entries that are left, and that must go first.
    pub fn remove_host(&mut self, number: HostNumber) -> Result<(), usize> {
        let Some(row) = self.hosts.get(&number) else { return Ok(()) };
        let left = row.entries.len() + row.strays.iter().filter(|stray| !stray.is_stopped).count();
        if left > 0 || !self.is_open {
            return Err(left);
        }
        if let Some(mut row) = self.hosts.remove(&number) {
            for stray in row.strays.drain(..) {
                stray.release(&mut self.account);
            }
            self.by_name.remove(&row.description.name);
            // It is there: it was added and is removed once.
            let _ = self.account.remove_host(row.id);
        }
        Ok(())
    }

    /// Takes in what became of a claim. Nothing is created for a claim that is not known.
    pub fn settle(&mut self, host_epoch: u64, claim: &ClaimId, settlement: Settlement) {
        if host_epoch != self.epoch {
            return;
        }
        let Some(slot) = self.entries.find(claim) else { return };
        let to = match settlement {
            Settlement::Void => return self.remove(slot),
            Settlement::Bound => EntryState::Bound,
            Settlement::Terminating => EntryState::Terminating,
        };
        let Some(row) = self.entries.get_mut(slot) else { return };
        if to > row.state {
            row.state = to;
            if to == EntryState::Bound && !row.has_spec {
                self.wanting.push(claim.clone());
            }
            self.desire(slot);
        }
    }

    /// The spec of a bound pod is at hand, so that its host may be told to run it. Whether it is wanted: where it is not,
    /// it need not be kept.
    pub fn specified(&mut self, claim: &ClaimId) -> bool {
        let Some(slot) = self.entries.find(claim) else { return false };
        let Some(row) = self.entries.get_mut(slot) else { return false };
        if row.has_spec || row.agent != AgentState::Absent || row.state == EntryState::Terminating {
            return false;
        }
        row.has_spec = true;
        self.desire(slot);
        true
    }

    /// What is free on a host.
    #[must_use]
    pub fn free(&self, number: HostNumber) -> Option<Free> {
        let row = self.hosts.get(&number)?;
        Some(self.account.free(row.id, &row.description, row.version))
    }

    /// Whether a host takes claims once the ledger is open.
    #[must_use]
    pub fn is_ready(&self, number: HostNumber) -> bool {
        self.hosts.get(&number).is_some_and(HostRow::is_ready)
    }

    fn insert(&mut self, row: Row) -> Slot {
        let (number, incarnation) = (row.host, row.incarnation);
        let uid = row.uid.clone();
        let slot = self.entries.insert(row);
        if let Some(host) = self.hosts.get_mut(&number) {
            host.entries.push(slot);
            host.version += 1;
            if host.incarnation == incarnation {
                self.absorb(slot, number, &uid);
            }
        }
        self.entered(slot);
        slot
    }

    /// Says what an entry takes, or takes from now on.
    fn entered(&mut self, slot: Slot) {
        self.define_demands();
        if let Some(entry) = self.view(slot) {
            self.changes.push(Change::Entered(entry));
        }
    }

    fn define_demands(&mut self) {
        for (number, demand) in self.account.take_defined() {
            self.changes.push(Change::Demand { number, demand });
        }
    }

    fn remove(&mut self, slot: Slot) {
        let Some(view) = self.view(slot) else { return };
        let Some(mut row) = self.entries.remove(slot) else { return };
        if let Some(host) = self.hosts.get_mut(&row.host) {
            host.entries.retain(|other| *other != slot);
            host.waiting.retain(|other| *other != slot);
            host.version += 1;
        }
        let number = row.host;
        let demand = row.taken.as_ref().and_then(|taken| self.account.demand(taken)).cloned();
        if let Some(taken) = row.taken.take() {
            self.account.give_back(taken);
        }
        self.changes.push(Change::Left(view));
        self.left(row, demand);
        self.seat(number);
    }

    fn view(&self, slot: Slot) -> Option<Entry> {
        let row = self.entries.get(slot)?;
        let demand = row.taken.as_ref().map_or(0, |taken| self.account.number(taken));
        Some(row.view(demand))
    }

    /// Takes room for what is a fact.
    fn take_anyway(
        &mut self,
        number: HostNumber,
        demand: &Demand,
        seat: Seat,
    ) -> Option<crate::account::Taken> {
        let row = self.hosts.get(&number)?;
        self.account.take_anyway(row.id, &row.description, demand, seat)
    }

    /// Another entry of the same pod on the same host.
    fn sibling(&self, number: HostNumber, incarnation: u64, uid: &Uid) -> Option<Slot> {
        let host = self.hosts.get(&number)?;
        host.entries.iter().copied().find(|slot| {
            self.entries.get(*slot).is_some_and(|row| row.incarnation == incarnation && row.uid == *uid)
        })
    }
}

impl HostRow {
    fn is_ready(&self) -> bool {
        self.has_inventory && self.is_reachable
    }
}

/// A description without what the ledger does not look at.
fn plain(host: &Host) -> Host {
    Host {
        name: host.name.clone(),
        allocatable: host.allocatable.clone(),
        pods: host.pods,
        devices: host.devices.clone(),
        overcommit: host.overcommit,
        numa: host.numa.clone(),
        links: host.links.clone(),
        ..Host::default()
    }
}
