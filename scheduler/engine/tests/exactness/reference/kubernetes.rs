//! kube-scheduler's whole numbers, normalised over the feasible hosts where it does so.

use meridian_engine::{Demand, FitStrategy, ResourceWeight, ScorePlugin, ShapePoint};

use super::machine::{Machine, is_native, quantity, scored_quantity};
use super::preference;

/// The best score of any plugin.
const BEST: i64 = 100;

/// The scores of all feasible hosts.
pub(crate) fn score<'a>(
    plugin: &ScorePlugin,
    hosts: impl Iterator<Item = &'a Machine>,
    demand: &Demand,
) -> Vec<i64> {
    match plugin {
        ScorePlugin::NodeResourcesFit { strategy, resources } => {
            hosts.map(|machine| fit(strategy, resources, machine, demand)).collect()
        }
        ScorePlugin::NodeResourcesBalancedAllocation { resources } => {
            hosts.map(|machine| balance(resources, machine, demand)).collect()
        }
        ScorePlugin::TaintToleration => {
            let raw = hosts.map(|machine| preference::avoided_taints(&machine.host, demand)).collect();
            normalised(raw).into_iter().map(|share| BEST - share).collect()
        }
        ScorePlugin::NodeAffinity => {
            normalised(hosts.map(|machine| preference::preferred_weight(&machine.host, demand)).collect())
        }
        ScorePlugin::BestFit
        | ScorePlugin::GpuFragmentation { .. }
        | ScorePlugin::Fragmentation
        | ScorePlugin::PodTopologySpread
        | ScorePlugin::InterPodAffinity => Vec::new(),
    }
}

/// Scaled so that the largest becomes 100; all zeros stay so.
fn normalised(raw: Vec<i64>) -> Vec<i64> {
    let largest = raw.iter().copied().max().unwrap_or(0);
    raw.into_iter().map(|raw| if largest == 0 { 0 } else { BEST * raw / largest }).collect()
}

/// A listed resource that counts on this host for this pod.
struct Counted {
    allocatable: i64,
    /// After placing, by what scoring counts.
    scored: i64,
    /// After placing, by what is really requested.
    requested: i64,
    weight: i64,
}

/// Leaves out what the host has none of, and extended resources that the pod does not ask for.
fn counted(resources: &[ResourceWeight], machine: &Machine, demand: &Demand) -> Vec<Counted> {
    let demand = &*machine.seen(demand);
    let counts = |name: &str| {
        machine.allocatable(name) != 0 && (is_native(name) || quantity(&demand.requests, name) != 0)
    };
    resources
        .iter()
        .filter(|entry| counts(&entry.resource))
        .map(|entry| Counted {
            allocatable: machine.allocatable(&entry.resource),
            scored: machine.scored(&entry.resource) + scored_quantity(demand, &entry.resource),
            requested: machine.requested(&entry.resource) + quantity(&demand.requests, &entry.resource),
            weight: entry.weight,
        })
        .collect()
}

fn fit(strategy: &FitStrategy, resources: &[ResourceWeight], machine: &Machine, demand: &Demand) -> i64 {
    let counted = counted(resources, machine, demand);
    let scores = counted.iter().map(|entry| (fit_one(strategy, entry), entry.weight));
    match strategy {
        FitStrategy::LeastAllocated | FitStrategy::MostAllocated => {
            let (sum, weights) = weighted(scores);
            if weights == 0 { 0 } else { sum / weights }
        }
        FitStrategy::RequestedToCapacityRatio(_) => {
            let (sum, weights) = weighted(scores.filter(|(score, _)| *score > 0));
            if weights == 0 { 0 } else { (sum as f64 / weights as f64).round() as i64 }
        }
    }
}

fn weighted(scores: impl Iterator<Item = (i64, i64)>) -> (i64, i64) {
    scores.fold((0, 0), |(sum, weights), (score, weight)| (sum + score * weight, weights + weight))
}

fn fit_one(strategy: &FitStrategy, entry: &Counted) -> i64 {
    let Counted { allocatable, scored, .. } = *entry;
    match strategy {
        FitStrategy::LeastAllocated if scored > allocatable => 0,
        FitStrategy::LeastAllocated => (allocatable - scored) * BEST / allocatable,
        FitStrategy::MostAllocated => scored.min(allocatable) * BEST / allocatable,
        FitStrategy::RequestedToCapacityRatio(shape) => {
            line(shape, if scored > allocatable { 100 } else { scored * 100 / allocatable })
        }
    }
}

/// The broken line through the points; level before the first and after the last.
fn line(shape: &[ShapePoint], utilization: i64) -> i64 {
    let (first, last) = (shape[0], shape[shape.len() - 1]);
    if utilization <= first.utilization {
        return first.score * 10;
    }
    for pair in shape.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        if utilization <= to.utilization {
            let rise = (to.score - from.score) * 10;
            return from.score * 10
                + rise * (utilization - from.utilization) / (to.utilization - from.utilization);
        }
    }
    last.score * 10
}

fn balance(resources: &[ResourceWeight], machine: &Machine, demand: &Demand) -> i64 {
    if resources.iter().all(|entry| quantity(&demand.requests, &entry.resource) == 0) {
        return 0;
    }
    let fractions: Vec<f64> = counted(resources, machine, demand)
        .iter()
        .map(|entry| (entry.requested as f64 / entry.allocatable as f64).min(1.0))
        .collect();
    let deviation = match fractions[..] {
        [] | [_] => 0.0,
        [one, other] => ((one - other) / 2.0).abs(),
        _ => {
            let count = fractions.len() as f64;
            let mean = fractions.iter().sum::<f64>() / count;
            (fractions.iter().map(|fraction| (fraction - mean) * (fraction - mean)).sum::<f64>() / count)
                .sqrt()
        }
    };
    ((1.0 - deviation) * BEST as f64) as i64
}
