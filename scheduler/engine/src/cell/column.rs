//! Columns of quantities over slots, with block summaries.

use super::BLOCK;
use crate::resource::ResourceId;

/// What a slot without a host has free: nothing fits, not even a request of zero.
const CLOSED: i64 = i64::MIN / 2;

/// Resources of all slots, one column each.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    slots: usize,
    columns: Vec<Column>,
    /// CPU and memory as scoring counts them.
    shares: [ShareColumn; 2],
    /// Per slot, how many pods count for something else than they ask for, and how many do so in all.
    padded: Vec<u32>,
    all_padded: u64,
}

/// One resource over all slots.
#[derive(Clone, Debug, Default)]
struct Column {
    allocatable: Vec<i64>,
    free: Vec<i64>,
    /// Per block: the least and the most free of any slot.
    extremes: Vec<(i64, i64)>,
    /// What all hosts offer together.
    offered: i128,
}

/// CPU or memory over all slots as scoring counts it: requests with the defaults for containers that ask for nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShareColumn {
    /// What the pods of a host count for.
    pub(crate) requested: Vec<i64>,
    /// `requested / allocatable`; 1 where nothing is offered.
    pub(crate) load: Vec<f32>,
    /// `1 / allocatable`; 0 where nothing is offered.
    pub(crate) inverse: Vec<f32>,
}

/// The share in use and the share of one unit, for scoring; full where nothing is offered.
pub(crate) fn shares(requested: i64, allocatable: i64) -> (f32, f32) {
    if allocatable <= 0 {
        return (1.0, 0.0);
    }
    ((requested as f64 / allocatable as f64) as f32, (1.0 / allocatable as f64) as f32)
}

impl Columns {
    pub(crate) fn new(resources: usize) -> Columns {
        Columns {
            slots: 0,
            columns: vec![Column::default(); resources],
            shares: Default::default(),
            padded: Vec::new(),
            all_padded: 0,
        }
    }

    pub(crate) fn push_block(&mut self) {
        self.slots += BLOCK;
        self.padded.resize(self.slots, 0);
        for column in &mut self.columns {
            column.allocatable.resize(self.slots, 0);
            column.free.resize(self.slots, CLOSED);
            column.extremes.push((CLOSED, CLOSED));
        }
        for share in &mut self.shares {
            share.requested.resize(self.slots, 0);
            share.load.resize(self.slots, 1.0);
            share.inverse.resize(self.slots, 0.0);
        }
    }

    /// Adds columns for new resources, of which every host there is (`alive`) has nothing.
    pub(crate) fn grow_resources(&mut self, resources: usize, alive: &[u64]) {
        while self.columns.len() < resources {
            let mut column = Column {
                allocatable: vec![0; self.slots],
                free: vec![CLOSED; self.slots],
                extremes: vec![(CLOSED, CLOSED); self.slots / BLOCK],
                offered: 0,
            };
            for (slot, free) in column.free.iter_mut().enumerate() {
                if alive[slot / BLOCK] >> (slot % BLOCK) & 1 == 1 {
                    *free = 0;
                }
            }
            for block in 0..column.extremes.len() {
                column.summarise(block);
            }
            self.columns.push(column);
        }
    }

    /// Starts a host that offers nothing yet in a slot.
    pub(crate) fn open(&mut self, slot: usize) {
        for column in &mut self.columns {
            column.allocatable[slot] = 0;
            column.free[slot] = 0;
        }
        for share in &mut self.shares {
            share.requested[slot] = 0;
        }
    }

    pub(crate) fn close(&mut self, slot: usize) {
        self.all_padded -= u64::from(std::mem::take(&mut self.padded[slot]));
        for column in &mut self.columns {
            column.offered -= i128::from(column.allocatable[slot]);
            column.allocatable[slot] = 0;
            column.free[slot] = CLOSED;
            column.summarise(slot / BLOCK);
        }
        for share in &mut self.shares {
            share.requested[slot] = 0;
            share.load[slot] = 1.0;
            share.inverse[slot] = 0.0;
        }
    }

    /// Sets what a host offers; what is taken stays taken.
    pub(crate) fn offer(&mut self, slot: usize, offered: &[i64]) {
        for (column, quantity) in self.columns.iter_mut().zip(offered) {
            let taken = column.allocatable[slot] - column.free[slot];
            column.offered += i128::from(*quantity) - i128::from(column.allocatable[slot]);
            column.allocatable[slot] = *quantity;
            column.free[slot] = quantity - taken;
            column.summarise(slot / BLOCK);
        }
        for (share, column) in self.shares.iter_mut().zip(&self.columns) {
            (share.load[slot], share.inverse[slot]) = shares(share.requested[slot], column.allocatable[slot]);
        }
    }

    /// Takes `quantity` of a resource, or gives it back when negative.
    pub(crate) fn take(&mut self, resource: ResourceId, slot: usize, quantity: i64) {
        let column = &mut self.columns[resource.index()];
        let old = column.free[slot];
        let new = old - quantity;
        column.free[slot] = new;
        let block = slot / BLOCK;
        let (least, most) = column.extremes[block];
        // Only the slot that held an extreme and moves inward can change it to another slot's value.
        if (old == least && new > old) || (old == most && new < old) {
            column.summarise(block);
        } else {
            column.extremes[block] = (least.min(new), most.max(new));
        }
    }

    /// Takes CPU and memory as scoring counts them.
    pub(crate) fn take_scoring(&mut self, slot: usize, quantities: [i64; 2]) {
        for ((share, column), quantity) in self.shares.iter_mut().zip(&self.columns).zip(quantities) {
            share.requested[slot] += quantity;
            share.load[slot] = shares(share.requested[slot], column.allocatable[slot]).0;
        }
    }

    /// Notes pods that come (or go, when negative) and count for something else than they ask for.
    pub(crate) fn take_padded(&mut self, slot: usize, pods: i32) {
        self.padded[slot] = self.padded[slot].saturating_add_signed(pods);
        self.all_padded = self.all_padded.saturating_add_signed(pods.into());
    }

    /// Whether a host has pods that count in scoring for something else than they ask for.
    pub(crate) fn is_padded(&self, slot: usize) -> bool {
        self.padded[slot] > 0
    }

    /// Whether all pods count in scoring for what they ask for.
    pub(crate) fn scored_as_requested(&self) -> bool {
        self.all_padded == 0
    }

    pub(crate) fn free(&self, resource: ResourceId, slot: usize) -> i64 {
        self.columns[resource.index()].free[slot]
    }

    pub(crate) fn allocatable(&self, resource: ResourceId, slot: usize) -> i64 {
        self.columns[resource.index()].allocatable[slot]
    }

    /// What all hosts offer of the resource with this index.
    pub(crate) fn offered(&self, resource: usize) -> i128 {
        self.columns.get(resource).map_or(0, |column| column.offered)
    }

    pub(crate) fn requested(&self, resource: ResourceId, slot: usize) -> i64 {
        let column = &self.columns[resource.index()];
        column.allocatable[slot] - column.free[slot]
    }

    /// What scoring counts as requested: the non-zero sums for CPU and memory, the plain ones for the rest.
    pub(crate) fn scoring_requested(&self, resource: ResourceId, slot: usize) -> i64 {
        match self.shares.get(resource.index()) {
            Some(share) => share.requested[slot],
            None => self.requested(resource, slot),
        }
    }

    /// The share column of CPU or memory.
    pub(crate) fn share(&self, resource: ResourceId) -> Option<&ShareColumn> {
        self.shares.get(resource.index())
    }

    /// The free quantities of a block.
    pub(crate) fn free_block(&self, resource: ResourceId, block: usize) -> &[i64; BLOCK] {
        block_of(&self.columns[resource.index()].free, block)
    }

    /// The allocatable quantities of a block.
    pub(crate) fn allocatable_block(&self, resource: ResourceId, block: usize) -> &[i64; BLOCK] {
        block_of(&self.columns[resource.index()].allocatable, block)
    }

    /// The least and the most free of a resource in a block.
    pub(crate) fn extremes(&self, resource: ResourceId, block: usize) -> (i64, i64) {
        self.columns[resource.index()].extremes[block]
    }

    /// Recomputes every share and compares: the slots whose share is wrong, with the resource's index first.
    pub(crate) fn wrong_shares(&self) -> Vec<(usize, usize)> {
        let mut wrong = Vec::new();
        for (resource, (share, column)) in self.shares.iter().zip(&self.columns).enumerate() {
            for slot in 0..self.slots {
                let right = shares(share.requested[slot], column.allocatable[slot]);
                if (share.load[slot], share.inverse[slot]) != right {
                    wrong.push((resource, slot));
                }
            }
        }
        wrong
    }

    /// Recomputes every summary and compares: the blocks whose summary is wrong, with the resource's index.
    pub(crate) fn wrong_summaries(&self) -> Vec<(usize, usize)> {
        let mut wrong = Vec::new();
        for (resource, column) in self.columns.iter().enumerate() {
            for block in 0..column.extremes.len() {
                if extremes_of(block_of(&column.free, block)) != column.extremes[block] {
                    wrong.push((resource, block));
                }
            }
        }
        wrong
    }
}

impl Column {
    fn summarise(&mut self, block: usize) {
        self.extremes[block] = extremes_of(block_of(&self.free, block));
    }
}

fn extremes_of(free: &[i64; BLOCK]) -> (i64, i64) {
    free.iter().fold((i64::MAX, i64::MIN), |(least, most), free| (least.min(*free), most.max(*free)))
}

/// The 64 values of a block. Columns always hold whole blocks.
pub(crate) fn block_of<T>(column: &[T], block: usize) -> &[T; BLOCK] {
    let (blocks, _) = column.as_chunks::<BLOCK>();
    &blocks[block]
}
