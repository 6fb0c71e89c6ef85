//! What happens to a world: demand by hour and place, failures and returns of sites, changes of prices, sites that are built.
//!
//! **Demand** of each workload at each location is what the world says, times a curve over the day that is highest at 20:00 local time
//! (by longitude), times growth, times log-normal noise that forgets itself over six hours.
//!
//! **Failures**: each site fails after a time and is back after another, both exponential. **Prices**: after exponential times, all
//! prices of a site become what they were at the start times a log-normal factor between 0.4 and 2.5. **New sites** come at even
//! distances in time, near a location that is drawn by its demand; their size and prices are those of an edge site of the world, their
//! domains and jurisdiction those of the nearest site.
//!
//! Each of these draws from a stream of its own, so that more failures change no demand.

use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::fmt;

use meridian_global_world::{Capacity, Event, Kind, Location, Position, Site, World, kilometres};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};

use crate::error::{RollingError, within};

/// The hour of the day with most demand, local time.
const BUSIEST_HOUR: f64 = 20.0;

/// After so many hours noise is a third of what it was, and new noise for the rest.
const NOISE_HOURS: f64 = 6.0;

/// How prices spread around what they were at the start, as the deviation of their logarithm.
const PRICE_DEVIATION: f64 = 0.25;

/// Degrees that a new site is away from its location, at most.
const NEAR: f64 = 0.5;

/// How fast a world changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// How much demand swings over the day: its share of the mean at the busiest hour.
    pub swing: f64,
    /// The deviation of the logarithm of noise.
    pub noise: f64,
    /// The share by which demand grows in a day.
    pub growth: f64,
    /// Mean hours until a site fails; never if it is 0.
    pub failure_hours: f64,
    /// Mean hours until it is back.
    pub return_hours: f64,
    /// Mean hours until the prices of a site change; never if it is 0.
    pub price_hours: f64,
    /// Sites that are built in the whole time.
    pub new_sites: u32,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            swing: 0.5,
            noise: 0.05,
            growth: 0.02,
            failure_hours: 200.0,
            return_hours: 6.0,
            price_hours: 48.0,
            new_sites: 2,
        }
    }
}

impl Pace {
    fn check(&self) -> Result<(), RollingError> {
        within("swing", self.swing, 0.0..=1.0, "0 to 1")?;
        within("noise", self.noise, 0.0..=2.0, "0 to 2")?;
        within("growth", self.growth, -0.5..=1.0, "-0.5 to 1")?;
        within("failure hours", self.failure_hours, 0.0..=1e6, "0 to 1000000")?;
        within("return hours", self.return_hours, 0.01..=1e6, "0.01 to 1000000")?;
        within("price hours", self.price_hours, 0.0..=1e6, "0 to 1000000")?;
        within("new sites", f64::from(self.new_sites), 0.0..=1e4, "0 to 10000")
    }
}

/// What can happen to a site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// It fails.
    Failure,
    /// It is back.
    Return,
    /// Its prices are so many times the first ones.
    Prices(f64),
    /// It is built.
    Built,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Failure => f.write_str("fails"),
            What::Return => f.write_str("is back"),
            What::Prices(factor) => write!(f, "asks for {factor:.2} of its first prices"),
            What::Built => f.write_str("is built"),
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// What.
    pub what: What,
    /// The site.
    pub site: String,
    /// The change of the world; several for the prices of a site.
    pub events: Vec<Event>,
}

/// What comes for one site.
#[derive(Clone, Debug)]
struct Fate {
    is_up: bool,
    /// When it fails or is back, in hours.
    turns: f64,
    /// When its prices change.
    reprices: f64,
}

/// A world on its way.
#[derive(Clone, Debug)]
pub struct Course {
    pace: Pace,
    world: World,
    /// Demand and prices as they were at the start, or when a site was built.
    start: World,
    fates: Vec<Fate>,
    builds: Vec<f64>,
    now: f64,
    /// The noise of each workload and location with demand, in their order.
    noise: Vec<f64>,
    demand: ChaCha8Rng,
    failures: ChaCha8Rng,
    prices: ChaCha8Rng,
    sites: ChaCha8Rng,
}

impl Course {
    /// The course of a world over a number of hours, at its start. Reports of capacity are never late on it.
    pub fn new(mut world: World, pace: Pace, seed: u64, hours: f64) -> Result<Course, RollingError> {
        pace.check()?;
        let stream = |number: u64| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(number);
            random
        };
        world.sites.iter_mut().for_each(|site| site.age = 0.0);
        let pairs = world.workloads.iter().map(|workload| workload.demand.len()).sum();
        let builds =
            (1..=pace.new_sites).map(|number| hours * f64::from(number) / f64::from(pace.new_sites + 1));
        let mut course = Course {
            pace,
            start: world.clone(),
            world,
            fates: Vec::new(),
            builds: builds.rev().collect(),
            now: 0.0,
            noise: Vec::new(),
            demand: stream(1),
            failures: stream(2),
            prices: stream(3),
            sites: stream(4),
        };
        if pace.new_sites > 0 && course.building_grounds().is_empty() {
            return Err(RollingError::NowhereToBuild);
        }
        course.noise = (0..pairs).map(|_| StandardNormal.sample(&mut course.demand)).collect();
        for number in 0..course.world.sites.len() {
            let fate = course.fate(number);
            course.fates.push(fate);
        }
        course.set_demand();
        Ok(course)
    }

    /// The world as it is now.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Goes on to a later hour, and says what happened until then, in the order of sites.
    pub fn advance(&mut self, to: f64) -> Result<Vec<Happening>, RollingError> {
        let memory = (-(to - self.now) / NOISE_HOURS).exp();
        for noise in &mut self.noise {
            let new: f64 = StandardNormal.sample(&mut self.demand);
            *noise = memory * *noise + (1.0 - memory * memory).sqrt() * new;
        }
        self.now = to;
        let mut happened = Vec::new();
        for number in 0..self.fates.len() {
            happened.extend(self.turn(number));
            happened.extend(self.reprice(number));
        }
        while self.builds.last().is_some_and(|at| *at <= to) {
            self.builds.pop();
            happened.push(self.build()?);
        }
        for event in happened.iter().flat_map(|happening| &happening.events) {
            event.apply(&mut self.world).map_err(|source| RollingError::World { hours: to, source })?;
        }
        for number in self.fates.len()..self.world.sites.len() {
            self.start.sites.push(self.world.sites[number].clone());
            let fate = self.fate(number);
            self.fates.push(fate);
        }
        self.set_demand();
        Ok(happened)
    }

    /// A site that comes into view. One that is down from the start stays so: nobody said why.
    fn fate(&mut self, number: usize) -> Fate {
        let after = |random: &mut ChaCha8Rng, mean: f64| {
            let share: f64 = Exp1.sample(random);
            if mean > 0.0 { share * mean } else { f64::INFINITY }
        };
        let turns = after(&mut self.failures, self.pace.failure_hours);
        let is_up = !self.world.sites[number].down;
        Fate {
            is_up,
            turns: if is_up { self.now + turns } else { f64::INFINITY },
            reprices: self.now + after(&mut self.prices, self.pace.price_hours),
        }
    }

    /// Failure and return of a site. What fails and is back before anybody looks was not there.
    fn turn(&mut self, number: usize) -> Option<Happening> {
        let fate = &mut self.fates[number];
        let was_up = fate.is_up;
        while fate.turns <= self.now {
            let mean = if fate.is_up { self.pace.return_hours } else { self.pace.failure_hours };
            let share: f64 = Exp1.sample(&mut self.failures);
            fate.is_up = !fate.is_up;
            fate.turns += share * mean;
        }
        let site = self.world.sites[number].name.clone();
        let (what, event) = match (was_up, fate.is_up) {
            (true, false) => (What::Failure, Event::SiteDown(site.clone())),
            (false, true) => (What::Return, Event::SiteUp(site.clone())),
            _ => return None,
        };
        Some(Happening { what, site, events: vec![event] })
    }

    fn reprice(&mut self, number: usize) -> Option<Happening> {
        let mut factor = None;
        let fate = &mut self.fates[number];
        while fate.reprices <= self.now {
            let share: f64 = Exp1.sample(&mut self.prices);
            let new: f64 = StandardNormal.sample(&mut self.prices);
            fate.reprices += share * self.pace.price_hours;
            factor = Some((new * PRICE_DEVIATION).exp().clamp(0.4, 2.5));
        }
        let (factor, start) = (factor?, &self.start.sites[number]);
        let event = |(resource, capacity): (&String, &Capacity)| Event::Price {
            site: start.name.clone(),
            resource: resource.clone(),
            price: capacity.price * factor,
        };
        Some(Happening {
            what: What::Prices(factor),
            site: start.name.clone(),
            events: start.capacity.iter().map(event).collect(),
        })
    }

    /// Locations near which a site could be built, with the demand there at the start.
    fn building_grounds(&self) -> Vec<(Position, f64)> {
        if self.start.distance.is_none() {
            return Vec::new();
        }
        let demand = |location: &Location| {
            let of = self.start.workloads.iter().filter_map(|workload| workload.demand.get(&location.name));
            of.sum::<f64>()
        };
        let locations = self.start.locations.iter();
        let grounds = locations.filter_map(|location| Some((location.position?, demand(location))));
        grounds.filter(|(_, demand)| *demand > 0.0).collect()
    }

    fn build(&mut self) -> Result<Happening, RollingError> {
        let grounds = self.building_grounds();
        let all: f64 = grounds.iter().map(|(_, demand)| demand).sum();
        let mut draw = self.sites.random::<f64>() * all;
        let chosen = grounds.iter().find(|(_, demand)| {
            draw -= demand;
            draw <= 0.0
        });
        let (ground, _) = chosen.or(grounds.last()).ok_or(RollingError::NowhereToBuild)?;
        let position = Position {
            latitude: (ground.latitude + self.sites.random_range(-NEAR..=NEAR)).clamp(-90.0, 90.0),
            longitude: (ground.longitude + self.sites.random_range(-NEAR..=NEAR)).clamp(-180.0, 180.0),
        };
        let edges: Vec<&Site> = self.start.sites.iter().filter(|site| site.kind == Kind::Edge).collect();
        let like = match edges.is_empty() {
            true => self.start.sites.iter().collect(),
            false => edges,
        };
        if like.is_empty() {
            return Err(RollingError::NowhereToBuild);
        }
        let like = like[self.sites.random_range(0..like.len())];
        let far = |site: &Site| site.position.map_or(f64::INFINITY, |at| kilometres(&at, &position));
        let near = self.start.sites.iter().min_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or(like);
        let is_taken = |name: &String| {
            self.world.sites.iter().any(|site| site.name == *name)
                || self.world.locations.iter().any(|location| location.name == *name)
        };
        let names = (1_u64..).map(|number| format!("built-{number}"));
        let name = names.into_iter().find(|name| !is_taken(name)).ok_or(RollingError::NowhereToBuild)?;
        let site = Site {
            name: name.clone(),
            kind: Kind::Edge,
            position: Some(position),
            domains: near.domains.clone(),
            jurisdiction: near.jurisdiction.clone(),
            down: false,
            ..like.clone()
        };
        Ok(Happening { what: What::Built, site: name, events: vec![Event::NewSite(site)] })
    }

    fn set_demand(&mut self) {
        let growth = (1.0 + self.pace.growth).powf(self.now / 24.0);
        let of_day = |location: &Location| {
            let longitude = location.position.map_or(0.0, |position| position.longitude);
            let hour = self.now + longitude / 15.0 - BUSIEST_HOUR;
            1.0 + self.pace.swing * (2.0 * PI * hour / 24.0).cos()
        };
        let curve: BTreeMap<&str, f64> =
            self.world.locations.iter().map(|location| (location.name.as_str(), of_day(location))).collect();
        let mut noise = self.noise.iter();
        let deviation = self.pace.noise;
        for (workload, start) in self.world.workloads.iter_mut().zip(&self.start.workloads) {
            let pairs = workload.demand.iter_mut().zip(start.demand.values()).zip(noise.by_ref());
            for (((location, demand), start), noise) in pairs {
                let noise = (deviation * noise - deviation * deviation / 2.0).exp();
                *demand = start * curve.get(location.as_str()).copied().unwrap_or(1.0) * growth * noise;
            }
        }
    }
}
