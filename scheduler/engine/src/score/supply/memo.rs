//! What was computed before: many hosts are in the same state, and most are scored again unchanged.
//!
//! Entries are exact, never approximate: the whole state is the key. Memory is bounded by forgetting everything at once.

use rustc_hash::FxHashMap;

use super::{Free, Room};
use crate::ask::Ask;
use crate::resource::ResourceId;

/// Entries kept of each kind.
const MAX_ENTRIES: usize = 1 << 16;

/// Values of states, and losses of states by a class.
#[derive(Debug, Default)]
pub(super) struct Memo {
    values: FxHashMap<Box<[u64]>, i64>,
    losses: FxHashMap<Box<[u64]>, i64>,
    key: Vec<u64>,
    sorted: Vec<u16>,
}

impl Memo {
    /// The value of a state, by `compute` where it is not known.
    pub(super) fn value(&mut self, host: &Free<'_>, compute: impl FnOnce(&Room<'_>) -> i64) -> i64 {
        self.key.clear();
        self.describe(host);
        if let Some(value) = self.values.get(self.key.as_slice()) {
            return *value;
        }
        let value = compute(&Room {
            cpu_milli: host.cpu_milli,
            memory: host.memory,
            model: host.name,
            devices: &self.sorted,
        });
        insert(&mut self.values, &self.key, value);
        value
    }

    /// What a host in this state loses by a class, if that is known.
    pub(super) fn loss(&mut self, host: &Free<'_>, ask: &Ask) -> Option<i64> {
        self.describe_loss(host, ask);
        self.losses.get(self.key.as_slice()).copied()
    }

    pub(super) fn keep_loss(&mut self, host: &Free<'_>, ask: &Ask, loss: i64) {
        self.describe_loss(host, ask);
        insert(&mut self.losses, &self.key, loss);
    }

    fn describe_loss(&mut self, host: &Free<'_>, ask: &Ask) {
        let devices =
            ask.devices.map_or(0, |devices| u64::from(devices.count) << 16 | u64::from(devices.milli));
        self.key.clear();
        self.key.extend([
            ask.request(ResourceId::CPU) as u64,
            ask.request(ResourceId::MEMORY) as u64,
            devices,
        ]);
        self.describe(host);
    }

    /// Appends a state to the key; devices with equally much free are alike, so their order is not part of it.
    fn describe(&mut self, host: &Free<'_>) {
        self.key.extend([host.cpu_milli as u64, host.memory as u64, u64::from(host.model)]);
        self.sorted.clear();
        self.sorted.extend_from_slice(host.devices);
        self.sorted.sort_unstable_by(|one, other| other.cmp(one));
        for four in self.sorted.chunks(4) {
            // One more than what is free, so that a device without anything free differs from no device.
            self.key.push(four.iter().fold(0, |packed, free| packed << 16 | (u64::from(*free) + 1)));
        }
    }
}

fn insert(entries: &mut FxHashMap<Box<[u64]>, i64>, key: &[u64], value: i64) {
    if entries.len() >= MAX_ENTRIES {
        entries.clear();
    }
    entries.insert(key.into(), value);
}
