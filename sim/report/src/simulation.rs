//! The data of one simulation, as the simulation fills it in.
//!
//! Times are simulated milliseconds since the start of the run; percentages are of capacity, 0 to 100 (more where
//! a policy overcommits). A float that is not finite is read as "not known" by every rendering.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Histogram;

/// Everything one simulation found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SimulationReport {
    /// What was simulated, for people: "Synthetic region, 24 h".
    pub title: String,
    /// The name of the scheduling policy.
    pub policy: String,
    /// The seed of all randomness in the run.
    pub seed: u64,
    /// What else the run was given, shown as it is.
    pub parameters: BTreeMap<String, String>,
    /// The counts of the whole run.
    pub summary: Summary,
    /// The state over time, evenly spaced and in order of time; a few thousand at most.
    pub samples: Vec<Sample>,
    /// Simulated milliseconds from arrival to placement, one value a placed pod.
    pub queue_delay: Histogram,
    /// One entry a tenant, by demand, largest first.
    pub tenants: Vec<TenantSummary>,
    /// Pods that were still waiting or were refused at the end, grouped by reason.
    pub unplaced: Vec<Unplaced>,
    /// Wall-clock figures: the only part that differs between two runs with one seed.
    pub timings: Option<Timings>,
}

/// The counts of the whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Hosts at the start.
    pub hosts: u64,
    /// Pods that arrived during the run.
    pub pods_arrived: u64,
    /// Pods that were given a host.
    pub pods_placed: u64,
    /// Placed pods that ran to their end.
    pub pods_completed: u64,
    /// Pods running at the end of the run.
    pub pods_running: u64,
    /// Pods waiting for a host at the end of the run.
    pub pods_waiting: u64,
    /// Pods that would fit no host even if it were empty.
    pub pods_impossible: u64,
    /// Events handled: arrivals, ends, failures, samples.
    pub events: u64,
    /// Simulated milliseconds from the first event to the last.
    pub simulated_ms: u64,
    /// A hash over (pod, host, time) of all placements: equal digests mean equal placements.
    pub placement_digest: String,
    /// How often a checked invariant did not hold. Anything but 0 is a bug in the scheduler or the simulation.
    pub invariant_violations: u64,
}

/// The state of the hosts and the queue at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Simulated milliseconds since the start.
    pub time_ms: u64,
    /// Allocated CPU, percent of capacity.
    pub cpu_percent: f64,
    /// Allocated memory, percent of capacity.
    pub memory_percent: f64,
    /// Allocated devices (GPUs and the like), percent of capacity; none where no host has any.
    pub device_percent: Option<f64>,
    /// Free device capacity that the typical pod cannot use, percent of device capacity; none where no host has any.
    pub device_fragmentation_percent: Option<f64>,
    /// Free CPU that the typical pod cannot use, percent of CPU capacity.
    pub stranded_cpu_percent: f64,
    /// Pods running.
    pub running: u64,
    /// Pods waiting for a host.
    pub waiting: u64,
}

/// What one tenant asked for and got.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TenantSummary {
    /// The tenant's name, as it is in the trace.
    pub tenant: String,
    /// Pods that arrived.
    pub pods_arrived: u64,
    /// Pods that were given a host.
    pub pods_placed: u64,
    /// Mean simulated milliseconds from arrival to placement, over the placed pods.
    pub mean_queue_delay_ms: f64,
    /// Longest simulated milliseconds from arrival to placement.
    pub max_queue_delay_ms: u64,
    /// CPU given, in cores times hours.
    pub cpu_core_hours: f64,
}

/// Pods without a host that share one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unplaced {
    /// The reason in kube-scheduler's wording.
    pub reason: String,
    /// How many pods.
    pub pods: u64,
    /// The name of one of them.
    pub example: String,
}

/// How fast the run was on the machine it ran on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Wall-clock seconds of the run.
    pub wall_seconds: f64,
    /// Events handled a wall-clock second.
    pub events_per_second: f64,
    /// Scheduling decisions a wall-clock second.
    pub decisions_per_second: f64,
    /// Wall-clock nanoseconds of each decision.
    pub decision_nanoseconds: Histogram,
}
