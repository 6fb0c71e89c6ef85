//! One constraint set: a mask of acceptable hosts and the raw scores that no load changes.

use super::{ConstraintKey, affinity, taint};
use crate::cell::{BLOCK, Cell, Record};
use crate::mask;
use crate::profile::FilterPlugin;

/// What constraints make of all hosts. A raw score that is zero everywhere has no column.
#[derive(Clone, Debug)]
pub(crate) struct ConstraintSet {
    pub(crate) key: ConstraintKey,
    /// Per block, the hosts that no static filter refuses.
    pub(crate) mask: Vec<u64>,
    /// Per slot, how many taints make the host less liked.
    pub(crate) discouraged: Option<Vec<u16>>,
    /// Per slot, the sum of the weights of matching preferred terms.
    pub(crate) preferred: Option<Vec<i32>>,
    /// Whether some host is admitted of those set apart, and of the rest.
    pub(crate) admits_apart: bool,
    pub(crate) admits_rest: bool,
    version: Option<u64>,
}

impl ConstraintSet {
    pub(crate) fn new(key: ConstraintKey) -> ConstraintSet {
        ConstraintSet {
            key,
            mask: Vec::new(),
            discouraged: None,
            preferred: None,
            admits_apart: false,
            admits_rest: false,
            version: None,
        }
    }

    /// Catches up with the cell.
    pub(crate) fn sync(&mut self, cell: &Cell, filters: &[FilterPlugin]) {
        match self.version {
            Some(version) if version >= cell.journal.static_version() => return,
            Some(version) => self.update(cell, filters, version),
            None => self.build(cell, filters),
        }
        self.admits_apart = self.mask.iter().zip(&cell.apart).any(|(mask, apart)| mask & apart != 0);
        self.admits_rest = self.mask.iter().zip(&cell.apart).any(|(mask, apart)| mask & !apart != 0);
        self.version = Some(cell.journal.version());
    }

    fn build(&mut self, cell: &Cell, filters: &[FilterPlugin]) {
        let constraints = &self.key.constraints;
        let mut hosts = cell.alive.clone();
        for filter in filters {
            match filter {
                FilterPlugin::NodeUnschedulable => {
                    if !taint::tolerates_cordon(&constraints.tolerations) {
                        mask::subtract(&mut hosts, &cell.cordoned);
                    }
                }
                FilterPlugin::NodeName => {
                    if let Some(name) = &constraints.node_name {
                        let mut named = vec![0; cell.blocks()];
                        mask::insert_all(&mut named, cell.slot_named(name).map(|slot| slot as u32));
                        mask::intersect(&mut hosts, &named);
                    }
                }
                FilterPlugin::TaintToleration => {
                    for (tainted, bitmap) in cell.taints.iter() {
                        if taint::repels(tainted, &constraints.tolerations) {
                            for slot in bitmap {
                                hosts[slot as usize / BLOCK] &= !(1 << (slot as usize % BLOCK));
                            }
                        }
                    }
                }
                FilterPlugin::NodeAffinity => {
                    if let Some(selected) = affinity::selected(cell, constraints) {
                        mask::intersect(&mut hosts, &selected);
                    }
                }
                FilterPlugin::DeviceFit => {
                    if !self.key.models.is_empty() {
                        for (block, word) in hosts.iter_mut().enumerate() {
                            for bit in mask::bits(*word) {
                                if !has_model(cell, block * BLOCK + bit, &self.key.models) {
                                    *word &= !(1 << bit);
                                }
                            }
                        }
                    }
                }
                FilterPlugin::RuntimeReady => {
                    mask::intersect(&mut hosts, cell.ready_for(self.key.runtime));
                }
                FilterPlugin::NodePorts
                | FilterPlugin::NodeResourcesFit
                | FilterPlugin::NumaTopology
                | FilterPlugin::PodTopologySpread
                | FilterPlugin::InterPodAffinity => {}
            }
        }
        self.mask = hosts;
        self.discouraged = None;
        for (tainted, bitmap) in cell.taints.iter() {
            if taint::discourages(tainted, &constraints.tolerations) {
                let column = self.discouraged.get_or_insert_with(|| vec![0; cell.blocks() * BLOCK]);
                for slot in bitmap {
                    column[slot as usize] = column[slot as usize].saturating_add(1);
                }
            }
        }
        self.preferred = None;
        if !constraints.preferred.is_empty() {
            let mut column = vec![0_i32; cell.blocks() * BLOCK];
            for preferred in &constraints.preferred {
                for (block, word) in affinity::matching(cell, &preferred.term).into_iter().enumerate() {
                    for bit in mask::bits(word) {
                        let raw = &mut column[block * BLOCK + bit];
                        *raw = raw.saturating_add(preferred.weight);
                    }
                }
            }
            self.preferred = Some(column);
        }
    }

    fn update(&mut self, cell: &Cell, filters: &[FilterPlugin], version: u64) {
        self.mask.resize(cell.blocks(), 0);
        if let Some(column) = &mut self.discouraged {
            column.resize(cell.blocks() * BLOCK, 0);
        }
        if let Some(column) = &mut self.preferred {
            column.resize(cell.blocks() * BLOCK, 0);
        }
        cell.journal.static_changed_since(version, |block| {
            let mut word = 0;
            for bit in 0..BLOCK {
                let slot = block * BLOCK + bit;
                let record = cell.records.get(slot).and_then(Option::as_ref);
                let (mut discouraged, mut preferred) = (0, 0);
                if let Some(record) = record {
                    word |= u64::from(admits(cell, slot, record, &self.key, filters)) << bit;
                    let constraints = &self.key.constraints;
                    discouraged = taint::prefers_no_schedule(cell, record, &constraints.tolerations);
                    preferred = affinity::preferred_weight(cell, record, &constraints.preferred);
                }
                if discouraged > 0 && self.discouraged.is_none() {
                    self.discouraged = Some(vec![0; cell.blocks() * BLOCK]);
                }
                if let Some(column) = &mut self.discouraged {
                    column[slot] = discouraged;
                }
                if let Some(column) = &mut self.preferred {
                    column[slot] = preferred;
                }
            }
            self.mask[block] = word;
        });
    }

    /// Whether no static filter refuses a host.
    pub(crate) fn admits(&self, slot: usize) -> bool {
        self.mask[slot / BLOCK] >> (slot % BLOCK) & 1 == 1
    }

    /// The slots of all hosts that no static filter refuses, where they are no more than `most`.
    pub(crate) fn few(&self, most: usize) -> Option<Vec<u32>> {
        let mut few = Vec::new();
        for (block, word) in self.mask.iter().enumerate().filter(|(_, word)| **word != 0) {
            few.extend(mask::bits(*word).map(|bit| (block * BLOCK + bit) as u32));
            if few.len() > most {
                return None;
            }
        }
        Some(few)
    }

    /// Whether no static filter refuses a host as it is described now, up to date or not.
    pub(crate) fn admits_now(&self, cell: &Cell, filters: &[FilterPlugin], slot: usize) -> bool {
        let record = cell.records.get(slot).and_then(Option::as_ref);
        record.is_some_and(|record| admits(cell, slot, record, &self.key, filters))
    }

    /// The hosts of a block that no static filter refuses.
    pub(crate) fn mask(&self, block: usize) -> u64 {
        self.mask[block]
    }
}

pub(crate) fn has_model(cell: &Cell, slot: usize, models: &[String]) -> bool {
    cell.devices
        .get(slot)
        .is_some_and(|set| models.iter().any(|model| *model == cell.devices.model_name(set.model)))
}

/// The static filters for one host.
fn admits(cell: &Cell, slot: usize, record: &Record, key: &ConstraintKey, filters: &[FilterPlugin]) -> bool {
    let constraints = &key.constraints;
    filters.iter().all(|filter| match filter {
        FilterPlugin::NodeUnschedulable => {
            cell.cordoned[slot / BLOCK] >> (slot % BLOCK) & 1 == 0
                || taint::tolerates_cordon(&constraints.tolerations)
        }
        FilterPlugin::NodeName => constraints.node_name.as_ref().is_none_or(|name| **name == *record.name),
        FilterPlugin::TaintToleration => {
            taint::first_untolerated(cell, record, &constraints.tolerations).is_none()
        }
        FilterPlugin::NodeAffinity => affinity::matches_constraints(cell, record, constraints),
        FilterPlugin::DeviceFit => key.models.is_empty() || has_model(cell, slot, &key.models),
        FilterPlugin::RuntimeReady => cell.is_ready_for(key.runtime, slot),
        FilterPlugin::NodePorts
        | FilterPlugin::NodeResourcesFit
        | FilterPlugin::NumaTopology
        | FilterPlugin::PodTopologySpread
        | FilterPlugin::InterPodAffinity => true,
    })
}
