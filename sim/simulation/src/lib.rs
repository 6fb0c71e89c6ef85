//! Discrete-event simulation on the regional scheduler's engine.
//!
//! The very engine that serves a region is driven by a trace in the place of an API server, and by the trace's times
//! in the place of a clock: [`simulate`] runs hosts and a stream of pods through queue and scheduler and fills a
//! [`SimulationReport`](meridian_report::SimulationReport); [`openb_experiment`] repeats the published experiment on
//! the openb trace. Both are functions of their inputs and a seed: run twice, they place every pod alike. The one thing
//! that differs is what a [`Clock`] measures, and without one nothing is measured.

#![forbid(unsafe_code)]

mod cluster;
mod digest;
mod error;
mod openb;
mod policy;
mod quantities;
mod recorder;
mod simulation;
mod story;
mod translate;
mod typical;

pub use self::cluster::{
    Aims, ClusterStory, Consequences, Hypothesis, Move, MoveReason, Plan, PlannedWorkload, Proposal,
    ProposedMove, Remedy, Usage, Utilization, Waits, cluster_story, plan, rebalance, what_if,
};
pub use self::error::SimulationError;
pub use self::openb::{OpenbExperiment, openb_experiment, openb_story};
pub use self::policy::{POLICIES, Policy};
pub use self::simulation::{Options, Progress, simulate};
pub use self::story::{Attempt, Story};
pub use self::translate::{demand, host};
pub use self::typical::{TYPICAL_COVERAGE, typical_pods};

/// Nanoseconds since some moment, never decreasing; how the edge of the program lends its clock.
pub type Clock = fn() -> u64;
