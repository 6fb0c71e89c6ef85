//! The data of the openb experiment: how full a GPU cluster gets as more and more of its capacity is asked for,
//! over several seeds.

use serde::Serialize;

/// The result of one policy on the openb trace. Its JSON is read by scripts: names and order of the fields stay.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OpenbReport {
    /// The name of the scheduling policy.
    pub policy: String,
    /// Over how many seeds the means were taken.
    pub seeds: u64,
    /// Scheduling decisions a wall-clock second.
    pub decisions_per_second: f64,
    /// One entry a level of demand, in rising order.
    pub arrived: Vec<Arrived>,
}

/// The state when pods asking for so much of the capacity had arrived.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Arrived {
    /// GPU demand that had arrived, percent of GPU capacity.
    pub percent: u32,
    /// Allocated GPU, percent of GPU capacity: mean over the seeds.
    pub allocation_mean: f64,
    /// Allocated GPU, percent of GPU capacity: standard deviation over the seeds.
    pub allocation_stdev: f64,
    /// Fragmented GPU, percent of GPU capacity: mean over the seeds.
    pub fragmentation_mean: f64,
    /// Fragmented GPU, percent of GPU capacity: standard deviation over the seeds.
    pub fragmentation_stdev: f64,
}
