//! Candidates: the best host of a class, and hosts almost as good, for those who decide beside others.
//!
//! Replicas that see the same hosts would all take the same best host, and be refused there (or crowd it). Each takes
//! another of the hosts that are near the best, and what it did not take are runners-up for a claim that is refused.
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

/// The best of some blocks, one host a block, in the order of score and then of hosts.
#[derive(Debug)]
pub(crate) struct Nearest {
    floor: i64,
    most: usize,
    found: Vec<Best>,
}

impl Nearest {
    /// At most so many hosts that score `floor` or more.
    pub(crate) fn new(floor: i64, most: usize) -> Nearest {
        Nearest { floor, most, found: Vec::with_capacity(most + 1) }
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
        if key == NONE || score_of(key) < self.floor() {
            return;
        }
        self.offer_host(Best { slot: block * BLOCK + lane_of(key), score: score_of(key) });
    }

    /// Takes a host in, if it is among the best.
    pub(crate) fn offer_host(&mut self, best: Best) {
        if best.score < self.floor() {
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
    /// The best host for a pod of a class, as [`decide`](Self::decide) finds it, and behind it up to `most - 1` hosts that
    /// score at most `tolerance` less and that the search has come upon: best first, of equal scores the first host.
    /// Empty where no host can take the pod now. Takes nothing.
    pub fn candidates(&mut self, class: ClassId, tolerance: i64, most: usize) -> Vec<Choice> {
        let Some(best) = self.decide(class) else { return Vec::new() };
        let near = Nearest::new(best.score.saturating_sub(tolerance.max(0)), most.max(1));
        let Some(entry) = self.classes.get(class) else { return vec![best] };
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
        let others = near.into_vec().into_iter().filter(|other| other.slot != best.host.index());
        std::iter::once(best)
            .chain(others.map(|other| self.choice(other, &entry.ask)))
            .take(most.max(1))
            .collect()
    }

    /// What a pod of a class would score on one host now; `None` where the host cannot take it.
    pub fn score(&mut self, class: ClassId, host: HostId) -> Option<i64> {
        let shape = self.reshape(class)?;
        let entry = self.classes.refresh(class, &self.cell)?;
        self.cell.record(host)?;
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
    use crate::{Choice, Demand, Host, Profile, Resources, Scheduler, Search};

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
    fn the_first_is_the_best_and_the_others_are_near_it_and_fit() {
        for search in [Search::Index, Search::Bounds, Search::Adaptive] {
            let mut scheduler = cell(search);
            let class = scheduler.class(&demand(1_500)).unwrap();
            let tolerance = scheduler.full_score() / 200;
            let mut seen = 0;
            for _ in 0..200 {
                let best = scheduler.decide(class).unwrap();
                let candidates = scheduler.candidates(class, tolerance, 8);
                assert_eq!(candidates[0], best);
                assert!(candidates.len() <= 8);
                assert!(
                    candidates
                        .windows(2)
                        .all(|pair| { (-pair[0].score, pair[0].host) < (-pair[1].score, pair[1].host) })
                );
                for Choice { host, score, .. } in &candidates {
                    assert!(*score >= best.score - tolerance);
                    assert_eq!(scheduler.score(class, *host), Some(*score), "{search:?}");
                }
                seen += candidates.len();
                drop(scheduler.schedule(class).unwrap());
            }
            assert!(seen > 400, "{search:?}: {seen} candidates in 200 decisions");
        }
    }

    #[test]
    fn nothing_is_near_where_nothing_fits() {
        let mut scheduler = cell(Search::Adaptive);
        let class = scheduler.class(&demand(99_000)).unwrap();
        assert_eq!(scheduler.candidates(class, i64::MAX, 8), []);
        let small = scheduler.class(&demand(1)).unwrap();
        assert_eq!(scheduler.candidates(small, 0, 0).len(), 1);
    }
}
