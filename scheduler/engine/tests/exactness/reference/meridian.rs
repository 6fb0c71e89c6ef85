//! Meridian's own scores: absolute, in single precision, with nothing normalised over other hosts.
//!
//! The order of operations is part of the definition, since the last bit may decide between hosts.

use meridian_engine::{Demand, FitStrategy, ResourceWeight, ScorePlugin, ShapePoint};

use super::machine::{Machine, scored_quantity};
use super::preference;

/// A host's points, from 0 to 100.
pub(crate) fn points(plugin: &ScorePlugin, machine: &Machine, demand: &Demand) -> f32 {
    match plugin {
        ScorePlugin::NodeResourcesFit { strategy, resources } => fit(strategy, resources, machine, demand),
        ScorePlugin::NodeResourcesBalancedAllocation { resources } => balance(resources, machine, demand),
        ScorePlugin::TaintToleration => {
            100.0 / (1.0 + preference::avoided_taints(&machine.host, demand) as f32)
        }
        ScorePlugin::NodeAffinity if preference::total_weight(demand) == 0 => 0.0,
        ScorePlugin::NodeAffinity => {
            let matched = preference::preferred_weight(&machine.host, demand) as f32;
            100.0 * matched / preference::total_weight(demand) as f32
        }
        ScorePlugin::BestFit
        | ScorePlugin::GpuFragmentation { .. }
        | ScorePlugin::Fragmentation
        | ScorePlugin::PodTopologySpread
        | ScorePlugin::InterPodAffinity => 0.0,
    }
}

/// The share of each listed resource in use after placing; all of it where the host has none.
fn shares(resources: &[ResourceWeight], machine: &Machine, demand: &Demand) -> Vec<f32> {
    let demand = &*machine.seen(demand);
    let share = |name: &str| {
        let allocatable = machine.allocatable(name);
        if allocatable <= 0 {
            return 1.0;
        }
        let used = (machine.scored(name) as f64 / allocatable as f64) as f32;
        let inverse = (1.0 / allocatable as f64) as f32;
        used + scored_quantity(demand, name) as f32 * inverse
    };
    resources.iter().map(|entry| share(&entry.resource)).collect()
}

fn fit(strategy: &FitStrategy, resources: &[ResourceWeight], machine: &Machine, demand: &Demand) -> f32 {
    let total = resources.iter().map(|entry| entry.weight).sum::<i64>() as f32;
    let sum_of = |value: &dyn Fn(f32) -> f32| {
        let mut sum = 0.0;
        for (entry, share) in resources.iter().zip(shares(resources, machine, demand)) {
            sum += value(share) * entry.weight as f32;
        }
        sum
    };
    match strategy {
        FitStrategy::LeastAllocated => sum_of(&|share| 1.0 - share) * (100.0 / total),
        FitStrategy::MostAllocated => sum_of(&|share| share) * (100.0 / total),
        FitStrategy::RequestedToCapacityRatio(shape) => {
            sum_of(&|share| line(shape, share * 100.0)) * (1.0 / total)
        }
    }
}

/// The broken line through the points; level before the first and after the last.
fn line(shape: &[ShapePoint], utilization: f32) -> f32 {
    let score = |point: ShapePoint| (point.score * 10) as f32;
    let (first, last) = (shape[0], shape[shape.len() - 1]);
    if utilization <= first.utilization as f32 {
        return score(first);
    }
    for pair in shape.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        if utilization <= to.utilization as f32 {
            let (start, end) = (from.utilization as f32, to.utilization as f32);
            return score(from) + (score(to) - score(from)) * (utilization - start) / (end - start);
        }
    }
    score(last)
}

fn balance(resources: &[ResourceWeight], machine: &Machine, demand: &Demand) -> f32 {
    let shares = shares(resources, machine, demand);
    match shares[..] {
        [] | [_] => 100.0,
        [one, other] => 100.0 * (1.0 - (one - other).abs() * 0.5),
        _ => {
            let count = shares.len() as f32;
            let mean = shares.iter().sum::<f32>() / count;
            let variance = shares.iter().map(|share| (share - mean) * (share - mean)).sum::<f32>() / count;
            100.0 * (1.0 - variance.sqrt())
        }
    }
}
