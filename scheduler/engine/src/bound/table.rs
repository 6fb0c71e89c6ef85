//! The fronts of all blocks, 16 blocks side by side.

use super::front::{Front, Point};
use super::{FAN, POINTS};
use crate::kernel::{Coordinate, Points};

/// The fronts of so many blocks that vectors bound them all at once.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Group {
    load: [Coordinate; 2],
    inverse: [Coordinate; 2],
    /// How many points each block has. The rows behind them repeat the block's first point.
    lengths: [u8; FAN],
    /// The most points of a block.
    used: u8,
    /// Blocks with hosts that may score anything.
    unbounded: u16,
    /// Blocks with points.
    present: u16,
    /// Blocks whose points stand for other hosts without a margin.
    coarse: u16,
}

const EMPTY: Group = Group {
    load: [[[0.0; FAN]; POINTS]; 2],
    inverse: [[[0.0; FAN]; POINTS]; 2],
    lengths: [0; FAN],
    used: 0,
    unbounded: 0,
    present: 0,
    coarse: 0,
};

/// The fronts of all blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    groups: Vec<Group>,
}

impl Table {
    /// Blocks that there is room for.
    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Makes room for so many blocks, none of which has a front.
    pub(super) fn resize(&mut self, blocks: usize) {
        self.groups.resize(blocks.div_ceil(FAN), EMPTY);
    }

    /// Sets the front of a block.
    pub(super) fn set(&mut self, block: usize, front: &Front) {
        let (group, block) = (&mut self.groups[block / FAN], block % FAN);
        let put = |mask: u16, bit: bool| mask & !(1 << block) | u16::from(bit) << block;
        group.unbounded = put(group.unbounded, front.is_unbounded);
        group.present = put(group.present, !front.points().is_empty());
        group.coarse = put(group.coarse, front.is_coarse);
        group.lengths[block] = front.points().len() as u8;
        let used = group.lengths.iter().fold(0, |most, length| *length.max(&most));
        for row in usize::from(group.used)..usize::from(used) {
            for column in group.load.iter_mut().chain(&mut group.inverse) {
                column[row] = column[0];
            }
        }
        group.used = used;
        let Some(first) = front.points().first() else { return };
        for row in 0..usize::from(used) {
            let Point { load, inverse } = *front.points().get(row).unwrap_or(first);
            for resource in 0..2 {
                group.load[resource][row][block] = load[resource];
                group.inverse[resource][row][block] = inverse[resource];
            }
        }
    }

    /// The points of a group.
    pub(super) fn points(&self, group: usize) -> Points<'_> {
        let group = &self.groups[group];
        Points {
            load: [&group.load[0], &group.load[1]],
            inverse: [&group.inverse[0], &group.inverse[1]],
            used: group.used.into(),
            present: group.present,
            unbounded: group.unbounded,
            coarse: group.coarse,
        }
    }
}
