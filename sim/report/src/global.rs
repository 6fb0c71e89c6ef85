//! The data of a rolling simulation of the global scheduler, as the simulation fills it in.
//!
//! Money is in the world's currency, times are simulated milliseconds since the start. A float that is not finite is read as "not
//! known" by every rendering.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything a rolling simulation found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GlobalReport {
    /// What was simulated, for people.
    pub title: String,
    /// The seed of all randomness in the run.
    pub seed: u64,
    /// What else the run was given, shown as it is.
    pub parameters: BTreeMap<String, String>,
    /// The figures of the whole run.
    pub summary: GlobalSummary,
    /// Each step, in order of time; the first is the plan that the run starts from.
    pub steps: Vec<GlobalStep>,
    /// What happened to sites, in order of time.
    pub events: Vec<GlobalEvent>,
}

/// The figures of the whole run. The oracle solves each step's world anew, as if nothing ran and moves were free.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GlobalSummary {
    /// Sites at the start.
    pub sites: u64,
    /// Sites that were built later.
    pub sites_built: u64,
    /// Client locations.
    pub locations: u64,
    /// Workloads.
    pub workloads: u64,
    /// Steps after the first plan.
    pub steps: u64,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
    /// Money for the whole run, moves apart.
    pub cost: f64,
    /// The same for the oracle.
    pub oracle_cost: f64,
    /// What no plans would have cost less than, moves apart.
    pub bound: f64,
    /// Money for moves.
    pub move_cost: f64,
    /// What the oracle would have paid for moves from one of its plans to the next.
    pub oracle_move_cost: f64,
    /// `cost` by `oracle_cost`.
    pub cost_ratio: f64,
    /// The same with moves paid on both sides.
    pub cost_ratio_with_moves: f64,
    /// How far `cost` may be above the best plans', in percent of it.
    pub gap_percent: f64,
    /// Replicas that repair moved.
    pub repair_moves: u64,
    /// Replicas that improvement moved.
    pub improvement_moves: u64,
    /// The most replicas that improvement moved in one step.
    pub most_improvement_moves: u64,
    /// Replicas that the oracle would have moved.
    pub oracle_moves: u64,
    /// Demand that was not served, in percent of the replicas it asked for.
    pub unserved_percent: f64,
    /// The same for the oracle.
    pub oracle_unserved_percent: f64,
    /// The same right after repair.
    pub repaired_unserved_percent: f64,
    /// Sites that failed.
    pub failures: u64,
    /// Sites that came back.
    pub returns: u64,
    /// Changes of a site's prices.
    pub price_changes: u64,
    /// Rules that plans broke, repaired and improved ones, by the checker. Anything but 0 is a bug.
    pub violations: u64,
    /// The same for the oracle's plans.
    pub oracle_violations: u64,
}

/// One step: what the world was like then, and what was made of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GlobalStep {
    /// Simulated milliseconds since the start.
    pub time_ms: u64,
    /// Demand, in the replicas it asks for.
    pub demand: f64,
    /// Sites that are up.
    pub sites_up: u64,
    /// Replicas that run.
    pub replicas: u64,
    /// Money an hour right after repair, moves apart.
    pub repaired_cost: f64,
    /// Money an hour after improvement, moves apart.
    pub cost: f64,
    /// The same for the oracle.
    pub oracle_cost: f64,
    /// What no plan costs less than in an hour, moves apart.
    pub bound: f64,
    /// Replicas that repair moved.
    pub repair_moves: u64,
    /// Replicas that improvement moved.
    pub improvement_moves: u64,
    /// Replicas in which the oracle's plan differs from its last one.
    pub oracle_moves: u64,
    /// Demand that is not served, in percent of the replicas it asks for.
    pub unserved_percent: f64,
    /// The same for the oracle.
    pub oracle_unserved_percent: f64,
    /// Rules that the repaired or the improved plan breaks.
    pub violations: u64,
    /// Wall-clock figures: what differs between two runs with one seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timings: Option<StepTimings>,
}

/// How long a step took on the machine it ran on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StepTimings {
    /// Milliseconds for repair.
    pub repair_ms: f64,
    /// Milliseconds for improvement.
    pub improvement_ms: f64,
    /// Milliseconds for the oracle.
    pub oracle_ms: f64,
}

/// Something that happened to a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GlobalEvent {
    /// Simulated milliseconds since the start.
    pub time_ms: u64,
    /// What, in words.
    pub what: String,
    /// The site.
    pub site: String,
}

impl GlobalStep {
    /// How much dearer the plan is than the oracle's, in percent; not finite if that costs nothing.
    pub(crate) fn above_oracle_percent(&self) -> f64 {
        100.0 * (self.cost / self.oracle_cost - 1.0)
    }

    /// How far the plan may be from the best, in percent of its cost.
    pub(crate) fn gap_percent(&self) -> f64 {
        100.0 * (1.0 - self.bound / self.cost)
    }
}
