//! The world as people describe it: sites, client locations, the network between them, and workloads with their policies.
//!
//! Names tell things apart here and numbers further down. Money is by the hour, whatever the currency; demand is counted in a unit
//! that each workload chooses (requests a second, users); latency is a round trip in milliseconds; traffic is in GB an hour.
//! [`World::validate`](crate::World::validate) says what else must hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::unique;

/// Everything that decides a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct World {
    /// What the objective is counted in.
    #[serde(default)]
    pub prices: Prices,
    /// What stands in for latency where nothing was measured. Without it, sites and locations without links are cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<Distance>,
    /// Sites whose capacity was reported longer ago, in seconds, keep what they run and are given nothing new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<f64>,
    /// Where replicas may run.
    pub sites: Vec<Site>,
    /// Where demand comes from.
    #[serde(default)]
    pub locations: Vec<Location>,
    /// What was measured of the network.
    #[serde(default)]
    pub links: Vec<Link>,
    /// What is to run.
    #[serde(default)]
    pub workloads: Vec<Workload>,
}

/// Prices that hold for all workloads that name none of their own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Prices {
    /// Money for one unit of demand that waits a millisecond, by the hour.
    pub latency: f64,
    /// Money for leaving what one replica could serve unserved for an hour, at priority 0. Each step of priority is ten times as much.
    pub unserved: f64,
    /// The hours over which the cost of a move is spread.
    pub horizon: f64,
}

impl Default for Prices {
    fn default() -> Prices {
        Prices { latency: 1e-6, unserved: 1_000.0, horizon: 24.0 }
    }
}

/// Latency from distance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Distance {
    /// Milliseconds of a round trip to the next street.
    pub base: f64,
    /// Milliseconds of a round trip for each kilometre as the crow flies.
    pub per_kilometre: f64,
}

impl Default for Distance {
    // Light in fibre takes 0.01 ms a kilometre there and back; cables are half as long again as the way of a crow, and more.
    fn default() -> Distance {
        Distance { base: 1.0, per_kilometre: 0.02 }
    }
}

/// Coordinates in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// North is positive.
    pub latitude: f64,
    /// East is positive.
    pub longitude: f64,
}

/// What kind of site it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A cloud region.
    #[default]
    Region,
    /// A small site near the users.
    Edge,
}

/// Where replicas may run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Site {
    /// Unlike all other names of sites and locations.
    pub name: String,
    /// Region or edge.
    #[serde(default)]
    pub kind: Kind,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Failure domains that it is in, by their kind: `zone: eu-1a`.
    #[serde(default, deserialize_with = "unique::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub domains: BTreeMap<String, String>,
    /// Whose law its data is under, for residency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
    /// Money an hour for using it at all.
    #[serde(default)]
    pub opening: f64,
    /// What all workloads together may use of it, by resource.
    #[serde(deserialize_with = "unique::map")]
    pub capacity: BTreeMap<String, Capacity>,
    /// How long ago that was reported, in seconds.
    #[serde(default)]
    pub age: f64,
    /// Whether it has failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub down: bool,
}

/// How much there is of a resource, and what it costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// In the unit that workloads count the resource in.
    pub amount: f64,
    /// Money for a unit used for an hour.
    #[serde(default)]
    pub price: f64,
}

/// Where demand comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Unlike all other names of sites and locations.
    pub name: String,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// A measured way between two sites or locations, in both directions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// A site or a location.
    pub from: String,
    /// Another one.
    pub to: String,
    /// Milliseconds of a round trip.
    pub latency: f64,
    /// GB an hour that it carries; without it, whatever comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<f64>,
    /// Money for a GB.
    #[serde(default)]
    pub price: f64,
    /// Whether it has failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub down: bool,
}

/// What is to run, and by what rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// Unlike all other workloads' names.
    pub name: String,
    /// What one replica takes, by resource.
    #[serde(deserialize_with = "unique::map")]
    pub usage: BTreeMap<String, f64>,
    /// Units of demand that one replica serves.
    #[serde(default = "one")]
    pub rate: f64,
    /// How many replicas there are.
    #[serde(default)]
    pub replicas: Replicas,
    /// Whether one site must serve all demand.
    #[serde(default)]
    pub whole: bool,
    /// Units of demand by location.
    #[serde(default, deserialize_with = "unique::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub demand: BTreeMap<String, f64>,
    /// GB an hour between users and replicas for each unit of demand.
    #[serde(default)]
    pub traffic: f64,
    /// How long users may wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyBound>,
    /// Money for one unit of demand that waits a millisecond, by the hour, in the place of the price for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_price: Option<f64>,
    /// Jurisdictions it must stay in; anywhere if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residency: Vec<String>,
    /// Sites it may run at; all if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// Sites it may not run at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<String>,
    /// How replicas spread over failure domains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spread: Vec<Spread>,
    /// Workloads it may not share a site or domain with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<Apart>,
    /// Data that it uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Data>,
    /// Whether what is left after any one site is lost shall have replicas for all demand that is served. Users may wait longer then.
    /// Where there is no room for that, demand is served all the same, and what is missing is priced at half.
    #[serde(default)]
    pub survives_site_loss: bool,
    /// The most money that a replica may cost in an hour for resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_ceiling: Option<f64>,
    /// From 0 to 6; the higher, the dearer to leave.
    #[serde(default)]
    pub priority: u8,
    /// Money for leaving what one replica could serve unserved for an hour, in the place of the price by priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unserved_price: Option<f64>,
    /// Money for moving a replica to another site, once.
    #[serde(default)]
    pub move_cost: f64,
}

impl Default for Workload {
    fn default() -> Workload {
        Workload {
            name: String::new(),
            usage: BTreeMap::new(),
            rate: 1.0,
            replicas: Replicas::default(),
            whole: false,
            demand: BTreeMap::new(),
            traffic: 0.0,
            latency: None,
            latency_price: None,
            residency: Vec::new(),
            allowed: Vec::new(),
            forbidden: Vec::new(),
            spread: Vec::new(),
            apart: Vec::new(),
            data: Vec::new(),
            survives_site_loss: false,
            price_ceiling: None,
            priority: 0,
            unserved_price: None,
            move_cost: 0.0,
        }
    }
}

/// How many replicas there are, beside what demand asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replicas {
    /// So many run where there is room. What is missing is priced like demand that nobody serves.
    #[serde(default)]
    pub least: u32,
    /// At most so many, whatever the demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u32>,
}

/// How long users may wait.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatencyBound {
    /// Milliseconds of a round trip.
    pub most: f64,
    /// The share of the demand served at each site for which that must hold, in percent.
    #[serde(default = "hundred")]
    pub percentile: f64,
}

/// How replicas spread over the failure domains of one kind. Sites that are in no such domain are not used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The kind of domain, such as `zone`; `site` is each site by itself.
    pub over: String,
    /// At most so many replicas in one domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u32>,
    /// Replicas in so many domains, where there is room; what is missing is priced at half a replica for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<u32>,
}

/// A workload to stay away from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apart {
    /// The other one.
    pub workload: String,
    /// The kind of domain not to share, such as `zone`; `site` if none is given.
    #[serde(default = "site")]
    pub over: String,
}

/// Data at a site that replicas ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Where the data is.
    pub site: String,
    /// GB an hour between replica and data for each unit of demand.
    #[serde(default)]
    pub traffic: f64,
    /// How often each unit of demand waits for it.
    #[serde(default = "one")]
    pub calls: f64,
    /// How far it may be, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<f64>,
}

fn one() -> f64 {
    1.0
}

fn hundred() -> f64 {
    100.0
}

fn site() -> String {
    SITE.to_owned()
}

/// What a replica or domain that is there for safety only is worth, as a share of a replica that serves.
pub(crate) const SAFETY: f64 = 0.5;

/// A placement in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Held {
    /// Units of demand served.
    pub(crate) served: f64,
    /// All replicas.
    pub(crate) total: u64,
    /// Replicas at the site with most of them.
    pub(crate) most: u64,
    /// For each entry of `spread`, the domains with replicas.
    pub(crate) domains: Vec<u32>,
}

/// The kind of domain in which each site is by itself.
pub const SITE: &str = "site";

/// The highest priority.
pub const MOST_PRIORITY: u8 = 6;

impl Workload {
    /// All demand, in its units.
    pub fn total_demand(&self) -> f64 {
        // The sum of nothing is -0.
        self.demand.values().sum::<f64>() + 0.0
    }

    /// Replicas that the demand asks for.
    pub fn wanted_replicas(&self) -> f64 {
        whole_replicas(self.total_demand(), self.rate).max(f64::from(self.replicas.least))
    }

    /// What a placement lacks, in replicas' worth: demand that is not served or replicas that are not there, whichever is more; and at
    /// half their price the replicas and domains that `survivesSiteLoss` and `spread` ask for. A workload that does not run lacks no more
    /// than itself.
    pub(crate) fn lacks(&self, held: &Held) -> f64 {
        let unserved = (self.total_demand() - held.served).max(0.0) / self.rate;
        let lacking = unserved.max(f64::from(self.replicas.least) - held.total as f64);
        if held.total == 0 {
            return lacking;
        }
        let domains = self
            .spread
            .iter()
            .zip(&held.domains)
            .map(|(spread, domains)| f64::from(spread.least.unwrap_or(0).saturating_sub(*domains)));
        lacking + SAFETY * (self.spares_lacking(held) + domains.sum::<f64>())
    }

    /// Replicas that would be missing if the site with most of them were lost.
    pub(crate) fn spares_lacking(&self, held: &Held) -> f64 {
        if !self.survives_site_loss {
            return 0.0;
        }
        let need = whole_replicas(held.served * (1.0 - 1e-6), self.rate).max(1.0);
        (need - (held.total - held.most) as f64).max(0.0)
    }

    /// Money for leaving what one replica could serve unserved for an hour.
    pub fn price_of_leaving(&self, prices: &Prices) -> f64 {
        self.unserved_price.unwrap_or_else(|| prices.unserved * 10_f64.powi(i32::from(self.priority)))
    }

    /// Money for one unit of demand that waits a millisecond, by the hour.
    pub fn price_of_waiting(&self, prices: &Prices) -> f64 {
        self.latency_price.unwrap_or(prices.latency)
    }
}

/// The replicas that serve an amount of demand; rounding errors of sums ask for none.
pub fn whole_replicas(demand: f64, rate: f64) -> f64 {
    (demand / rate * (1.0 - 1e-9) - 1e-9).ceil().max(0.0)
}

impl Site {
    /// The domain of a kind that the site is in.
    pub fn domain(&self, kind: &str) -> Option<&str> {
        if kind == SITE { Some(&self.name) } else { self.domains.get(kind).map(String::as_str) }
    }
}
