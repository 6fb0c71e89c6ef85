//! `PodTopologySpread` and `InterPodAffinity`: points that have been worked out for all hosts by
//! [`topology`](crate::topology), and none where the pods around do not matter.

use super::{Points, Score, View};
use crate::cell::block_of;
use crate::topology::TopologyPoints;

pub(super) struct PodTopologySpread;

pub(super) struct InterPodAffinity;

impl Score for PodTopologySpread {
    fn score(&self, view: &View<'_>, block: usize, _mask: u64, points: &mut Points) {
        copy(view.topology, |points| &points.spread, block, points);
    }
}

impl Score for InterPodAffinity {
    fn score(&self, view: &View<'_>, block: usize, _mask: u64, points: &mut Points) {
        copy(view.topology, |points| &points.near, block, points);
    }
}

fn copy(
    all: Option<&TopologyPoints>,
    column: impl FnOnce(&TopologyPoints) -> &Vec<i32>,
    block: usize,
    points: &mut Points,
) {
    match all {
        Some(all) => points.copy_from_slice(block_of(column(all), block)),
        None => points.fill(0),
    }
}
