//! Local search through overloaded plans, for instances whose capacities are tight.
//!
//! Overload is allowed at a price that rises where it stays and falls where there is none (after Yagiura, Ibaraki and Glover,
//! 2004). Moves are shifts, swaps, and chains: an item goes where it pushes another one out, which goes on to a third site.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::model::{Model, most};
use crate::state::NOWHERE;

/// How many sites an item may go to: those that are cheapest with the prices of resources.
const CHOICES: usize = 16;

/// The most items for which chains are tried.
const MOST_FOR_CHAINS: usize = 400;

/// Searches from a plan, which may overload sites, until `stop` says so or the rounds are over, and returns the best feasible plan with its cost.
pub(crate) fn exchange(
    model: &Model,
    start: &[u32],
    prices: &[f64],
    rounds: u64,
    random: &mut ChaCha8Rng,
    stop: &dyn Fn() -> bool,
) -> Option<(f64, Vec<u32>)> {
    let mut search = Search::new(model, start, prices);
    let mut best: Option<(f64, Vec<u32>)> = None;
    let mut kept = (search.total(), search.site.clone());
    for round in 0..rounds {
        search.descend(stop);
        let is_feasible = search.is_feasible();
        let cost = search.plain_cost();
        if is_feasible && best.as_ref().is_none_or(|(least, _)| cost < least - 1e-9 * least.abs()) {
            best = Some((cost, search.site.clone()));
            kept = (search.total(), search.site.clone());
        }
        if stop() {
            break;
        }
        search.adapt(is_feasible, if best.is_some() { 1.15 } else { 1.7 });
        // Back to the best plan now and then, at today's prices of overload.
        if round % 24 == 23 {
            search.load_from(best.as_ref().map_or(&kept.1, |(_, site)| site));
        }
        search.kick(random);
    }
    best
}

struct Search<'m> {
    model: &'m Model,
    site: Vec<u32>,
    members: Vec<Vec<u32>>,
    place: Vec<u32>,
    load: Vec<f64>,
    /// The price of overload by the unit, for each resource of each site.
    penalty: Vec<f64>,
    choices: Vec<Vec<u32>>,
}

impl<'m> Search<'m> {
    fn new(model: &'m Model, start: &[u32], prices: &[f64]) -> Search<'m> {
        let resources = model.resources();
        let priced = |item: usize, site: u32| {
            let site = site as usize;
            let prices = &prices[site * resources..(site + 1) * resources];
            let extra: f64 =
                model.usage(item, site).iter().zip(prices).map(|(usage, price)| usage * price).sum();
            model.cost(item, site) + extra
        };
        // Opening sites is for others to decide: what is tried here is how items share those that are open.
        let mut may: Vec<bool> = (0..model.sites()).map(|site| model.opening(site) <= 0.0).collect();
        for site in start.iter().filter(|site| **site != NOWHERE) {
            may[*site as usize] = true;
        }
        let choices = (0..model.items()).map(|item| {
            let open = model.candidates(item).iter().filter(|site| may[**site as usize]);
            let mut sites: Vec<u32> = open.copied().collect();
            sites.sort_by(|a, b| priced(item, *a).total_cmp(&priced(item, *b)).then(a.cmp(b)));
            sites.truncate(CHOICES);
            sites
        });
        let choices: Vec<Vec<u32>> = choices.collect();
        // What a unit costs on the whole is where prices of overload begin.
        let mut rate = (0.0, 0.0);
        for item in 0..model.items() {
            if let Some(site) = model.candidates(item).first() {
                rate.0 += model.cost(item, *site as usize).abs();
                rate.1 += model.usage(item, *site as usize).iter().sum::<f64>();
            }
        }
        let floor = if rate.1 > 0.0 { rate.0 / rate.1 } else { 1.0 };
        let penalty = prices.iter().map(|price| price.max(0.3 * floor).max(1e-6)).collect();
        let mut search = Search {
            model,
            site: Vec::new(),
            members: Vec::new(),
            place: Vec::new(),
            load: Vec::new(),
            penalty,
            choices,
        };
        search.load_from(start);
        search
    }

    fn load_from(&mut self, sites: &[u32]) {
        let model = self.model;
        self.site = vec![NOWHERE; model.items()];
        self.members = vec![Vec::new(); model.sites()];
        self.place = vec![0; model.items()];
        self.load = vec![0.0; model.sites() * model.resources()];
        for (item, site) in sites.iter().enumerate() {
            self.put(item, *site);
        }
    }

    fn put(&mut self, item: usize, site: u32) {
        self.site[item] = site;
        if site == NOWHERE {
            return;
        }
        let at = site as usize;
        self.place[item] = self.members[at].len() as u32;
        self.members[at].push(item as u32);
        let resources = self.model.resources();
        for (load, usage) in self.load[at * resources..].iter_mut().zip(self.model.usage(item, at)) {
            *load += usage;
        }
    }

    fn take(&mut self, item: usize) {
        let site = std::mem::replace(&mut self.site[item], NOWHERE);
        if site == NOWHERE {
            return;
        }
        let at = site as usize;
        let place = self.place[item] as usize;
        self.members[at].swap_remove(place);
        if let Some(moved) = self.members[at].get(place) {
            self.place[*moved as usize] = place as u32;
        }
        let resources = self.model.resources();
        let is_empty = self.members[at].is_empty();
        for (load, usage) in self.load[at * resources..].iter_mut().zip(self.model.usage(item, at)) {
            *load = if is_empty { 0.0 } else { *load - usage };
        }
    }

    fn cost(&self, item: usize, site: u32) -> f64 {
        if site == NOWHERE { self.model.unserved(item) } else { self.model.cost(item, site as usize) }
    }

    /// The price of overload at a site if one item comes and another goes.
    fn overload(&self, site: u32, comes: Option<usize>, goes: Option<usize>) -> f64 {
        if site == NOWHERE {
            return 0.0;
        }
        let at = site as usize;
        let resources = self.model.resources();
        let mut price = 0.0;
        for resource in 0..resources {
            let place = at * resources + resource;
            let mut load = self.load[place];
            if let Some(item) = comes {
                load += self.model.usage(item, at)[resource];
            }
            if let Some(item) = goes {
                load -= self.model.usage(item, at)[resource];
            }
            let over = load - most(self.model.capacity(at)[resource]);
            if over > 0.0 {
                price += over * self.penalty[place];
            }
        }
        let count = self.members[at].len() + usize::from(comes.is_some()) - usize::from(goes.is_some());
        if count > 0 { price + self.model.opening(at) } else { price }
    }

    /// What leaving saves.
    fn leaving(&self, item: usize) -> f64 {
        let from = self.site[item];
        self.cost(item, from) + self.overload(from, None, None) - self.overload(from, None, Some(item))
    }

    /// What coming costs.
    fn coming(&self, item: usize, to: u32) -> f64 {
        self.cost(item, to) + self.overload(to, Some(item), None) - self.overload(to, None, None)
    }

    fn total(&self) -> f64 {
        let costs: f64 = self.site.iter().enumerate().map(|(item, site)| self.cost(item, *site)).sum();
        costs + (0..self.model.sites() as u32).map(|site| self.overload(site, None, None)).sum::<f64>()
    }

    fn plain_cost(&self) -> f64 {
        let costs: f64 = self.site.iter().enumerate().map(|(item, site)| self.cost(item, *site)).sum();
        let open = (0..self.model.sites()).filter(|site| !self.members[*site].is_empty());
        costs + open.map(|site| self.model.opening(site)).sum::<f64>()
    }

    fn excess(&self, place: usize) -> f64 {
        let resources = self.model.resources();
        self.load[place] - most(self.model.capacity(place / resources)[place % resources])
    }

    fn is_feasible(&self) -> bool {
        (0..self.load.len()).all(|place| self.excess(place) <= 0.0)
    }

    fn descend(&mut self, stop: &dyn Fn() -> bool) {
        let least = 1e-9 * self.total().abs().max(1e-3);
        loop {
            let mut has_moved = false;
            for item in 0..self.site.len() {
                has_moved |= self.shift(item, least);
            }
            if !has_moved {
                for item in 0..self.site.len() {
                    has_moved |= self.swap(item, least);
                }
            }
            if !has_moved && self.site.len() <= MOST_FOR_CHAINS {
                for item in 0..self.site.len() {
                    has_moved |= self.chain(item, least);
                }
            }
            if !has_moved || stop() {
                return;
            }
        }
    }

    fn shift(&mut self, item: usize, least: f64) -> bool {
        let from = self.site[item];
        let (mut best, mut to) = (self.leaving(item) - least, None);
        if from != NOWHERE && self.model.unserved(item) < best {
            (best, to) = (self.model.unserved(item), Some(NOWHERE));
        }
        for site in &self.choices[item] {
            if *site != from && self.cost(item, *site) < best {
                let coming = self.coming(item, *site);
                if coming < best {
                    (best, to) = (coming, Some(*site));
                }
            }
        }
        let Some(to) = to else { return false };
        self.take(item);
        self.put(item, to);
        true
    }

    fn swap(&mut self, item: usize, least: f64) -> bool {
        let from = self.site[item];
        let (mut best, mut with) = (-least, None);
        for to in &self.choices[item] {
            if *to == from {
                continue;
            }
            let there = self.overload(*to, None, None) + self.overload(from, None, None);
            let here = self.cost(item, *to) - self.cost(item, from) - there;
            for other in &self.members[*to as usize] {
                let other = *other as usize;
                let costs = here + self.cost(other, from) - self.cost(other, *to);
                if costs >= best || costs.is_infinite() {
                    continue;
                }
                let change = costs
                    + self.overload(*to, Some(item), Some(other))
                    + self.overload(from, Some(other), Some(item));
                if change < best {
                    (best, with) = (change, Some(other));
                }
            }
        }
        let Some(other) = with else { return false };
        let to = self.site[other];
        self.take(item);
        self.take(other);
        self.put(item, to);
        self.put(other, from);
        true
    }

    /// Moves an item to a site, and another from there on to a third.
    fn chain(&mut self, item: usize, least: f64) -> bool {
        let from = self.site[item];
        let leaving = self.leaving(item);
        let (mut best, mut moves) = (-least, None);
        for to in &self.choices[item] {
            if *to == from {
                continue;
            }
            let before = self.overload(*to, None, None);
            for other in &self.members[*to as usize] {
                let other = *other as usize;
                let first = self.cost(item, *to) - leaving - self.cost(other, *to)
                    + self.overload(*to, Some(item), Some(other))
                    - before;
                for third in &self.choices[other] {
                    let cost = self.cost(other, *third);
                    if *third == *to || *third == from || first + cost >= best {
                        continue;
                    }
                    let change = first + self.coming(other, *third);
                    if change < best {
                        (best, moves) = (change, Some((*to, other, *third)));
                    }
                }
            }
        }
        let Some((to, other, third)) = moves else { return false };
        self.take(item);
        self.take(other);
        self.put(item, to);
        self.put(other, third);
        true
    }

    /// Raises the price of overload where there is any; lowers all if there is none.
    fn adapt(&mut self, is_feasible: bool, rise: f64) {
        for place in 0..self.penalty.len() {
            if is_feasible {
                self.penalty[place] *= 0.9;
            } else if self.excess(place) > 0.0 {
                self.penalty[place] *= rise;
            }
            self.penalty[place] = self.penalty[place].clamp(1e-9, 1e12);
        }
    }

    /// Moves a few items at random.
    fn kick(&mut self, random: &mut ChaCha8Rng) {
        let items = self.site.len();
        if items == 0 {
            return;
        }
        for _ in 0..(2 + random.random_range(0..4)) {
            let item = random.random_range(0..items);
            if self.choices[item].is_empty() {
                continue;
            }
            let to = self.choices[item][random.random_range(0..self.choices[item].len().min(5))];
            self.take(item);
            self.put(item, to);
        }
    }
}
