//! `meridian sim`: a trace through the scheduler, or hours through the global scheduler.

mod convert;
mod global;
mod openb;
mod run;

use clap::Subcommand;

/// Run a trace of pods through the scheduler, or hours through the global scheduler.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A made-up region, from stated distributions and a seed.
    Synthetic(run::Simulated<crate::source::SyntheticArguments>),
    /// A job log in the Standard Workload Format, plain or gzip, on equal hosts.
    Swf(run::Simulated<crate::source::SwfArguments>),
    /// Tables of hosts and pods, CSV or Parquet.
    Tables(run::Simulated<crate::source::TablesArguments>),
    /// The published experiment on the openb trace: GPUs allocated before they are too fragmented.
    Openb(openb::Arguments),
    /// The global scheduler, hour by hour: demand, failures, prices and new sites, beside an oracle that solves anew.
    Global(global::Arguments),
    /// Write a trace as Parquet tables, to be streamed from then on.
    Convert(convert::Arguments),
}

pub(crate) use self::openb::OpenbTables;

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Synthetic(simulated) => simulated.run(crate::source::Source::Synthetic),
        Command::Swf(simulated) => simulated.run(crate::source::Source::Swf),
        Command::Tables(simulated) => simulated.run(crate::source::Source::Tables),
        Command::Openb(arguments) => openb::run(&arguments),
        Command::Global(arguments) => global::run(&arguments),
        Command::Convert(arguments) => convert::run(arguments),
    }
}
