//! Signatures: all that tells hosts apart for what a class makes of the pods around them.
//!
//! A signature lists, for a host, its domain of each key that hosts share, and what is counted on the host itself for
//! keys that no two hosts share. What a rule makes of a host is a function of its signature and of the counts by domain,
//! so hosts with equal signatures are refused together and get the same points, whatever these are at a moment.

use super::Topology;
use super::domain::NO_VALUE;
use super::table::Id;
use super::terms::Rules;
use crate::plugins::Context;

/// Where a signature has what a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The domain is there.
    Domain(usize),
    /// The count itself is there.
    Count(usize),
}

/// What is where in the signatures of a class.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// Columns whose domains come first.
    domains: Vec<Id>,
    /// Counters whose counts on the host come next, with the column of the label without which there is none.
    counts: Vec<(Id, Id)>,
    pub(super) hard: Vec<Place>,
    pub(super) soft: Vec<Place>,
    /// Affinity terms whose domains have several hosts, with the place of the domain.
    pub(super) affinity: Vec<(Id, usize)>,
    /// Those whose domains have one: whether all have a pod.
    fine_affinity: Vec<Id>,
    pub(super) affinity_at: Option<usize>,
    /// Counters that must be zero, with the place of the domain.
    pub(super) zero: Vec<(Id, usize)>,
    /// Those of the host itself: such hosts are left out.
    fine_zero: Vec<Id>,
    /// Counters that draw or repel, with their factor and the place of the domain.
    pub(super) near: Vec<(Id, i64, usize)>,
    /// Those of the host itself: their sum is there.
    fine_near: Vec<(Id, i64)>,
    pub(super) near_at: Option<usize>,
    /// Columns that a host must have a value of.
    required: Vec<Id>,
    /// Columns that a host must have a value of to be scored.
    scored: Vec<Id>,
    pub(super) scored_at: Option<usize>,
    /// Where the raw scores are that are normalised over the feasible hosts and that no load changes.
    pub(super) statics_at: Option<usize>,
    len: usize,
    /// Which columns no two hosts shared a value of.
    fine: Vec<(Id, bool)>,
}

impl Layout {
    pub(super) fn new(topology: &Topology, rules: &Rules, has_statics: bool) -> Layout {
        let mut layout = Layout::default();
        let column = |counter: Id| topology.counters.get(counter).column;
        let is_fine = |counter: Id| topology.columns.get(column(counter)).is_fine();
        for hard in &rules.hard {
            let place = layout.place(topology, hard.counter, column(hard.counter));
            layout.hard.push(place);
            layout.require(column(hard.counter));
        }
        for soft in &rules.soft {
            let place = layout.place(topology, soft.counter, soft.label);
            layout.soft.push(place);
        }
        for counter in &rules.affinity {
            layout.require(column(*counter));
            if is_fine(*counter) {
                layout.fine_affinity.push(*counter);
            } else {
                let place = layout.domain(column(*counter));
                layout.affinity.push((*counter, place));
            }
        }
        for counter in rules.anti_affinity.iter().chain(&rules.kept_away) {
            if is_fine(*counter) {
                layout.fine_zero.push(*counter);
            } else {
                let place = layout.domain(column(*counter));
                layout.zero.push((*counter, place));
            }
        }
        for (counter, factor) in &rules.near {
            if is_fine(*counter) {
                layout.fine_near.push((*counter, *factor));
            } else {
                let place = layout.domain(column(*counter));
                layout.near.push((*counter, *factor, place));
            }
        }
        if rules.needs_all_labels {
            layout.scored = rules.soft.iter().map(|soft| soft.label).collect();
        }
        layout.number(topology, rules, has_statics);
        layout
    }

    /// Fixes where what comes after the domains is.
    fn number(&mut self, topology: &Topology, rules: &Rules, has_statics: bool) {
        let domains = self.domains.len();
        for place in self.hard.iter_mut().chain(&mut self.soft) {
            if let Place::Count(number) = place {
                *number += domains;
            }
        }
        let mut len = domains + self.counts.len();
        let mut next = |is_there: bool, places: usize| {
            let at = len;
            len += if is_there { places } else { 0 };
            is_there.then_some(at)
        };
        self.affinity_at = next(!self.fine_affinity.is_empty(), 1);
        self.near_at = next(!self.fine_near.is_empty(), 1);
        self.scored_at = next(!self.scored.is_empty(), 1);
        self.statics_at = next(has_statics, 2);
        self.len = len;
        let counters = rules.hard.iter().map(|hard| hard.counter);
        let counters = counters.chain(rules.soft.iter().map(|soft| soft.counter));
        let counters = counters.chain(rules.affinity.iter().copied());
        let counters = counters.chain(rules.anti_affinity.iter().copied());
        let counters = counters.chain(rules.kept_away.iter().copied());
        let counters = counters.chain(rules.near.iter().map(|(counter, _)| *counter));
        let mut columns: Vec<Id> = counters.map(|counter| topology.counters.get(counter).column).collect();
        columns.sort_unstable();
        columns.dedup();
        self.fine =
            columns.into_iter().map(|column| (column, topology.columns.get(column).is_fine())).collect();
    }

    /// Whether the layout still tells all hosts apart that must be.
    pub(super) fn holds(&self, topology: &Topology) -> bool {
        self.fine.iter().all(|(column, was_fine)| topology.columns.get(*column).is_fine() == *was_fine)
    }

    fn require(&mut self, column: Id) {
        if !self.required.contains(&column) {
            self.required.push(column);
        }
    }

    fn domain(&mut self, column: Id) -> usize {
        if let Some(place) = self.domains.iter().position(|other| *other == column) {
            return place;
        }
        self.domains.push(column);
        self.domains.len() - 1
    }

    fn place(&mut self, topology: &Topology, counter: Id, label: Id) -> Place {
        let column = topology.counters.get(counter).column;
        if !topology.columns.get(column).is_fine() {
            return Place::Domain(self.domain(column));
        }
        self.counts.push((counter, label));
        Place::Count(self.counts.len() - 1)
    }

    /// The signature of the host in a slot; `None` where the host is refused as long as it and its own pods stay as
    /// they are.
    pub(super) fn signature(
        &self,
        context: &Context<'_>,
        slot: usize,
        signature: &mut Vec<i64>,
    ) -> Option<()> {
        let topology = &context.cell.topology;
        let value = |column: &Id| topology.columns.get(*column).value(slot);
        if self.fine_zero.iter().any(|counter| topology.count_at(*counter, slot) > 0)
            || self.required.iter().any(|column| value(column) == NO_VALUE)
        {
            return None;
        }
        signature.clear();
        let number = |value: u32| if value == NO_VALUE { -1 } else { i64::from(value) };
        signature.extend(self.domains.iter().map(|column| number(value(column))));
        signature.extend(self.counts.iter().map(|(counter, label)| match value(label) {
            NO_VALUE => -1,
            _ => topology.count_at(*counter, slot),
        }));
        if self.affinity_at.is_some() {
            let is_near = |counter: &Id| topology.count_at(*counter, slot) > 0;
            signature.push(i64::from(self.fine_affinity.iter().all(is_near)));
        }
        if self.near_at.is_some() {
            let near = self.fine_near.iter();
            signature.push(near.map(|(counter, factor)| topology.count_at(*counter, slot) * factor).sum());
        }
        if self.scored_at.is_some() {
            signature.push(i64::from(self.scored.iter().all(|label| value(label) != NO_VALUE)));
        }
        if self.statics_at.is_some() {
            let set = context.set;
            signature.push(set.discouraged.as_ref().map_or(0, |column| column[slot].into()));
            signature.push(set.preferred.as_ref().map_or(0, |column| column[slot].into()));
        }
        debug_assert_eq!(signature.len(), self.len, "the layout says how long signatures are");
        Some(())
    }
}
