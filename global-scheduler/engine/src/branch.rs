//! Branch and bound over open and closed sites, for models whose items may all be divided.
//!
//! Each case is bounded by dual ascent and solved exactly once all of its sites are decided. A site whose other choice would
//! cost more than the best plan known is fixed; the prices that say so are the proof of the case that is left out.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::assignment::Assignment;
use crate::budget::Budget;
use crate::certificate::{Certificate, Fixing, Multipliers};
use crate::dual::Dual;
use crate::model::Model;
use crate::transport::Transport;

/// A case is closed when its bound is within this share of the best plan.
const CLOSE: f64 = 1e-7;

/// How many of the best sets of open sites are remembered.
const REMEMBERED: usize = 4;

/// How a search begins and how much it does in each case.
pub(crate) struct Search<'a> {
    /// Open sites of a plan.
    pub(crate) open: Option<Vec<bool>>,
    /// Prices of items.
    pub(crate) prices: Option<&'a Multipliers>,
    /// Steps of dual ascent in the first case and in the others.
    pub(crate) steps: (u32, u32),
}

/// What a search found.
pub(crate) struct Found {
    /// The best division.
    pub(crate) plan: Assignment,
    /// The best sets of open sites with their costs, best first.
    pub(crate) sets: Vec<(f64, Vec<bool>)>,
    /// The proof of a bound.
    pub(crate) certificate: Certificate,
}

struct Branching<'m, 'b> {
    model: &'m Model,
    budget: &'b Budget<'b>,
    steps: (u32, u32),
    best: f64,
    plan: Assignment,
    open: Vec<bool>,
    sets: Vec<(f64, Vec<bool>)>,
    /// The open sets that were solved already.
    seen: FxHashSet<Vec<bool>>,
    root: f64,
}

/// Finds the best division and proves a bound, as far as the budget goes.
pub(crate) fn branch(model: &Model, budget: &Budget<'_>, search: Search<'_>) -> Found {
    let start = search.open.unwrap_or_else(|| enough(model));
    let first = Transport::solve(model, |site| start[site]);
    let mut branching = Branching {
        model,
        budget,
        steps: search.steps,
        best: first.objective(),
        plan: first.assignment(),
        sets: vec![(first.objective(), start.clone())],
        open: start,
        seen: FxHashSet::default(),
        root: f64::NEG_INFINITY,
    };
    let dual = Dual::new(model, vec![Fixing::Free; model.sites()], search.prices);
    let certificate = branching.case(dual, 0);
    Found { plan: branching.plan, sets: branching.sets, certificate }
}

/// The sites that are cheapest for their capacity, until they can serve everything with some room.
fn enough(model: &Model) -> Vec<bool> {
    let mut wanted: f64 = 1.3 * (0..model.items()).map(|item| model.usage(item, 0)[0]).sum::<f64>();
    let mut sites: Vec<usize> = (0..model.sites()).collect();
    let rate = |site: usize| model.opening(site) / model.capacity(site)[0].max(1e-9);
    sites.sort_by(|a, b| rate(*a).total_cmp(&rate(*b)).then(a.cmp(b)));
    let mut open = vec![false; model.sites()];
    for site in sites {
        open[site] = wanted > 0.0;
        wanted -= model.capacity(site)[0];
    }
    open
}

impl<'m> Branching<'m, '_> {
    fn goal(&self) -> f64 {
        self.best - CLOSE * self.best.abs()
    }

    /// Solves for a set of open sites, unless that was done or the prices say that it cannot be better.
    fn try_open(&mut self, open: Vec<bool>, dual: &Dual<'_>) -> bool {
        if dual.bound_with(&open) >= self.goal() || self.seen.contains(&open) {
            return false;
        }
        let transport = Transport::solve(self.model, |site| open[site]);
        let objective = transport.objective();
        let is_better = objective < self.best - 1e-9 * self.best.abs();
        if is_better {
            self.best = objective;
            self.plan = transport.assignment();
            self.open.fill(false);
            for portion in self.plan.portions.iter().flatten() {
                self.open[portion.site as usize] = true;
            }
            let (best, root) = (self.best, self.root);
            self.budget.report(best, root);
        }
        self.remember(objective, &open);
        if self.seen.len() < 100_000 {
            self.seen.insert(open);
        }
        is_better
    }

    fn remember(&mut self, objective: f64, open: &[bool]) {
        let place = self.sets.partition_point(|(better, _)| *better <= objective);
        if place < REMEMBERED {
            self.sets.insert(place, (objective, open.to_vec()));
            self.sets.truncate(REMEMBERED);
        }
    }

    /// Opens, closes and exchanges sites that are not decided while that helps.
    fn improve_open(&mut self, dual: &Dual<'_>) {
        let free: Vec<usize> =
            (0..self.model.sites()).filter(|site| dual.fixings()[*site] == Fixing::Free).collect();
        loop {
            let before = self.best;
            for site in free.iter().copied() {
                let mut open = self.open.clone();
                open[site] = !open[site];
                if self.budget.is_over() {
                    return;
                }
                self.try_open(open, dual);
            }
            if self.best < before {
                continue;
            }
            let (open, closed): (Vec<usize>, Vec<usize>) = free.iter().partition(|site| self.open[**site]);
            for from in open {
                for to in &closed {
                    if self.budget.is_over() {
                        return;
                    }
                    if self.open[from] && !self.open[*to] {
                        let mut open = self.open.clone();
                        (open[from], open[*to]) = (false, true);
                        self.try_open(open, dual);
                    }
                }
            }
            if self.best >= before {
                return;
            }
        }
    }

    /// Proves a bound for a case, and finds its best plan.
    fn case(&mut self, mut dual: Dual<'m>, depth: u32) -> Certificate {
        let mut left_out: Vec<(usize, Fixing, Arc<Multipliers>)> = Vec::new();
        let inner = self.inner(&mut dual, depth, &mut left_out);
        // The first site that was fixed is the outermost branch.
        left_out.into_iter().rev().fold(inner, |inner, (site, kept, proof)| {
            let (inner, other) = (Box::new(inner), Box::new(Certificate::Prices(proof)));
            let (closed, open) = if kept == Fixing::Closed { (inner, other) } else { (other, inner) };
            Certificate::Branch { site: site as u32, closed, open }
        })
    }

    fn inner(
        &mut self,
        dual: &mut Dual<'m>,
        depth: u32,
        left_out: &mut Vec<(usize, Fixing, Arc<Multipliers>)>,
    ) -> Certificate {
        let steps = if depth == 0 { self.steps.0 } else { self.steps.1 };
        for step in 0..steps {
            if dual.bound() >= self.goal() || dual.has_converged() || self.budget.is_over() {
                break;
            }
            dual.step(self.best);
            if step % 10 == 9 || depth == 0 && step % 5 == 4 {
                let open = dual.open_now().collect();
                self.try_open(open, dual);
                if depth == 0 {
                    let open = dual.openness().iter().map(|openness| *openness > 0.4).collect();
                    self.try_open(open, dual);
                    self.root = dual.bound();
                }
                self.fix(dual, left_out);
            }
        }
        if depth == 0 && dual.bound() < self.goal() {
            self.improve_open(dual);
            self.fix(dual, left_out);
        }
        if dual.bound() >= self.goal() || self.budget.is_over() {
            return Certificate::Prices(dual.best().clone());
        }
        self.budget.count();
        let free = (0..self.model.sites()).filter(|site| dual.fixings()[*site] == Fixing::Free);
        let doubt = |site: usize| (dual.openness()[site] - 0.5).abs();
        let Some(site) = free.min_by(|a, b| doubt(*a).total_cmp(&doubt(*b))) else {
            return self.decided(dual);
        };
        let mut cases = [Fixing::Closed, Fixing::Open].map(|fixing| {
            let mut fixings = dual.fixings().to_vec();
            fixings[site] = fixing;
            Some(Dual::new(self.model, fixings, Some(dual.best())))
        });
        // The likelier case first: it gives the better plans.
        let order = if dual.openness()[site] > 0.5 { [1, 0] } else { [0, 1] };
        let mut proofs = [None, None];
        for number in order {
            if let Some(case) = cases[number].take() {
                proofs[number] = Some(Box::new(self.case(case, depth + 1)));
            }
        }
        match proofs {
            [Some(closed), Some(open)] => Certificate::Branch { site: site as u32, closed, open },
            _ => Certificate::Prices(dual.best().clone()),
        }
    }

    /// All sites are decided: the case is a transportation problem.
    fn decided(&mut self, dual: &Dual<'m>) -> Certificate {
        let open: Vec<bool> = dual.fixings().iter().map(|fixing| *fixing == Fixing::Open).collect();
        let prices = Transport::solve(self.model, |site| open[site]).prices();
        self.try_open(open, dual);
        Certificate::Prices(Arc::new(prices))
    }

    /// Fixes the sites whose other choice cannot be better than the best plan.
    fn fix(&self, dual: &mut Dual<'m>, left_out: &mut Vec<(usize, Fixing, Arc<Multipliers>)>) {
        let goal = self.goal();
        let values = dual.values().to_vec();
        for (site, value) in values.into_iter().enumerate() {
            if dual.fixings()[site] == Fixing::Free
                && dual.bound() + value.abs() >= goal
                && dual.bound() < goal
            {
                let kept = if value > 0.0 { Fixing::Closed } else { Fixing::Open };
                left_out.push((site, kept, dual.best().clone()));
                dual.fix(site, kept);
            }
        }
    }
}
