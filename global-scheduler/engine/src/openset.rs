//! Local search over which sites are open, where items may be divided: each set is judged by its best division.
//!
//! A site is closed, opened, or takes another's place. Changes are tried in the order of what they promise: prices prove what
//! each costs at least, both those from dual ascent and those of the division at hand.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::certificate::Fixing;
use crate::dual::Dual;
use crate::model::Model;
use crate::transport::{Change, Transport};

/// What counts as better, as a share of the cost.
const LEAST_GAIN: f64 = 1e-9;

/// How many of the best sets of open sites are remembered.
const REMEMBERED: usize = 4;

/// What prices prove of each set of open sites: a base, and a value for each site that is open.
pub(crate) struct SetBounds {
    base: f64,
    values: Vec<f64>,
    /// Sites that are decided.
    fixings: Vec<Fixing>,
}

impl SetBounds {
    /// Sites whose other choice would cost a goal or more are decided.
    pub(crate) fn new(dual: &Dual<'_>, goal: f64) -> SetBounds {
        let values = dual.values().to_vec();
        let base = dual.bound_with(&vec![false; values.len()]);
        let mut fixings = dual.fixings().to_vec();
        for (fixing, value) in fixings.iter_mut().zip(&values) {
            if *fixing == Fixing::Free && dual.bound() + value.abs() >= goal {
                *fixing = if *value > 0.0 { Fixing::Closed } else { Fixing::Open };
            }
        }
        SetBounds { base, values, fixings }
    }

    fn of(&self, open: &[bool]) -> f64 {
        self.base
            + self.values.iter().zip(open).filter(|(_, open)| **open).map(|(value, _)| value).sum::<f64>()
    }
}

/// The best set of open sites so far, with its division.
pub(crate) struct OpenSearch<'m> {
    model: &'m Model,
    best: Transport<'m>,
    cost: f64,
    open: Vec<bool>,
    sets: Vec<(f64, Vec<bool>)>,
}

impl<'m> OpenSearch<'m> {
    /// Starts with the division among sites that are open.
    pub(crate) fn new(model: &'m Model, open: &[bool]) -> OpenSearch<'m> {
        let best = Transport::solve(model, |site| open[site]);
        let cost = best.objective();
        let mut search = OpenSearch { model, best, cost, open: open.to_vec(), sets: Vec::new() };
        search.close_idle();
        search.remember();
        search
    }

    pub(crate) fn cost(&self) -> f64 {
        self.cost
    }

    pub(crate) fn division(&self) -> &Transport<'m> {
        &self.best
    }

    /// The best sets with their costs, best first.
    pub(crate) fn sets(&self) -> &[(f64, Vec<bool>)] {
        &self.sets
    }

    fn goal(&self) -> f64 {
        self.cost - LEAST_GAIN * self.cost.abs()
    }

    /// Takes a division if it is better.
    pub(crate) fn offer(&mut self, division: Transport<'m>) -> bool {
        let cost = division.objective();
        if cost >= self.goal() {
            return false;
        }
        self.best = division;
        self.cost = cost;
        self.open.fill(false);
        for site in self.best.open_sites() {
            self.open[site] = true;
        }
        self.close_idle();
        self.remember();
        true
    }

    /// A site that serves nothing costs nothing here, and is in the way.
    fn close_idle(&mut self) {
        let idle: Vec<usize> = self.best.open_sites().filter(|site| self.best.is_idle(*site)).collect();
        for site in idle {
            self.best.close(site);
            self.open[site] = false;
        }
    }

    fn remember(&mut self) {
        self.sets.insert(0, (self.cost, self.open.clone()));
        self.sets.truncate(REMEMBERED);
    }

    /// Goes down until none of the likeliest changes of one or two sites helps, or `stop` says so.
    pub(crate) fn descend(&mut self, bounds: &SetBounds, tries: usize, stop: &dyn Fn() -> bool) {
        while !stop() && self.change(bounds, tries) {}
    }

    /// Makes the first change that helps, those that promise most first.
    fn change(&mut self, bounds: &SetBounds, tries: usize) -> bool {
        let goal = self.goal();
        let may_open = |site: &usize| !self.open[*site] && bounds.fixings[*site] != Fixing::Closed;
        let closed: Vec<usize> = (0..self.model.sites()).filter(may_open).collect();
        let proven = bounds.of(&self.open);
        let is_likely = |change: &Change| {
            let may_close = change.close.is_none_or(|site| bounds.fixings[site] != Fixing::Open);
            let more = change.open.map_or(0.0, |site| bounds.values[site]);
            let less = change.close.map_or(0.0, |site| bounds.values[site]);
            may_close && change.bound < goal && proven + more - less < goal
        };
        let mut changes = self.best.changes(&closed);
        changes.retain(is_likely);
        let order = |a: &Change, b: &Change| {
            a.bound.total_cmp(&b.bound).then((a.close, a.open).cmp(&(b.close, b.open)))
        };
        if changes.len() > tries {
            changes.select_nth_unstable_by(tries, order);
            changes.truncate(tries);
        }
        changes.sort_by(order);
        for change in changes {
            let mut division = self.best.clone();
            if let Some(site) = change.open {
                division.open(site);
            }
            if let Some(site) = change.close {
                division.close(site);
            }
            if self.offer(division) {
                return true;
            }
        }
        false
    }

    /// Opens and closes some sites at random and goes down from there; keeps what is better.
    pub(crate) fn kick(
        &mut self,
        strength: usize,
        bounds: &SetBounds,
        tries: usize,
        random: &mut ChaCha8Rng,
        stop: &dyn Fn() -> bool,
    ) -> bool {
        let is_free = |site: &usize| bounds.fixings[*site] == Fixing::Free;
        let (mut open, mut closed): (Vec<usize>, Vec<usize>) =
            (0..self.model.sites()).filter(is_free).partition(|site| self.open[*site]);
        if open.is_empty() || closed.is_empty() {
            return false;
        }
        // Those whose opening costs the bound least come first, and so do those whose closing does.
        closed.sort_by(|a, b| bounds.values[*a].total_cmp(&bounds.values[*b]).then(a.cmp(b)));
        open.sort_by(|a, b| bounds.values[*b].total_cmp(&bounds.values[*a]).then(a.cmp(b)));
        let mut early = |choices: &[usize]| {
            let share: f64 = random.random();
            choices[(share * share * choices.len() as f64) as usize]
        };
        let mut other = OpenSearch {
            model: self.model,
            best: self.best.clone(),
            cost: self.cost,
            open: self.open.clone(),
            sets: Vec::new(),
        };
        for _ in 0..strength {
            let (opens, closes) = (early(&closed), early(&open));
            if !other.open[opens] && other.open[closes] {
                other.best.open(opens);
                other.best.close(closes);
                (other.open[opens], other.open[closes]) = (true, false);
            }
        }
        other.cost = other.best.objective();
        other.close_idle();
        other.descend(bounds, tries, stop);
        self.offer(other.best)
    }

    /// Goes down from a set drawn by how open each site is in the linear relaxation; keeps what is better.
    pub(crate) fn draw(
        &mut self,
        openness: &[f64],
        bounds: &SetBounds,
        tries: usize,
        random: &mut ChaCha8Rng,
        stop: &dyn Fn() -> bool,
    ) -> bool {
        let open: Vec<bool> = openness.iter().map(|share| *share > random.random::<f64>()).collect();
        let mut other = OpenSearch::new(self.model, &open);
        other.descend(bounds, tries, stop);
        self.offer(other.best)
    }
}
