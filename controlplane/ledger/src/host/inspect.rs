//! Looking at a ledger, and copying one to explore what may come.

use std::sync::Arc;

use meridian_engine::{Demand, HostId, Violation};

use super::agent::Stray;
use super::entry::{Entries, Entry, Row};
use super::{HostRow, Ledger};
use crate::account::{Account, Taken};
use crate::identity::{ClaimId, HostNumber};

impl Ledger {
    /// The epoch, `he`.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether claims are taken.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is given away.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// How many slots [`sweep`](Ledger::sweep) goes through.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.entries.slots()
    }

    /// How many entries are Waiting, Held, Bound and Terminating.
    #[must_use]
    pub fn counts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for (_, row) in self.entries.iter() {
            counts[row.state as usize] += 1;
        }
        counts
    }

    /// Whether a host has said what it has.
    #[must_use]
    pub fn is_inventoried(&self, number: HostNumber) -> bool {
        self.hosts.get(&number).is_some_and(|host| host.has_inventory)
    }

    /// All entries, in no order that means anything.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.entries.iter().filter_map(|(slot, _)| self.view(slot))
    }

    /// The entry of a claim.
    #[must_use]
    pub fn entry(&self, claim: &ClaimId) -> Option<Entry> {
        self.view(self.entries.find(claim)?)
    }

    /// The entries on a host.
    #[must_use]
    pub fn entries_on(&self, number: HostNumber) -> Vec<Entry> {
        let slots = self.hosts.get(&number).map_or(&[][..], |host| &host.entries);
        slots.iter().filter_map(|slot| self.view(*slot)).collect()
    }

    /// The claims that wait for room on a host, those first that came first.
    #[must_use]
    pub fn waiting_on(&self, number: HostNumber) -> Vec<ClaimId> {
        let slots = self.hosts.get(&number).map_or(&[][..], |host| &host.waiting);
        slots.iter().filter_map(|slot| Some(self.entries.get(*slot)?.id.clone())).collect()
    }

    /// The pods that a host has and that no entry explains: their uids, and whether they have stopped.
    #[must_use]
    pub fn strays_on(&self, number: HostNumber) -> Vec<(&str, bool)> {
        let strays = self.hosts.get(&number).map_or(&[][..], |host| &host.strays);
        strays.iter().map(|stray| (stray.uid.as_str(), stray.is_stopped)).collect()
    }

    /// The number of the host of this name.
    #[must_use]
    pub fn host_named(&self, name: &str) -> Option<HostNumber> {
        self.by_name.get(name).copied()
    }

    /// A host's incarnation.
    #[must_use]
    pub fn incarnation(&self, number: HostNumber) -> Option<u64> {
        self.hosts.get(&number).map(|host| host.incarnation)
    }

    /// The highest claim of a tenant partition that was decided in this epoch, by its epoch and sequence.
    #[must_use]
    pub fn watermark(&self, partition: &str) -> Option<(u64, u64)> {
        self.partitions.get(partition).map(|known| known.watermark)
    }

    /// All demands that have a number, by number.
    #[must_use]
    pub fn demands(&self) -> Vec<(u32, Arc<Demand>)> {
        self.account.demands()
    }

    /// Everything that is wrong with the account, recomputed from what holds room: nothing, where no host shrank below
    /// what it runs.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let entries = self.entries.iter().filter_map(|(_, row)| row.taken.as_ref());
        let strays = self.hosts.values().flat_map(|host| &host.strays);
        self.account.check(entries.chain(strays.filter_map(|stray| stray.taken.as_ref())))
    }
}

/// A copy with an account of its own, which holds the same.
impl Clone for Ledger {
    fn clone(&self) -> Self {
        let mut account = self.account.fork();
        let mut numbers: Vec<&HostNumber> = self.hosts.keys().collect();
        numbers.sort_unstable_by_key(|number| self.hosts.get(number).map(|host| host.id.index()));
        let mut hosts = rustc_hash::FxHashMap::default();
        for number in numbers {
            let Some(row) = self.hosts.get(number) else { continue };
            let id = account.add_host(&row.description).expect("a description that was taken is taken again");
            let again =
                |account: &mut Account, taken: &Taken| retaken(&self.account, account, row, id, taken);
            let strays = row
                .strays
                .iter()
                .map(|stray| Stray {
                    tenant: Arc::clone(&stray.tenant),
                    uid: stray.uid.clone(),
                    taken: stray.taken.as_ref().and_then(|taken| again(&mut account, taken)),
                    is_stopped: stray.is_stopped,
                    was_told_to_stop: stray.was_told_to_stop,
                })
                .collect();
            hosts.insert(*number, HostRow { id, strays, ..row.without_strays() });
        }
        let entries = self.entries.copied(|row| {
            let host = self.hosts.get(&row.host)?;
            let id = hosts.get(&row.host)?.id;
            retaken(&self.account, &mut account, host, id, row.taken.as_ref()?)
        });
        Self {
            epoch: self.epoch,
            is_open: self.is_open,
            partitions: self.partitions.clone(),
            hosts,
            by_name: self.by_name.clone(),
            entries,
            account,
            wanting: self.wanting.clone(),
            recent: self.recent.clone(),
            held: self.held.clone(),
            changes: self.changes.clone(),
        }
    }
}

fn retaken(from: &Account, to: &mut Account, host: &HostRow, id: HostId, taken: &Taken) -> Option<Taken> {
    to.take_anyway(id, &host.description, from.demand(taken)?, Account::seat(taken))
}

impl HostRow {
    fn without_strays(&self) -> Self {
        Self {
            id: self.id,
            description: self.description.clone(),
            incarnation: self.incarnation,
            has_inventory: self.has_inventory,
            is_reachable: self.is_reachable,
            entries: self.entries.clone(),
            waiting: self.waiting.clone(),
            strays: Vec::new(),
            version: self.version,
        }
    }
}

impl Entries {
    fn copied(&self, mut retake: impl FnMut(&Row) -> Option<Taken>) -> Self {
        self.map(|row| Row {
            id: row.id.clone(),
            tenant: Arc::clone(&row.tenant),
            uid: row.uid.clone(),
            host: row.host,
            incarnation: row.incarnation,
            seat: row.seat,
            state: row.state,
            taken: retake(row),
            wanted: row.wanted.clone(),
            agent: row.agent,
            has_spec: row.has_spec,
            was_told_to_stop: row.was_told_to_stop,
        })
    }
}
