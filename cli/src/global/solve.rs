//! `meridian global solve`: an instance in, a plan with its proof out.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use meridian_global_engine::{Backend, Limits, Model, Solution, bound, check, solve};
use meridian_global_format::{OrlibOptions, read_gap, read_orlib};
use serde_json::json;

use crate::{clock, output};

/// Solve an instance, and say how far the plan can be from the best.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The instance.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// How the instance is written.
    #[arg(long, value_enum)]
    format: Format,
    /// Serve each customer of orlib-cap by one site only.
    #[arg(long)]
    whole: bool,
    /// What the word `capacity` stands for in orlib-cap, where a file has it in the place of numbers.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    capacity: Option<f64>,
    /// Seconds that solving may take; the best plan so far is the answer then.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, allow_negative_numbers = true)]
    time_limit: f64,
    /// Rounds that solving may take, in the place of a time limit: the same rounds give the same plan.
    #[arg(long, value_name = "NUMBER")]
    rounds: Option<u64>,
    /// End early when the plan is proven to be within this share of the best.
    #[arg(long, value_name = "SHARE", default_value_t = 1e-6, allow_negative_numbers = true)]
    gap: f64,
    /// Equal seeds and rounds give equal plans.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object, with the plan.
    #[arg(long)]
    json: bool,
}

/// How an instance is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Capacitated facility location of the OR-Library.
    OrlibCap,
    /// Generalised assignment, minimised.
    Gap,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let time = time_limit(arguments)?;
    let model = read(arguments)?;
    let limits = Limits {
        clock: &clock::nanoseconds,
        time,
        rounds: arguments.rounds,
        backend: Backend::Microlp,
        cancel: &AtomicBool::new(false),
        gap: arguments.gap,
        progress: &|_, _| (),
    };
    let before = clock::nanoseconds();
    let solution = solve(&model, &limits, arguments.seed, None);
    let seconds = (clock::nanoseconds() - before) as f64 / 1e9;
    let proven = bound(&model, &solution.certificate).context("checking the proof of the bound")?;
    if proven < solution.bound - 1e-6 * solution.bound.abs() {
        bail!("the proof is of {proven} and not of {}: please report this instance", solution.bound);
    }
    if arguments.json {
        output::print(&whole(&model, &solution, seconds).to_string())
    } else {
        output::print(&table(&model, &solution, seconds))
    }
}

fn read(arguments: &Arguments) -> anyhow::Result<Model> {
    let file = &arguments.file;
    if arguments.format == Format::Gap && (arguments.whole || arguments.capacity.is_some()) {
        bail!("--whole and --capacity are about orlib-cap, and the format is gap");
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let model = match arguments.format {
        Format::OrlibCap => {
            read_orlib(&text, OrlibOptions { whole: arguments.whole, capacity: arguments.capacity })
        }
        Format::Gap => read_gap(&text),
    };
    model.with_context(|| format!("reading {}", file.display()))
}

/// The time limit in nanoseconds; none where rounds are the limit.
fn time_limit(arguments: &Arguments) -> anyhow::Result<Option<u64>> {
    if !(0.0..=1e6).contains(&arguments.time_limit) {
        bail!("--time-limit is {}, want 0 to 1000000 seconds", arguments.time_limit);
    }
    if !(0.0..=1.0).contains(&arguments.gap) {
        bail!("--gap is {}, want 0 to 1", arguments.gap);
    }
    Ok(arguments.rounds.is_none().then_some((arguments.time_limit * 1e9) as u64))
}

fn whole(model: &Model, solution: &Solution, seconds: f64) -> serde_json::Value {
    let checked = check(model, &solution.assignment);
    let portions = solution.assignment.portions.iter().map(|portions| {
        portions
            .iter()
            .map(|portion| json!({"site": portion.site, "share": portion.share}))
            .collect::<Vec<_>>()
    });
    json!({
        "objective": solution.objective,
        "bound": solution.bound,
        "gap": solution.gap(),
        "feasible": solution.is_feasible,
        "unserved": checked.unserved,
        "seconds": seconds,
        "rounds": solution.rounds,
        "moves": 0,
        "plan": portions.collect::<Vec<_>>(),
    })
}

fn table(model: &Model, solution: &Solution, seconds: f64) -> String {
    let checked = check(model, &solution.assignment);
    let mut open: Vec<u32> =
        solution.assignment.portions.iter().flatten().map(|portion| portion.site).collect();
    open.sort_unstable();
    open.dedup();
    let mut lines = vec![
        format!("objective  {:.3}", solution.objective),
        format!("bound      {:.3}", solution.bound),
        format!("gap        {:.4} %", 100.0 * solution.gap()),
        format!("feasible   {}", if solution.is_feasible { "yes" } else { "no" }),
        format!("sites      {} of {} used", open.len(), model.sites()),
        format!("items      {}, {:.3} unserved", model.items(), checked.unserved),
        format!("seconds    {seconds:.3}"),
    ];
    lines.extend(checked.violations.iter().take(10).map(|violation| format!("violation  {violation}")));
    lines.join("\n")
}
