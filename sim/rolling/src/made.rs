//! A made-up world: cloud regions and edge sites in large cities, users in these, and workloads of five families.
//!
//! | family | of ten | demand | policies |
//! | --- | --- | --- | --- |
//! | web | 4 | in half of the cities that two sites are near to | 95 % within 90 ms |
//! | sturdy web | 2 | as above | the same, and it survives the loss of a site |
//! | game | 2 | in cities that two sites are near to | all within 25 ms, and waiting is ten times as dear |
//! | database | 1 | none, 2 to 4 replicas | in one jurisdiction that has two sites, at two sites at least |
//! | archive | 1 | in the cities of one jurisdiction | served whole, in its jurisdiction |
//!
//! Demand at a location follows the size of its city, the size of workloads is log-uniform from 2 to 40 replicas. Regions together have
//! twice the room that all workloads ask for, an edge site has 32 to 160 processors; prices of edge sites are nearly twice those of
//! regions. Cities beyond those that are listed are their neighbours.

use std::collections::BTreeMap;

use meridian_global_world::{
    Capacity, Distance, Kind, LatencyBound, Location, Position, Replicas, SITE, Site, Spread, Workload,
    World, kilometres,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{RollingError, within};

/// Name, latitude, longitude, millions of people, jurisdiction. The first are apart from each other, so that few regions are too.
const CITIES: [(&str, f64, f64, f64, &str); 32] = [
    ("frankfurt", 50.11, 8.68, 2.3, "europe"),
    ("washington", 38.91, -77.04, 6.3, "america"),
    ("singapore", 1.35, 103.82, 5.9, "asia"),
    ("sao-paulo", -23.55, -46.63, 22.0, "america"),
    ("tokyo", 35.68, 139.69, 37.0, "asia"),
    ("seattle", 47.61, -122.33, 4.0, "america"),
    ("mumbai", 19.08, 72.88, 21.0, "asia"),
    ("london", 51.51, -0.13, 9.5, "europe"),
    ("sydney", -33.87, 151.21, 5.3, "oceania"),
    ("johannesburg", -26.20, 28.05, 6.0, "africa"),
    ("dallas", 32.78, -96.80, 7.6, "america"),
    ("madrid", 40.42, -3.70, 6.7, "europe"),
    ("seoul", 37.57, 126.98, 25.0, "asia"),
    ("new-york", 40.71, -74.01, 19.0, "america"),
    ("jakarta", -6.21, 106.85, 11.0, "asia"),
    ("warsaw", 52.23, 21.01, 3.1, "europe"),
    ("los-angeles", 34.05, -118.24, 13.0, "america"),
    ("delhi", 28.61, 77.21, 32.0, "asia"),
    ("paris", 48.86, 2.35, 11.0, "europe"),
    ("chicago", 41.88, -87.63, 9.5, "america"),
    ("melbourne", -37.81, 144.96, 5.1, "oceania"),
    ("istanbul", 41.01, 28.98, 15.8, "europe"),
    ("mexico-city", 19.43, -99.13, 22.0, "america"),
    ("hong-kong", 22.32, 114.17, 7.5, "asia"),
    ("lagos", 6.52, 3.38, 15.0, "africa"),
    ("toronto", 43.65, -79.38, 6.2, "america"),
    ("osaka", 34.69, 135.50, 19.0, "asia"),
    ("stockholm", 59.33, 18.07, 2.4, "europe"),
    ("buenos-aires", -34.60, -58.38, 15.0, "america"),
    ("cairo", 30.04, 31.24, 21.0, "africa"),
    ("rome", 41.90, 12.50, 4.3, "europe"),
    ("bangalore", 12.97, 77.59, 13.0, "asia"),
];

/// Milliseconds that a game's users may wait.
const GAME: f64 = 25.0;

/// The size of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Cloud regions.
    pub regions: u32,
    /// Edge sites.
    pub edge_sites: u32,
    /// Client locations.
    pub locations: u32,
    /// Workloads.
    pub workloads: u32,
    /// Equal seeds and sizes make equal worlds.
    pub seed: u64,
}

impl Default for Made {
    fn default() -> Made {
        Made { regions: 5, edge_sites: 12, locations: 24, workloads: 25, seed: 0 }
    }
}

/// A place in or near a city.
struct Place {
    name: String,
    position: Position,
    jurisdiction: &'static str,
    size: f64,
}

impl Place {
    fn new(number: usize, random: &mut ChaCha8Rng) -> Place {
        let (name, latitude, longitude, size, jurisdiction) = CITIES[number % CITIES.len()];
        let round = number / CITIES.len();
        let mut off = || if round == 0 { 0.0 } else { random.random_range(-3.0..=3.0) };
        let position = Position { latitude: latitude + off(), longitude: longitude + off() };
        let name = if round == 0 { name.to_owned() } else { format!("{name}-{}", round + 1) };
        Place { name, position, jurisdiction, size }
    }
}

impl Made {
    /// Makes the world.
    pub fn world(&self) -> Result<World, RollingError> {
        within("regions", self.regions.into(), 1.0..=1_000.0, "1 to 1000")?;
        within("edge sites", self.edge_sites.into(), 0.0..=10_000.0, "0 to 10000")?;
        within("locations", self.locations.into(), 1.0..=10_000.0, "1 to 10000")?;
        within("workloads", self.workloads.into(), 1.0..=10_000.0, "1 to 10000")?;
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut places = |count: u32| -> Vec<Place> {
            (0..count as usize).map(|number| Place::new(number, &mut random)).collect()
        };
        let (regions, edges, users) = (places(self.regions), places(self.edge_sites), places(self.locations));
        let mut world = World {
            distance: Some(Distance::default()),
            locations: users
                .iter()
                .map(|place| Location { name: place.name.clone(), position: Some(place.position) })
                .collect(),
            ..World::default()
        };
        world.sites.extend(regions.iter().map(|place| site(place, Kind::Region, &mut random)));
        world.sites.extend(edges.iter().map(|place| site(place, Kind::Edge, &mut random)));
        for number in 0..self.workloads {
            let mut workload = workload(number, &users, &world, &mut random);
            if workload.demand.is_empty() {
                // There are no users whom it could serve; it runs all the same.
                workload.replicas.least = workload.replicas.least.max(1);
            }
            world.workloads.push(workload);
        }
        let asked = |resource: &str| {
            let of = |workload: &Workload| workload.wanted_replicas() * workload.usage[resource];
            world.workloads.iter().map(of).sum::<f64>()
        };
        let room = [("cpu", asked("cpu")), ("memory", asked("memory"))];
        for site in world.sites.iter_mut().filter(|site| site.kind == Kind::Region) {
            for (resource, asked) in room {
                let amount = (2.0 * asked / f64::from(self.regions)).ceil();
                if let Some(capacity) = site.capacity.get_mut(resource) {
                    capacity.amount = amount;
                }
            }
        }
        Ok(world)
    }
}

fn site(place: &Place, kind: Kind, random: &mut ChaCha8Rng) -> Site {
    let is_edge = kind == Kind::Edge;
    let dear = random.random_range(0.8..1.2) * if is_edge { 1.8 } else { 1.0 };
    // A region's room is made to measure when demand is known.
    let processors = if is_edge { f64::from(random.random_range(4_u32..=20)) * 8.0 } else { 0.0 };
    let capacity = [
        ("cpu".to_owned(), Capacity { amount: processors, price: 0.03 * dear }),
        ("memory".to_owned(), Capacity { amount: 4.0 * processors, price: 0.004 * dear }),
    ];
    Site {
        name: format!("{}-{}", if is_edge { "edge" } else { "region" }, place.name),
        kind,
        position: Some(place.position),
        jurisdiction: Some(place.jurisdiction.to_owned()),
        opening: if is_edge { random.random_range(1.0..3.0) } else { 0.0 },
        capacity: capacity.into(),
        ..Site::default()
    }
}

fn workload(number: u32, users: &[Place], world: &World, random: &mut ChaCha8Rng) -> Workload {
    let processors = [0.5, 1.0, 2.0, 4.0][random.random_range(0..4)];
    let of = |name: &str| Workload {
        name: format!("{name}-{number}"),
        usage: [("cpu".to_owned(), processors), ("memory".to_owned(), 2.0 * processors)].into(),
        rate: 250.0 * processors,
        traffic: 0.0,
        move_cost: 0.25 * processors,
        priority: (number % 3) as u8,
        ..Workload::default()
    };
    // Log-uniform, in replicas.
    let size = 2.0 * 20_f64.powf(random.random::<f64>());
    let web = LatencyBound { most: 90.0, percentile: 95.0 };
    match number % 10 {
        0 | 2 | 4 | 6 | 1 | 5 => {
            let near = near_two(users, world, web.most);
            let chosen =
                (0..near.len().div_ceil(2)).map(|_| near[random.random_range(0..near.len())]).collect();
            let survives_site_loss = number % 2 == 1;
            let of = of(if survives_site_loss { "sturdy" } else { "web" });
            let demand = demand(chosen, size * of.rate, random);
            Workload { demand, latency: Some(web), survives_site_loss, ..of }
        }
        3 | 7 => {
            let of = of("game");
            let demand = demand(near_two(users, world, GAME), size * of.rate, random);
            let latency = Some(LatencyBound { most: GAME, percentile: 100.0 });
            Workload { demand, latency, latency_price: Some(10.0 * world.prices.latency), ..of }
        }
        8 => {
            let mut sites: BTreeMap<&String, usize> = BTreeMap::new();
            for site in &world.sites {
                if let Some(jurisdiction) = &site.jurisdiction {
                    *sites.entry(jurisdiction).or_default() += 1;
                }
            }
            let fit: Vec<&&String> =
                sites.iter().filter(|(_, count)| **count >= 2).map(|(name, _)| name).collect();
            let residency = if fit.is_empty() {
                Vec::new()
            } else {
                vec![fit[random.random_range(0..fit.len())].to_string()]
            };
            let spread = vec![Spread { over: SITE.to_owned(), most: None, least: Some(2) }];
            let replicas = Replicas { least: random.random_range(2..=4), most: None };
            let of = of("database");
            Workload { replicas, residency, spread, move_cost: 10.0 * of.move_cost, ..of }
        }
        _ => {
            let home = users[random.random_range(0..users.len())].jurisdiction;
            let has_site = world.sites.iter().any(|site| site.jurisdiction.as_deref() == Some(home));
            let residency = if has_site { vec![home.to_owned()] } else { Vec::new() };
            let of = of("archive");
            let chosen = users.iter().filter(|place| place.jurisdiction == home).collect();
            let demand = demand(chosen, size.min(8.0) * of.rate, random);
            Workload { demand, whole: true, residency, move_cost: 4.0 * of.move_cost, ..of }
        }
    }
}

/// Users whom two sites can serve within so many milliseconds: when one is lost there is another.
fn near_two<'p>(users: &'p [Place], world: &World, most: f64) -> Vec<&'p Place> {
    let distance = world.distance.unwrap_or_default();
    let is_near = |place: &&Place| {
        let positions = world.sites.iter().filter_map(|site| site.position);
        let milliseconds =
            positions.map(|at| distance.base + distance.per_kilometre * kilometres(&at, &place.position));
        milliseconds.filter(|milliseconds| *milliseconds <= most).count() >= 2
    };
    users.iter().filter(is_near).collect()
}

/// Demand of places by the size of their cities, so much in all.
fn demand(places: Vec<&Place>, all: f64, random: &mut ChaCha8Rng) -> BTreeMap<String, f64> {
    let weights: BTreeMap<&String, f64> =
        places.iter().map(|place| (&place.name, place.size * random.random_range(0.5..1.5))).collect();
    let sum: f64 = weights.values().sum();
    weights.into_iter().map(|(name, weight)| (name.clone(), all * weight / sum)).collect()
}
