//! `meridian global`: which site serves which demand, over regions and edge sites.

mod solve;

use clap::Subcommand;

/// Place workloads over regions and edge sites.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Solve an instance, and say how far the plan can be from the best.
    Solve(solve::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.command {
        Command::Solve(arguments) => solve::run(arguments),
    }
}
