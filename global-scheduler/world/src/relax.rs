//! The relaxation that bounds every plan: demand that may be divided at will, replicas that may be fractions.
//!
//! Each location's demand for a workload is an item by itself, and takes of a site's resources the share of a replica that serves
//! it; replicas that run without demand are an item too. Workloads that are served whole stay whole. Policies about single sites
//! and the latency of single users hold, all others are left out. Whatever a plan costs, it costs no less here: so the
//! prices that prove a bound of this model prove it for the world.

use meridian_global_engine::{Certificate, CertificateError, Item, Model, ModelError, Site, Usage};

use crate::plan::Plan;
use crate::survey::Survey;
use crate::world::{SAFETY, Workload, whole_replicas};

/// The most pairs of an item and a site for which each location is an item by itself.
const MOST_PAIRS: usize = 40_000_000;

/// Proof of a lower bound of a world.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    pub(crate) certificate: Certificate,
}

/// Recomputes the bound that a proof proves, for all plans of a world. `running` is what runs: sites whose capacity is stale take
/// nothing else.
pub fn bound(survey: &Survey<'_>, proof: &Proof, running: Option<&Plan>) -> Result<f64, CertificateError> {
    match relax(survey, running) {
        Ok(model) => meridian_global_engine::bound(&model, &proof.certificate),
        // Numbers out of range were told before; nothing costs less than nothing.
        Err(_) => Ok(0.0),
    }
}

/// The relaxation.
pub(crate) fn relax(survey: &Survey<'_>, running: Option<&Plan>) -> Result<Model, ModelError> {
    let (mut items, mut usage) = (Vec::new(), Vec::new());
    let pairs: usize = (0..survey.world.workloads.len()).map(|workload| survey.demand(workload).len()).sum();
    let by_location = pairs.saturating_mul(survey.sites()) <= MOST_PAIRS;
    for workload in 0..survey.world.workloads.len() {
        let of = survey.workload(workload);
        let leaving = of.price_of_leaving(&survey.world.prices);
        let mut add = |whole: bool, replicas: f64, left: f64, cost: Vec<f64>| {
            items.push(Item { whole, unserved: left * leaving, required: false, cost });
            usage.extend(survey.usage(workload).iter().map(|usage| usage * replicas));
        };
        let replica: Vec<f64> = (0..survey.sites())
            .map(|site| match survey.admits(workload, site, running) {
                true => survey.replica_price(workload, site),
                false => f64::INFINITY,
            })
            .collect();
        let demand = survey.demand(workload);
        let (total, least) = (of.total_demand(), f64::from(of.replicas.least));
        if of.whole {
            let asked = whole_replicas(total, of.rate);
            let spare = asked * spare_price(of, &replica, leaving, asked >= least);
            let cost = |site: usize| whole_cost(survey, workload, site, asked * replica[site] + spare);
            if asked > 0.0 {
                add(true, asked, total / of.rate, (0..survey.sites()).map(cost).collect());
            }
            if least > asked {
                let idle = least - asked;
                add(false, idle, idle, replica.iter().map(|price| price * idle).collect());
            }
            continue;
        }
        let spare = spare_price(of, &replica, leaving, total / of.rate >= least);
        let is_strict = of.latency.is_some_and(|latency| latency.percentile >= 100.0);
        let unit = |site: usize, location: u32| {
            let location = location as usize;
            if is_strict && !survey.is_near(workload, site, location) {
                return f64::INFINITY;
            }
            survey.unit_cost(workload, site, location).total()
        };
        if by_location {
            for (location, amount) in demand {
                let cost = |site: usize| amount * ((replica[site] + spare) / of.rate + unit(site, *location));
                add(false, amount / of.rate, amount / of.rate, (0..survey.sites()).map(cost).collect());
            }
        } else if total > 0.0 {
            // Each user as if served like the cheapest of all: less than any plan, and one item.
            let open = (0..survey.sites()).filter(|site| replica[*site].is_finite());
            let units = open.flat_map(|site| demand.iter().map(move |(location, _)| unit(site, *location)));
            let cheapest = units.fold(f64::INFINITY, f64::min);
            let served = if cheapest.is_finite() { total * cheapest } else { 0.0 };
            let cost = |site: usize| served + replica[site] * total / of.rate;
            add(false, total / of.rate, total / of.rate, (0..survey.sites()).map(cost).collect());
        }
        let idle = least - total / of.rate;
        if idle > 0.0 {
            add(false, idle, idle, replica.iter().map(|price| price * idle).collect());
        }
    }
    let sites: Vec<Site> = (0..survey.sites())
        .map(|site| Site { opening: survey.site(site).opening, capacity: survey.capacity(site).to_vec() })
        .collect();
    Model::new(survey.resources.len(), &sites, items, Usage::ByItem(usage))
}

/// What being ready for the loss of a site costs at least for each replica that serves.
///
/// With k sites, the one with most replicas has a k-th of them, and as many must be left as are needed: so n replicas need n / (k - 1)
/// more, or a k-th of n is missing and is paid for as such. Replicas that run without demand could be these: then it is nothing.
fn spare_price(of: &Workload, replica: &[f64], leaving: f64, has_no_idle: bool) -> f64 {
    if !of.survives_site_loss || !has_no_idle {
        return 0.0;
    }
    let prices = replica.iter().copied().filter(|price| price.is_finite());
    let sites = prices.clone().count() as f64;
    let cheapest = prices.fold(f64::INFINITY, f64::min);
    let missing = SAFETY * leaving / sites.max(1.0);
    if sites > 1.0 { missing.min(cheapest / (sites - 1.0)) } else { missing }
}

/// What serving all demand at one site costs; infinite where too much of it would come too late.
fn whole_cost(survey: &Survey<'_>, workload: usize, site: usize, replicas: f64) -> f64 {
    let of = survey.workload(workload);
    let share = of.latency.map_or(0.0, |latency| latency.percentile / 100.0);
    let (mut cost, mut near, mut total) = (replicas, 0.0, 0.0);
    if !cost.is_finite() {
        return cost;
    }
    for (location, amount) in survey.demand(workload) {
        let location = *location as usize;
        cost += amount * survey.unit_cost(workload, site, location).total();
        near += if survey.is_near(workload, site, location) { *amount } else { 0.0 };
        total += amount;
    }
    if near < share * total * (1.0 - 1e-6) { f64::INFINITY } else { cost }
}
