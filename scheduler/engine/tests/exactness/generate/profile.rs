//! Random profiles: the usual ones, and any mix of plugins, weights and resources.

use meridian_engine::{
    Arithmetic, DefaultSpread, FilterPlugin, FitStrategy, Profile, ResourceWeight, ScorePlugin, ShapePoint,
    SpreadConstraint, TopologyArguments, TypicalPod, WeightedScore,
};

use super::host::MODELS;
use super::{Random, pods};

/// A profile.
pub(crate) fn draw(random: &mut Random) -> Profile {
    let arithmetic = *random.pick(&[Arithmetic::Meridian, Arithmetic::Kubernetes]);
    match random.below(11) {
        10 => Profile::fragmentation(),
        0 => Profile::first_fit(),
        1 => Profile::meridian(),
        2 => Profile::kubernetes(),
        3..=5 => {
            let strategy = strategy(random);
            Profile::with_strategy("strategy", arithmetic, strategy)
        }
        _ => mixed(random, arithmetic),
    }
}

/// A profile that spreads by CPU and memory, with any weights.
pub(crate) fn draw_spread(random: &mut Random) -> Profile {
    let arithmetic = *random.pick(&[Arithmetic::Meridian, Arithmetic::Kubernetes]);
    let mut profile = Profile::with_strategy("spread", arithmetic, FitStrategy::LeastAllocated);
    if random.percent(50) {
        return profile;
    }
    for score in &mut profile.scores {
        score.weight = *random.pick(&[1, 1, 2, 3, 17]);
        if let ScorePlugin::NodeResourcesFit { resources, .. } = &mut score.plugin {
            for entry in resources.iter_mut() {
                entry.weight = *random.pick(&[1, 1, 2, 7, 100]);
            }
        }
    }
    let last = profile.scores.len() - 1;
    if random.percent(20) {
        profile.scores.truncate(last);
    }
    profile
}

fn mixed(random: &mut Random, arithmetic: Arithmetic) -> Profile {
    let mut filters = Vec::new();
    // The order in the profile must not matter, so it is turned round now and then.
    for filter in FilterPlugin::ALL {
        let optional = !matches!(
            filter,
            FilterPlugin::RuntimeReady
                | FilterPlugin::NumaTopology
                | FilterPlugin::NodePorts
                | FilterPlugin::NodeResourcesFit
                | FilterPlugin::DeviceFit
        );
        if !(optional && random.percent(15)) {
            filters.push(filter);
        }
    }
    if random.percent(20) {
        filters.reverse();
    }
    let mut plugins = vec![
        ScorePlugin::NodeResourcesFit { strategy: strategy(random), resources: resources(random) },
        ScorePlugin::NodeResourcesBalancedAllocation { resources: resources(random) },
        ScorePlugin::TaintToleration,
        ScorePlugin::NodeAffinity,
        ScorePlugin::PodTopologySpread,
        ScorePlugin::InterPodAffinity,
        ScorePlugin::BestFit,
        // Both choose devices: a profile has one of them.
        if random.percent(50) {
            ScorePlugin::GpuFragmentation { typical: random.several(1..=5, typical) }
        } else {
            ScorePlugin::Fragmentation
        },
    ];
    let mut scores = Vec::new();
    for _ in 0..random.within(1..=4) {
        let plugin = plugins.swap_remove(random.below(plugins.len()));
        scores.push(WeightedScore { plugin, weight: *random.pick(&[1, 1, 2, 3, 17, 1_000]) });
    }
    let topology = topology(random);
    Profile { name: "mixed".to_owned(), arithmetic, filters, scores, topology }
}

fn topology(random: &mut Random) -> TopologyArguments {
    let default_spread =
        if random.percent(50) {
            DefaultSpread::system()
        } else {
            DefaultSpread::list(random.several(0..=2, |random| SpreadConstraint {
                selector: None,
                ..pods::spread_constraint(random)
            }))
        };
    TopologyArguments {
        default_spread,
        hard_pod_affinity_weight: *random.pick(&[0, 1, 1, 100]),
        ignores_preferred_terms_of_existing_pods: random.percent(20),
    }
}

fn strategy(random: &mut Random) -> FitStrategy {
    match random.below(5) {
        0 | 1 => FitStrategy::LeastAllocated,
        2 | 3 => FitStrategy::MostAllocated,
        _ => FitStrategy::RequestedToCapacityRatio(shape(random)),
    }
}

/// Points at increasing utilizations, with scores that rise and fall.
fn shape(random: &mut Random) -> Vec<ShapePoint> {
    let mut utilization = random.below(40) as i64;
    let mut shape = Vec::new();
    for _ in 0..random.within(1..=4) {
        shape.push(ShapePoint { utilization, score: random.within(0..=10) as i64 });
        utilization += random.within(1..=20) as i64;
    }
    shape
}

fn resources(random: &mut Random) -> Vec<ResourceWeight> {
    let mut names = vec![
        "cpu",
        "memory",
        "cpu",
        "memory",
        "ephemeral-storage",
        "example.com/fpga",
        "example.com/nic",
        "unknown",
    ];
    let mut resources: Vec<ResourceWeight> = Vec::new();
    for _ in 0..random.within(1..=4) {
        let resource = names.swap_remove(random.below(names.len())).to_owned();
        if resources.iter().all(|entry| entry.resource != resource) {
            resources.push(ResourceWeight { resource, weight: *random.pick(&[1, 1, 2, 7, 100]) });
        }
    }
    resources
}

fn typical(random: &mut Random) -> TypicalPod {
    TypicalPod {
        cpu_milli: *random.pick(&[0, 500, 4_000, 16_000]),
        device_count: *random.pick(&[0, 1, 1, 2, 8]),
        device_milli: *random.pick(&[100, 500, 1_000, 1_000]),
        models: if random.percent(25) { vec![random.word(&MODELS)] } else { Vec::new() },
        share: *random.pick(&[0.0, 0.1, 0.25, 1.0 / 3.0, 0.5]),
    }
}
