//! The best division of items among sites that are open: a transportation problem, solved exactly and kept so while sites open
//! and close.
//!
//! Every item starts at its cheapest open site. While a site is overloaded, what is too much leaves along the cheapest path of
//! exchanges to a site with room (successive shortest paths, as in Ahuja, Magnanti and Orlin, *Network Flows*, chapter 9). A site
//! that closes is one that is overloaded by all it has; to one that opens, load comes along the paths that gain, the best first.
//! The lengths of the paths are prices that prove the result best. It needs one resource, of which an item takes the same
//! everywhere.

use crate::assignment::{Assignment, Portion};
use crate::certificate::Multipliers;
use crate::model::Model;
use crate::state::NOWHERE;

/// How much of an amount is nothing.
const NOTHING: f64 = 1e-9;

/// The place that stands for being unserved.
const LEFT_OUT: usize = 0;

/// How many places are made room for at once.
const MORE: usize = 8;

/// Whether models of this form can be solved here; items are divided whether they may be or not.
pub(crate) fn is_possible(model: &Model) -> bool {
    model.resources() == 1 && model.has_one_usage()
}

/// A division of all items among the open sites.
#[derive(Clone)]
pub(crate) struct Transport<'m> {
    model: &'m Model,
    /// The site of each place; `NOWHERE` at the place for what is left out, and at places that are free.
    sites: Vec<u32>,
    /// The places that are not free.
    active: Vec<usize>,
    /// For each item the places that serve it, and how much of it, in units of usage.
    flow: Vec<Vec<(usize, f64)>>,
    /// The items at each place.
    members: Vec<Vec<u32>>,
    left: Vec<f64>,
    /// For each pair of places the least that moving a unit from the first to the second adds, and whose unit: rows of as many
    /// places as there is room for.
    exchange: Vec<(f64, u32)>,
    /// What two lengths must differ by to differ: rounding must not make circles that seem to gain.
    least: f64,
}

impl<'m> Transport<'m> {
    /// Solves. `is_open` says which sites may serve.
    pub(crate) fn solve(model: &'m Model, is_open: impl Fn(usize) -> bool) -> Transport<'m> {
        let open = (0..model.sites() as u32).filter(|site| is_open(*site as usize));
        let sites: Vec<u32> = std::iter::once(NOWHERE).chain(open).collect();
        let mut left: Vec<f64> = sites.iter().skip(1).map(|site| model.capacity(*site as usize)[0]).collect();
        left.insert(LEFT_OUT, f64::INFINITY);
        let places = left.len();
        let mut transport = Transport {
            model,
            sites,
            active: (0..places).collect(),
            flow: vec![Vec::new(); model.items()],
            members: vec![Vec::new(); places],
            left,
            exchange: vec![(f64::INFINITY, 0); places * places],
            least: 1e-11 * dearest_rate(model).max(1e-12),
        };
        for item in 0..model.items() {
            let costs = (0..places).map(|place| (transport.cost(item, place), place));
            let (_, place) = costs.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, LEFT_OUT));
            let usage = transport.usage(item);
            transport.flow[item].push((place, usage));
            transport.members[place].push(item as u32);
            transport.left[place] -= usage;
        }
        (0..places).for_each(|place| transport.find_exchanges(place));
        for place in 0..places {
            transport.relieve(place);
        }
        transport
    }

    fn slack(&self, place: usize) -> f64 {
        match self.sites[place] {
            NOWHERE => 0.0,
            site => NOTHING * self.model.capacity(site as usize)[0].max(1.0),
        }
    }

    fn usage(&self, item: usize) -> f64 {
        self.model.usage(item, 0)[0]
    }

    fn cost(&self, item: usize, place: usize) -> f64 {
        match self.sites[place] {
            NOWHERE => self.model.unserved(item),
            site => self.model.cost(item, site as usize),
        }
    }

    /// As many places as there is room for.
    fn width(&self) -> usize {
        self.sites.len()
    }

    fn find_exchanges(&mut self, from: usize) {
        let width = self.width();
        self.exchange[from * width..(from + 1) * width].fill((f64::INFINITY, 0));
        for member in 0..self.members[from].len() {
            self.offer(self.members[from][member], from);
        }
    }

    /// Lets an item of a place be the one that is exchanged, where it is the cheapest.
    fn offer(&mut self, item: u32, from: usize) {
        let number = item as usize;
        let usage = self.usage(number);
        if usage <= 0.0 {
            return;
        }
        let width = self.width();
        let by = 1.0 / usage;
        let now = self.cost(number, from);
        let costs = self.model.costs(number);
        let row = &mut self.exchange[from * width..(from + 1) * width];
        for to in &self.active {
            let cost = match self.sites[*to] {
                NOWHERE => self.model.unserved(number),
                site => costs[site as usize],
            };
            let length = (cost - now) * by;
            if length < row[*to].0 && *to != from {
                row[*to] = (length, item);
            }
        }
    }

    /// Distances to all places, and by which place each is reached: Bellman and Ford with a queue, since exchanges may gain. From
    /// one place, or from the nearest of all but one.
    fn distances(&self, from: Option<usize>, but: usize) -> (Vec<f64>, Vec<usize>) {
        let width = self.width();
        let (mut distance, mut by) = (vec![f64::INFINITY; width], vec![usize::MAX; width]);
        let mut queue = std::collections::VecDeque::new();
        let mut is_queued = vec![false; width];
        let starts = self.active.iter().copied().filter(|place| match from {
            Some(from) => *place == from,
            None => *place != but,
        });
        for start in starts.filter(|place| !self.members[*place].is_empty()) {
            distance[start] = 0.0;
            is_queued[start] = true;
            queue.push_back(start);
        }
        let mut visits = 0;
        while let Some(a) = queue.pop_front() {
            is_queued[a] = false;
            visits += 1;
            if visits > width * width {
                break;
            }
            let row = &self.exchange[a * width..(a + 1) * width];
            for b in &self.active {
                let length = distance[a] + row[*b].0;
                if length < distance[*b] - self.least {
                    (distance[*b], by[*b]) = (length, a);
                    if !is_queued[*b] && !self.members[*b].is_empty() {
                        is_queued[*b] = true;
                        queue.push_back(*b);
                    }
                }
            }
        }
        (distance, by)
    }

    /// The steps that lead to a place, the last one first; none if rounding made a circle.
    fn path(&self, by: &[usize], end: usize) -> Option<Vec<(usize, usize, u32)>> {
        let width = self.width();
        let (mut path, mut at) = (Vec::new(), end);
        while by[at] != usize::MAX {
            let from = by[at];
            path.push((from, at, self.exchange[from * width + at].1));
            at = from;
            if path.len() > width {
                return None;
            }
        }
        Some(path)
    }

    /// Moves what is too much at a place along the cheapest paths.
    fn relieve(&mut self, full: usize) {
        // Each round empties the overload, fills a site or uses an item up; the bound is against rounding alone.
        for _ in 0..self.model.items() + self.width() + 100 {
            if self.left[full] >= -self.slack(full) {
                return;
            }
            let (distance, by) = self.distances(Some(full), full);
            let with_room = self.active.iter().filter(|place| self.left[**place] > self.slack(**place));
            let Some(end) = with_room.copied().min_by(|a, b| distance[*a].total_cmp(&distance[*b])) else {
                return;
            };
            if distance[end].is_infinite() {
                return;
            }
            let Some(path) = self.path(&by, end) else { return };
            self.follow(&path, (-self.left[full]).min(self.left[end]), full, end);
        }
    }

    /// Moves as much as there is, up to an amount, from the first place of a path to the last.
    fn follow(&mut self, path: &[(usize, usize, u32)], most: f64, start: usize, end: usize) {
        let there = path.iter().map(|(from, _, item)| self.at(*item as usize, *from));
        let amount = there.fold(most, f64::min);
        for (from, to, item) in path {
            self.change(*item, *from, -amount);
            self.change(*item, *to, amount);
        }
        self.left[start] += amount;
        self.left[end] -= amount;
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
                    let width = self.width();
                    let row = &self.exchange[place * width..(place + 1) * width];
                    if self.active.iter().any(|to| row[*to].1 == item && row[*to].0.is_finite()) {
                        self.find_exchanges(place);
                    }
                }
            }
            None => {
                flow.push((place, amount));
                self.members[place].push(item);
                self.offer(item, place);
            }
        }
    }

    /// Lets a closed site serve.
    pub(crate) fn open(&mut self, site: usize) {
        let place = self.free_place();
        self.sites[place] = site as u32;
        self.left[place] = self.model.capacity(site)[0];
        self.active.push(place);
        let width = self.width();
        self.exchange[place * width..(place + 1) * width].fill((f64::INFINITY, 0));
        for from in self.active.clone().into_iter().filter(|from| *from != place) {
            let mut best = (f64::INFINITY, 0);
            for item in &self.members[from] {
                let number = *item as usize;
                let (usage, cost) = (self.usage(number), self.model.cost(number, site));
                if usage <= 0.0 {
                    continue;
                }
                let length = (cost - self.cost(number, from)) / usage;
                if length < best.0 {
                    best = (length, *item);
                }
            }
            self.exchange[from * width + place] = best;
        }
        self.move_free(place);
        for _ in 0..self.model.items() + self.width() + 100 {
            if self.left[place] <= self.slack(place) {
                return;
            }
            let (distance, by) = self.distances(None, place);
            if distance[place] >= -self.least {
                return;
            }
            let Some(path) = self.path(&by, place) else { return };
            let Some(start) = path.last().map(|(from, _, _)| *from) else { return };
            self.follow(&path, self.left[place], start, place);
        }
    }

    /// What takes nothing of a site goes where it is cheapest.
    fn move_free(&mut self, place: usize) {
        for item in 0..self.model.items() {
            if self.usage(item) > 0.0 {
                continue;
            }
            let from = self.flow[item][0].0;
            if self.cost(item, place) < self.cost(item, from) {
                self.members[from].retain(|member| *member as usize != item);
                self.members[place].push(item as u32);
                self.flow[item][0].0 = place;
            }
        }
    }

    fn free_place(&mut self) -> usize {
        let is_free = |place: &usize| !self.active.contains(place);
        if let Some(place) = (1..self.width()).find(is_free) {
            return place;
        }
        let (before, width) = (self.width(), self.width() + MORE);
        let mut exchange = vec![(f64::INFINITY, 0); width * width];
        for row in 0..before {
            let old = &self.exchange[row * before..(row + 1) * before];
            exchange[row * width..row * width + before].copy_from_slice(old);
        }
        self.exchange = exchange;
        self.sites.resize(width, NOWHERE);
        self.left.resize(width, 0.0);
        self.members.resize(width, Vec::new());
        before
    }

    /// Lets an open site serve nothing.
    pub(crate) fn close(&mut self, site: usize) {
        let Some(place) = self.place(site) else { return };
        self.left[place] -= self.model.capacity(site)[0];
        self.relieve(place);
        // What is left is rounding, and what takes nothing.
        self.active.retain(|active| *active != place);
        for item in std::mem::take(&mut self.members[place]) {
            let number = item as usize;
            let amount = self.at(number, place);
            self.flow[number].retain(|(at, _)| *at != place);
            if let Some((_, most)) = self.flow[number].iter_mut().max_by(|a, b| a.1.total_cmp(&b.1)) {
                *most += amount;
                continue;
            }
            let has_room = |place: &usize| self.left[*place] >= amount - self.slack(*place);
            let rooms = self.active.iter().copied().filter(has_room);
            let cheapest = rooms.min_by(|a, b| self.cost(number, *a).total_cmp(&self.cost(number, *b)));
            let to = cheapest.unwrap_or(LEFT_OUT);
            self.left[to] -= amount;
            self.flow[number].push((to, amount));
            self.members[to].push(item);
            self.offer(item, to);
        }
        self.sites[place] = NOWHERE;
        self.left[place] = 0.0;
    }

    fn place(&self, site: usize) -> Option<usize> {
        self.active.iter().copied().find(|place| self.sites[*place] == site as u32)
    }

    /// The sites that may serve.
    pub(crate) fn open_sites(&self) -> impl Iterator<Item = usize> + '_ {
        self.active.iter().filter(|place| **place != LEFT_OUT).map(|place| self.sites[*place] as usize)
    }

    /// Whether a site may serve and serves nothing.
    pub(crate) fn is_idle(&self, site: usize) -> bool {
        self.place(site).is_some_and(|place| self.members[place].is_empty())
    }

    /// What the division costs, with the opening costs of the sites that it uses.
    pub(crate) fn objective(&self) -> f64 {
        let used =
            self.active.iter().filter(|place| **place != LEFT_OUT && !self.members[**place].is_empty());
        let openings = used.map(|place| self.model.opening(self.sites[*place] as usize));
        self.serving_cost() + openings.sum::<f64>()
    }

    /// What the division costs without opening costs: this is what is least.
    fn serving_cost(&self) -> f64 {
        let shares = self.flow.iter().enumerate().flat_map(|(item, flow)| {
            let usage = self.usage(item);
            let share = move |amount: f64| if usage > 0.0 { amount / usage } else { 1.0 };
            flow.iter().map(move |(place, amount)| share(*amount) * self.cost(item, *place))
        });
        shares.sum()
    }

    /// For each item the site that serves most of it.
    pub(crate) fn mostly(&self) -> Vec<u32> {
        let most = |flow: &Vec<(usize, f64)>| {
            let place =
                flow.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|(place, _)| *place);
            place.map_or(NOWHERE, |place| self.sites[place])
        };
        self.flow.iter().map(most).collect()
    }

    pub(crate) fn assignment(&self) -> Assignment {
        let portions = self.flow.iter().enumerate().map(|(item, flow)| {
            let usage = self.usage(item);
            let served = flow.iter().filter(|(place, _)| *place != LEFT_OUT);
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

    /// What a unit of room is worth at each place.
    fn place_prices(&self) -> Vec<f64> {
        let width = self.width();
        let mut price = vec![f64::INFINITY; width];
        for place in &self.active {
            if self.left[*place] > self.slack(*place) {
                price[*place] = 0.0;
            }
        }
        for _ in 0..width {
            let mut has_changed = false;
            for from in &self.active {
                for to in &self.active {
                    let length = price[*to] + self.exchange[from * width + to].0;
                    if length < price[*from] - self.least {
                        price[*from] = length;
                        has_changed = true;
                    }
                }
            }
            if !has_changed {
                break;
            }
        }
        for price in &mut price {
            *price = if price.is_finite() { price.max(0.0) } else { 0.0 };
        }
        price
    }

    /// Prices that prove the division best for these sites.
    pub(crate) fn prices(&self) -> Multipliers {
        let price = self.place_prices();
        let mut multipliers = Multipliers { item: Vec::new(), site: vec![0.0; self.model.sites()] };
        let places = || self.active.iter().copied().filter(|place| *place != LEFT_OUT);
        for place in places() {
            multipliers.site[self.sites[place] as usize] = price[place];
        }
        for item in 0..self.model.items() {
            let costs = places().map(|place| self.cost(item, place) + price[place] * self.usage(item));
            multipliers.item.push(costs.fold(self.model.unserved(item), f64::min));
        }
        multipliers
    }

    /// What the division would cost at least after each change of one open site, one closed site, or one of each. `closed` are
    /// the sites that may be opened.
    pub(crate) fn changes(&self, closed: &[usize]) -> Vec<Change> {
        let price = self.place_prices();
        let places: Vec<usize> = self.active.iter().copied().filter(|place| *place != LEFT_OUT).collect();
        let opening = |place: usize| self.model.opening(self.sites[place] as usize);
        let worth = |place: usize| price[place] * self.model.capacity(self.sites[place] as usize)[0];
        let mut now: f64 = places.iter().map(|place| opening(*place) - worth(*place)).sum();
        let mut second_best = Vec::with_capacity(self.model.items());
        let mut added = vec![0.0; self.width()];
        for item in 0..self.model.items() {
            let usage = self.usage(item);
            let (mut best, mut second, mut at) = (self.model.unserved(item), f64::INFINITY, LEFT_OUT);
            for place in &places {
                let cost = self.cost(item, *place) + price[*place] * usage;
                if cost < best {
                    (second, best, at) = (best, cost, *place);
                } else {
                    second = second.min(cost);
                }
            }
            now += best;
            added[at] += if at == LEFT_OUT { 0.0 } else { second - best };
            second_best.push((best, second, at));
        }
        let saved = |place: usize| opening(place) - worth(place);
        let closing = places.iter().map(|place| Change {
            bound: now + added[*place] - saved(*place),
            close: Some(self.sites[*place] as usize),
            open: None,
        });
        let mut changes: Vec<Change> = closing.collect();
        let dearest = price.iter().copied().fold(0.0, f64::max);
        for site in closed {
            let mut least = vec![f64::NEG_INFINITY; self.width()];
            // Any price of the new site's room proves a bound; the best of a few is taken.
            for rate in [0.0, 0.25, 0.5, 0.75, 1.0, 1.5].map(|share| share * dearest) {
                let mut all = now + self.model.opening(*site) - rate * self.model.capacity(*site)[0];
                added.fill(0.0);
                for (item, (best, second, at)) in second_best.iter().enumerate() {
                    let there = self.model.cost(item, *site) + rate * self.usage(item);
                    let kept = there.min(*best);
                    all += kept - best;
                    added[*at] += there.min(*second) - kept;
                }
                least[LEFT_OUT] = least[LEFT_OUT].max(all);
                for place in &places {
                    least[*place] = least[*place].max(all + added[*place] - saved(*place));
                }
                if dearest <= 0.0 {
                    break;
                }
            }
            changes.push(Change { bound: least[LEFT_OUT], close: None, open: Some(*site) });
            changes.extend(places.iter().map(|place| Change {
                bound: least[*place],
                close: Some(self.sites[*place] as usize),
                open: Some(*site),
            }));
        }
        changes
    }
}

/// A change of the open sites.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    /// What the division costs at least after it, opening costs of all open sites included.
    pub(crate) bound: f64,
    pub(crate) close: Option<usize>,
    pub(crate) open: Option<usize>,
}

/// The most that a unit of any item costs anywhere.
fn dearest_rate(model: &Model) -> f64 {
    let rate = |item: usize| {
        let usage = model.usage(item, 0)[0];
        let dearest =
            model.candidates(item).last().map_or(0.0, |site| model.cost(item, *site as usize).abs());
        if usage > 0.0 { dearest.max(model.unserved(item)) / usage } else { 0.0 }
    };
    (0..model.items()).map(rate).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Item, Site, Usage};

    fn models() -> impl Strategy<Value = Model> {
        (2..=6_usize, 1..=12_usize).prop_flat_map(|(sites, items)| {
            let site = (0..40_u32, 0..25_u32);
            let item = (prop::collection::vec(0..60_u32, sites), 0..8_u32, 50..200_u32);
            (prop::collection::vec(site, sites), prop::collection::vec(item, items)).prop_map(
                |(sites, items)| {
                    let site = |(opening, has): (u32, u32)| Site {
                        opening: opening.into(),
                        capacity: vec![has.into()],
                    };
                    let sites: Vec<Site> = sites.into_iter().map(site).collect();
                    let usage = items.iter().map(|(_, usage, _)| f64::from(*usage)).collect();
                    let item = |(cost, _, unserved): (Vec<u32>, u32, u32)| Item {
                        whole: false,
                        unserved: unserved.into(),
                        required: false,
                        cost: cost.into_iter().map(f64::from).collect(),
                    };
                    let items = items.into_iter().map(item).collect();
                    Model::new(1, &sites, items, Usage::ByItem(usage)).expect("the numbers are in range")
                },
            )
        })
    }

    proptest! {
        #[test]
        fn opening_and_closing_leaves_what_solving_anew_finds(
            model in models(),
            steps in prop::collection::vec(0..6_usize, 1..12),
        ) {
            let mut open = vec![false; model.sites()];
            let mut kept = Transport::solve(&model, |_| false);
            for site in steps.into_iter().map(|step| step % model.sites()) {
                open[site] = !open[site];
                if open[site] { kept.open(site) } else { kept.close(site) }
                let anew = Transport::solve(&model, |site| open[site]);
                let (kept, anew) = (kept.serving_cost(), anew.serving_cost());
                prop_assert!((kept - anew).abs() <= 1e-6, "kept {kept}, anew {anew}");
            }
            let closed: Vec<usize> = (0..model.sites()).filter(|site| !open[*site]).collect();
            for change in kept.changes(&closed) {
                let is_open = |site: usize| {
                    change.open == Some(site) || open[site] && change.close != Some(site)
                };
                let sites = (0..model.sites()).filter(|site| is_open(*site));
                let opening: f64 = sites.map(|site| model.opening(site)).sum();
                let cost = Transport::solve(&model, is_open).serving_cost() + opening;
                prop_assert!(change.bound <= cost + 1e-6, "{change:?}, cost {cost}");
            }
        }
    }
}
