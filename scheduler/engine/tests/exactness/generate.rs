//! Random scenarios from a seed.
//!
//! What is drawn is small on purpose: few sizes, keys and values, so that ties, conflicts and full hosts are common.

mod demand;
mod host;
mod pods;
mod profile;
mod random;
mod step;

use std::ops::RangeInclusive;

use meridian_engine::{Demand, Search};

use crate::reference::Reference;
use crate::scenario::Scenario;

use self::host::Shapes;
pub(crate) use self::random::Random;

/// How large a scenario is and what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    pub(crate) hosts: RangeInclusive<usize>,
    pub(crate) classes: RangeInclusive<usize>,
    pub(crate) steps: RangeInclusive<usize>,
    /// The first class is used at the beginning and the end only, so that what the engine keeps for it gets old.
    pub(crate) sleeper: bool,
    /// Profiles that spread by CPU and memory alone, as bounds serve them, on hosts that offer almost equally much.
    pub(crate) spread: bool,
}

/// The scenario of a seed.
pub(crate) fn scenario(seed: u64, size: &Size) -> Scenario {
    let mut random = Random::new(seed);
    let shapes = Shapes::draw(&mut random, size.spread);
    // How many of a hundred pods want something of others: many scenarios do without.
    let sociable = *random.pick(&[0, 30, 80]);
    let hosts: Vec<_> =
        (0..random.within(size.hosts.clone())).map(|number| shapes.host(&mut random, number)).collect();
    let profile = if size.spread { profile::draw_spread(&mut random) } else { profile::draw(&mut random) };
    // However the best host is looked for, it is the same host.
    let ways = [Search::Adaptive, Search::Index, Search::Bounds];
    let search = if size.spread { Search::Bounds } else { *random.pick(&ways) };
    let mut sample = Reference::new(profile.clone());
    for host in hosts.iter().take(40) {
        sample.add(host.clone()).expect("names are distinct");
    }
    let mut demands = Vec::new();
    for _ in 0..random.within(size.classes.clone()) {
        let demand = some_demand(&mut random, &shapes, &sample, hosts.len(), sociable);
        if !demands.contains(&demand) {
            demands.push(demand);
        }
    }
    let steps = step::draw(&mut random, size, &shapes, &hosts, demands.len());
    Scenario { profile, search, hosts, demands, steps }
}

/// Mostly one that some host takes while it is empty, for one that no host ever takes tries little.
fn some_demand(
    random: &mut Random,
    shapes: &Shapes,
    sample: &Reference,
    hosts: usize,
    sociable: usize,
) -> Demand {
    let mut demand = demand::draw(random, shapes, hosts, sociable);
    for _ in 0..12 {
        if random.percent(3) || !sample.judge(&demand).candidates.is_empty() {
            break;
        }
        demand = demand::draw(random, shapes, hosts, sociable);
    }
    demand
}
