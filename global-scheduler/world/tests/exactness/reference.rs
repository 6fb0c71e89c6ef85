//! The least that a world can cost, by trying everything.

use std::collections::BTreeMap;

use meridian_global_world::{Flow, Placement, Plan, Survey, World, check};

/// The most replicas tried at one site.
const MOST: u32 = 4;

/// The least standing cost of all feasible plans with whole units of demand.
pub(crate) fn least(world: &World) -> f64 {
    let choices: Vec<Vec<Placement>> =
        (0..world.workloads.len()).map(|workload| placements(world, workload)).collect();
    let survey = Survey::new(world).expect("the world is valid");
    let mut least = f64::INFINITY;
    let mut numbers = vec![0; choices.len()];
    loop {
        let chosen = numbers.iter().zip(&choices).zip(&world.workloads);
        let plan = Plan {
            workloads: chosen
                .filter(|((number, choices), _)| !choices[**number].replicas.is_empty())
                .map(|((number, choices), workload)| (workload.name.clone(), choices[*number].clone()))
                .collect(),
        };
        let checked = check(&survey, &plan, None);
        if checked.is_feasible() {
            least = least.min(checked.costs.standing());
        }
        let Some(place) = (0..numbers.len()).find(|place| numbers[*place] + 1 < choices[*place].len()) else {
            return least;
        };
        numbers[..place].fill(0);
        numbers[place] += 1;
    }
}

/// For each number of replicas by site that a workload may have, were it alone, the cheapest service with them.
fn placements(world: &World, workload: usize) -> Vec<Placement> {
    let mut alone = world.clone();
    alone.workloads = vec![world.workloads[workload].clone()];
    alone.workloads[0].apart.clear();
    let survey = Survey::new(&alone).expect("a part of a valid world is valid");
    let name = &world.workloads[workload].name;
    let sites = world.sites.len();
    let flows = flows(&alone);
    let mut found = vec![Placement::default()];
    for number in 1..(MOST + 1).pow(sites as u32) {
        let count = |site: usize| number / (MOST + 1).pow(site as u32) % (MOST + 1);
        let replicas: BTreeMap<String, u32> = (0..sites)
            .filter(|site| count(*site) > 0)
            .map(|site| (world.sites[site].name.clone(), count(site)))
            .collect();
        let mut best: Option<(f64, Placement)> = None;
        for flows in &flows {
            let placement = Placement { replicas: replicas.clone(), flows: flows.clone() };
            let plan = Plan { workloads: [(name.clone(), placement.clone())].into() };
            let checked = check(&survey, &plan, None);
            let cost = checked.costs.standing();
            if checked.is_feasible() && best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, placement));
            }
        }
        found.extend(best.map(|(_, placement)| placement));
    }
    found
}

/// All ways to divide the demand of the only workload among sites and nobody.
fn flows(world: &World) -> Vec<Vec<Flow>> {
    let mut all = vec![Vec::new()];
    for (location, amount) in &world.workloads[0].demand {
        let mut ways = vec![(Vec::new(), *amount as u32)];
        for site in &world.sites {
            ways = ways
                .into_iter()
                .flat_map(|(flows, left): (Vec<Flow>, u32)| {
                    (0..=left).map(move |amount| {
                        let mut flows = flows.clone();
                        if amount > 0 {
                            flows.push(Flow {
                                location: location.clone(),
                                site: site.name.clone(),
                                amount: amount.into(),
                            });
                        }
                        (flows, left - amount)
                    })
                })
                .collect();
        }
        all = all
            .iter()
            .flat_map(|before: &Vec<Flow>| {
                ways.iter().map(move |(flows, _)| [before.as_slice(), flows].concat())
            })
            .collect();
    }
    all
}
