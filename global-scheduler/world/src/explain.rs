//! Why a workload runs where it runs: what the same demand would cost elsewhere, and what keeps it from there.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::plan::{Placement, Plan};
use crate::policy::Policy;
use crate::rules::domains;
use crate::survey::Survey;

/// Where a workload runs, and why there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The workload.
    pub workload: String,
    /// Each site that it runs at.
    pub sites: Vec<Choice>,
    /// What keeps it from sites that would cost less: fields of the workload, or resources of sites.
    pub binding: Vec<String>,
}

/// A site that a workload runs at, and the others that its demand there could go to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// The site.
    pub site: String,
    /// Replicas there.
    pub replicas: u32,
    /// Units of demand served there.
    pub served: f64,
    /// Money an hour for what it serves there.
    pub cost: f64,
    /// All other sites, cheapest first; those that cannot serve this demand at all come last.
    pub others: Vec<Other>,
}

/// Another site for the same demand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Other {
    /// The site.
    pub site: String,
    /// Money an hour for the same demand there, with what it costs to open the site; none where there is no way.
    pub cost: Option<f64>,
    /// What keeps the workload from there; empty where it is only dearer.
    pub against: Vec<String>,
}

/// Explains where a workload of a plan runs; none if it does not run.
pub fn explain(
    survey: &Survey<'_>,
    plan: &Plan,
    workload: usize,
    running: Option<&Plan>,
) -> Option<Explanation> {
    let of = survey.workload(workload);
    let placement = plan.workloads.get(&of.name)?;
    let used = Used::new(survey, plan);
    let (mut sites, mut binding) = (Vec::new(), BTreeSet::new());
    for (name, count) in placement.replicas.iter().filter(|(_, count)| **count > 0) {
        let Some(at) = survey.find_site(name) else { continue };
        let batch = Batch { survey, workload, plan, placement, used: &used, at, count: *count };
        // What is left open behind must be paid for whoever stays; alone, it closes.
        let leaves = if used.workloads[at] == 1 { survey.site(at).opening } else { 0.0 };
        let cost = batch.cost(at)? + leaves;
        let mut others: Vec<Other> =
            (0..survey.sites()).filter(|site| *site != at).map(|site| batch.other(site, running)).collect();
        others.sort_by(|a, b| {
            let cost = |other: &Other| other.cost.unwrap_or(f64::INFINITY);
            cost(a).total_cmp(&cost(b)).then(a.site.cmp(&b.site))
        });
        let cheaper =
            others.iter().filter(|other| other.cost.is_some_and(|other| other < cost * (1.0 - 1e-9)));
        binding.extend(cheaper.flat_map(|other| other.against.clone()));
        let served = batch.flows().map(|flow| flow.1).sum::<f64>() + 0.0;
        sites.push(Choice { site: name.clone(), replicas: *count, served, cost, others });
    }
    Some(Explanation { workload: of.name.clone(), sites, binding: binding.into_iter().collect() })
}

/// What a plan uses of each site.
pub(crate) struct Used {
    resources: Vec<f64>,
    workloads: Vec<u32>,
}

impl Used {
    pub(crate) fn of(&self, survey: &Survey<'_>, site: usize) -> &[f64] {
        let width = survey.resources.len();
        &self.resources[site * width..(site + 1) * width]
    }

    pub(crate) fn new(survey: &Survey<'_>, plan: &Plan) -> Used {
        let width = survey.resources.len();
        let mut used =
            Used { resources: vec![0.0; survey.sites() * width], workloads: vec![0; survey.sites()] };
        for (name, placement) in &plan.workloads {
            let Some(workload) = survey.find_workload(name) else { continue };
            for (site, count) in placement.replicas.iter().filter(|(_, count)| **count > 0) {
                let Some(site) = survey.find_site(site) else { continue };
                used.workloads[site] += 1;
                for (resource, usage) in survey.usage(workload).iter().enumerate() {
                    used.resources[site * width + resource] += usage * f64::from(*count);
                }
            }
        }
        used
    }
}

/// The replicas of a workload at one site with the demand they serve.
struct Batch<'a, 'w> {
    survey: &'a Survey<'w>,
    workload: usize,
    plan: &'a Plan,
    placement: &'a Placement,
    used: &'a Used,
    at: usize,
    count: u32,
}

impl Batch<'_, '_> {
    fn flows(&self) -> impl Iterator<Item = (usize, f64)> {
        let name = &self.survey.site(self.at).name;
        let flows = self.placement.flows.iter().filter(move |flow| flow.site == *name);
        flows.filter_map(|flow| {
            let location = self.survey.names.locations.get(flow.location.as_str())?;
            Some((*location as usize, flow.amount))
        })
    }

    /// Money for serving this demand at a site, opening apart; none where somebody cannot be reached.
    fn cost(&self, site: usize) -> Option<f64> {
        let serving: f64 = self
            .flows()
            .map(|(location, amount)| amount * self.survey.unit_cost(self.workload, site, location).total())
            .sum();
        let cost = serving + f64::from(self.count) * self.survey.replica_price(self.workload, site);
        cost.is_finite().then_some(cost)
    }

    fn other(&self, site: usize, running: Option<&Plan>) -> Other {
        let survey = self.survey;
        let of = survey.workload(self.workload);
        let opening = if self.used.workloads[site] == 0 { survey.site(site).opening } else { 0.0 };
        let mut against: Vec<String> =
            survey.refusals(self.workload, site, running).iter().map(ToString::to_string).collect();
        let (mut near, mut all) = (0.0, 0.0);
        for (location, amount) in self.flows() {
            near += if survey.is_near(self.workload, site, location) { amount } else { 0.0 };
            all += amount;
        }
        let share = of.latency.map_or(0.0, |latency| latency.percentile / 100.0);
        if near < share * all * (1.0 - 1e-6) {
            against.push(Policy::Latency.to_string());
        }
        against.extend(self.lacking(site));
        against.extend(self.neighbours(site));
        Other {
            site: survey.site(site).name.clone(),
            cost: self.cost(site).map(|cost| cost + opening),
            against,
        }
    }

    /// Resources that a site lacks for these replicas.
    fn lacking(&self, site: usize) -> Vec<String> {
        let survey = self.survey;
        let used = self.used.of(survey, site);
        let room = survey.capacity(site).iter().zip(used).map(|(has, used)| has - used);
        let needs = survey.usage(self.workload).iter().map(|usage| usage * f64::from(self.count));
        let short =
            needs.zip(room).enumerate().filter(|(_, (need, room))| *need > room + 1e-9 * need.max(1.0));
        let word = |(resource, (need, room)): (usize, (f64, f64))| {
            let (resource, site) = (survey.resources[resource], &survey.site(site).name);
            format!("{resource} at {site}: {} free, {need} needed", (1e6 * room.max(0.0)).round() / 1e6)
        };
        short.map(word).collect()
    }

    /// Workloads to keep apart from, in either's words, and domains that are full.
    fn neighbours(&self, site: usize) -> Vec<String> {
        let survey = self.survey;
        let of = survey.workload(self.workload);
        let mut against = Vec::new();
        let mut meets = |other: &str, kind: &str, word: String| {
            let domains = domains(survey, kind);
            let there = self.plan.workloads.get(other).into_iter().flat_map(|placement| &placement.replicas);
            let mut there =
                there.filter(|(_, count)| **count > 0).filter_map(|(site, _)| survey.find_site(site));
            if there.any(|there| domains[there] == domains[site]) {
                against.push(word);
            }
        };
        for (number, apart) in of.apart.iter().enumerate() {
            meets(&apart.workload, &apart.over, Policy::Apart(number).to_string());
        }
        for other in survey.world.workloads.iter().filter(|other| other.name != of.name) {
            for apart in other.apart.iter().filter(|apart| apart.workload == of.name) {
                meets(&other.name, &apart.over, format!("apart of {}", other.name));
            }
        }
        for (number, spread) in of.spread.iter().enumerate() {
            let domains = domains(survey, &spread.over);
            let here = self
                .placement
                .replicas
                .iter()
                .filter_map(|(site, count)| Some((survey.find_site(site)?, count)));
            let held: u64 = here
                .filter(|(here, _)| *here != self.at && domains[*here] == domains[site])
                .map(|(_, count)| u64::from(*count))
                .sum();
            if spread.most.is_some_and(|most| held + u64::from(self.count) > u64::from(most)) {
                against.push(Policy::Spread(number).to_string());
            }
        }
        against
    }
}
