//! What tenants hold, as shares of the cell: dominant-resource fairness (Ghodsi et al., NSDI'11).
//!
//! A tenant's share of a resource is what its placements hold of it, by what all hosts offer. Its dominant share is the
//! largest of these. Shares are whole numbers in [`ONE`]ths, rounded down.

use crate::ask::Ask;
use crate::cell::Cell;

/// The whole cell.
pub(super) const ONE: u64 = 1 << 40;

/// Shares are counted up to so many times the cell: hosts may go while what they ran is still counted.
const MOST: u128 = 8;

/// What the cell offers. The last of the dimensions is that of devices, in thousandths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Capacity {
    totals: Vec<u128>,
    /// `ONE * 2^64 / total`; 0 where nothing is offered.
    inverses: Vec<u128>,
    /// The cell's version of what hosts offer when this was last looked at.
    version: Option<u64>,
}

impl Capacity {
    /// Takes over what a cell offers. Returns whether any total has moved by more than a 256th since it was last taken
    /// over; where not, all stays as it is.
    pub(super) fn adopt(&mut self, cell: &Cell) -> bool {
        let version = Some(cell.journal.static_version());
        if std::mem::replace(&mut self.version, version) == version {
            return false;
        }
        let resources = cell.resources.len();
        let total = |dimension: usize| -> u128 {
            let total =
                if dimension == 0 { cell.offered_devices() } else { cell.columns.offered(dimension - 1) };
            u128::try_from(total).unwrap_or(0)
        };
        let moved = self.totals.len() != resources + 1
            || self
                .totals
                .iter()
                .enumerate()
                .any(|(dimension, old)| old.abs_diff(total(dimension)) > old / 256);
        if moved {
            self.totals = (0..=resources).map(total).collect();
            let inverse = |total: &u128| (u128::from(ONE) << 64).checked_div(*total).unwrap_or(0);
            self.inverses = self.totals.iter().map(inverse).collect();
        }
        moved
    }

    fn share(&self, dimension: usize, held: u128) -> u64 {
        let (Some(total), Some(inverse)) = (self.totals.get(dimension), self.inverses.get(dimension)) else {
            return 0;
        };
        ((held.min(total * MOST) * inverse) >> 64) as u64
    }
}

/// What a tenant holds. Dimension 0 is devices, the others are resources in the order of their ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    amounts: Vec<i128>,
    shares: Vec<u64>,
    dominant: u64,
    placements: u64,
}

impl Held {
    /// Counts what a placement holds, or counts it no more.
    pub(super) fn count(&mut self, ask: &Ask, comes: bool, capacity: &Capacity) {
        for (resource, quantity) in &ask.requests {
            self.add(resource.index() + 1, *quantity, comes, capacity);
        }
        if let Some(devices) = ask.devices {
            self.add(0, i64::from(devices.count) * i64::from(devices.milli), comes, capacity);
        }
        self.placements = self.placements.saturating_add_signed(if comes { 1 } else { -1 });
        self.dominant = self.shares.iter().copied().max().unwrap_or(0);
    }

    fn add(&mut self, dimension: usize, quantity: i64, comes: bool, capacity: &Capacity) {
        if self.amounts.len() <= dimension {
            self.amounts.resize(dimension + 1, 0);
            self.shares.resize(dimension + 1, 0);
        }
        let quantity = i128::from(quantity);
        let amount = &mut self.amounts[dimension];
        *amount += if comes { quantity } else { -quantity };
        self.shares[dimension] = capacity.share(dimension, u128::try_from(*amount).unwrap_or(0));
    }

    /// Counts the shares anew.
    pub(super) fn refresh(&mut self, capacity: &Capacity) {
        for (dimension, (share, amount)) in self.shares.iter_mut().zip(&self.amounts).enumerate() {
            *share = capacity.share(dimension, u128::try_from(*amount).unwrap_or(0));
        }
        self.dominant = self.shares.iter().copied().max().unwrap_or(0);
    }

    /// The dominant share.
    pub(super) fn dominant(&self) -> u64 {
        self.dominant
    }

    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.placements == 0
    }
}
