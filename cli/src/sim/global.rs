//! `meridian sim global`: hours through the global scheduler.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::Args;
use meridian_global_engine::{Backend, Limits};
use meridian_report::JsonStyle;
use meridian_rolling::{Made, Options, Pace, roll};

use crate::{clock, global, output, progress};

/// Change a world hour by hour and plan it on the way, beside an oracle that solves each hour anew.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The world, as JSON or YAML; made up if it is not given.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    made: MadeArguments,
    /// Hours that are simulated.
    #[arg(long, value_name = "HOURS", default_value_t = 48.0, allow_negative_numbers = true)]
    hours: f64,
    /// Hours from step to step.
    #[arg(long, value_name = "HOURS", default_value_t = 1.0, allow_negative_numbers = true)]
    step: f64,
    /// Equal seeds, worlds and rounds give equal reports, timings apart.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    pace: PaceArguments,
    /// The most replicas that improvement may move in a step. Repair moves what cannot stay.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    most_moves: u64,
    /// The least share of the cost that improvement must save, moves paid.
    #[arg(long, value_name = "SHARE", default_value_t = 0.005, allow_negative_numbers = true)]
    least_gain: f64,
    /// Rounds of solving in each step, for improvement and for the oracle.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    rounds: u64,
    /// What solves mixed-integer programmes: microlp, which is built in, or highs, where the program was built with it.
    #[arg(long, value_name = "NAME", default_value = "microlp")]
    backend: Backend,
    /// Print one JSON object in the place of tables.
    #[arg(long)]
    json: bool,
    /// Write a page with plots.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Measure nothing, so that equal runs write equal bytes.
    #[arg(long)]
    no_timings: bool,
}

/// The size of a world that is made up.
#[derive(Debug, Args)]
struct MadeArguments {
    /// Cloud regions of the made-up world.
    #[arg(long, value_name = "NUMBER", default_value_t = Made::default().regions, conflicts_with = "file")]
    regions: u32,
    /// Edge sites of the made-up world.
    #[arg(long, value_name = "NUMBER", default_value_t = Made::default().edge_sites, conflicts_with = "file")]
    edge_sites: u32,
    /// Client locations of the made-up world.
    #[arg(long, value_name = "NUMBER", default_value_t = Made::default().locations, conflicts_with = "file")]
    locations: u32,
    /// Workloads of the made-up world.
    #[arg(long, value_name = "NUMBER", default_value_t = Made::default().workloads, conflicts_with = "file")]
    workloads: u32,
}

/// How fast the world changes.
#[derive(Debug, Args)]
struct PaceArguments {
    /// How much demand swings over the day: the share of the mean by which the busiest hour is above it.
    #[arg(long, value_name = "SHARE", default_value_t = Pace::default().swing, allow_negative_numbers = true)]
    swing: f64,
    /// How noisy demand is: the deviation of its logarithm.
    #[arg(long, value_name = "NUMBER", default_value_t = Pace::default().noise, allow_negative_numbers = true)]
    noise: f64,
    /// The share by which demand grows in a day.
    #[arg(long, value_name = "SHARE", default_value_t = Pace::default().growth, allow_negative_numbers = true)]
    growth: f64,
    /// Mean hours until a site fails; 0 for never.
    #[arg(long, value_name = "HOURS", default_value_t = Pace::default().failure_hours, allow_negative_numbers = true)]
    failure_hours: f64,
    /// Mean hours until a site that failed is back.
    #[arg(long, value_name = "HOURS", default_value_t = Pace::default().return_hours, allow_negative_numbers = true)]
    return_hours: f64,
    /// Mean hours until the prices of a site change; 0 for never.
    #[arg(long, value_name = "HOURS", default_value_t = Pace::default().price_hours, allow_negative_numbers = true)]
    price_hours: f64,
    /// Sites that are built in the whole time.
    #[arg(long, value_name = "NUMBER", default_value_t = Pace::default().new_sites)]
    new_sites: u32,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (world, title) = match &arguments.file {
        Some(file) => {
            let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            (global::world(file)?, format!("{name}, {} h", arguments.hours))
        }
        None => {
            let of = &arguments.made;
            let made = Made {
                regions: of.regions,
                edge_sites: of.edge_sites,
                locations: of.locations,
                workloads: of.workloads,
                seed: arguments.seed,
            };
            (made.world()?, format!("A made-up world, {} h", arguments.hours))
        }
    };
    let options = options(arguments, title);
    let limits = Limits {
        clock: &clock::nanoseconds,
        time: None,
        rounds: Some(arguments.rounds),
        backend: arguments.backend,
        cancel: &AtomicBool::new(false),
        gap: 1e-4,
        progress: &|_, _| (),
    };
    let bar = progress::counted((arguments.hours / arguments.step).max(1.0) as u64, "steps");
    let report = roll(world, &options, &limits, !arguments.no_timings, &mut |step, _| bar.set_position(step));
    bar.finish_and_clear();
    let report = report?;
    if let Some(path) = &arguments.report {
        output::write_file(path, &report.to_html())?;
    }
    if arguments.json {
        output::print(&report.to_json(JsonStyle::Pretty))?;
    } else {
        output::print(&report.to_terminal(None))?;
    }
    if let Some(path) = &arguments.report {
        output::note(&format!("report: {}", path.display()));
    }
    Ok(())
}

fn options(arguments: &Arguments, title: String) -> Options {
    let of = &arguments.pace;
    let parameters: [(&str, String); 12] = [
        ("step, hours", arguments.step.to_string()),
        ("swing of demand over the day", of.swing.to_string()),
        ("noise of demand", of.noise.to_string()),
        ("growth in a day", of.growth.to_string()),
        ("mean hours until a site fails", of.failure_hours.to_string()),
        ("mean hours until it is back", of.return_hours.to_string()),
        ("mean hours until prices change", of.price_hours.to_string()),
        ("new sites", of.new_sites.to_string()),
        ("most moves in a step", arguments.most_moves.to_string()),
        ("least gain", arguments.least_gain.to_string()),
        ("rounds", arguments.rounds.to_string()),
        ("back end", arguments.backend.name().to_owned()),
    ];
    Options {
        title,
        parameters: BTreeMap::from(parameters.map(|(name, value)| (name.to_owned(), value))),
        seed: arguments.seed,
        hours: arguments.hours,
        step: arguments.step,
        pace: Pace {
            swing: of.swing,
            noise: of.noise,
            growth: of.growth,
            failure_hours: of.failure_hours,
            return_hours: of.return_hours,
            price_hours: of.price_hours,
            new_sites: of.new_sites,
        },
        most_moves: Some(arguments.most_moves),
        least_gain: arguments.least_gain,
    }
}
