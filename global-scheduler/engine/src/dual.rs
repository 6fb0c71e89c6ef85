//! Dual ascent: prices that prove a lower bound, by the volume algorithm.
//!
//! The demand of each item is relaxed with a price. What is left falls apart into one continuous knapsack a site, whose critical
//! item gives the prices of the site's resources (several resources are first weighed together, by weights that follow what is
//! scarce). The volume algorithm (Barahona and Anbil, 2000) moves the prices along an average of the violations seen, whose
//! weights also average the openings into an estimate of the linear relaxation's solution.

use std::sync::Arc;

use rayon::prelude::*;

use crate::certificate::{Fixing, Multipliers};
use crate::model::Model;

/// An item that a site would serve: its reduced cost, and the share that the site takes of it.
#[derive(Clone, Copy)]
struct Wanted {
    item: u32,
    reduced: f64,
    usage: f64,
    /// The reduced cost for a unit of usage: what pays most is least.
    ratio: f64,
    share: f64,
}

#[derive(Default)]
struct SiteState {
    /// What the site would serve of each item that it would serve.
    served: Vec<(u32, f64)>,
    /// The worth of opening the site: negative if it pays.
    value: f64,
    /// How much each resource weighs.
    weights: Vec<f64>,
    /// The prices of the resources.
    prices: Vec<f64>,
    /// What a unit of weighed usage was worth when the site was last filled.
    worth: f64,
    is_open: bool,
}

/// The costs of a model by site, so that a site reads its own one after another.
pub(crate) struct Columns(Vec<f64>);

impl Columns {
    pub(crate) fn new(model: &Model) -> Arc<Columns> {
        let items = model.items();
        let mut costs = vec![f64::INFINITY; items * model.sites()];
        let fill = |(site, column): (usize, &mut [f64])| {
            for (item, cost) in column.iter_mut().enumerate() {
                *cost = model.cost(item, site);
            }
        };
        costs.par_chunks_mut(items.max(1)).enumerate().with_min_len(16).for_each(fill);
        Arc::new(Columns(costs))
    }

    fn of(&self, site: usize, items: usize) -> &[f64] {
        &self.0[site * items..(site + 1) * items]
    }
}

/// Dual ascent on one model, under fixings of sites.
pub(crate) struct Dual<'m> {
    model: &'m Model,
    columns: Arc<Columns>,
    fixings: Vec<Fixing>,
    states: Vec<SiteState>,
    /// The best prices so far and what they prove.
    best: Arc<Multipliers>,
    best_bound: f64,
    best_values: Vec<f64>,
    /// Which sites are open by the best prices.
    best_open: Vec<bool>,
    /// The prices last tried, and their outcome.
    prices: Vec<f64>,
    violation: Vec<f64>,
    average: Vec<f64>,
    openness: Vec<f64>,
    step: f64,
    idle: u32,
    iterations: u64,
}

impl<'m> Dual<'m> {
    /// Starts at the prices of a parent, or where each item pays for its cheapest site filled with its like.
    pub(crate) fn new(model: &'m Model, fixings: Vec<Fixing>, start: Option<&Multipliers>) -> Dual<'m> {
        Dual::with_columns(model, Columns::new(model), fixings, start)
    }

    /// The same with columns that are at hand.
    pub(crate) fn with_columns(
        model: &'m Model,
        columns: Arc<Columns>,
        fixings: Vec<Fixing>,
        start: Option<&Multipliers>,
    ) -> Dual<'m> {
        let prices = match start {
            Some(start) => start.item.clone(),
            None => (0..model.items()).map(|item| first_price(model, item)).collect(),
        };
        let states = (0..model.sites()).map(|site| SiteState::new(model, site)).collect();
        let mut dual = Dual {
            model,
            columns,
            fixings,
            states,
            best: Arc::new(Multipliers::default()),
            best_bound: f64::NEG_INFINITY,
            best_values: Vec::new(),
            best_open: Vec::new(),
            prices,
            violation: vec![0.0; model.items()],
            average: Vec::new(),
            openness: Vec::new(),
            step: 0.3,
            idle: 0,
            iterations: 0,
        };
        let bound = dual.evaluate();
        dual.average.clone_from(&dual.violation);
        dual.openness = dual.states.iter().map(|state| f64::from(u8::from(state.is_open))).collect();
        dual.keep(bound);
        dual
    }

    /// One step towards better prices, given the cost of the best plan known.
    pub(crate) fn step(&mut self, upper: f64) {
        self.iterations += 1;
        let norm: f64 = self.average.iter().map(|violation| violation * violation).sum();
        // A goal not far above the bound: a plan that is still poor would make steps too long.
        let near = 0.05 * self.best_bound.abs().max(0.2 * upper.abs());
        let reach = (1.02 * upper - self.best_bound).min(near).max(1e-6 * upper.abs().max(1.0));
        let length = if norm > 1e-12 { self.step * reach / norm } else { 0.0 };
        for item in 0..self.prices.len() {
            let price = self.best.item[item] + length * self.average[item];
            self.prices[item] = price.min(self.model.unserved(item));
        }
        let bound = self.evaluate();
        let along: f64 = self.violation.iter().zip(&self.average).map(|(now, average)| now * average).sum();
        let weight = self.blend(norm, along);
        for (average, now) in self.average.iter_mut().zip(&self.violation) {
            *average += weight * (now - *average);
        }
        for (openness, state) in self.openness.iter_mut().zip(&self.states) {
            *openness += weight * (f64::from(u8::from(state.is_open)) - *openness);
        }
        if bound > self.best_bound + 1e-9 * self.best_bound.abs() {
            if along > 0.0 {
                self.step = (self.step * 1.1).min(2.0);
            }
            self.idle = 0;
            self.keep(bound);
        } else {
            self.idle += 1;
            if self.idle >= 15 {
                self.step = (self.step * 0.75).max(1e-5);
                self.idle = 0;
            }
        }
    }

    /// Takes longer steps again, as when a better plan has become known.
    pub(crate) fn restart(&mut self) {
        self.step = self.step.max(0.1);
        self.idle = 0;
    }

    /// The weight of the newest violation that makes the average shortest, within bounds.
    fn blend(&self, norm: f64, along: f64) -> f64 {
        let most = if self.iterations < 200 { 0.1 } else { 0.05 };
        let newest: f64 = self.violation.iter().map(|violation| violation * violation).sum();
        let apart = norm + newest - 2.0 * along;
        if apart <= 1e-12 {
            return most;
        }
        ((norm - along) / apart).clamp(most / 10.0, most)
    }

    fn keep(&mut self, bound: f64) {
        self.best_bound = bound;
        let site = self.states.iter().flat_map(|state| state.prices.iter().copied());
        self.best = Arc::new(Multipliers { item: self.prices.clone(), site: site.collect() });
        self.best_open.clear();
        self.best_open.extend(self.states.iter().map(|state| state.is_open));
        self.best_values.clear();
        self.best_values.extend(self.states.iter().map(|state| state.value));
    }

    /// What the current prices prove; leaves the violations and the sites' values behind.
    fn evaluate(&mut self) -> f64 {
        let mut bound: f64 = self.prices.iter().sum();
        let (model, fixings, columns, prices) = (self.model, &self.fixings, &self.columns, &self.prices);
        let fill = |wanted: &mut Vec<Wanted>, (site, state): (usize, &mut SiteState)| {
            state.fill(model, site, fixings[site], columns.of(site, model.items()), prices, wanted);
        };
        if model.sites() * model.items() > 50_000 {
            let states = self.states.par_iter_mut().enumerate().with_min_len(16);
            states.for_each_init(Vec::new, fill);
        } else {
            let mut wanted = Vec::new();
            self.states.iter_mut().enumerate().for_each(|state| fill(&mut wanted, state));
        }
        self.violation.fill(1.0);
        for state in self.states.iter().filter(|state| state.is_open) {
            bound += state.value;
            for (item, share) in &state.served {
                self.violation[*item as usize] -= share;
            }
        }
        for (item, violation) in self.violation.iter_mut().enumerate() {
            // An item that costs as much as leaving it is left.
            if *violation > 0.0 && self.prices[item] >= self.model.unserved(item) {
                *violation = 0.0;
            }
        }
        bound
    }

    pub(crate) fn columns(&self) -> &Arc<Columns> {
        &self.columns
    }

    pub(crate) fn model(&self) -> &'m Model {
        self.model
    }

    pub(crate) fn bound(&self) -> f64 {
        self.best_bound
    }

    pub(crate) fn best(&self) -> &Arc<Multipliers> {
        &self.best
    }

    /// For each site, by the best prices, how much the bound rises if it is kept closed (if negative) or open (if positive).
    pub(crate) fn values(&self) -> &[f64] {
        &self.best_values
    }

    /// What the best prices prove of plans that open these sites and no others.
    pub(crate) fn bound_with(&self, open: &[bool]) -> f64 {
        let mut bound = self.best_bound;
        for ((value, counted), open) in self.best_values.iter().zip(&self.best_open).zip(open) {
            match (counted, open) {
                (false, true) => bound += value,
                (true, false) => bound -= value,
                _ => {}
            }
        }
        bound
    }

    pub(crate) fn fixings(&self) -> &[Fixing] {
        &self.fixings
    }

    /// Fixes a site: the proof of the other case is at hand.
    pub(crate) fn fix(&mut self, site: usize, fixing: Fixing) {
        self.fixings[site] = fixing;
    }

    /// How open each site is in the linear relaxation, about.
    pub(crate) fn openness(&self) -> &[f64] {
        &self.openness
    }

    /// Which sites are open by the prices last tried.
    pub(crate) fn open_now(&self) -> impl Iterator<Item = bool> + '_ {
        self.states.iter().map(|state| state.is_open)
    }

    /// Whether the average violates next to nothing, so that the bound is about as good as it gets.
    pub(crate) fn has_converged(&self) -> bool {
        self.step <= 1e-4
    }
}

impl SiteState {
    fn new(model: &Model, site: usize) -> SiteState {
        let weigh = |capacity: &f64| if *capacity > 0.0 { 1.0 / capacity } else { 0.0 };
        SiteState { weights: model.capacity(site).iter().map(weigh).collect(), ..SiteState::default() }
    }

    /// Fills the site with what pays most for its weighed usage.
    fn fill(
        &mut self,
        model: &Model,
        site: usize,
        fixing: Fixing,
        costs: &[f64],
        prices: &[f64],
        wanted: &mut Vec<Wanted>,
    ) {
        let weighed = |amounts: &[f64]| -> f64 {
            amounts.iter().zip(&self.weights).map(|(amount, weight)| amount * weight).sum()
        };
        let capacity = weighed(model.capacity(site));
        wanted.clear();
        let mut asked = 0.0;
        if fixing != Fixing::Closed {
            // Most of what would pay at an empty site does not pay at a full one: if what is worth nearly as much as the last
            // time fills the site, nothing else is looked at.
            for worth in [0.75 * self.worth, 0.0] {
                wanted.clear();
                asked = 0.0;
                for (item, (cost, price)) in costs.iter().zip(prices).enumerate() {
                    let reduced = cost - price;
                    if reduced >= 0.0 {
                        continue;
                    }
                    let usage = weighed(model.usage(item, site));
                    if reduced + worth * usage < 0.0 {
                        asked += usage;
                        wanted.push(Wanted { item: item as u32, reduced, usage, ratio: 0.0, share: 1.0 });
                    }
                }
                if worth <= 0.0 || asked > capacity {
                    break;
                }
            }
        }
        self.worth = if asked > capacity { fill_up(wanted, capacity) } else { 0.0 };
        self.prices.clear();
        self.prices.extend(self.weights.iter().map(|weight| weight * self.worth));
        self.value =
            model.opening(site) + wanted.iter().map(|wanted| wanted.reduced * wanted.share).sum::<f64>();
        self.served.clear();
        let served = wanted.iter().filter(|wanted| wanted.share > 0.0);
        self.served.extend(served.map(|wanted| (wanted.item, wanted.share)));
        self.is_open = match fixing {
            Fixing::Free => self.value < 0.0,
            Fixing::Open => true,
            Fixing::Closed => false,
        };
        if self.weights.len() > 1 && asked > capacity {
            self.reweigh(model, site);
        }
    }

    /// Lets the resources that run out first weigh more.
    fn reweigh(&mut self, model: &Model, site: usize) {
        let mut used = vec![0.0; self.weights.len()];
        for (item, share) in &self.served {
            for (used, usage) in used.iter_mut().zip(model.usage(*item as usize, site)) {
                *used += usage * share;
            }
        }
        let shares = used
            .iter()
            .zip(model.capacity(site))
            .map(|(used, has)| if *has > 0.0 { used / has } else { 0.0 });
        let shares: Vec<f64> = shares.collect();
        for (resource, share) in shares.iter().enumerate() {
            self.weights[resource] *= (0.2 * (share - 1.0).clamp(-1.0, 1.0)).exp();
        }
    }
}

/// Serves what pays most until the site is full, and tells what a unit more would be worth. Only the items around the one that
/// fits in part are put in order.
fn fill_up(all: &mut [Wanted], capacity: f64) -> f64 {
    for wanted in all.iter_mut() {
        // What takes nothing comes first.
        wanted.ratio = wanted.reduced / wanted.usage.max(1e-300);
    }
    let order = |a: &Wanted, b: &Wanted| a.ratio.total_cmp(&b.ratio).then(a.item.cmp(&b.item));
    let (mut from, mut to, mut left) = (0, all.len(), capacity);
    while to - from > 24 {
        let middle = (to - from) / 2;
        let (first, _, _) = all[from..to].select_nth_unstable_by(middle, order);
        let asked: f64 = first.iter().map(|wanted| wanted.usage).sum();
        if asked > left {
            to = from + middle;
        } else {
            left -= asked;
            from += middle;
        }
    }
    all[from..to].sort_unstable_by(order);
    all[to..].iter_mut().for_each(|wanted| wanted.share = 0.0);
    let mut price = None;
    for wanted in &mut all[from..to] {
        if wanted.usage > left {
            price.get_or_insert(-wanted.ratio);
            wanted.share = (left / wanted.usage).max(0.0);
            left = 0.0;
        } else {
            left -= wanted.usage;
        }
    }
    // By rounding alone the last of these may fit after all.
    price.or(all.get(to).map(|next| -next.ratio)).unwrap_or(0.0)
}

fn first_price(model: &Model, item: usize) -> f64 {
    let rate = |site: u32| {
        let site = site as usize;
        let shares = model.usage(item, site).iter().zip(model.capacity(site));
        let share =
            shares.map(|(usage, has)| if *usage > 0.0 { usage / has } else { 0.0 }).fold(0.0, f64::max);
        model.cost(item, site) + model.opening(site) * share.min(1.0)
    };
    let least = model.candidates(item).iter().map(|site| rate(*site)).fold(f64::INFINITY, f64::min);
    least.min(model.unserved(item))
}
