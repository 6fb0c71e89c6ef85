//! The mix of pods that a scheduler places, learned from its placements.
//!
//! What fragments of hosts are worth depends on the pods that will come. They are expected to be as those that came:
//! every placement counts its pod's shape, and the value of hosts ([`Supply`]) is derived anew after 1, 2, 4, 8, ...
//! placements, from [`WINDOW`] on after each [`WINDOW`], when all counts are halved so that old pods are forgotten.
//! Nothing is known beforehand, and nothing of what is still to come.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::cell::Cell;
use crate::class::ClassId;
use crate::demand::Demand;
use crate::resource::ResourceId;
use crate::scheduler::Scheduler;
use crate::score::{Kind, Shape, Supply};

/// Placements after which counts are halved.
const WINDOW: u64 = 8_192;

/// How many shapes are told apart; pods of further ones are not counted until some are forgotten.
const MAX_COUNTED: usize = 4_096;

/// How many shapes, the most frequent ones, hosts are valued by.
const MAX_TYPICAL: usize = 256;

/// How often each shape of pods was placed lately.
#[derive(Debug)]
pub(crate) struct Mix {
    counts: BTreeMap<Shape, u64>,
    placed: u64,
    /// How many placements there must have been when values are next derived.
    due: u64,
}

impl Default for Mix {
    fn default() -> Self {
        Mix { counts: BTreeMap::new(), placed: 0, due: 1 }
    }
}

impl Mix {
    /// Counts a placement.
    pub(crate) fn count(&mut self, demand: &Demand) {
        self.placed += 1;
        let shape = Shape::of(demand);
        if let Some(count) = self.counts.get_mut(&shape) {
            *count += 1;
        } else if self.counts.len() < MAX_COUNTED {
            self.counts.insert(shape, 1);
        }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.placed >= self.due
    }

    /// The most frequent shapes with their counts, in their own order, and the sum over all shapes.
    fn typical(&self) -> (Vec<(&Shape, u64)>, u64) {
        let mut shapes: Vec<(&Shape, u64)> =
            self.counts.iter().map(|(shape, count)| (shape, *count)).collect();
        let all = shapes.iter().map(|(_, count)| count).sum();
        // The sort is stable: of equally frequent shapes the first ones stay.
        shapes.sort_by_key(|(_, count)| Reverse(*count));
        shapes.truncate(MAX_TYPICAL);
        (shapes, all)
    }

    /// Settles when values are derived next, and forgets what is old.
    fn derived(&mut self) {
        if self.placed < WINDOW {
            self.due = self.placed * 2;
            return;
        }
        self.due = self.placed + WINDOW;
        self.counts.retain(|_, count| {
            *count /= 2;
            *count > 0
        });
    }
}

/// Hosts that are alike when nothing runs there, and how many there are of each kind.
fn kinds(cell: &Cell) -> Vec<(Kind<'_>, u64)> {
    let mut kinds: FxHashMap<Kind<'_>, u64> = FxHashMap::default();
    for host in cell.hosts() {
        let slot = host.index();
        let devices = cell.devices.get(slot).map(|set| (cell.devices.model_name(set.model), set.count));
        let kind = Kind {
            cpu_milli: cell.columns.allocatable(ResourceId::CPU, slot),
            memory: cell.columns.allocatable(ResourceId::MEMORY, slot),
            devices,
        };
        *kinds.entry(kind).or_default() += 1;
    }
    kinds.into_iter().collect()
}

impl Scheduler {
    /// Counts a pod of a class that has been placed to stay.
    pub(crate) fn count(&mut self, class: ClassId) {
        if let (Some(mix), Some(entry)) = (&mut self.mix, self.classes.get(class)) {
            mix.count(&entry.demand);
        }
    }

    /// Derives what hosts are worth from the mix of pods, if it is time to.
    pub(crate) fn learn(&mut self) {
        let Some(mix) = self.mix.as_mut().filter(|mix| mix.is_due()) else { return };
        let (shapes, all) = mix.typical();
        let supply = Arc::new(Supply::new(&shapes, all, &kinds(&self.cell), self.plugins.unit));
        mix.derived();
        self.plugins.value_by(supply);
        self.classes.drop_indexes();
        self.shapes.drop_indexes();
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_COUNTED, Mix, WINDOW};
    use crate::demand::Demand;
    use crate::resource::Resources;

    fn demand(cpu_milli: i64) -> Demand {
        Demand { requests: Resources { cpu_milli, ..Resources::default() }, ..Demand::default() }
    }

    #[test]
    fn values_are_derived_at_doubling_counts_and_old_pods_are_forgotten() {
        let mut mix = Mix::default();
        let mut derived = Vec::new();
        for number in 1..=3 * WINDOW {
            mix.count(&demand(if number <= WINDOW { 1 } else { 2 }));
            if mix.is_due() {
                derived.push(number);
                mix.derived();
            }
        }
        let doubling = (0..=WINDOW.ilog2()).map(|power| 1 << power);
        assert_eq!(derived, doubling.chain([2 * WINDOW, 3 * WINDOW]).collect::<Vec<_>>());
        let (shapes, all) = mix.typical();
        let counts: Vec<u64> = shapes.iter().map(|(_, count)| *count).collect();
        assert_eq!((counts, all), (vec![WINDOW / 4 + WINDOW / 2, WINDOW / 8], WINDOW / 8 + WINDOW / 4 * 3));
    }

    #[test]
    fn the_number_of_shapes_is_bounded() {
        let mut mix = Mix::default();
        for number in 0..2 * MAX_COUNTED as i64 {
            mix.count(&demand(number));
        }
        assert_eq!(mix.typical().1, MAX_COUNTED as u64);
    }
}
