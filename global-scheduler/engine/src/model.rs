//! The model that solvers work on: items with a cost at each site, sites with capacity and an opening cost.
//!
//! It is the capacitated facility location problem with several resources, in which an item is either served whole by one site
//! or in shares by many. Generalised assignment is the case without opening costs and with a usage of its own at each site.
//! Everything is a small number here: names, topology and policies have been compiled away before.
//!
//! Money, usage and capacity are `f64` within [`MOST`], so that sums over the largest model keep nine digits.

use std::sync::Arc;

use crate::rule::{Apart, Row, Rules};

/// The largest amount of money, of usage or of capacity that a model takes, in whatever unit the caller counts.
pub const MOST: f64 = 1e12;

/// The most pairs of an item and a site.
pub const MOST_PAIRS: usize = 200_000_000;

/// What capacities may be exceeded by, as a share of themselves: the rounding of sums.
pub const TOLERANCE: f64 = 1e-9;

/// A site to build a model from.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Money for using the site at all.
    pub opening: f64,
    /// What it has of each resource.
    pub capacity: Vec<f64>,
}

/// An item to build a model from.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Whether one site must serve all of it.
    pub whole: bool,
    /// Money for leaving all of it unserved.
    pub unserved: f64,
    /// Whether a plan that leaves any of it unserved is infeasible.
    pub required: bool,
    /// Money for serving all of it, by site; infinite where it may not be served.
    pub cost: Vec<f64>,
}

/// What items take of sites' resources when served whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Usage {
    /// The same at each site: `[item * resources + resource]`.
    ByItem(Vec<f64>),
    /// Another at each site: `[(item * sites + site) * resources + resource]`.
    ByPair(Vec<f64>),
}

/// Why there is no such model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A number that is out of range.
    #[error("{what} of {whose} is {value}, want {want}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// Of which item or site, such as `items[3]`.
        whose: String,
        /// What was given.
        value: f64,
        /// What would be right.
        want: &'static str,
    },
    /// A list that is too long or too short.
    #[error("{what} has {length} numbers, want {want}")]
    Length {
        /// Which list.
        what: String,
        /// How long it is.
        length: usize,
        /// How long it should be.
        want: usize,
    },
    /// The model would not fit in memory.
    #[error("{items} items at {sites} sites are {pairs} pairs, want at most {MOST_PAIRS}")]
    TooLarge {
        /// The number of items.
        items: usize,
        /// The number of sites.
        sites: usize,
        /// Their product.
        pairs: usize,
    },
}

/// The model. Made by [`Model::new`], which checks everything; never changed afterwards.
#[derive(Clone, Debug)]
pub struct Model {
    resources: usize,
    opening: Vec<f64>,
    capacity: Vec<f64>,
    whole: Vec<bool>,
    required: Vec<bool>,
    unserved: Vec<f64>,
    cost: Vec<f64>,
    usage: Usage,
    /// Where each item's candidates begin in `order`, and where the last one's end.
    start: Vec<usize>,
    /// The sites that may serve an item, cheapest first.
    order: Vec<u32>,
    /// What ties sites together.
    rules: Option<Arc<Rules>>,
}

impl Model {
    /// Checks and builds a model. Errors name the first item or site that is wrong.
    pub fn new(
        resources: usize,
        sites: &[Site],
        items: Vec<Item>,
        usage: Usage,
    ) -> Result<Model, ModelError> {
        let pairs = items.len().saturating_mul(sites.len());
        if pairs.saturating_mul(resources.max(1)) > MOST_PAIRS {
            return Err(ModelError::TooLarge { items: items.len(), sites: sites.len(), pairs });
        }
        let mut capacity = Vec::with_capacity(sites.len() * resources);
        for (number, site) in sites.iter().enumerate() {
            let whose = || format!("sites[{number}]");
            amount("opening cost", whose, site.opening)?;
            length(|| format!("capacity of sites[{number}]"), site.capacity.len(), resources)?;
            for value in &site.capacity {
                amount("capacity", whose, *value)?;
            }
            capacity.extend_from_slice(&site.capacity);
        }
        let want = resources * if matches!(usage, Usage::ByItem(_)) { items.len() } else { pairs };
        let (Usage::ByItem(values) | Usage::ByPair(values)) = &usage;
        length(|| "usage".to_owned(), values.len(), want)?;
        for (place, value) in values.iter().enumerate() {
            amount("usage", || format!("items[{}]", place * items.len() / want), *value)?;
        }
        let mut model = Model {
            resources,
            opening: sites.iter().map(|site| site.opening).collect(),
            capacity,
            whole: items.iter().map(|item| item.whole).collect(),
            required: items.iter().map(|item| item.required).collect(),
            unserved: items.iter().map(|item| item.unserved).collect(),
            cost: Vec::with_capacity(pairs),
            usage,
            start: vec![0],
            order: Vec::new(),
            rules: None,
        };
        for (number, item) in items.into_iter().enumerate() {
            model.add_costs(number, &item, sites.len())?;
        }
        Ok(model)
    }

    fn add_costs(&mut self, number: usize, item: &Item, sites: usize) -> Result<(), ModelError> {
        let whose = || format!("items[{number}]");
        amount("price of being unserved", whose, item.unserved)?;
        length(|| format!("cost of items[{number}]"), item.cost.len(), sites)?;
        let begin = self.order.len();
        for (site, cost) in item.cost.iter().enumerate() {
            if *cost == f64::INFINITY || !self.could_fit(number, site, item.whole) {
                self.cost.push(f64::INFINITY);
                continue;
            }
            if cost.is_nan() || cost.abs() > MOST {
                return Err(ModelError::OutOfRange {
                    what: "cost",
                    whose: whose(),
                    value: *cost,
                    want: "-1e12 to 1e12, or infinite where the site may not serve it",
                });
            }
            self.cost.push(*cost);
            self.order.push(site as u32);
        }
        let costs = &self.cost[number * sites..];
        self.order[begin..].sort_by(|a, b| costs[*a as usize].total_cmp(&costs[*b as usize]).then(a.cmp(b)));
        self.start.push(self.order.len());
        Ok(())
    }

    /// Whether an empty site could serve the item, or any share of it.
    fn could_fit(&self, item: usize, site: usize, whole: bool) -> bool {
        let capacity = self.capacity(site);
        self.usage_with(self.sites(), item, site).iter().zip(capacity).all(|(usage, capacity)| {
            if whole { *usage <= most(*capacity) } else { *usage <= 0.0 || *capacity > 0.0 }
        })
    }

    /// The same model with rules that tie sites together.
    pub fn with_rules(mut self, rows: &[Row], aparts: &[Apart]) -> Result<Model, ModelError> {
        let rules = Rules::new(self.items(), self.sites(), rows, aparts)?;
        self.rules = (!rows.is_empty() || !aparts.is_empty()).then(|| Arc::new(rules));
        Ok(self)
    }

    /// What ties sites together, if anything does.
    pub(crate) fn rules(&self) -> Option<&Rules> {
        self.rules.as_deref()
    }

    /// The number of resources.
    pub fn resources(&self) -> usize {
        self.resources
    }

    /// The number of sites.
    pub fn sites(&self) -> usize {
        self.opening.len()
    }

    /// The number of items.
    pub fn items(&self) -> usize {
        self.whole.len()
    }

    /// Money for using a site at all.
    pub fn opening(&self, site: usize) -> f64 {
        self.opening[site]
    }

    /// What a site has of each resource.
    pub fn capacity(&self, site: usize) -> &[f64] {
        &self.capacity[site * self.resources..(site + 1) * self.resources]
    }

    /// Whether one site must serve all of the item.
    pub fn is_whole(&self, item: usize) -> bool {
        self.whole[item]
    }

    /// Whether a plan that leaves any of the item unserved is infeasible.
    pub fn is_required(&self, item: usize) -> bool {
        self.required[item]
    }

    /// Money for leaving all of an item unserved.
    pub fn unserved(&self, item: usize) -> f64 {
        self.unserved[item]
    }

    /// Money for serving all of an item at a site; infinite where it may not be.
    pub fn cost(&self, item: usize, site: usize) -> f64 {
        self.cost[item * self.sites() + site]
    }

    /// Money for serving all of an item, by site.
    pub(crate) fn costs(&self, item: usize) -> &[f64] {
        &self.cost[item * self.sites()..(item + 1) * self.sites()]
    }

    /// The sites that may serve an item, cheapest first.
    pub fn candidates(&self, item: usize) -> &[u32] {
        &self.order[self.start[item]..self.start[item + 1]]
    }

    /// What all of an item takes of each resource at a site.
    pub fn usage(&self, item: usize, site: usize) -> &[f64] {
        self.usage_with(self.sites(), item, site)
    }

    fn usage_with(&self, sites: usize, item: usize, site: usize) -> &[f64] {
        let (values, row) = match &self.usage {
            Usage::ByItem(values) => (values, item),
            Usage::ByPair(values) => (values, item * sites + site),
        };
        &values[row * self.resources..(row + 1) * self.resources]
    }

    /// Whether an item takes the same wherever it is served.
    pub fn has_one_usage(&self) -> bool {
        matches!(self.usage, Usage::ByItem(_))
    }

    /// The same model in which each item costs more at all sites but the one given for it.
    pub(crate) fn with_move_price(&self, sites: &[u32], price: f64) -> Model {
        let mut priced = self.clone();
        let width = self.sites();
        for (item, stays) in sites.iter().enumerate().filter(|(_, site)| (**site as usize) < width) {
            let costs = &mut priced.cost[item * width..(item + 1) * width];
            for (site, cost) in costs.iter_mut().enumerate() {
                if site as u32 != *stays {
                    *cost += price;
                }
            }
            let order = &mut priced.order[self.start[item]..self.start[item + 1]];
            order.sort_by(|a, b| costs[*a as usize].total_cmp(&costs[*b as usize]).then(a.cmp(b)));
        }
        priced
    }

    /// The same model without some sites.
    #[must_use]
    pub fn without(&self, lost: &[u32]) -> Model {
        let mut left = self.clone();
        left.order.clear();
        for item in 0..self.items() {
            left.order.extend(self.candidates(item).iter().filter(|site| !lost.contains(site)));
            left.start[item + 1] = left.order.len();
            for site in lost.iter().filter(|site| (**site as usize) < self.sites()) {
                left.cost[item * self.sites() + *site as usize] = f64::INFINITY;
            }
        }
        left
    }

    /// The same model with a share of all capacities taken away. Items keep their candidates.
    pub(crate) fn tighter(&self, share: f64) -> Model {
        let capacity = self.capacity.iter().map(|capacity| capacity * (1.0 - share)).collect();
        Model { capacity, ..self.clone() }
    }

    /// The same model with some sites and some items only, and with the capacity that is given: what is left when all other
    /// items stay where they are. Both lists are in ascending order.
    pub(crate) fn part(&self, sites: &[u32], items: &[u32], capacity: Vec<f64>, opening: Vec<f64>) -> Model {
        let resources = self.resources;
        let usage = match &self.usage {
            Usage::ByItem(values) => {
                Usage::ByItem(rows(values, items.iter().map(|item| *item as usize), resources))
            }
            Usage::ByPair(values) => {
                let pair = |item: &u32| {
                    let row = *item as usize * self.sites();
                    sites.iter().map(move |site| row + *site as usize)
                };
                Usage::ByPair(rows(values, items.iter().flat_map(pair), resources))
            }
        };
        let of_items = |list: &[f64]| items.iter().map(|item| list[*item as usize]).collect();
        let flags = |list: &[bool]| items.iter().map(|item| list[*item as usize]).collect();
        let mut part = Model {
            resources,
            opening,
            capacity,
            whole: flags(&self.whole),
            required: flags(&self.required),
            unserved: of_items(&self.unserved),
            cost: Vec::with_capacity(items.len() * sites.len()),
            usage,
            start: vec![0],
            order: Vec::new(),
            rules: None,
        };
        let mut place = vec![u32::MAX; self.sites()];
        for (number, site) in sites.iter().enumerate() {
            place[*site as usize] = number as u32;
        }
        for (number, item) in items.iter().enumerate() {
            let item = *item as usize;
            let begin = number * sites.len();
            part.cost.resize(begin + sites.len(), f64::INFINITY);
            for site in self.candidates(item) {
                let local = place[*site as usize];
                if local != u32::MAX && part.could_fit(number, local as usize, self.whole[item]) {
                    part.order.push(local);
                    part.cost[begin + local as usize] = self.cost(item, *site as usize);
                }
            }
            part.start.push(part.order.len());
        }
        part
    }
}

/// What a capacity may be filled to: itself, and the rounding of sums.
pub(crate) fn most(capacity: f64) -> f64 {
    capacity + TOLERANCE * capacity.max(1.0)
}

fn rows(values: &[f64], rows: impl Iterator<Item = usize>, width: usize) -> Vec<f64> {
    rows.flat_map(|row| &values[row * width..(row + 1) * width]).copied().collect()
}

fn amount(what: &'static str, whose: impl Fn() -> String, value: f64) -> Result<(), ModelError> {
    if (0.0..=MOST).contains(&value) {
        return Ok(());
    }
    Err(ModelError::OutOfRange { what, whose: whose(), value, want: "0 to 1e12" })
}

fn length(what: impl Fn() -> String, length: usize, want: usize) -> Result<(), ModelError> {
    if length == want { Ok(()) } else { Err(ModelError::Length { what: what(), length, want }) }
}
