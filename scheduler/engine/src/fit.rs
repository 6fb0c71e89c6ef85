//! The one fit function: whether a request fits into what is free.
//!
//! [`admits`] is the rule for one quantity; [`fitting`] is the same rule over a block, with the block's summary read
//! first. `Cell::place` asks the rule again at commit, whatever a scheduler believed.

use crate::ask::Ask;
use crate::cell::{Cell, admitting_nodes};
use crate::kernel;

/// Whether `request` fits into `free`. A request of zero always does; it is never asked about.
#[inline(always)]
pub(crate) fn admits(free: i64, request: i64) -> bool {
    request <= free
}

/// The hosts of a block, among those of `mask`, with room for all quantities of `ask`.
pub(crate) fn fitting(cell: &Cell, ask: &Ask, block: usize, mut mask: u64) -> u64 {
    if !ask.unknown.is_empty() {
        return 0;
    }
    if ask.shares() {
        return sharing(cell, ask, block, mask);
    }
    for (resource, request) in &ask.requests {
        let (least, most) = cell.columns.extremes(*resource, block);
        if !admits(most, *request) {
            return 0;
        }
        if admits(least, *request) {
            continue;
        }
        mask &= kernel::admitting(cell.columns.free_block(*resource, block), *request);
        if mask == 0 {
            return 0;
        }
    }
    mask
}

/// The same for a pod that comes to less on some hosts.
fn sharing(cell: &Cell, ask: &Ask, block: usize, mask: u64) -> u64 {
    let mut fits = 0;
    cell.pools.split(block, mask, |pool, hosts| fits |= fitting(cell, &ask.by_pool[pool], block, hosts));
    fits
}

/// The hosts of a block, among those of `mask`, that can take `ask` now: room, ports, devices and NUMA nodes.
pub(crate) fn available(cell: &Cell, ask: &Ask, block: usize, mask: u64) -> u64 {
    let mask = fitting(cell, ask, block, mask);
    let mask = cell.ports.admitting(block, mask, &ask.ports);
    let mask = cell.devices.admitting(block, mask, ask.devices.as_ref());
    admitting_nodes(cell, block, mask, ask)
}
