//! Topology domains: the hosts that share the value of a label, such as those of one rack or one zone.

use std::sync::Arc;

use crate::cell::{BLOCK, Cell};

/// Keys whose domains are kept at the most.
const MAX_KEYS: usize = 16;

/// Where the members of a gang are to be together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Keys of labels, from narrow domains to wide ones, such as a rack's and a zone's. A domain of the first key that has
    /// one that can hold the gang is taken.
    pub keys: Vec<String>,
    /// Whether a gang that fits in no domain of these keys is not placed at all.
    pub required: bool,
}

impl Topology {
    pub(crate) fn is_required(&self) -> bool {
        self.required && !self.keys.is_empty()
    }
}

/// The hosts that share the value of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyDomain {
    /// The label's key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// A domain's hosts.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    pub(crate) value: Box<str>,
    /// Blocks that have hosts of it, ascending, with the mask of these.
    pub(crate) blocks: Vec<(u32, u64)>,
}

impl Domain {
    /// A domain without hosts.
    pub(crate) fn none() -> Domain {
        Domain { value: Box::default(), blocks: Vec::new() }
    }

    /// Whether a host is of it.
    pub(crate) fn contains(&self, slot: usize) -> bool {
        let found = self.blocks.binary_search_by_key(&((slot / BLOCK) as u32), |(block, _)| *block);
        found.is_ok_and(|place| self.blocks[place].1 >> (slot % BLOCK) & 1 == 1)
    }
}

/// The domains of keys that gangs have asked for, as of a version of the hosts' descriptions.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    version: u64,
    keys: Vec<(Box<str>, Arc<[Domain]>)>,
}

impl Domains {
    /// All domains of a key, in the order of their first hosts.
    pub(crate) fn of(&mut self, cell: &Cell, key: &str) -> Arc<[Domain]> {
        if self.version != cell.journal.static_version() {
            self.version = cell.journal.static_version();
            self.keys.clear();
        }
        if let Some((_, domains)) = self.keys.iter().find(|(known, _)| **known == *key) {
            return Arc::clone(domains);
        }
        let domains = domains(cell, key);
        // Keys that no host has are not worth keeping, and there may be any number of them.
        if !domains.is_empty() {
            if self.keys.len() >= MAX_KEYS {
                self.keys.remove(0);
            }
            self.keys.push((key.into(), Arc::clone(&domains)));
        }
        domains
    }
}

fn domains(cell: &Cell, key: &str) -> Arc<[Domain]> {
    let Some(key) = cell.labels.key(key) else { return Arc::default() };
    let mut domains: Vec<(u32, Domain)> = cell
        .labels
        .values(key)
        .filter_map(|(value, hosts)| {
            let first = hosts.min()?;
            let mut blocks: Vec<(u32, u64)> = Vec::new();
            for slot in hosts {
                let (block, bit) = (slot / BLOCK as u32, 1 << (slot % BLOCK as u32));
                match blocks.last_mut() {
                    Some((last, mask)) if *last == block => *mask |= bit,
                    _ => blocks.push((block, bit)),
                }
            }
            Some((first, Domain { value: value.into(), blocks }))
        })
        .collect();
    domains.sort_unstable_by_key(|(first, _)| *first);
    domains.into_iter().map(|(_, domain)| domain).collect()
}
