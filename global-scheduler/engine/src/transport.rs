//! The best division of items among sites that are open: a transportation problem, solved exactly.
//!
//! Every item starts at its cheapest open site. While a site is overloaded, what is too much leaves along the cheapest path of
//! exchanges to a site with room (successive shortest paths, as in Ahuja, Magnanti and Orlin, *Network Flows*, chapter 9).
//! The lengths of the paths are prices that prove the result best. It needs one resource, of which an item takes the same
//! everywhere.

use crate::assignment::{Assignment, Portion};
use crate::certificate::Multipliers;
use crate::model::Model;
use crate::state::NOWHERE;

/// How much of an amount is nothing.
const NOTHING: f64 = 1e-9;

/// Whether models of this form can be solved here; items are divided whether they may be or not.
pub(crate) fn is_possible(model: &Model) -> bool {
    model.resources() == 1 && model.has_one_usage()
}

/// A division of all items among the open sites.
pub(crate) struct Transport<'m> {
    model: &'m Model,
    /// The open sites; one more place stands for being unserved.
    sites: Vec<u32>,
    /// For each item the places that serve it, and how much of it, in units of usage.
    flow: Vec<Vec<(usize, f64)>>,
    /// The items at each place.
    members: Vec<Vec<u32>>,
    left: Vec<f64>,
    /// What a unit of each item costs at each place: `[item * places + place]`.
    rate: Vec<f64>,
    /// For each pair of places the least that moving a unit from the first to the second adds, and whose unit.
    exchange: Vec<(f64, u32)>,
    /// What two lengths must differ by to differ: rounding must not make circles that seem to gain.
    least: f64,
}

impl<'m> Transport<'m> {
    /// Solves. `is_open` says which sites may serve.
    pub(crate) fn solve(model: &'m Model, is_open: impl Fn(usize) -> bool) -> Transport<'m> {
        let sites: Vec<u32> = (0..model.sites() as u32).filter(|site| is_open(*site as usize)).collect();
        let mut left: Vec<f64> = sites.iter().map(|site| model.capacity(*site as usize)[0]).collect();
        left.push(f64::INFINITY);
        let places = left.len();
        let mut transport = Transport {
            model,
            sites,
            flow: vec![Vec::new(); model.items()],
            members: vec![Vec::new(); places],
            left,
            rate: Vec::new(),
            exchange: vec![(f64::INFINITY, 0); places * places],
            least: 0.0,
        };
        for item in 0..model.items() {
            let costs = (0..places).map(|place| (transport.cost(item, place), place));
            let (_, place) = costs.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, places - 1));
            let usage = transport.usage(item);
            transport.flow[item].push((place, usage));
            transport.members[place].push(item as u32);
            transport.left[place] -= usage;
        }
        transport.find_rates();
        (0..places).for_each(|place| transport.find_exchanges(place));
        let rates = transport.exchange.iter().map(|(rate, _)| rate.abs()).filter(|rate| rate.is_finite());
        transport.least = 1e-11 * rates.fold(1e-12, f64::max);
        // Each round empties an overload, fills a site or uses an item up; the bound is against rounding alone.
        for _ in 0..(model.items() + 10) * (places + 10) {
            let Some(full) = (0..places).find(|place| transport.left[*place] < -transport.slack(*place))
            else {
                break;
            };
            if !transport.relieve(full) {
                break;
            }
        }
        transport
    }

    fn slack(&self, place: usize) -> f64 {
        match self.sites.get(place) {
            Some(site) => NOTHING * self.model.capacity(*site as usize)[0].max(1.0),
            None => 0.0,
        }
    }

    fn usage(&self, item: usize) -> f64 {
        self.model.usage(item, 0)[0]
    }

    fn cost(&self, item: usize, place: usize) -> f64 {
        match self.sites.get(place) {
            Some(site) => self.model.cost(item, *site as usize),
            None => self.model.unserved(item),
        }
    }

    fn find_rates(&mut self) {
        let places = self.left.len();
        self.rate.reserve(places * self.flow.len());
        for item in 0..self.flow.len() {
            let usage = self.usage(item);
            let by = if usage > 0.0 { 1.0 / usage } else { 0.0 };
            for place in 0..places {
                let cost = self.cost(item, place);
                self.rate.push(cost * by);
            }
        }
    }

    fn find_exchanges(&mut self, from: usize) {
        let places = self.left.len();
        let row = &mut self.exchange[from * places..(from + 1) * places];
        row.fill((f64::INFINITY, 0));
        for item in &self.members[from] {
            if self.model.usage(*item as usize, 0)[0] <= 0.0 {
                continue;
            }
            let rates = &self.rate[*item as usize * places..(*item as usize + 1) * places];
            let now = rates[from];
            for (best, rate) in row.iter_mut().zip(rates) {
                if rate - now < best.0 {
                    *best = (rate - now, *item);
                }
            }
        }
        row[from] = (f64::INFINITY, 0);
    }

    /// Distances from a place, and by which place each is reached: Bellman and Ford with a queue, since exchanges may gain.
    fn distances(&self, from: usize) -> (Vec<f64>, Vec<usize>) {
        let places = self.left.len();
        let (mut distance, mut by) = (vec![f64::INFINITY; places], vec![from; places]);
        distance[from] = 0.0;
        let mut queue = std::collections::VecDeque::from([from]);
        let mut is_queued = vec![false; places];
        let mut visits = 0;
        while let Some(a) = queue.pop_front() {
            is_queued[a] = false;
            visits += 1;
            if visits > places * places {
                break;
            }
            for b in 0..places {
                let length = distance[a] + self.exchange[a * places + b].0;
                if length < distance[b] - self.least {
                    (distance[b], by[b]) = (length, a);
                    if !is_queued[b] && !self.members[b].is_empty() {
                        is_queued[b] = true;
                        queue.push_back(b);
                    }
                }
            }
        }
        (distance, by)
    }

    /// Moves what is too much at a place along the cheapest path; false if there is none.
    fn relieve(&mut self, full: usize) -> bool {
        let places = self.left.len();
        let (distance, by) = self.distances(full);
        let with_room = (0..places).filter(|place| self.left[*place] > self.slack(*place));
        let Some(end) = with_room.min_by(|a, b| distance[*a].total_cmp(&distance[*b])) else { return false };
        if distance[end].is_infinite() {
            return false;
        }
        let mut path = Vec::new();
        let mut at = end;
        while at != full {
            path.push((by[at], at));
            at = by[at];
            if path.len() > places {
                return false;
            }
        }
        let mut amount = (-self.left[full]).min(self.left[end]);
        for (from, to) in &path {
            let item = self.exchange[from * places + to].1;
            amount = amount.min(self.at(item as usize, *from));
        }
        let items: Vec<u32> = path.iter().map(|(from, to)| self.exchange[from * places + to].1).collect();
        for ((from, to), item) in path.iter().zip(items) {
            self.change(item, *from, -amount);
            self.change(item, *to, amount);
        }
        self.left[full] += amount;
        self.left[end] -= amount;
        self.find_exchanges(full);
        for (_, to) in path {
            self.find_exchanges(to);
        }
        true
    }

    fn at(&self, item: usize, place: usize) -> f64 {
        self.flow[item].iter().find(|(at, _)| *at == place).map_or(0.0, |(_, amount)| *amount)
    }

    fn change(&mut self, item: u32, place: usize, amount: f64) {
        let usage = self.usage(item as usize);
        let flow = &mut self.flow[item as usize];
        match flow.iter().position(|(at, _)| *at == place) {
            Some(found) => {
                flow[found].1 += amount;
                if flow[found].1 <= NOTHING * usage {
                    flow.swap_remove(found);
                    self.members[place].retain(|member| *member != item);
                }
            }
            None => {
                flow.push((place, amount));
                self.members[place].push(item);
            }
        }
    }

    /// What the division costs, with the opening costs of the sites that it uses.
    pub(crate) fn objective(&self) -> f64 {
        let shares = self.flow.iter().enumerate().flat_map(|(item, flow)| {
            let usage = self.usage(item);
            flow.iter().map(move |(place, amount)| if usage > 0.0 { amount / usage } else { 1.0 } * self.cost(item, *place))
        });
        let used = self.sites.iter().zip(&self.members).filter(|(_, members)| !members.is_empty());
        shares.sum::<f64>() + used.map(|(site, _)| self.model.opening(*site as usize)).sum::<f64>()
    }

    /// For each item the site that serves most of it.
    pub(crate) fn mostly(&self) -> Vec<u32> {
        let most = |flow: &Vec<(usize, f64)>| {
            let place =
                flow.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|(place, _)| *place);
            place.and_then(|place| self.sites.get(place)).copied().unwrap_or(NOWHERE)
        };
        self.flow.iter().map(most).collect()
    }

    pub(crate) fn assignment(&self) -> Assignment {
        let portions = self.flow.iter().enumerate().map(|(item, flow)| {
            let usage = self.usage(item);
            let served = flow.iter().filter(|(place, _)| *place < self.sites.len());
            let mut portions: Vec<Portion> = served
                .map(|(place, amount)| Portion {
                    site: self.sites[*place],
                    share: if usage > 0.0 { (amount / usage).min(1.0) } else { 1.0 },
                })
                .collect();
            portions.sort_by_key(|portion| portion.site);
            portions
        });
        Assignment { portions: portions.collect() }
    }

    /// Prices that prove the division best for these sites.
    pub(crate) fn prices(&self) -> Multipliers {
        let places = self.left.len();
        let mut price = vec![f64::INFINITY; places];
        for (place, price) in price.iter_mut().enumerate() {
            if self.left[place] > self.slack(place) {
                *price = 0.0;
            }
        }
        for _ in 0..places {
            let mut has_changed = false;
            for from in 0..places {
                for to in 0..places {
                    let length = price[to] + self.exchange[from * places + to].0;
                    if length < price[from] - self.least {
                        price[from] = length;
                        has_changed = true;
                    }
                }
            }
            if !has_changed {
                break;
            }
        }
        let mut multipliers = Multipliers { item: Vec::new(), site: vec![0.0; self.model.sites()] };
        for (site, price) in self.sites.iter().zip(&price) {
            multipliers.site[*site as usize] = if price.is_finite() { price.max(0.0) } else { 0.0 };
        }
        for item in 0..self.model.items() {
            let costs = self.sites.iter().map(|site| {
                self.model.cost(item, *site as usize) + multipliers.site[*site as usize] * self.usage(item)
            });
            multipliers.item.push(costs.fold(self.model.unserved(item), f64::min));
        }
        multipliers
    }
}
