//! Benches of the simulator.

use std::collections::BTreeMap;

use meridian_simulation::{OpenbExperiment, Options, Policy, openb_experiment, simulate};
use meridian_trace::{PodOrder, Synthetic, read_openb_hosts, read_openb_pods};

use crate::Clock;
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, count};

/// Runs of the experiment, as many as were published.
const SEEDS: u64 = 10;

pub(crate) fn openb(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let data = parameters.data.as_ref().ok_or(BenchError::NoData { want: "openb/" })?.join("openb");
    let hosts = read_openb_hosts(&data.join("openb_node_list_gpu_node.csv"))?;
    let pods = read_openb_pods(&data.join("openb_pod_list_default.csv"), PodOrder::File)?;
    let experiment = OpenbExperiment {
        policy: Policy::named(parameters.policy.as_deref().unwrap_or("fragmentation"))?,
        arrivals: 1.3,
        seeds: SEEDS,
        first_seed: parameters.seed,
    };
    let report = openb_experiment(&hosts, &pods, &experiment, Some(clock), &|| {})?;
    let goal = Goal { direction: Direction::AtLeast, bound: 95.5 };
    let value = report.arrived.first().map_or(0.0, |arrived| arrived.allocation_mean);
    Ok(Figure::new("sim/openb", value, "% of GPUs", goal)
        .with("policy", report.policy)
        .with("seeds", report.seeds)
        .with("decisions_per_second", report.decisions_per_second))
}

pub(crate) fn synthetic(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let defaults = Synthetic::default();
    let region = Synthetic {
        hosts: count("hosts", parameters.hosts, defaults.hosts)?,
        classes: count("classes", parameters.classes, defaults.classes)?,
        seed: parameters.seed,
        ..defaults
    };
    let hosts = region.make_hosts()?;
    // The trace is made before the watch is started: what is timed is the simulator.
    let pods = region.make_pods()?.collect::<Result<Vec<_>, _>>()?;
    let number = pods.len();
    let options = Options {
        title: String::new(),
        policy: Policy::named(parameters.policy.as_deref().unwrap_or("meridian"))?,
        typical: Vec::new(),
        seed: region.seed,
        parameters: BTreeMap::new(),
        until_ms: Some(u64::from(region.hours) * 3_600_000),
        clock: None,
        watch: None,
    };
    let before = clock();
    let (report, _) = simulate(&hosts, pods.into_iter().map(Ok), &options, &mut |_| {})?;
    let nanoseconds = clock() - before;
    let goal = Goal { direction: Direction::AtLeast, bound: 1_000_000.0 };
    let value = report.summary.events as f64 * 1e9 / nanoseconds.max(1) as f64;
    Ok(Figure::new("sim/synthetic", value, "events/s", goal)
        .with("hosts", region.hosts)
        .with("pods", number)
        .with("classes", region.classes)
        .with("events", report.summary.events)
        .with("waiting", report.summary.pods_waiting)
        .with("seed", region.seed))
}
