//! The network: how long it takes from each site to each location and to each other site, and what a GB costs on the way.
//!
//! The way between two places is the one of the lowest latency over the links that are up; at equal latency the cheapest. Sites that
//! are down pass nothing on, and locations never do. A place that no link was ever measured for stands in with its distance from
//! all others that have coordinates; a place whose links are down is cut off.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use petgraph::graph::{NodeIndex, UnGraph};
use petgraph::visit::EdgeRef;
use rustc_hash::FxHashMap;

use crate::problem::{Problem, key};
use crate::validate::Names;
use crate::world::{Distance, Position, World};

/// The most pairs of a site and a place.
const MOST_PAIRS: usize = 60_000_000;

/// Latencies and prices of the ways between sites and places, and the links of limited bandwidth on them.
#[derive(Clone, Debug)]
pub struct Network {
    sites: usize,
    places: usize,
    /// `[site * places + place]`; sites are the first places, locations follow. Infinite where there is no way.
    latency: Vec<f64>,
    /// As latency; empty where no link costs anything.
    price: Vec<f64>,
    /// The links of limited bandwidth on the way from a site to a place, where there are any.
    limited: FxHashMap<(u32, u32), Vec<u32>>,
}

struct Edge {
    latency: f64,
    price: f64,
    link: u32,
}

impl Network {
    /// Finds all ways. A location with demand that reaches no site even if everything is up is an error.
    pub(crate) fn new(world: &World, names: &Names<'_>) -> Result<Network, Problem> {
        let network = Network::with_links(world, names, true)?;
        for (number, workload) in world.workloads.iter().enumerate() {
            for (location, demand) in &workload.demand {
                let Some(place) = names.locations.get(location.as_str()) else { continue };
                if *demand > 0.0 && !network.reaches_any(*place as usize) {
                    // Cut off for a while, by what is down, is no mistake in the world.
                    let healthy = Network::with_links(world, names, false)?;
                    if !healthy.reaches_any(*place as usize) {
                        return Err(Problem::new(
                            format!("workloads[{number}].demand{}", key(location)),
                            "the location reaches no site, want a link to one, or coordinates at both ends and `distance`",
                        ));
                    }
                }
            }
        }
        Ok(network)
    }

    fn with_links(world: &World, names: &Names<'_>, heed_down: bool) -> Result<Network, Problem> {
        let (sites, places) = (world.sites.len(), world.sites.len() + world.locations.len());
        if sites.saturating_mul(places) > MOST_PAIRS {
            let problem = format!(
                "{sites} sites and {} locations are {} ways, want at most {MOST_PAIRS}",
                world.locations.len(),
                sites.saturating_mul(places)
            );
            return Err(Problem::new("locations", problem));
        }
        let place = |name: &str| match names.sites.get(name) {
            Some(site) => Some(*site as usize),
            None => names.locations.get(name).map(|location| sites + *location as usize),
        };
        let mut graph: UnGraph<(), Edge> = UnGraph::with_capacity(places, world.links.len());
        (0..places).for_each(|_| {
            graph.add_node(());
        });
        let mut is_measured = vec![false; places];
        let is_down = |place: usize| heed_down && world.sites.get(place).is_some_and(|site| site.down);
        for (number, link) in world.links.iter().enumerate() {
            let (Some(from), Some(to)) = (place(&link.from), place(&link.to)) else { continue };
            is_measured[from] = true;
            is_measured[to] = true;
            if !(heed_down && link.down || is_down(from) || is_down(to)) {
                let edge = Edge { latency: link.latency, price: link.price, link: number as u32 };
                graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), edge);
            }
        }
        let has_prices = world.links.iter().any(|link| link.price > 0.0);
        let mut network = Network {
            sites,
            places,
            latency: vec![f64::INFINITY; sites * places],
            price: if has_prices { vec![0.0; sites * places] } else { Vec::new() },
            limited: FxHashMap::default(),
        };
        let position = |place: usize| match world.sites.get(place) {
            Some(site) => site.position.as_ref(),
            None => world.locations[place - sites].position.as_ref(),
        };
        let mut search = Search::new(places);
        for site in (0..sites).filter(|site| !is_down(*site)) {
            search.run(&graph, site, sites);
            for to in 0..places {
                let (latency, price) = search.best[to];
                network.latency[site * places + to] = latency;
                if has_prices && latency.is_finite() {
                    network.price[site * places + to] = price;
                }
                let limited = search.links_to(to, |link| world.links[link as usize].bandwidth.is_some());
                if !limited.is_empty() {
                    network.limited.insert((site as u32, to as u32), limited);
                }
                let stands_in = !(latency.is_finite() || is_down(to) || is_measured[site] && is_measured[to]);
                if let (true, Some(distance), Some(a), Some(b)) =
                    (stands_in, &world.distance, position(site), position(to))
                {
                    network.latency[site * places + to] = if site == to { 0.0 } else { far(distance, a, b) };
                }
            }
        }
        Ok(network)
    }

    fn reaches_any(&self, location: usize) -> bool {
        (0..self.sites).any(|site| self.to_location(site, location).is_finite())
    }

    /// Milliseconds between a site and a location; infinite where there is no way.
    pub fn to_location(&self, site: usize, location: usize) -> f64 {
        self.latency[site * self.places + self.sites + location]
    }

    /// Milliseconds between two sites; infinite where there is no way.
    pub fn to_site(&self, site: usize, other: usize) -> f64 {
        self.latency[site * self.places + other]
    }

    /// Money for a GB between a site and a location.
    pub fn price_to_location(&self, site: usize, location: usize) -> f64 {
        self.price.get(site * self.places + self.sites + location).copied().unwrap_or(0.0)
    }

    /// Money for a GB between two sites.
    pub fn price_to_site(&self, site: usize, other: usize) -> f64 {
        self.price.get(site * self.places + other).copied().unwrap_or(0.0)
    }

    /// The links of limited bandwidth between a site and a location.
    pub fn links_to_location(&self, site: usize, location: usize) -> &[u32] {
        self.links(site, self.sites + location)
    }

    /// The links of limited bandwidth between two sites.
    pub fn links_to_site(&self, site: usize, other: usize) -> &[u32] {
        self.links(site, other)
    }

    fn links(&self, site: usize, place: usize) -> &[u32] {
        self.limited.get(&(site as u32, place as u32)).map_or(&[], Vec::as_slice)
    }

    /// Whether any way leads over a link of limited bandwidth.
    pub fn has_limits(&self) -> bool {
        !self.limited.is_empty()
    }
}

/// A search for the shortest ways from one site (Dijkstra's), with the links that it goes by.
struct Search {
    best: Vec<(f64, f64)>,
    /// The place before, and the link from there.
    before: Vec<(u32, u32)>,
    is_done: Vec<bool>,
    heap: BinaryHeap<Reached>,
}

const NONE: u32 = u32::MAX;

impl Search {
    fn new(places: usize) -> Search {
        Search {
            best: vec![(f64::INFINITY, 0.0); places],
            before: vec![(NONE, NONE); places],
            is_done: vec![false; places],
            heap: BinaryHeap::new(),
        }
    }

    fn run(&mut self, graph: &UnGraph<(), Edge>, from: usize, sites: usize) {
        self.best.fill((f64::INFINITY, 0.0));
        self.before.fill((NONE, NONE));
        self.is_done.fill(false);
        self.best[from] = (0.0, 0.0);
        self.heap.push(Reached { latency: 0.0, price: 0.0, place: from as u32 });
        while let Some(reached) = self.heap.pop() {
            let place = reached.place as usize;
            if std::mem::replace(&mut self.is_done[place], true) {
                continue;
            }
            // Clients pass nothing on.
            if place >= sites {
                continue;
            }
            for edge in graph.edges(NodeIndex::new(place)) {
                let to = edge.target().index();
                let weight = edge.weight();
                let (latency, price) = (reached.latency + weight.latency, reached.price + weight.price);
                let (known, known_price) = self.best[to];
                if !self.is_done[to] && (latency < known || latency == known && price < known_price) {
                    self.best[to] = (latency, price);
                    self.before[to] = (place as u32, weight.link);
                    self.heap.push(Reached { latency, price, place: to as u32 });
                }
            }
        }
    }

    fn links_to(&self, place: usize, is_wanted: impl Fn(u32) -> bool) -> Vec<u32> {
        let (mut links, mut at) = (Vec::new(), place);
        while self.before[at].0 != NONE {
            let (before, link) = self.before[at];
            if is_wanted(link) {
                links.push(link);
            }
            at = before as usize;
        }
        links
    }
}

/// A place with what it takes to get there; the greatest is the nearest, since that is what a heap gives.
struct Reached {
    latency: f64,
    price: f64,
    place: u32,
}

impl Ord for Reached {
    fn cmp(&self, other: &Reached) -> Ordering {
        let nearest = other.latency.total_cmp(&self.latency).then(other.price.total_cmp(&self.price));
        nearest.then(other.place.cmp(&self.place))
    }
}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Reached) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Reached {
    fn eq(&self, other: &Reached) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Reached {}

/// Milliseconds for a distance.
fn far(distance: &Distance, a: &Position, b: &Position) -> f64 {
    distance.base + distance.per_kilometre * kilometres(a, b)
}

/// The great-circle distance, by the haversine formula.
pub fn kilometres(a: &Position, b: &Position) -> f64 {
    const EARTH: f64 = 6_371.0;
    let (from, to) = (a.latitude.to_radians(), b.latitude.to_radians());
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let across = half(b.longitude - a.longitude);
    let haversine = half(b.latitude - a.latitude) + from.cos() * to.cos() * across;
    2.0 * EARTH * haversine.sqrt().min(1.0).asin()
}
