//! A world with its names resolved and its network measured: what everything else here asks for costs and permissions.

use meridian_global_engine::TOLERANCE;
use rustc_hash::FxHashMap;

use crate::network::Network;
use crate::plan::Plan;
use crate::policy::Policy;
use crate::problem::Problem;
use crate::validate::Names;
use crate::world::{Site, Workload, World};

/// A validated world at work.
#[derive(Clone, Debug)]
pub struct Survey<'w> {
    pub(crate) world: &'w World,
    pub(crate) names: Names<'w>,
    pub(crate) network: Network,
    pub(crate) resources: Vec<&'w str>,
    /// `[site * resources + resource]`.
    capacity: Vec<f64>,
    price: Vec<f64>,
    /// What each workload takes: `[workload * resources + resource]`.
    usage: Vec<f64>,
    /// Where the data of each workload is.
    data: Vec<Vec<u32>>,
    /// The locations of each workload's demand, with its amount.
    demand: Vec<Vec<(u32, f64)>>,
}

/// What one unit of demand costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitCost {
    /// Money for waiting.
    pub latency: f64,
    /// Money for traffic.
    pub transport: f64,
}

impl UnitCost {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.latency + self.transport
    }
}

impl<'w> Survey<'w> {
    /// Validates a world and finds the ways of its network.
    pub fn new(world: &'w World) -> Result<Survey<'w>, Problem> {
        let names = world.names()?;
        let network = Network::new(world, &names)?;
        let mut number: FxHashMap<&str, usize> = FxHashMap::default();
        let mut resources = Vec::new();
        // Only what workloads use can run out.
        for resource in world.workloads.iter().flat_map(|workload| workload.usage.keys()) {
            number.entry(resource).or_insert_with(|| {
                resources.push(resource.as_str());
                resources.len() - 1
            });
        }
        let width = resources.len();
        let mut capacity = vec![0.0; world.sites.len() * width];
        let mut price = capacity.clone();
        for (site, entry) in world.sites.iter().enumerate() {
            for (resource, has) in &entry.capacity {
                if let Some(place) = number.get(resource.as_str()) {
                    capacity[site * width + place] = if entry.down { 0.0 } else { has.amount };
                    price[site * width + place] = has.price;
                }
            }
        }
        let mut usage = vec![0.0; world.workloads.len() * width];
        for (workload, entry) in world.workloads.iter().enumerate() {
            for (resource, amount) in &entry.usage {
                usage[workload * width + number[resource.as_str()]] = *amount;
            }
        }
        let data =
            |workload: &Workload| workload.data.iter().map(|data| names.sites[data.site.as_str()]).collect();
        let demand = |workload: &Workload| {
            let demand = workload.demand.iter().filter(|(_, amount)| **amount > 0.0);
            demand.map(|(location, amount)| (names.locations[location.as_str()], *amount)).collect()
        };
        Ok(Survey {
            data: world.workloads.iter().map(data).collect(),
            demand: world.workloads.iter().map(demand).collect(),
            world,
            names,
            network,
            resources,
            capacity,
            price,
            usage,
        })
    }

    /// The world.
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// The ways between its places.
    pub fn network(&self) -> &Network {
        &self.network
    }

    pub(crate) fn sites(&self) -> usize {
        self.world.sites.len()
    }

    pub(crate) fn site(&self, site: usize) -> &'w Site {
        &self.world.sites[site]
    }

    pub(crate) fn workload(&self, workload: usize) -> &'w Workload {
        &self.world.workloads[workload]
    }

    /// The number of a workload with a name.
    pub fn find_workload(&self, name: &str) -> Option<usize> {
        self.names.workloads.get(name).map(|number| *number as usize)
    }

    /// The number of a site with a name.
    pub fn find_site(&self, name: &str) -> Option<usize> {
        self.names.sites.get(name).map(|number| *number as usize)
    }

    pub(crate) fn capacity(&self, site: usize) -> &[f64] {
        let width = self.resources.len();
        &self.capacity[site * width..(site + 1) * width]
    }

    /// What a replica takes.
    pub(crate) fn usage(&self, workload: usize) -> &[f64] {
        let width = self.resources.len();
        &self.usage[workload * width..(workload + 1) * width]
    }

    /// Demand by location.
    pub(crate) fn demand(&self, workload: usize) -> &[(u32, f64)] {
        &self.demand[workload]
    }

    /// Money for a replica's resources at a site for an hour.
    pub fn replica_price(&self, workload: usize, site: usize) -> f64 {
        let width = self.resources.len();
        let prices = &self.price[site * width..(site + 1) * width];
        self.usage(workload).iter().zip(prices).map(|(usage, price)| usage * price).sum()
    }

    /// Money for serving one unit of a location's demand at a site for an hour, replicas apart; infinite where there is no way.
    pub fn unit_cost(&self, workload: usize, site: usize, location: usize) -> UnitCost {
        let of = self.workload(workload);
        let waiting = of.price_of_waiting(&self.world.prices);
        let mut milliseconds = self.network.to_location(site, location);
        let mut transport = of.traffic * self.network.price_to_location(site, location);
        for (data, at) in of.data.iter().zip(&self.data[workload]) {
            milliseconds += data.calls * self.network.to_site(site, *at as usize);
            transport += data.traffic * self.network.price_to_site(site, *at as usize);
        }
        let latency = if milliseconds.is_finite() { waiting * milliseconds } else { f64::INFINITY };
        UnitCost { latency, transport }
    }

    /// The traffic that a unit of a location's demand, served at a site, puts on links of limited bandwidth.
    pub(crate) fn link_loads(&self, workload: usize, site: usize, location: usize) -> Vec<(u32, f64)> {
        let of = self.workload(workload);
        let mut loads = Vec::new();
        if of.traffic > 0.0 {
            loads.extend(
                self.network.links_to_location(site, location).iter().map(|link| (*link, of.traffic)),
            );
        }
        for (data, at) in of.data.iter().zip(&self.data[workload]).filter(|(data, _)| data.traffic > 0.0) {
            loads.extend(
                self.network.links_to_site(site, *at as usize).iter().map(|link| (*link, data.traffic)),
            );
        }
        loads
    }

    /// Whether a location is as near to a site as the workload wants it.
    pub(crate) fn is_near(&self, workload: usize, site: usize, location: usize) -> bool {
        let milliseconds = self.network.to_location(site, location);
        let most = self.workload(workload).latency.map_or(f64::INFINITY, |latency| latency.most);
        milliseconds.is_finite() && milliseconds <= most + 1e-9
    }

    /// Whether a single replica fits into the empty site.
    fn fits_one(&self, workload: usize, site: usize) -> bool {
        let room = self.usage(workload).iter().zip(self.capacity(site));
        room.into_iter().all(|(usage, has)| *usage <= has + TOLERANCE * has.max(1.0))
    }

    /// Whether the site's capacity was reported too long ago to give it anything new.
    pub(crate) fn is_stale(&self, site: usize) -> bool {
        self.world.stale_after.is_some_and(|most| self.site(site).age > most)
    }

    /// Whether a policy lets a workload run at a site, whoever its users are. Collective policies and the latency bound let all.
    pub(crate) fn permits(
        &self,
        policy: Policy,
        workload: usize,
        site: usize,
        running: Option<&Plan>,
    ) -> bool {
        let (of, at) = (self.workload(workload), self.site(site));
        match policy {
            Policy::Up => !at.down,
            Policy::Capacity => self.fits_one(workload, site),
            Policy::Fresh => {
                !self.is_stale(site)
                    || running.is_some_and(|running| running.replicas(&of.name, &at.name) > 0)
            }
            Policy::Allowed => of.allowed.is_empty() || of.allowed.contains(&at.name),
            Policy::Forbidden => !of.forbidden.contains(&at.name),
            Policy::Residency => {
                of.residency.is_empty()
                    || at
                        .jurisdiction
                        .as_ref()
                        .is_some_and(|jurisdiction| of.residency.contains(jurisdiction))
            }
            Policy::PriceCeiling => {
                of.price_ceiling.is_none_or(|most| self.replica_price(workload, site) <= most * (1.0 + 1e-9))
            }
            Policy::Spread(number) => at.domain(&of.spread[number].over).is_some(),
            Policy::Data(number) => {
                let milliseconds = self.network.to_site(site, self.data[workload][number] as usize);
                let most = of.data[number].within.unwrap_or(f64::INFINITY);
                milliseconds.is_finite() && milliseconds <= most + 1e-9
            }
            Policy::Latency
            | Policy::Network
            | Policy::SurvivesSiteLoss
            | Policy::Replicas
            | Policy::Whole => true,
            Policy::Apart(_) => true,
        }
    }

    /// The policies that keep a workload from a site, whoever its users are.
    pub(crate) fn refusals(&self, workload: usize, site: usize, running: Option<&Plan>) -> Vec<Policy> {
        let policies = Policy::of_site(self.workload(workload));
        policies.filter(|policy| !self.permits(*policy, workload, site, running)).collect()
    }

    /// Whether any of them does.
    pub(crate) fn admits(&self, workload: usize, site: usize, running: Option<&Plan>) -> bool {
        let mut policies = Policy::of_site(self.workload(workload));
        policies.all(|policy| self.permits(policy, workload, site, running))
    }
}
