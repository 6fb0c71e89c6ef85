//! What changed since when.
//!
//! Everything derived from the cell (a class' masks, its index) remembers the version it was made at and catches up in
//! the number of changes: through the recent entries when it is a little behind, through the stamps of the blocks when
//! it is far behind.

use super::BLOCK;

/// Versions of blocks and the most recent changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    version: u64,
    static_version: u64,
    /// Per block, the version of its last change of any kind.
    changed: Vec<u64>,
    /// Per block, the version of its last change of names, labels, taints, capacities or existence.
    static_changed: Vec<u64>,
    /// The slot changed at version `v` is at `v % recent.len()`.
    recent: Vec<u32>,
}

/// How many changes the journal lists one by one.
const RECENT: usize = 4096;

impl Journal {
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn static_version(&self) -> u64 {
        self.static_version
    }

    /// The version of a block's last change of names, labels, taints, capacities or existence.
    pub(crate) fn static_version_of(&self, block: usize) -> u64 {
        self.static_changed.get(block).copied().unwrap_or(0)
    }

    pub(crate) fn push_block(&mut self) {
        self.version += 1;
        self.static_version = self.version;
        self.changed.push(self.version);
        self.static_changed.push(self.version);
        self.note((self.changed.len() - 1) * BLOCK);
    }

    /// Load changed on the host in `slot`.
    pub(crate) fn change(&mut self, slot: usize) {
        self.version += 1;
        self.changed[slot / BLOCK] = self.version;
        self.note(slot);
    }

    /// The host in `slot` came, went or was described anew.
    pub(crate) fn static_change(&mut self, slot: usize) {
        self.change(slot);
        self.static_changed[slot / BLOCK] = self.version;
        self.static_version = self.version;
    }

    fn note(&mut self, slot: usize) {
        if self.recent.is_empty() {
            self.recent = vec![0; RECENT];
        }
        let place = (self.version % RECENT as u64) as usize;
        self.recent[place] = slot as u32;
    }

    /// Calls `visit` with each block that changed after `version`, once, in no particular order.
    pub(crate) fn changed_since(&self, version: u64, mut visit: impl FnMut(usize)) {
        let behind = self.version - version;
        if behind <= RECENT as u64 && behind <= (self.changed.len() as u64 / 2).max(8) {
            for at in version + 1..=self.version {
                let block = self.recent[(at % RECENT as u64) as usize] as usize / BLOCK;
                // An earlier entry of a block that changed again is skipped: the last one stands for all.
                if self.changed[block] == at {
                    visit(block);
                }
            }
        } else {
            visit_newer(&self.changed, version, visit);
        }
    }

    /// Calls `visit` with each slot that changed after `version`, as often as it did. False, and nothing is visited, where
    /// that is too long ago to tell slots apart.
    pub(crate) fn changed_slots_since(&self, version: u64, mut visit: impl FnMut(usize)) -> bool {
        if self.version - version > RECENT as u64 {
            return false;
        }
        for at in version + 1..=self.version {
            visit(self.recent[(at % RECENT as u64) as usize] as usize);
        }
        true
    }

    /// Calls `visit` with each block whose static part changed after `version`, in order.
    pub(crate) fn static_changed_since(&self, version: u64, visit: impl FnMut(usize)) {
        visit_newer(&self.static_changed, version, visit);
    }
}

fn visit_newer(stamps: &[u64], version: u64, mut visit: impl FnMut(usize)) {
    for (block, stamp) in stamps.iter().enumerate() {
        if *stamp > version {
            visit(block);
        }
    }
}
