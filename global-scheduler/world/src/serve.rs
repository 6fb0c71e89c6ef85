//! Who is served from where, once replicas are decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use meridian_global_engine::{Backend, Item, Limits, Model, Site, Usage, solve};

use crate::survey::Survey;
use crate::world::{Held, Spread};

/// A workload as numbers: replicas by site, and demand of locations served at sites.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Draft {
    pub(crate) replicas: BTreeMap<u32, u32>,
    pub(crate) flows: Vec<(u32, u32, f64)>,
}

impl Draft {
    pub(crate) fn total(&self) -> u64 {
        self.replicas.values().map(|count| u64::from(*count)).sum()
    }

    pub(crate) fn served(&self) -> f64 {
        self.flows.iter().map(|(_, _, amount)| amount).sum()
    }

    pub(crate) fn served_at(&self, site: u32) -> f64 {
        self.flows.iter().filter(|flow| flow.1 == site).map(|(_, _, amount)| amount).sum()
    }

    /// Money for what is served and for what is lacking, replicas apart.
    pub(crate) fn serving_cost(&self, survey: &Survey<'_>, workload: usize) -> f64 {
        let of = survey.workload(workload);
        let unit =
            |site: u32, location: u32| survey.unit_cost(workload, site as usize, location as usize).total();
        let served: f64 =
            self.flows.iter().map(|(location, site, amount)| amount * unit(*site, *location)).sum();
        served + of.lacks(&self.held(survey, workload)) * of.price_of_leaving(&survey.world.prices)
    }

    pub(crate) fn held(&self, survey: &Survey<'_>, workload: usize) -> Held {
        let domains = |spread: &Spread| {
            let here = self.replicas.iter().filter(|(_, count)| **count > 0);
            let domains: BTreeSet<Option<&str>> =
                here.map(|(site, _)| survey.site(*site as usize).domain(&spread.over)).collect();
            domains.len() as u32
        };
        Held {
            served: self.served(),
            total: self.total(),
            most: u64::from(self.replicas.values().copied().max().unwrap_or(0)),
            domains: survey.workload(workload).spread.iter().map(domains).collect(),
        }
    }
}

/// The cheapest service that replicas can give, with every user in time. What they cannot serve is left.
pub(crate) fn serve(
    survey: &Survey<'_>,
    workload: usize,
    replicas: &BTreeMap<u32, u32>,
) -> Vec<(u32, u32, f64)> {
    let sites: Vec<(u32, u32)> =
        replicas.iter().filter(|(_, count)| **count > 0).map(|(site, count)| (*site, *count)).collect();
    let demand = survey.demand(workload);
    if survey.workload(workload).whole {
        return serve_whole(survey, workload, &sites);
    }
    let unit = |site: u32, location: u32| {
        let (site, location) = (site as usize, location as usize);
        let cost = survey.unit_cost(workload, site, location).total();
        if survey.is_near(workload, site, location) { cost } else { f64::INFINITY }
    };
    let nearest = |(location, amount): &(u32, f64)| {
        let costs = sites.iter().map(|(site, _)| (unit(*site, *location), *site));
        let (cost, site) = costs.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))?;
        (cost.is_finite()).then_some((*location, site, *amount))
    };
    let flows: Vec<(u32, u32, f64)> = demand.iter().filter_map(nearest).collect();
    let rate = survey.workload(workload).rate;
    let fits = |(site, count): &(u32, u32)| {
        let load: f64 = flows.iter().filter(|flow| flow.1 == *site).map(|(_, _, amount)| amount).sum();
        load <= f64::from(*count) * rate * (1.0 + 1e-9)
    };
    if sites.iter().all(fits) {
        return flows;
    }
    divide(survey, workload, &sites, &unit).unwrap_or(flows)
}

/// All demand from the cheapest site that can serve all of it.
fn serve_whole(survey: &Survey<'_>, workload: usize, sites: &[(u32, u32)]) -> Vec<(u32, u32, f64)> {
    let of = survey.workload(workload);
    let demand = survey.demand(workload);
    let total = of.total_demand();
    let share = of.latency.map_or(0.0, |latency| latency.percentile / 100.0);
    let cost = |(site, count): &(u32, u32)| {
        let at = *site as usize;
        let near = demand.iter().filter(|(location, _)| survey.is_near(workload, at, *location as usize));
        let near: f64 = near.map(|(_, amount)| amount).sum();
        let is_able =
            f64::from(*count) * of.rate >= total * (1.0 - 1e-9) && near >= share * total * (1.0 - 1e-9);
        let cost = |(location, amount): &(u32, f64)| {
            amount * survey.unit_cost(workload, at, *location as usize).total()
        };
        let cost: f64 = demand.iter().map(cost).sum();
        (is_able && cost.is_finite()).then_some((cost, *site))
    };
    let best = sites.iter().filter_map(cost).min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let flow = |site| demand.iter().map(move |(location, amount)| (*location, site, *amount)).collect();
    best.map(|(_, site)| flow(site)).unwrap_or_default()
}

/// The cheapest division among sites that cannot serve all that would go there: a transportation problem for the engine.
fn divide(
    survey: &Survey<'_>,
    workload: usize,
    sites: &[(u32, u32)],
    unit: &dyn Fn(u32, u32) -> f64,
) -> Option<Vec<(u32, u32, f64)>> {
    let of = survey.workload(workload);
    let demand = survey.demand(workload);
    let site = |(_, count): &(u32, u32)| Site { opening: 0.0, capacity: vec![f64::from(*count) * of.rate] };
    let item = |(location, amount): &(u32, f64)| Item {
        whole: false,
        unserved: amount / of.rate * of.price_of_leaving(&survey.world.prices),
        required: false,
        cost: sites.iter().map(|(site, _)| amount * unit(*site, *location)).collect(),
    };
    let usage = Usage::ByItem(demand.iter().map(|(_, amount)| *amount).collect());
    let model =
        Model::new(1, &sites.iter().map(site).collect::<Vec<_>>(), demand.iter().map(item).collect(), usage)
            .ok()?;
    let limits = Limits {
        clock: &|| 0,
        time: None,
        rounds: Some(20),
        backend: Backend::Microlp,
        cancel: &AtomicBool::new(false),
        gap: 0.0,
        progress: &|_, _| (),
    };
    let solution = solve(&model, &limits, 1, None);
    let mut flows = Vec::new();
    for ((location, amount), portions) in demand.iter().zip(&solution.assignment.portions) {
        for portion in portions {
            flows.push((*location, sites[portion.site as usize].0, portion.share * amount));
        }
    }
    Some(flows)
}
