//! Hosts, pods and runs, in few words.

use std::collections::BTreeMap;

use meridian_report::SimulationReport;
use meridian_simulation::{Options, Policy, Story, simulate, typical_pods};
use meridian_trace::{TraceHost, TracePod};

/// A host with so many milli-CPUs and MiB, and no devices.
pub(crate) fn host(name: &str, cpu_milli: i64, mebibytes: i64) -> TraceHost {
    TraceHost { name: name.to_owned(), cpu_milli, memory: mebibytes << 20, pods: 110, ..TraceHost::default() }
}

/// The same host with devices.
pub(crate) fn with_devices(host: TraceHost, count: u32, model: &str) -> TraceHost {
    TraceHost { device_count: count, device_model: Some(model.to_owned()), ..host }
}

/// A pod of a tenant of its own name, which arrives at a time, asks for so many milli-CPUs and stays.
pub(crate) fn pod(name: &str, arrival_ms: u64, cpu_milli: i64) -> TracePod {
    TracePod { name: name.to_owned(), tenant: name.to_owned(), arrival_ms, cpu_milli, ..TracePod::default() }
}

/// The same pod for a while.
pub(crate) fn lasting(pod: TracePod, duration_ms: u64) -> TracePod {
    TracePod { duration_ms: Some(duration_ms), ..pod }
}

/// The same pod with another priority.
pub(crate) fn urgent(pod: TracePod, priority: i32) -> TracePod {
    TracePod { priority, ..pod }
}

/// The same pod with a demand for devices.
pub(crate) fn on_devices(pod: TracePod, count: u32, milli: u32) -> TracePod {
    TracePod { device_count: count, device_milli: milli, ..pod }
}

pub(crate) fn options(policy: &str, pods: &[TracePod]) -> Options {
    Options {
        title: "test".to_owned(),
        policy: Policy::named(policy).expect("the policy exists"),
        typical: typical_pods(pods),
        seed: 0,
        parameters: BTreeMap::new(),
        until_ms: None,
        clock: None,
        watch: None,
    }
}

/// Runs a trace to its end.
pub(crate) fn run(hosts: &[TraceHost], pods: &[TracePod]) -> SimulationReport {
    run_with(hosts, pods, &options("meridian", pods)).0
}

pub(crate) fn run_with(
    hosts: &[TraceHost],
    pods: &[TracePod],
    options: &Options,
) -> (SimulationReport, Option<Story>) {
    let (report, story) =
        simulate(hosts, pods.iter().cloned().map(Ok), options, &mut |_| {}).expect("the trace is sound");
    assert_eq!(report.summary.invariant_violations, 0, "{:?}", report.summary);
    (report, story)
}

/// What became of one pod.
pub(crate) fn story(hosts: &[TraceHost], pods: &[TracePod], policy: &str, watch: &str) -> Story {
    let options = Options { watch: Some(watch.to_owned()), ..options(policy, pods) };
    run_with(hosts, pods, &options).1.expect("a pod is watched")
}

/// The host and the devices that a pod got in the end.
pub(crate) fn place(
    hosts: &[TraceHost],
    pods: &[TracePod],
    policy: &str,
    watch: &str,
) -> Option<(String, u64)> {
    story(hosts, pods, policy, watch).attempts.pop().and_then(|attempt| attempt.placed)
}

/// The hosts of all pods, in the order of the trace; "-" for a pod without.
pub(crate) fn places(hosts: &[TraceHost], pods: &[TracePod], policy: &str) -> Vec<String> {
    pods.iter()
        .map(|pod| place(hosts, pods, policy, &pod.name).map_or_else(|| "-".to_owned(), |(host, _)| host))
        .collect()
}

/// How long the pods of each tenant waited: the mean and the longest, in milliseconds.
pub(crate) fn delays(report: &SimulationReport) -> BTreeMap<&str, (f64, u64)> {
    let tenants = report.tenants.iter();
    tenants.map(|each| (each.tenant.as_str(), (each.mean_queue_delay_ms, each.max_queue_delay_ms))).collect()
}
