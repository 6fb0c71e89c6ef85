//! Kinds of hosts: those that offer equally much CPU and memory.
//!
//! A region has few kinds. On hosts of one kind a request takes equal shares, which is what makes scores comparable
//! without looking at each host.

use super::BLOCK;

/// Kinds that are told apart at once; hosts beyond count as [`OTHER`].
pub(crate) const MAX_KINDS: usize = 24;

/// The kind of hosts that are of no kind told apart, and of slots without a host.
pub(crate) const OTHER: u32 = u32::MAX;

/// The kind of every slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kinds {
    /// As wide as the costs that are compared by it.
    of: Vec<u32>,
    /// Per kind: milli-CPUs, bytes of memory, how many hosts. Numbers of kinds without hosts are used again.
    kinds: Vec<(i64, i64, u32)>,
    /// Per block, how many hosts are of a kind not told apart.
    others: Vec<u8>,
}

impl Kinds {
    pub(crate) fn push_block(&mut self) {
        self.of.resize(self.of.len() + BLOCK, OTHER);
        self.others.push(0);
    }

    /// Takes a host in that offers so much.
    pub(crate) fn add(&mut self, slot: usize, cpu_milli: i64, memory: i64) {
        let known = self.kinds.iter().position(|kind| kind.2 > 0 && (kind.0, kind.1) == (cpu_milli, memory));
        let kind =
            known.or_else(|| self.kinds.iter().position(|kind| kind.2 == 0)).unwrap_or(self.kinds.len());
        if kind >= MAX_KINDS {
            self.of[slot] = OTHER;
            self.others[slot / BLOCK] += 1;
            return;
        }
        if kind == self.kinds.len() {
            self.kinds.push((cpu_milli, memory, 0));
        }
        let hosts = self.kinds[kind].2 + 1;
        self.kinds[kind] = (cpu_milli, memory, hosts);
        self.of[slot] = kind as u32;
    }

    /// Drops a host that was taken in.
    pub(crate) fn remove(&mut self, slot: usize) {
        match self.of[slot] {
            OTHER => self.others[slot / BLOCK] -= 1,
            kind => self.kinds[kind as usize].2 -= 1,
        }
        self.of[slot] = OTHER;
    }

    /// The kinds that have hosts: number, milli-CPUs, bytes of memory.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, i64, i64)> {
        self.kinds
            .iter()
            .enumerate()
            .filter(|(_, kind)| kind.2 > 0)
            .map(|(number, kind)| (number as u32, kind.0, kind.1))
    }

    /// The kinds of a block's slots.
    pub(crate) fn block(&self, block: usize) -> &[u32; BLOCK] {
        super::block_of(&self.of, block)
    }

    /// Whether a block has hosts of a kind not told apart.
    pub(crate) fn has_others(&self, block: usize) -> bool {
        self.others[block] > 0
    }
}
