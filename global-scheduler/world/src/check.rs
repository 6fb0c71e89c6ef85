//! The checker: what a plan costs and which rules it breaks, from the world itself.
//!
//! It shares with those who make plans the world and the ways of its network, and nothing else. Every test ends with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::plan::{Placement, Plan};
use crate::policy::Policy;
use crate::survey::Survey;
use crate::world::{Held, Spread, Workload};

/// What sums may be off by, as a share of themselves.
const ROUNDING: f64 = 1e-6;

/// Money by the hour, by what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Costs {
    /// For users that wait.
    pub latency: f64,
    /// For traffic.
    pub transport: f64,
    /// For using sites at all.
    pub opening: f64,
    /// For what replicas use.
    pub resources: f64,
    /// For demand that nobody serves, and for replicas that are missing.
    pub unserved: f64,
    /// For replicas that moved, spread over the horizon.
    pub moves: f64,
}

impl Costs {
    /// All but moves: what a plan costs however it came about.
    pub fn standing(&self) -> f64 {
        self.latency + self.transport + self.opening + self.resources + self.unserved
    }

    /// Everything.
    pub fn total(&self) -> f64 {
        self.standing() + self.moves
    }
}

/// What the checker found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// What the plan costs.
    pub costs: Costs,
    /// Every rule that it breaks; none if it is feasible.
    pub violations: Vec<Violation>,
    /// Demand that nobody serves, by workload, where there is any.
    pub unserved: BTreeMap<String, f64>,
    /// Policies that workloads run short of, by workload.
    pub shortfalls: BTreeMap<String, Vec<Shortfall>>,
    /// Replicas that moved.
    pub moves: u64,
}

impl Checked {
    /// Whether no rule is broken.
    pub fn is_feasible(&self) -> bool {
        self.violations.is_empty()
    }
}

/// A policy that a workload runs short of: allowed, priced, and told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shortfall {
    /// The field that states it.
    pub policy: String,
    /// Replicas or domains that there are.
    pub found: f64,
    /// How many there should be.
    pub want: f64,
}

/// A rule that a plan breaks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A name that means nothing in this world.
    #[error("the plan names the {what} {name:?}, and there is none")]
    Unknown {
        /// What it should be the name of.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A site that a policy keeps the workload from.
    #[error("{workload} runs at {site}, against {policy}")]
    Refused {
        /// The workload.
        workload: String,
        /// The site.
        site: String,
        /// The policy.
        policy: Policy,
    },
    /// Demand that is not there, or is no amount, or has nobody to serve it.
    #[error("{workload} serves {amount} of {location} at {site}, want at most {most}")]
    Served {
        /// The workload.
        workload: String,
        /// Whose demand.
        location: String,
        /// Where.
        site: String,
        /// How much.
        amount: f64,
        /// What would be right.
        most: f64,
    },
    /// More demand than replicas can serve.
    #[error("{workload} serves {amount} at {site}, where its replicas can serve {most}")]
    Rate {
        /// The workload.
        workload: String,
        /// Where.
        site: String,
        /// How much.
        amount: f64,
        /// What they can.
        most: f64,
    },
    /// A collective policy of the workload.
    #[error("{workload} breaks {policy}: {found}, want {want}")]
    Broken {
        /// The workload.
        workload: String,
        /// The policy.
        policy: Policy,
        /// What is so.
        found: String,
        /// What would be right.
        want: String,
    },
    /// A site that gives more than it has, or more than was known when its report was fresh.
    #[error("{site} gives {used} of {resource}, and has {capacity}")]
    Overloaded {
        /// The site.
        site: String,
        /// The resource.
        resource: String,
        /// What it gives.
        used: f64,
        /// What it has.
        capacity: f64,
    },
    /// A link that carries more than it can.
    #[error("the link from {from} to {to} carries {used} GB an hour, and can carry {bandwidth}")]
    Congested {
        /// One end.
        from: String,
        /// The other.
        to: String,
        /// What it carries.
        used: f64,
        /// What it can.
        bandwidth: f64,
    },
}

/// Recomputes what a plan costs and looks for rules that it breaks. What runs already is told by `running`: it moves at a cost, and
/// stays at sites whose capacity was not reported lately.
pub fn check(survey: &Survey<'_>, plan: &Plan, running: Option<&Plan>) -> Checked {
    let mut check = Check {
        survey,
        running,
        checked: Checked::default(),
        used: vec![0.0; survey.sites() * survey.resources.len()],
        is_open: vec![false; survey.sites()],
        links: BTreeMap::new(),
    };
    for name in plan.workloads.keys().filter(|name| survey.find_workload(name).is_none()) {
        check.checked.violations.push(Violation::Unknown { what: "workload", name: name.clone() });
    }
    let nothing = Placement::default();
    for (number, workload) in survey.world.workloads.iter().enumerate() {
        let placement = plan.workloads.get(&workload.name).unwrap_or(&nothing);
        check.workload(number, workload, placement, plan);
    }
    check.sites();
    check.links();
    check.checked
}

struct Check<'s, 'w> {
    survey: &'s Survey<'w>,
    running: Option<&'s Plan>,
    checked: Checked,
    used: Vec<f64>,
    is_open: Vec<bool>,
    links: BTreeMap<u32, f64>,
}

impl Check<'_, '_> {
    fn workload(&mut self, number: usize, workload: &Workload, placement: &Placement, plan: &Plan) {
        let survey = self.survey;
        let prices = &survey.world.prices;
        for (site, count) in &placement.replicas {
            let Some(at) = survey.find_site(site) else {
                self.unknown("site", site);
                continue;
            };
            if *count == 0 {
                continue;
            }
            for policy in survey.refusals(number, at, self.running) {
                let (workload, site) = (workload.name.clone(), site.clone());
                self.checked.violations.push(Violation::Refused { workload, site, policy });
            }
            let before = self.running.map_or(0, |running| running.replicas(&workload.name, site));
            if survey.is_stale(at) && *count > before {
                let found = format!("{count} replicas at {site}, whose capacity is not known");
                self.broken(workload, Policy::Fresh, found, format!("at most {before}"));
            }
            self.is_open[at] = true;
            let width = survey.resources.len();
            for (resource, usage) in survey.usage(number).iter().enumerate() {
                self.used[at * width + resource] += usage * f64::from(*count);
            }
            self.checked.costs.resources += survey.replica_price(number, at) * f64::from(*count);
        }
        let served = self.flows(number, workload, placement);
        let unserved = (workload.total_demand() - served).max(0.0);
        let domains = |spread: &Spread| self.domains_of(placement, &spread.over).len() as u32;
        let held = Held {
            served,
            total: placement.total(),
            most: u64::from(placement.replicas.values().copied().max().unwrap_or(0)),
            domains: workload.spread.iter().map(domains).collect(),
        };
        self.checked.costs.unserved += workload.lacks(&held) * workload.price_of_leaving(prices);
        self.shortfalls(workload, &held);
        if unserved > ROUNDING * workload.total_demand() || placement.total() == 0 {
            self.checked.unserved.insert(workload.name.clone(), unserved);
        }
        if placement.total() > 0 {
            self.collective(workload, placement, served, plan);
        }
        if let Some(running) = self.running {
            let moves = plan.moves_of(running, &workload.name);
            self.checked.moves += moves;
            self.checked.costs.moves += moves as f64 * workload.move_cost / prices.horizon;
        }
    }

    /// Who is served from where; returns how much in all.
    fn flows(&mut self, number: usize, workload: &Workload, placement: &Placement) -> f64 {
        let survey = self.survey;
        let mut by_location: BTreeMap<&str, f64> = BTreeMap::new();
        // At each site: served, and of that in time.
        let mut by_site: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for flow in &placement.flows {
            let (Some(site), Some(location)) =
                (survey.find_site(&flow.site), survey.names.locations.get(flow.location.as_str()))
            else {
                self.unknown("flow from location to site", &format!("{} to {}", flow.location, flow.site));
                continue;
            };
            let location = *location as usize;
            if !(flow.amount > 0.0 && flow.amount.is_finite()) {
                self.served(workload, &flow.location, &flow.site, flow.amount, 0.0);
                continue;
            }
            let cost = survey.unit_cost(number, site, location);
            if !cost.total().is_finite() {
                let (workload, site) = (workload.name.clone(), flow.site.clone());
                self.checked.violations.push(Violation::Refused { workload, site, policy: Policy::Network });
                continue;
            }
            self.checked.costs.latency += flow.amount * cost.latency;
            self.checked.costs.transport += flow.amount * cost.transport;
            for (link, traffic) in survey.link_loads(number, site, location) {
                *self.links.entry(link).or_default() += flow.amount * traffic;
            }
            *by_location.entry(&flow.location).or_default() += flow.amount;
            let at = by_site.entry(&flow.site).or_default();
            at.0 += flow.amount;
            at.1 += if survey.is_near(number, site, location) { flow.amount } else { 0.0 };
        }
        for (location, amount) in &by_location {
            let most = workload.demand.get(*location).copied().unwrap_or(0.0);
            if *amount > most * (1.0 + ROUNDING) + 1e-9 {
                self.served(workload, location, "all sites", *amount, most);
            }
        }
        for (site, (amount, in_time)) in &by_site {
            let replicas = placement.replicas.get(*site).copied().unwrap_or(0);
            let most = f64::from(replicas) * workload.rate;
            if *amount > most * (1.0 + ROUNDING) + 1e-9 {
                let (workload, site) = (workload.name.clone(), (*site).to_owned());
                self.checked.violations.push(Violation::Rate { workload, site, amount: *amount, most });
            }
            let share = workload.latency.map_or(0.0, |latency| latency.percentile / 100.0);
            if *in_time < share * amount * (1.0 - ROUNDING) {
                let found = format!("{:.4} % at {site} in time", 100.0 * in_time / amount);
                self.broken(workload, Policy::Latency, found, format!("{} %", 100.0 * share));
            }
        }
        by_location.values().sum()
    }

    /// Policies that a workload runs short of; of those that do not run there is nothing to say.
    fn shortfalls(&mut self, workload: &Workload, held: &Held) {
        let mut short = |policy: Policy, found: f64, want: f64| {
            let shortfall = Shortfall { policy: policy.to_string(), found, want };
            self.checked.shortfalls.entry(workload.name.clone()).or_default().push(shortfall);
        };
        if held.total == 0 {
            return;
        }
        if held.total < u64::from(workload.replicas.least) {
            short(Policy::Replicas, held.total as f64, f64::from(workload.replicas.least));
        }
        let lacking = workload.spares_lacking(held);
        if lacking > 0.0 {
            let left = (held.total - held.most) as f64;
            short(Policy::SurvivesSiteLoss, left, left + lacking);
        }
        for (number, (spread, domains)) in workload.spread.iter().zip(&held.domains).enumerate() {
            if let Some(least) = spread.least.filter(|least| domains < least) {
                short(Policy::Spread(number), f64::from(*domains), f64::from(least));
            }
        }
    }

    /// Policies about all replicas of a workload that runs.
    fn collective(&mut self, workload: &Workload, placement: &Placement, served: f64, plan: &Plan) {
        let total = placement.total();
        if let Some(most) = workload.replicas.most.filter(|most| total > u64::from(*most)) {
            self.broken(workload, Policy::Replicas, format!("{total} replicas"), format!("at most {most}"));
        }
        let sites = placement.replicas.values().filter(|count| **count > 0).count();
        if workload.whole {
            let serving: BTreeSet<&str> = placement.flows.iter().map(|flow| flow.site.as_str()).collect();
            let most = if workload.survives_site_loss { 2 } else { 1 };
            if sites > most || serving.len() > 1 {
                let found = format!("replicas at {sites} sites, {} of them serving", serving.len());
                self.broken(workload, Policy::Whole, found, "one site that serves".to_owned());
            }
            let demand = workload.total_demand();
            if served < demand * (1.0 - ROUNDING) {
                let found = format!("{served} served of {demand}");
                self.broken(workload, Policy::Whole, found, "all or nothing".to_owned());
            }
        }
        self.domains(workload, placement);
        for (number, apart) in workload.apart.iter().enumerate() {
            let here = self.domains_of(placement, &apart.over);
            let Some(other) = plan.workloads.get(&apart.workload) else { continue };
            let there = self.domains_of(other, &apart.over);
            for domain in here.keys().filter(|domain| there.contains_key(*domain)) {
                let found = format!("{} runs in {} {domain} too", apart.workload, apart.over);
                self.broken(workload, Policy::Apart(number), found, "only one of them there".to_owned());
            }
        }
    }

    fn domains(&mut self, workload: &Workload, placement: &Placement) {
        for (number, spread) in workload.spread.iter().enumerate() {
            let domains = self.domains_of(placement, &spread.over);
            for (domain, count) in &domains {
                if let Some(most) = spread.most.filter(|most| *count > u64::from(*most)) {
                    let found = format!("{count} replicas in {} {domain}", spread.over);
                    self.broken(workload, Policy::Spread(number), found, format!("at most {most}"));
                }
            }
        }
    }

    /// Replicas by domain of a kind.
    fn domains_of(&self, placement: &Placement, kind: &str) -> BTreeMap<String, u64> {
        let mut domains = BTreeMap::new();
        for (site, count) in placement.replicas.iter().filter(|(_, count)| **count > 0) {
            let site = self.survey.find_site(site).map(|site| self.survey.site(site));
            if let Some(domain) = site.and_then(|site| site.domain(kind)) {
                *domains.entry(domain.to_owned()).or_default() += u64::from(*count);
            }
        }
        domains
    }

    fn sites(&mut self) {
        let width = self.survey.resources.len();
        for (number, site) in self.survey.world.sites.iter().enumerate() {
            if self.is_open[number] {
                self.checked.costs.opening += site.opening;
            }
            for (resource, capacity) in self.survey.capacity(number).iter().enumerate() {
                let used = self.used[number * width + resource];
                if used > capacity + 1e-7 * capacity.max(1.0) {
                    self.checked.violations.push(Violation::Overloaded {
                        site: site.name.clone(),
                        resource: self.survey.resources[resource].to_owned(),
                        used,
                        capacity: *capacity,
                    });
                }
            }
        }
    }

    fn links(&mut self) {
        for (number, used) in std::mem::take(&mut self.links) {
            let link = &self.survey.world.links[number as usize];
            let bandwidth = link.bandwidth.unwrap_or(f64::INFINITY);
            if used > bandwidth * (1.0 + ROUNDING) + 1e-9 {
                let (from, to) = (link.from.clone(), link.to.clone());
                self.checked.violations.push(Violation::Congested { from, to, used, bandwidth });
            }
        }
    }

    fn unknown(&mut self, what: &'static str, name: &str) {
        self.checked.violations.push(Violation::Unknown { what, name: name.to_owned() });
    }

    fn served(&mut self, workload: &Workload, location: &str, site: &str, amount: f64, most: f64) {
        let workload = workload.name.clone();
        let (location, site) = (location.to_owned(), site.to_owned());
        self.checked.violations.push(Violation::Served { workload, location, site, amount, most });
    }

    fn broken(&mut self, workload: &Workload, policy: Policy, found: String, want: String) {
        let workload = workload.name.clone();
        self.checked.violations.push(Violation::Broken { workload, policy, found, want });
    }
}
