//! `meridian global solve`: an instance in, a plan with its proof out.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use meridian_global_engine::{Limits, Model, Solution, bound, check, solve};
use meridian_global_format::{OrlibOptions, map, read_gap, read_orlib};
use meridian_global_world::{Survey, Terms, plan};
use serde_json::json;

use super::effort::Effort;
use super::{files, planned};
use crate::{clock, output};

/// Solve an instance, and say how far the plan can be from the best.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The world or the instance.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// How it is written.
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
    /// Serve each customer of orlib-cap by one site only.
    #[arg(long)]
    whole: bool,
    /// What the word `capacity` stands for in orlib-cap, where a file has it in the place of numbers.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    capacity: Option<f64>,
    /// The plan that runs, for a world: moves are told and paid from it.
    #[arg(long, value_name = "FILE")]
    running: Option<PathBuf>,
    /// The most replicas that may move from the plan that runs.
    #[arg(long, value_name = "NUMBER", requires = "running")]
    most_moves: Option<u64>,
    /// The least share of the cost that a change of the plan that runs must save.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, allow_negative_numbers = true)]
    least_gain: f64,
    /// Where to write the plan as a page with a map, for a world.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    #[command(flatten)]
    effort: Effort,
    /// Print one JSON object, with the plan.
    #[arg(long)]
    json: bool,
}

/// How an instance is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A world, as JSON or YAML.
    #[value(alias = "yaml")]
    Json,
    /// Capacitated facility location of the OR-Library.
    OrlibCap,
    /// Generalised assignment, minimised.
    Gap,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.effort.check()?;
    expect_options(arguments)?;
    let cancel = AtomicBool::new(false);
    let limits = arguments.effort.limits(&cancel);
    if arguments.format == Format::Json {
        return solve_world(arguments, &limits);
    }
    let model = read(arguments)?;
    let before = clock::nanoseconds();
    let solution = solve(&model, &limits, arguments.effort.seed, None);
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
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let model = match arguments.format {
        Format::OrlibCap => {
            read_orlib(&text, OrlibOptions { whole: arguments.whole, capacity: arguments.capacity })
        }
        Format::Gap => read_gap(&text),
        Format::Json => bail!("a world is no instance"),
    };
    model.with_context(|| format!("reading {}", file.display()))
}

/// Whether the options are about the format.
fn expect_options(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.format != Format::OrlibCap && (arguments.whole || arguments.capacity.is_some()) {
        bail!("--whole and --capacity are about orlib-cap, and the format is another one");
    }
    let is_world = arguments.format == Format::Json;
    if !is_world && (arguments.running.is_some() || arguments.map.is_some()) {
        bail!("--running and --map are about worlds, want the format json");
    }
    if !(0.0..=1.0).contains(&arguments.least_gain) {
        bail!("--least-gain is {}, want 0 to 1", arguments.least_gain);
    }
    Ok(())
}

fn solve_world(arguments: &Arguments, limits: &Limits<'_>) -> anyhow::Result<()> {
    let world = files::world(&arguments.file)?;
    let running = arguments.running.as_deref().map(files::plan).transpose()?;
    let before = clock::nanoseconds();
    let survey = Survey::new(&world).with_context(|| format!("in {}", arguments.file.display()))?;
    let terms = Terms {
        running: running.as_ref(),
        most_moves: arguments.most_moves,
        least_gain: arguments.least_gain,
        seed: arguments.effort.seed,
    };
    let found = plan(&survey, terms, limits).with_context(|| format!("in {}", arguments.file.display()))?;
    let seconds = (clock::nanoseconds() - before) as f64 / 1e9;
    if let Some(page) = &arguments.map {
        let title =
            arguments.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        output::write_file(page, &map(&world, &found.plan, &title))?;
    }
    if arguments.json {
        output::print(&planned::whole(&found, seconds).to_string())
    } else {
        output::print(&planned::table(&survey, &found, seconds))
    }
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
