//! Topology domains: which hosts have which value of a key, and which of them count.

use super::table::Id;
use crate::cell::{BLOCK, Cell, Record};
use crate::constraint::{first_untolerated, matches_constraints};
use crate::demand::Constraints;

/// The value of a host that has none.
pub(crate) const NO_VALUE: u32 = u32::MAX;

/// What makes domains.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// The values of a label.
    Label(String),
    /// Every host is a domain of its own.
    Host,
}

/// The values of a key over all slots, as the numbers that the cell's labels have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Column {
    values: Vec<u32>,
    /// Per value, how many hosts have it.
    hosts: Vec<u32>,
    /// How many values more than one host has.
    shared: usize,
}

impl Column {
    /// The value of the host in a slot.
    pub(crate) fn value(&self, slot: usize) -> u32 {
        self.values.get(slot).copied().unwrap_or(NO_VALUE)
    }

    /// Whether no two hosts are in one domain, so that a count of a domain is a matter of its one host.
    pub(crate) fn is_fine(&self) -> bool {
        self.shared == 0
    }

    pub(crate) fn set(&mut self, slot: usize, value: u32) {
        if self.values.len() <= slot {
            self.values.resize(slot / BLOCK * BLOCK + BLOCK, NO_VALUE);
        }
        let old = std::mem::replace(&mut self.values[slot], value);
        if old != NO_VALUE {
            let hosts = &mut self.hosts[old as usize];
            *hosts -= 1;
            self.shared -= usize::from(*hosts == 1);
        }
        if value != NO_VALUE {
            if self.hosts.len() <= value as usize {
                self.hosts.resize(value as usize + 1, 0);
            }
            let hosts = &mut self.hosts[value as usize];
            *hosts += 1;
            self.shared += usize::from(*hosts == 2);
        }
    }
}

impl Key {
    /// The value that the host in a slot has now.
    pub(crate) fn value_in(&self, cell: &Cell, slot: usize, record: Option<&Record>) -> u32 {
        let Some(record) = record else { return NO_VALUE };
        match self {
            Key::Host => slot as u32,
            Key::Label(name) => {
                let label = cell.labels.key(name).and_then(|key| {
                    let place = record.labels.binary_search_by_key(&key, |label| label.key).ok()?;
                    Some(record.labels[place].value)
                });
                label.unwrap_or(NO_VALUE)
            }
        }
    }
}

/// Which hosts count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    /// Labels that they must have, whatever the values; sorted.
    pub(crate) keys: Vec<String>,
    /// What they must match; the tolerations are those of `bears_taints`.
    pub(crate) constraints: Constraints,
    /// Whether their taints must be tolerated.
    pub(crate) bears_taints: bool,
}

impl Scope {
    pub(crate) fn has(&self, cell: &Cell, record: Option<&Record>) -> bool {
        let Some(record) = record else { return false };
        let has_key = |name: &String| {
            cell.labels
                .key(name)
                .is_some_and(|key| record.labels.binary_search_by_key(&key, |label| label.key).is_ok())
        };
        self.keys.iter().all(has_key)
            && matches_constraints(cell, record, &self.constraints)
            && !(self.bears_taints
                && first_untolerated(cell, record, &self.constraints.tolerations).is_some())
    }
}

/// Sets of slots as words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Vec<u64>);

impl Slots {
    pub(crate) fn has(&self, slot: usize) -> bool {
        self.0.get(slot / BLOCK).is_some_and(|word| word >> (slot % BLOCK) & 1 == 1)
    }

    pub(crate) fn set(&mut self, slot: usize, is_in: bool) {
        if self.0.len() <= slot / BLOCK {
            self.0.resize(slot / BLOCK + 1, 0);
        }
        let word = &mut self.0[slot / BLOCK];
        *word = *word & !(1 << (slot % BLOCK)) | u64::from(is_in) << (slot % BLOCK);
    }
}

/// The domains of a key among the hosts of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DomainsKey {
    pub(crate) key: Id,
    pub(crate) scope: Id,
}

/// How many hosts of the scope each domain has, and what is counted there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Domains {
    hosts: Vec<u32>,
    /// Domains that have hosts.
    pub(crate) existing: usize,
    pub(crate) counters: Vec<Id>,
}

impl Domains {
    /// One host more. Returns whether it is the domain's first.
    pub(crate) fn enter(&mut self, value: u32) -> bool {
        if self.hosts.len() <= value as usize {
            self.hosts.resize(value as usize + 1, 0);
        }
        self.hosts[value as usize] += 1;
        let is_first = self.hosts[value as usize] == 1;
        self.existing += usize::from(is_first);
        is_first
    }

    /// One host less. Returns whether it was the domain's last.
    pub(crate) fn leave(&mut self, value: u32) -> bool {
        self.hosts[value as usize] -= 1;
        let was_last = self.hosts[value as usize] == 0;
        self.existing -= usize::from(was_last);
        was_last
    }
}
