//! The OR-Library's format for capacitated facility location (`cap41` and its like).
//!
//! `sites customers`; for each site its capacity and opening cost; for each customer its demand, and the cost of serving all of
//! it from each site.

use meridian_global_engine::{Item, MOST_PAIRS, Model, Site, Usage};

use crate::error::FormatError;
use crate::numbers::Numbers;

/// How an instance is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OrlibOptions {
    /// Whether each customer is served by one site only; the published optima let demand be split.
    pub whole: bool,
    /// What the word `capacity` stands for, which `capa`, `capb` and `capc` have in the place of numbers.
    pub capacity: Option<f64>,
}

/// Reads an instance. Every customer must be served.
pub fn read_orlib(text: &str, options: OrlibOptions) -> Result<Model, FormatError> {
    let mut numbers = Numbers::new(text);
    let sites = numbers.count("the number of sites", MOST_PAIRS)?;
    let customers = numbers.count("the number of customers", MOST_PAIRS / sites)?;
    let mut read = Vec::new();
    for site in 0..sites {
        let stands_for = options.capacity.map(|capacity| ("capacity", capacity));
        let capacity = numbers.amount(|| format!("the capacity of site {site}"), stands_for)?;
        let opening = numbers.amount(|| format!("the opening cost of site {site}"), None)?;
        read.push(Site { opening, capacity: vec![capacity] });
    }
    let dearest = read.iter().map(|site| site.opening).fold(0.0, f64::max);
    let (mut items, mut usage) = (Vec::new(), Vec::new());
    for customer in 0..customers {
        usage.push(numbers.amount(|| format!("the demand of customer {customer}"), None)?);
        let mut cost = Vec::with_capacity(sites);
        for site in 0..sites {
            cost.push(numbers.amount(|| format!("the cost of customer {customer} at site {site}"), None)?);
        }
        items.push(Item { whole: options.whole, unserved: 0.0, required: true, cost });
    }
    numbers.end()?;
    price_unserved(&mut items, dearest);
    Ok(Model::new(1, &read, items, Usage::ByItem(usage))?)
}

/// Sets a price for leaving an item that no plan pays where it can do without.
pub(crate) fn price_unserved(items: &mut [Item], dearest_opening: f64) {
    let costs = items.iter().flat_map(|item| &item.cost).copied();
    let dearest = costs.filter(|cost| cost.is_finite()).fold(0.0, f64::max);
    for item in items {
        item.unserved = (4.0 * (dearest + dearest_opening) + 1.0).min(meridian_global_engine::MOST);
    }
}
