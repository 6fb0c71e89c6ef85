//! Local search over which sites are open, where items may be divided: each set is judged by its best division.
//!
//! A site is closed, opened, or takes another's place. Most choices are left out by bounds: those of the prices from dual ascent,
//! and those of the prices of the division at hand.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::certificate::Fixing;
use crate::dual::Dual;
use crate::model::Model;
use crate::transport::Transport;

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

    /// Goes down until no change of one or two sites helps, or `stop` says so.
    pub(crate) fn descend(&mut self, bounds: &SetBounds, random: &mut ChaCha8Rng, stop: &dyn Fn() -> bool) {
        let may_open = |site: &usize| bounds.fixings[*site] != Fixing::Closed;
        let mut sites: Vec<usize> = (0..self.model.sites()).filter(may_open).collect();
        // How many sites in a row have not helped.
        let mut idle = 0;
        sites.shuffle(random);
        while !stop() && self.close_one(bounds) {}
        while idle < sites.len() {
            for site in &sites {
                if stop() || idle >= sites.len() {
                    return;
                }
                if !self.open[*site] && self.open_one(*site, bounds) {
                    while !stop() && self.close_one(bounds) {}
                    idle = 0;
                } else {
                    idle += 1;
                }
            }
        }
    }

    /// Closes the site whose closing saves most.
    fn close_one(&mut self, bounds: &SetBounds) -> bool {
        let proven = bounds.of(&self.open);
        let goal = self.goal();
        match self.closed(&self.best, proven, goal, bounds) {
            Some(division) => self.offer(division),
            None => false,
        }
    }

    /// The best division with one open site less, if it costs less than a goal. `proven` is what prices prove of the open sites.
    fn closed(
        &self,
        from: &Transport<'m>,
        proven: f64,
        mut goal: f64,
        bounds: &SetBounds,
    ) -> Option<Transport<'m>> {
        let mut choices = from.bounds_without();
        choices.retain(|(site, bound)| {
            let may_close = bounds.fixings[*site] != Fixing::Open;
            may_close && *bound < goal && proven - bounds.values[*site] < goal
        });
        choices.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        let mut best = None;
        for (site, bound) in choices {
            if bound >= goal {
                break;
            }
            let mut division = from.clone();
            division.close(site);
            let cost = division.objective();
            if cost < goal {
                goal = cost;
                best = Some(division);
            }
        }
        best
    }

    /// Opens a site, alone or in the place of another.
    fn open_one(&mut self, site: usize, bounds: &SetBounds) -> bool {
        let proven = bounds.of(&self.open) + bounds.values[site];
        let least = self.best.open_sites().map(|other| -bounds.values[other]).fold(0.0, f64::min);
        if proven + least >= self.goal() {
            return false;
        }
        let mut division = self.best.clone();
        division.open(site);
        if division.is_idle(site) {
            return false;
        }
        let goal = self.goal().min(division.objective());
        let better = self.closed(&division, proven, goal, bounds);
        self.offer(better.unwrap_or(division))
    }

    /// Opens and closes some sites at random and goes down from there; keeps what is better.
    pub(crate) fn kick(
        &mut self,
        strength: usize,
        bounds: &SetBounds,
        random: &mut ChaCha8Rng,
        stop: &dyn Fn() -> bool,
    ) -> bool {
        let is_free = |site: &usize| bounds.fixings[*site] == Fixing::Free;
        let (open, mut closed): (Vec<usize>, Vec<usize>) =
            (0..self.model.sites()).filter(is_free).partition(|site| self.open[*site]);
        if open.is_empty() || closed.is_empty() {
            return false;
        }
        // Those whose opening costs the bound least come first.
        closed.sort_by(|a, b| bounds.values[*a].total_cmp(&bounds.values[*b]).then(a.cmp(b)));
        closed.truncate(3 * open.len().max(4));
        let mut other = OpenSearch {
            model: self.model,
            best: self.best.clone(),
            cost: self.cost,
            open: self.open.clone(),
            sets: Vec::new(),
        };
        for _ in 0..strength {
            let opens = closed[random.random_range(0..closed.len())];
            let closes = open[random.random_range(0..open.len())];
            if !other.open[opens] && other.open[closes] {
                other.best.open(opens);
                other.best.close(closes);
                (other.open[opens], other.open[closes]) = (true, false);
            }
        }
        other.cost = other.best.objective();
        other.close_idle();
        other.descend(bounds, random, stop);
        self.offer(other.best)
    }
}
