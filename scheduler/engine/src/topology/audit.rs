//! Counts by domain, recomputed from placements and from hosts as they are described.

use rustc_hash::{FxHashMap, FxHashSet};

use super::domain::{Key, NO_VALUE};
use super::table::Id;
use super::{Counter, Topology};
use crate::cell::Cell;

/// A counter that is wrong: what it should say, and what it says.
pub(crate) struct Miscount {
    /// What makes the domains.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) what: &'static str,
    pub(crate) placed: i64,
    pub(crate) accounted: i64,
}

impl Topology {
    /// Every counter that does not say what the pods placed come to. `placed` are they, by what counters can tell of them and
    /// by slot.
    pub(crate) fn miscounted(&self, cell: &Cell, placed: &[(Id, usize)]) -> Vec<Miscount> {
        let mut amounts: FxHashMap<Id, Vec<(usize, i64)>> = FxHashMap::default();
        for (member, slot) in placed {
            for (counter, amount) in self.touches(self.members.key(*member)) {
                amounts.entry(counter).or_default().push((*slot, amount));
            }
        }
        let mut wrong = Vec::new();
        for id in self.counters.ids() {
            let counter = self.counters.get(id);
            let counted = amounts.get(&id).map_or(&[][..], Vec::as_slice);
            self.compare(cell, counter, counted, &mut wrong);
        }
        wrong
    }

    fn compare(&self, cell: &Cell, counter: &Counter, counted: &[(usize, i64)], wrong: &mut Vec<Miscount>) {
        let (key, scope) = (self.columns.key(counter.column), self.scopes.key(counter.scope));
        let value = |slot: usize| {
            let record = cell.records.get(slot).and_then(Option::as_ref);
            if scope.has(cell, record) { key.value_in(cell, slot, record) } else { NO_VALUE }
        };
        let mut sums: FxHashMap<u32, i64> = FxHashMap::default();
        for (slot, amount) in counted {
            *sums.entry(value(*slot)).or_default() += amount;
        }
        sums.remove(&NO_VALUE);
        let existing: FxHashSet<u32> =
            (0..cell.records.len()).map(value).filter(|value| *value != NO_VALUE).collect();
        let mut report = |what, placed, accounted| {
            if placed != accounted {
                let key = match &**key {
                    Key::Label(name) => name.clone(),
                    Key::Host => "host".to_owned(),
                };
                wrong.push(Miscount { key, what, placed, accounted });
            }
        };
        for (value, count) in counter.counts() {
            report("in a domain", sums.remove(&value).unwrap_or(0), count);
        }
        for placed in sums.into_values() {
            report("in a domain", placed, 0);
        }
        let count = |value: &u32| counter.count(*value);
        report("in all", existing.iter().map(count).sum(), counter.total);
        if counter.is_ranked {
            report("at least", existing.iter().map(count).min().unwrap_or(0), counter.least());
        }
    }
}
