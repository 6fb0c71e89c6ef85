//! Host pools: how far virtual machines may ask for more than a host has, and what those that run there ask for.
//!
//! A machine that shares counts by what all of them together come to: the sum of what they ask for, divided by the host's
//! ratio and rounded up. A new ratio holds at once for those that run already, and whatever order they came in, ledger and
//! scheduler count the same.

use rustc_hash::FxHashMap;

use super::BLOCK;
use crate::host::Overcommit;
use crate::resource::ResourceId;

/// Pools that one cell tells apart.
pub(crate) const MAX_POOLS: usize = 64;

/// CPU and memory as asked for, and both as scoring counts them.
pub(crate) type Amounts = [i64; 4];

/// The pools of a cell's hosts. A pool is all hosts of one ratio; the first is that of hosts which share nothing.
#[derive(Clone, Debug)]
pub(crate) struct Pools {
    ratios: Vec<Overcommit>,
    /// By slot.
    of: Vec<u8>,
    /// What machines that share ask for together, by slot, where there are any.
    shared: FxHashMap<u32, Amounts>,
}

impl Default for Pools {
    fn default() -> Self {
        Pools { ratios: vec![Overcommit::default()], of: Vec::new(), shared: FxHashMap::default() }
    }
}

/// Which of CPU and memory a resource is.
pub(crate) fn shareable(resource: ResourceId) -> Option<usize> {
    match resource {
        ResourceId::CPU => Some(0),
        ResourceId::MEMORY => Some(1),
        _ => None,
    }
}

impl Pools {
    pub(crate) fn push_block(&mut self) {
        self.of.resize(self.of.len() + BLOCK, 0);
    }

    /// How many pools there are.
    pub(crate) fn len(&self) -> usize {
        self.ratios.len()
    }

    pub(crate) fn ratios(&self) -> &[Overcommit] {
        &self.ratios
    }

    /// The number of a host's pool.
    pub(crate) fn of(&self, slot: usize) -> usize {
        usize::from(self.of[slot])
    }

    pub(crate) fn ratio(&self, slot: usize) -> Overcommit {
        self.ratios[self.of(slot)]
    }

    /// Whether a pool of this ratio is there or can be made.
    pub(crate) fn has_room_for(&self, ratio: Overcommit) -> bool {
        self.ratios.len() < MAX_POOLS || self.ratios.contains(&ratio)
    }

    /// Puts a host into the pool of a ratio, for which there is room.
    pub(crate) fn set(&mut self, slot: usize, ratio: Overcommit) {
        let known = self.ratios.iter().position(|known| *known == ratio);
        let pool = known.unwrap_or_else(|| {
            self.ratios.push(ratio);
            self.ratios.len() - 1
        });
        self.of[slot] = pool as u8;
    }

    /// A slot whose host has gone.
    pub(crate) fn clear(&mut self, slot: usize) {
        self.of[slot] = 0;
        self.shared.remove(&(slot as u32));
    }

    /// What the machines that share on a host ask for.
    pub(crate) fn shared(&self, slot: usize) -> Amounts {
        self.shared.get(&(slot as u32)).copied().unwrap_or_default()
    }

    /// What they count for.
    pub(crate) fn counted(&self, slot: usize) -> Amounts {
        self.ratio(slot).count(self.shared(slot))
    }

    /// Machines come that ask for so much, or go where it is negative.
    pub(crate) fn share(&mut self, slot: usize, amounts: Amounts) {
        let shared = self.shared.entry(slot as u32).or_default();
        for (shared, amount) in shared.iter_mut().zip(amounts) {
            *shared += amount;
        }
        if *shared == Amounts::default() {
            self.shared.remove(&(slot as u32));
        }
    }

    /// Calls `visit` with each pool and its hosts, of those of `mask` in a block.
    pub(crate) fn split(&self, block: usize, mut mask: u64, mut visit: impl FnMut(usize, u64)) {
        let pools = super::block_of(&self.of, block);
        while mask != 0 {
            let pool = pools[mask.trailing_zeros() as usize];
            let mut hosts = 0;
            for (lane, of) in pools.iter().enumerate() {
                hosts |= u64::from(*of == pool) << lane;
            }
            visit(usize::from(pool), mask & hosts);
            mask &= !hosts;
        }
    }
}

impl Overcommit {
    fn percent(self, number: usize) -> i64 {
        i64::from([self.cpu_percent, self.memory_percent][number % 2])
    }

    /// What CPU (0) or memory (1) that machines ask for counts for.
    pub(crate) fn counted(self, number: usize, asked: i64) -> i64 {
        let percent = i128::from(self.percent(number));
        // No more than was asked for, since a percentage is at least 100.
        ((i128::from(asked) * 100 + percent - 1) / percent) as i64
    }

    /// What machines that ask for so much together count for.
    pub(crate) fn count(self, amounts: Amounts) -> Amounts {
        std::array::from_fn(|number| self.counted(number, amounts[number]))
    }

    /// How many machines that ask for `each` of CPU (0) or memory (1) find room in what is free, at the most.
    pub(crate) fn most(self, number: usize, free: i64, each: i64) -> i64 {
        let room = (i128::from(free.max(-1)) + 1) * i128::from(self.percent(number)) / 100;
        i64::try_from(room / i128::from(each.max(1))).unwrap_or(i64::MAX)
    }
}
