//! How many members of a gang could fit at the most, by counting.
//!
//! For pods of one class that ask for no shares of several devices the count is exact, since hosts fill up independently of
//! each other. Members of several classes take room from each other, which the count leaves out: it is only ever too high.

use super::Gang;
use super::topology::Domain;
use crate::ask::{Ask, DeviceAsk};
use crate::cell::{BLOCK, Cell, shareable};
use crate::class::ClassId;
use crate::fit;
use crate::mask;
use crate::resource::{ResourceId, Resources};
use crate::scheduler::Scheduler;

/// What a gang asks for in all and is not free: resource, wanted, free.
type Lack = (String, i64, i64);

impl Scheduler {
    /// The resources of a gang's `resources` that are not free over all hosts.
    pub(super) fn lacking<'a>(&'a self, gang: &'a Gang) -> impl Iterator<Item = Lack> + 'a {
        lacking(&self.cell, &gang.resources)
    }

    /// Whether at least the minimum of a gang could fit over all hosts.
    pub(super) fn could_fit(&mut self, gang: &Gang) -> bool {
        let mut could = 0;
        for (class, count) in &gang.members {
            could += self.at_most(*class, (*count).min(gang.minimum), None);
            if could >= gang.minimum {
                return true;
            }
        }
        false
    }

    /// How many pods of a class could fit now at the most, over all hosts or those of a domain. Stops to count at `limit`.
    pub(super) fn at_most(&mut self, class: ClassId, limit: usize, domain: Option<&Domain>) -> usize {
        let Some(entry) = self.classes.refresh(class, &self.cell) else { return 0 };
        let set = self.constraints.get_mut(entry.set);
        set.sync(&self.cell, &self.plugins.filters);
        let (cell, ask) = (&self.cell, &*entry.ask);
        let mut sum = 0;
        // Says whether there is more to count.
        let mut count = |block: usize, within: u64| {
            for bit in mask::bits(fit::available(cell, ask, block, set.mask(block) & within)) {
                sum += on_host(cell, ask, block * BLOCK + bit, limit);
                if sum >= limit {
                    return false;
                }
            }
            true
        };
        match domain {
            None => (0..cell.blocks()).all(|block| count(block, u64::MAX)),
            Some(domain) => domain.blocks.iter().all(|(block, within)| count(*block as usize, *within)),
        };
        sum.min(limit)
    }

    /// How many pods of a class could fit if nothing ran anywhere. Stops to count at `limit`.
    pub(super) fn at_most_when_idle(
        &mut self,
        class: ClassId,
        limit: usize,
        domain: Option<&Domain>,
    ) -> usize {
        let Some(entry) = self.classes.refresh(class, &self.cell) else { return 0 };
        let set = self.constraints.get_mut(entry.set);
        set.sync(&self.cell, &self.plugins.filters);
        let (cell, ask) = (&self.cell, &*entry.ask);
        if !ask.unknown.is_empty() {
            return 0;
        }
        let mut sum = 0;
        let mut count = |block: usize, within: u64| {
            for bit in mask::bits(set.mask(block) & within) {
                sum += on_idle_host(cell, ask, block * BLOCK + bit, limit);
                if sum >= limit {
                    return false;
                }
            }
            true
        };
        match domain {
            None => (0..cell.blocks()).all(|block| count(block, u64::MAX)),
            Some(domain) => domain.blocks.iter().all(|(block, within)| count(*block as usize, *within)),
        };
        sum.min(limit)
    }
}

/// The resources of which less is free over all hosts than is named.
fn lacking<'a>(cell: &'a Cell, named: &'a Resources) -> impl Iterator<Item = Lack> + 'a {
    named.named().filter(|(_, wanted)| *wanted > 0).filter_map(|(name, wanted)| {
        let mut free = 0_i64;
        if let Some(resource) = cell.resource(name) {
            for block in 0..cell.blocks() {
                // Slots without a host and hosts that have shrunk have less than nothing free.
                let columns = cell.columns.free_block(resource, block);
                free = columns.iter().fold(free, |sum, free| sum.saturating_add((*free).max(0)));
                if free >= wanted {
                    return None;
                }
            }
        }
        (free < wanted).then(|| (name.to_owned(), wanted, free))
    })
}

/// How many pods a host that can take one could take, at the most.
fn on_host(cell: &Cell, ask: &Ask, slot: usize, limit: usize) -> usize {
    let most = by_resources(cell, ask, slot, limit, |resource| cell.columns.free(resource, slot));
    match (ask.devices, cell.devices.get(slot)) {
        (Some(devices), Some(set)) => most.min(on_devices(&set.free, devices)),
        (Some(_), None) => 0,
        (None, _) => most,
    }
}

fn on_idle_host(cell: &Cell, ask: &Ask, slot: usize, limit: usize) -> usize {
    let most = by_resources(cell, ask, slot, limit, |resource| cell.columns.allocatable(resource, slot));
    match (ask.devices, cell.devices.get(slot)) {
        (Some(devices), Some(set)) => {
            let free = vec![crate::host::DEVICE_MILLI as u16; set.count as usize];
            most.min(on_devices(&free, devices))
        }
        (Some(_), None) => 0,
        (None, _) => most,
    }
}

fn by_resources(
    cell: &Cell,
    ask: &Ask,
    slot: usize,
    limit: usize,
    left: impl Fn(ResourceId) -> i64,
) -> usize {
    // A pod's ports are taken once it is there.
    let most = if ask.ports.is_empty() { limit } else { limit.min(1) };
    let ratio = ask.shares().then(|| cell.pools.ratio(slot));
    let each = ask.requests.iter().map(|(resource, request)| match (ratio, shareable(*resource)) {
        (Some(ratio), Some(number)) => ratio.most(number, left(*resource), *request),
        _ => left(*resource) / request,
    });
    each.fold(most, |most, each| most.min(usize::try_from(each).unwrap_or(0)))
}

/// How many pods find `count` distinct devices with `milli` free each, at the most: shares are handed out one by one, and
/// each pod needs so many of them.
fn on_devices(free: &[u16], DeviceAsk { count, milli, .. }: DeviceAsk) -> usize {
    let shares: usize = free.iter().map(|free| usize::from(free / milli)).sum();
    shares / count as usize
}
