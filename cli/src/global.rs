//! `meridian global`: which site serves which demand, over regions and edge sites.

mod compare;
mod draw;
mod effort;
mod explain;
mod files;
mod import;
mod place;
mod planned;
mod solve;
mod whatif;

use clap::Subcommand;

pub(crate) use self::files::world;

/// Place workloads over regions and edge sites.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Solve a world or an instance, and say how far the plan can be from the best.
    Solve(solve::Arguments),
    /// Place one workload into a running plan, and move nothing else.
    Place(place::Arguments),
    /// Say why a workload runs where it runs, what would be second, and what binds.
    Explain(explain::Arguments),
    /// Say what would change if a site or link failed, a price changed, demand grew or a site were built.
    Whatif(whatif::Arguments),
    /// Work on plans.
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Draw a plan as a page: sites, load and flows.
    Map(draw::Arguments),
    /// Make a world of tables of sites and users.
    Import(import::Arguments),
}

#[derive(Debug, Subcommand)]
enum PlanCommand {
    /// Say what differs between two plans.
    Diff(compare::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.command {
        Command::Solve(arguments) => solve::run(arguments),
        Command::Place(arguments) => place::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Whatif(arguments) => whatif::run(arguments),
        Command::Plan(PlanCommand::Diff(arguments)) => compare::run(arguments),
        Command::Map(arguments) => draw::run(arguments),
        Command::Import(arguments) => import::run(arguments),
    }
}
