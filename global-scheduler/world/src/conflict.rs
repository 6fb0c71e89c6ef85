//! Why a workload is not served: policies that leave it nowhere to run, or too little room.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::check::{Checked, Shortfall};
use crate::plan::Plan;
use crate::policy::Policy;
use crate::survey::Survey;
use crate::world::whole_replicas;

/// A workload that is not served in full, or runs short of a policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unplaced {
    /// Its name.
    pub workload: String,
    /// Units of demand that nobody serves.
    pub demand: f64,
    /// Policies that it runs short of.
    pub shortfalls: Vec<Shortfall>,
    /// Why.
    pub cause: Cause,
}

/// Why a workload is not served in full.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Cause {
    /// Its policies contradict each other or the world: without any one of these, it could run.
    Conflict {
        /// The fields that state them; a smallest set.
        policies: Vec<String>,
    },
    /// Where there is room, workloads run that it keeps apart from.
    Apart {
        /// These workloads.
        workloads: Vec<String>,
    },
    /// There is no room where it may run, after what is worth more.
    Capacity {
        /// Replicas that are missing.
        replicas: u64,
        /// What they would need, by resource.
        need: std::collections::BTreeMap<String, f64>,
        /// The site where they would cost least.
        site: String,
    },
    /// Serving it costs more than leaving it.
    Price {
        /// Money for serving the unit of demand that is cheapest to serve, for an hour.
        serving: f64,
        /// Money for leaving a unit for an hour.
        leaving: f64,
    },
}

/// Why what is not served is not.
pub(crate) fn unplaced(
    survey: &Survey<'_>,
    plan: &Plan,
    checked: &Checked,
    running: Option<&Plan>,
) -> Vec<Unplaced> {
    let names: BTreeSet<&String> = checked.unserved.keys().chain(checked.shortfalls.keys()).collect();
    let unplaced = names.into_iter().filter_map(|name| {
        let workload = survey.find_workload(name)?;
        let demand = checked.unserved.get(name).copied().unwrap_or(0.0);
        let shortfalls = checked.shortfalls.get(name).cloned().unwrap_or_default();
        let cause = cause(survey, workload, demand, plan, running);
        Some(Unplaced { workload: name.clone(), demand, shortfalls, cause })
    });
    unplaced.collect()
}

fn cause(survey: &Survey<'_>, workload: usize, demand: f64, plan: &Plan, running: Option<&Plan>) -> Cause {
    let of = survey.workload(workload);
    if let Some(policies) = conflict(survey, workload, running) {
        return Cause::Conflict { policies: policies.iter().map(ToString::to_string).collect() };
    }
    let held = plan.workloads.get(&of.name).map_or(0, |placement| placement.total());
    let lacking = whole_replicas(demand, of.rate).max(f64::from(of.replicas.least) - held as f64);
    let missing = if held == 0 { of.wanted_replicas() } else { lacking.max(1.0) };
    let others = kept_apart(survey, workload, if of.whole { missing } else { 1.0 }, plan, running);
    if !others.is_empty() {
        return Cause::Apart { workloads: others };
    }
    let unit = |site: usize| {
        let locations = survey.demand(workload).iter();
        let near = locations.filter(|(location, _)| survey.is_near(workload, site, *location as usize));
        let costs = near.map(|(location, _)| survey.unit_cost(workload, site, *location as usize).total());
        let least = costs.fold(f64::INFINITY, f64::min);
        survey.replica_price(workload, site) / of.rate
            + if survey.demand(workload).is_empty() { 0.0 } else { least }
    };
    let admitted = (0..survey.sites()).filter(|site| survey.admits(workload, *site, running));
    let best = admitted.map(|site| (unit(site), site)).min_by(|a, b| a.0.total_cmp(&b.0));
    let (serving, site) = best.unwrap_or((f64::INFINITY, 0));
    let leaving = of.price_of_leaving(&survey.world.prices) / of.rate;
    if serving >= leaving {
        return Cause::Price { serving, leaving };
    }
    let need = of.usage.iter().map(|(resource, usage)| (resource.clone(), usage * missing)).collect();
    Cause::Capacity { replicas: missing as u64, need, site: survey.site(site).name.clone() }
}

/// The workloads that keep one from sites where there is room for it.
fn kept_apart(
    survey: &Survey<'_>,
    workload: usize,
    replicas: f64,
    plan: &Plan,
    running: Option<&Plan>,
) -> Vec<String> {
    let of = survey.workload(workload);
    let own = of.apart.iter().map(|apart| (&apart.workload, &apart.over));
    let theirs = survey.world.workloads.iter().flat_map(|other| {
        let apart = other.apart.iter().filter(|apart| apart.workload == of.name);
        apart.map(|apart| (&other.name, &apart.over))
    });
    let rivals: Vec<(&String, &String)> = own.chain(theirs).collect();
    let used = crate::explain::Used::new(survey, plan);
    let mut found = BTreeSet::new();
    for site in (0..survey.sites()).filter(|site| survey.admits(workload, *site, running)) {
        let room = survey.capacity(site).iter().zip(used.of(survey, site)).map(|(has, used)| has - used);
        let needs = survey.usage(workload).iter().map(|usage| usage * replicas);
        if !needs.zip(room).all(|(need, room)| need <= room + 1e-9 * need.max(1.0)) {
            continue;
        }
        for (other, kind) in &rivals {
            let domains = crate::rules::domains(survey, kind);
            let there =
                plan.workloads.get(*other).into_iter().flat_map(|placement| placement.replicas.keys());
            if there.filter_map(|there| survey.find_site(there)).any(|there| domains[there] == domains[site])
            {
                found.insert((*other).clone());
            }
        }
    }
    found.into_iter().collect()
}

/// A smallest set of policies that leave a workload nowhere to run, were it alone in the world; none if it can run.
///
/// Policies are left out one after another for as long as the rest still conflict, so that without any of those that remain there
/// would be no conflict (a deletion filter, as for infeasible linear programmes).
pub fn conflict(survey: &Survey<'_>, workload: usize, running: Option<&Plan>) -> Option<Vec<Policy>> {
    let mut policies = Policy::all(survey.workload(workload));
    if can_run(survey, workload, &policies, running) {
        return None;
    }
    let mut number = 0;
    while number < policies.len() {
        let left_out = policies.remove(number);
        if can_run(survey, workload, &policies, running) {
            policies.insert(number, left_out);
            number += 1;
        }
    }
    Some(policies)
}

/// Whether some of its policies let a workload run, alone in the world.
fn can_run(survey: &Survey<'_>, workload: usize, policies: &[Policy], running: Option<&Plan>) -> bool {
    let of = survey.workload(workload);
    let holds = |policy: Policy| policies.contains(&policy);
    let room = |site: usize| -> u64 {
        if policies.iter().any(|policy| !survey.permits(*policy, workload, site, running)) {
            return 0;
        }
        if !reaches(
            survey,
            workload,
            site,
            holds(Policy::Network),
            holds(Policy::Latency),
            of.whole && holds(Policy::Whole),
        ) {
            return 0;
        }
        if !holds(Policy::Capacity) {
            return u64::MAX;
        }
        let shares =
            survey.usage(workload).iter().zip(survey.capacity(site)).filter(|(usage, _)| **usage > 0.0);
        shares.map(|(usage, has)| (has / usage * (1.0 + 1e-9)).floor() as u64).min().unwrap_or(u64::MAX)
    };
    let rooms: Vec<u64> = (0..survey.sites()).map(room).collect();
    let asked = whole_replicas(of.total_demand(), of.rate).max(1.0) as u64;
    let least = if holds(Policy::Replicas) { u64::from(of.replicas.least) } else { 0 };
    let most = of.replicas.most.filter(|_| holds(Policy::Replicas)).map_or(u64::MAX, u64::from);
    // A workload that may be divided runs as soon as some of it does.
    let is_whole = of.whole && holds(Policy::Whole);
    let serving = if is_whole { asked } else { 1 };
    let survives = of.survives_site_loss && holds(Policy::SurvivesSiteLoss);
    let wanted = (serving + if survives { serving } else { 0 }).max(least);
    if wanted > most {
        return false;
    }
    let sites = rooms.iter().filter(|room| **room >= serving).count();
    if sites < if survives { 2 } else { 1 } {
        return false;
    }
    if is_whole && !survives && !rooms.iter().any(|room| *room >= wanted) {
        return false;
    }
    let total = rooms.iter().fold(0_u64, |total, room| total.saturating_add(*room));
    total >= wanted && spreads(survey, workload, policies, &rooms, wanted, serving, is_whole, survives)
}

/// Whether replicas can be spread as policies say, each policy by itself.
#[allow(clippy::too_many_arguments)]
fn spreads(
    survey: &Survey<'_>,
    workload: usize,
    policies: &[Policy],
    rooms: &[u64],
    wanted: u64,
    serving: u64,
    is_whole: bool,
    survives: bool,
) -> bool {
    let of = survey.workload(workload);
    of.spread.iter().enumerate().filter(|(number, _)| policies.contains(&Policy::Spread(*number))).all(
        |(_, spread)| {
            let domains = crate::rules::domains(survey, &spread.over);
            let mut in_domain = vec![0_u64; domains.iter().max().map_or(0, |most| *most as usize + 1)];
            for (domain, room) in domains.iter().zip(rooms) {
                in_domain[*domain as usize] = in_domain[*domain as usize].saturating_add(*room);
            }
            let used = in_domain.iter().filter(|room| **room > 0).count() as u64;
            // Whole workloads run at one site, and with a standby at two.
            let reach = if !is_whole { used } else { used.min(if survives { 2 } else { 1 }) };
            let least = u64::from(spread.least.unwrap_or(1));
            let most = spread.most.map_or(u64::MAX, u64::from);
            let held = in_domain.iter().fold(0_u64, |held, room| held.saturating_add((*room).min(most)));
            let asked = if is_whole { serving } else { wanted.max(least) };
            let at_most =
                of.replicas.most.filter(|_| policies.contains(&Policy::Replicas)).map_or(u64::MAX, u64::from);
            reach >= least && held >= asked && (!is_whole || most >= serving) && least <= at_most
        },
    )
}

/// Whether a site reaches users in time: enough of all where they are served whole, else any.
fn reaches(
    survey: &Survey<'_>,
    workload: usize,
    site: usize,
    network: bool,
    latency: bool,
    whole: bool,
) -> bool {
    let demand = survey.demand(workload);
    if demand.is_empty() {
        return true;
    }
    let ways = demand
        .iter()
        .filter(|(location, _)| survey.network.to_location(site, *location as usize).is_finite());
    let ways = ways.count();
    if network && (ways == 0 || whole && ways < demand.len()) {
        return false;
    }
    if !latency {
        return true;
    }
    let share = survey.workload(workload).latency.map_or(0.0, |latency| latency.percentile / 100.0);
    let near = |(location, _): &&(u32, f64)| {
        // Without the policy about ways, somebody who cannot be reached is no matter of latency.
        let location = *location as usize;
        survey.is_near(workload, site, location)
            || !network && !survey.network.to_location(site, location).is_finite()
    };
    let total: f64 = demand.iter().map(|(_, amount)| amount).sum();
    let near: f64 = demand.iter().filter(near).map(|(_, amount)| amount).sum();
    if whole { near >= share * total * (1.0 - 1e-6) } else { near > 0.0 }
}
