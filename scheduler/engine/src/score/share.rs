//! Shares of resources in use after placing: what resource scores are made of.

use super::{Points, View};
use crate::cell::{BLOCK, Cell, block_of};
use crate::kernel::{self, Lanes};
use crate::profile::ResourceWeight;
use crate::resource::ResourceId;

/// A resource that counts, with its weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weighted {
    pub(super) resource: ResourceId,
    pub(super) weight: i64,
}

/// The resources of a plugin's arguments. Those that no host and no pod ever named count as offered nowhere.
pub(super) fn weighted(resources: &[ResourceWeight], cell: &Cell) -> Vec<Weighted> {
    resources
        .iter()
        .filter_map(|entry| {
            Some(Weighted { resource: cell.resource(&entry.resource)?, weight: entry.weight })
        })
        .collect()
}

/// The share of a resource in use on each host of a block once the class is placed there. Scoring may count more than
/// there is, so it may be above 1.
pub(super) fn after(view: &View<'_>, resource: ResourceId, block: usize, after: &mut [f32; BLOCK]) {
    let request = view.ask.scoring_request(resource) as f32;
    if let Some(share) = view.cell.columns.share(resource) {
        let (load, inverse) = (block_of(&share.load, block), block_of(&share.inverse, block));
        kernel::after(Lanes { load, inverse, request }, after);
    } else {
        for (lane, after) in after.iter_mut().enumerate() {
            let slot = block * BLOCK + lane;
            let (load, inverse) = crate::cell::shares(
                view.cell.columns.requested(resource, slot),
                view.cell.columns.allocatable(resource, slot),
            );
            *after = load + request * inverse;
        }
    }
}

/// Whether kube-scheduler leaves a resource out for this class: an extended one that the pod does not ask for.
fn is_left_out(view: &View<'_>, resource: ResourceId) -> bool {
    resource > ResourceId::PODS && view.ask.request(resource) == 0
}

/// What is requested of a resource on a host once the class is placed there, and what the host offers, as kube-scheduler
/// scores them; `None` where the resource does not count. `plain` asks for the plain requests of CPU and memory.
pub(super) fn requested(
    view: &View<'_>,
    resource: ResourceId,
    slot: usize,
    plain: bool,
) -> Option<(i64, i64)> {
    let columns = &view.cell.columns;
    let allocatable = columns.allocatable(resource, slot);
    if allocatable == 0 || is_left_out(view, resource) {
        return None;
    }
    let requested = if plain {
        columns.requested(resource, slot) + view.ask.request(resource)
    } else {
        columns.scoring_requested(resource, slot) + view.ask.scoring_request(resource)
    };
    Some((requested, allocatable))
}

/// Fills in points host by host, for arithmetic that does not go lane by lane.
pub(super) fn each(block: usize, mask: u64, points: &mut Points, mut score: impl FnMut(usize) -> i32) {
    for bit in crate::mask::bits(mask) {
        points[bit] = score(block * BLOCK + bit);
    }
}
