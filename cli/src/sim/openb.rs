//! The published experiment on the openb trace.

use std::path::PathBuf;

use clap::Args;
use meridian_report::JsonStyle;
use meridian_simulation::{OpenbExperiment, openb_experiment};
use meridian_trace::{PodOrder, TraceHost, TracePod, read_openb_hosts, read_openb_pods};

use crate::policy::PolicyArguments;
use crate::{clock, output, progress};

/// The two tables of the trace.
#[derive(Clone, Debug, Args)]
pub(crate) struct OpenbTables {
    /// The table of nodes (columns sn, cpu_milli, memory_mib, gpu, model).
    #[arg(long, value_name = "FILE")]
    nodes: PathBuf,
    /// The table of pods (columns name, cpu_milli, memory_mib, num_gpu, gpu_milli, ...).
    #[arg(long, value_name = "FILE")]
    pods: PathBuf,
}

impl OpenbTables {
    pub(crate) fn read(&self, order: PodOrder) -> anyhow::Result<(Vec<TraceHost>, Vec<TracePod>)> {
        Ok((read_openb_hosts(&self.nodes)?, read_openb_pods(&self.pods, order)?))
    }
}

/// The experiment.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    tables: OpenbTables,
    #[command(flatten)]
    policy: PolicyArguments,
    /// GPUs asked for by all pods that arrive, as a multiple of the capacity.
    #[arg(long, default_value_t = 1.3, allow_negative_numbers = true)]
    arrivals: f64,
    /// How many runs, each with a seed of its own.
    #[arg(long, default_value_t = 10, allow_negative_numbers = true)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object in the place of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let policy = arguments.policy.policy()?;
    let (hosts, pods) = arguments.tables.read(PodOrder::File)?;
    let experiment = OpenbExperiment {
        policy,
        arrivals: arguments.arrivals,
        seeds: arguments.seeds,
        first_seed: arguments.seed,
    };
    let bar = progress::counted(arguments.seeds, "seeds");
    let report = openb_experiment(&hosts, &pods, &experiment, Some(clock::nanoseconds), &|| bar.inc(1));
    bar.finish_and_clear();
    let report = report?;
    if arguments.json {
        output::print(&report.to_json(JsonStyle::Compact))
    } else {
        output::print(&report.to_terminal(None))
    }
}
