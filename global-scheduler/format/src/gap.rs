//! The usual format for generalised assignment: `agents items`, a row of costs for each agent, a row of weights for each agent,
//! and the agents' capacities.

use meridian_global_engine::{Item, MOST_PAIRS, Model, Site, Usage};

use crate::error::FormatError;
use crate::numbers::Numbers;
use crate::orlib::price_unserved;

/// Reads an instance to be minimised. Every item must be served, by one agent.
pub fn read_gap(text: &str) -> Result<Model, FormatError> {
    let mut numbers = Numbers::new(text);
    let agents = numbers.count("the number of agents", MOST_PAIRS)?;
    let items = numbers.count("the number of items", MOST_PAIRS / agents)?;
    let mut costs: Vec<Vec<f64>> = Vec::new();
    for agent in 0..agents {
        let row = (0..items)
            .map(|item| numbers.amount(|| format!("the cost of item {item} at agent {agent}"), None));
        costs.push(row.collect::<Result<_, _>>()?);
    }
    let mut weights: Vec<Vec<f64>> = Vec::new();
    for agent in 0..agents {
        let row = (0..items)
            .map(|item| numbers.amount(|| format!("the weight of item {item} at agent {agent}"), None));
        weights.push(row.collect::<Result<_, _>>()?);
    }
    let mut sites = Vec::new();
    for agent in 0..agents {
        let capacity = numbers.amount(|| format!("the capacity of agent {agent}"), None)?;
        sites.push(Site { opening: 0.0, capacity: vec![capacity] });
    }
    numbers.end()?;
    let column = |item: usize| costs.iter().map(|row| row[item]).collect();
    let item = |item| Item { whole: true, unserved: 0.0, required: true, cost: column(item) };
    let mut read: Vec<Item> = (0..items).map(item).collect();
    price_unserved(&mut read, 0.0);
    let usage = (0..items).flat_map(|item| weights.iter().map(move |row| row[item])).collect();
    Ok(Model::new(1, &sites, read, Usage::ByPair(usage))?)
}
