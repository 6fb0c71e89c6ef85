//! Candidates: the best host of a class, and hosts almost as good, for those who decide beside others.
//!
//! Replicas that see the same hosts would all take the same best host, and be refused there (or crowd it). Each takes
//! a host that is near the best out of a part of the cell that is its own, and what it did not take are runners-up for a claim
//! that is refused.
//! Runners-up are read from the class' index, or found by bounds in a few blocks more than finding the best host takes: they
//! are hosts that fit and whose scores are known, one a block, and not always all of those.

use crate::bound;
use crate::cell::{BLOCK, HostId};
use crate::class::ClassId;
use crate::index::Best;
use crate::plugins::{Context, Key, NONE, lane_of, score_of};
use crate::scheduler::{Choice, Scheduler};
use crate::score::{Extremes, MAX_POINTS};
use crate::topology::Grouped;

/// A part of a cell: of its blocks of hosts, those whose number leaves the same rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    of: usize,
    number: usize,
}

impl Part {
    /// All there is.
    pub const WHOLE: Part = Part { of: 1, number: 0 };

    /// Part `number`, counted from 0, of `of`; the whole where there is no such part.
    #[must_use]
    pub fn new(number: usize, of: usize) -> Part {
        if number < of { Part { of, number } } else { Part::WHOLE }
    }

    /// Whether a host belongs to it.
    #[must_use]
    pub fn has(self, host: HostId) -> bool {
        self.has_block(host.index() / BLOCK)
    }

    fn has_block(self, block: usize) -> bool {
        block % self.of == self.number
    }
}

/// The best of some blocks, one host a block, in the order of score and then of hosts.
#[derive(Debug)]
pub(crate) struct Nearest {
    floor: i64,
    most: usize,
    part: Part,
    found: Vec<Best>,
}

impl Nearest {
    /// At most so many hosts of a part of the cell that score `floor` or more.
    pub(crate) fn new(floor: i64, most: usize, part: Part) -> Nearest {
        Nearest { floor, most, part, found: Vec::with_capacity(most + 1) }
    }

    /// Whether the hosts of a block are of interest at all.
    pub(crate) fn has_block(&self, block: usize) -> bool {
        self.part.has_block(block)
    }

    /// How many hosts are wanted.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// The score below which nothing is taken in any more.
    pub(crate) fn floor(&self) -> i64 {
        match self.found.get(self.most.wrapping_sub(1)) {
            Some(last) => self.floor.max(last.score),
            None => self.floor,
        }
    }

    /// Takes the best host of a block in, if it is among the best.
    pub(crate) fn offer(&mut self, block: usize, key: Key) {
        if key == NONE {
            return;
        }
        self.offer_host(Best { slot: block * BLOCK + lane_of(key), score: score_of(key) });
    }

    /// Takes a host in, if it is among the best.
    pub(crate) fn offer_host(&mut self, best: Best) {
        if best.score < self.floor() || !self.has_block(best.slot / BLOCK) {
            return;
        }
        let place = self.found.partition_point(|known| (-known.score, known.slot) < (-best.score, best.slot));
        self.found.insert(place, best);
        self.found.truncate(self.most);
    }

    pub(crate) fn into_vec(self) -> Vec<Best> {
        self.found
    }
}

impl Scheduler {
    /// Up to `most` hosts of a part of the cell that can take a pod of a class and score `floor` or more, of those that a search
    /// comes upon: best first, of equal scores the first host. To be asked after [`decide`](Self::decide), which says what is
    /// best, and before anything changes; else it may be that none is found. Takes nothing.
    pub fn near(&mut self, class: ClassId, floor: i64, most: usize, part: Part) -> Vec<Choice> {
        let Some(entry) = self.classes.get(class) else { return Vec::new() };
        let near = Nearest::new(floor, most, part);
        let near = match (entry.shape, &entry.index) {
            (Some(shape), _) => match self.shapes.index(shape) {
                Some(index) => index.near(&self.plugins.weights, near),
                None => near,
            },
            (None, Some(index)) if index.is_at(self.cell.journal.version()) => index.near(near),
            (None, _) => {
                let set = self.constraints.get_mut(entry.set);
                let context = Context { cell: &self.cell, plugins: &self.plugins, ask: &entry.ask, set };
                let mut near = near;
                if let Some(linear) = bound::applies(&context) {
                    self.bounds.near(&context, linear, &mut near);
                }
                near
            }
        };
        near.into_vec().into_iter().map(|found| self.choice(found, &entry.ask)).collect()
    }

    /// What a pod of a class would score on one host now; `None` where the host cannot take it.
    pub fn score(&mut self, class: ClassId, host: HostId) -> Option<i64> {
        let shape = self.reshape(class)?;
        let entry = self.classes.refresh(class, &self.cell)?;
        if !self.cell.has(host) {
            return None;
        }
        let set = self.constraints.get_mut(entry.set);
        set.sync(&self.cell, &self.plugins.filters);
        let context = Context { cell: &self.cell, plugins: &self.plugins, ask: &entry.ask, set };
        let (block, bit) = (host.index() / BLOCK, 1 << (host.index() % BLOCK));
        if let Some(shape) = shape {
            if context.feasible(block) & bit == 0 {
                return None;
            }
            let build = |rules: &_| Grouped::build(&context, rules);
            return self.shapes.with(shape, build, |index, rules| index.score(&context, rules, host.index()));
        }
        let extremes = match context.normalises() {
            true => (0..self.cell.blocks())
                .map(|block| context.extremes(block, context.feasible(block)))
                .fold(Extremes::default(), Extremes::max),
            false => Extremes::default(),
        };
        let key = context.best(&context.view(extremes), block, context.feasible(block) & bit);
        (key != NONE).then(|| score_of(key))
    }

    /// What a host scores to which every plugin gives all its points.
    pub fn full_score(&self) -> i64 {
        let weights: i64 = self.plugins.scores.iter().map(|score| i64::from(score.weight)).sum();
        weights * MAX_POINTS * i64::from(self.plugins.unit)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Choice, Demand, Host, Part, Profile, Resources, Scheduler, Search};

    fn cell(search: Search) -> Scheduler {
        let mut scheduler = Scheduler::new(Profile::meridian()).unwrap();
        scheduler.set_search(search);
        for number in 0..1_000_i64 {
            let cpu_milli = 8_000 + 1_000 * (number % 7);
            let allocatable = Resources { cpu_milli, memory: 32 << 30, ..Resources::default() };
            let host = Host { name: format!("h{number}"), allocatable, pods: 9, ..Host::default() };
            scheduler.add_host(&host).unwrap();
        }
        scheduler
    }

    fn demand(cpu_milli: i64) -> Demand {
        let requests = Resources { cpu_milli, memory: 1 << 30, ..Resources::default() };
        Demand { requests, ..Demand::default() }
    }

    #[test]
    fn those_near_the_best_fit_and_are_of_the_part_asked_for() {
        for search in [Search::Index, Search::Bounds, Search::Adaptive] {
            let mut scheduler = cell(search);
            let class = scheduler.class(&demand(1_500)).unwrap();
            let tolerance = scheduler.full_score() / 200;
            let mut seen = [0; 3];
            for _ in 0..200 {
                let best = scheduler.decide(class).unwrap();
                let mut of_parts = Vec::new();
                for (part, seen) in [Part::WHOLE, Part::new(0, 2), Part::new(1, 2)].into_iter().zip(&mut seen)
                {
                    let near = scheduler.near(class, best.score - tolerance, 8, part);
                    assert!(near.len() <= 8);
                    let order = |choice: &Choice| (-choice.score, choice.host);
                    assert!(near.windows(2).all(|pair| order(&pair[0]) < order(&pair[1])));
                    for Choice { host, score, .. } in &near {
                        assert!(*score >= best.score - tolerance && part.has(*host));
                        assert_eq!(scheduler.score(class, *host), Some(*score), "{search:?}");
                    }
                    *seen += near.len();
                    of_parts.extend(near.first().copied());
                }
                assert_eq!(of_parts[0], best, "{search:?}");
                assert!(of_parts[1..].contains(&best), "{search:?}");
                drop(scheduler.schedule(class).unwrap());
            }
            assert!(seen.iter().all(|seen| *seen > 400), "{search:?}: {seen:?} in 200 decisions");
        }
    }

    #[test]
    fn nothing_is_near_where_nothing_fits() {
        let mut scheduler = cell(Search::Adaptive);
        let class = scheduler.class(&demand(99_000)).unwrap();
        assert_eq!(scheduler.decide(class), None);
        assert_eq!(scheduler.near(class, i64::MIN, 8, Part::WHOLE), []);
        let small = scheduler.class(&demand(1)).unwrap();
        let best = scheduler.decide(small).unwrap();
        assert_eq!(scheduler.near(small, best.score, 0, Part::WHOLE), []);
        assert_eq!(scheduler.near(small, best.score + 1, 8, Part::WHOLE), []);
        assert_eq!(Part::new(3, 2), Part::WHOLE, "there is no such part");
    }
}
