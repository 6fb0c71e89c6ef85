//! `meridian global place`: one workload into a running plan.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use clap::Args;
use meridian_global_format::read_workload;
use meridian_global_world::{Survey, check, conflict, place};
use serde_json::json;

use super::effort::Effort;
use super::{files, planned};
use crate::{clock, output};

/// Place one workload into a running plan, and move nothing else.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The world, as JSON or YAML.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// The running plan, or what `solve --json` printed.
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// The workload, by its name in the world.
    #[arg(long, value_name = "NAME", conflicts_with = "add", required_unless_present = "add")]
    workload: Option<String>,
    /// A file with a workload that the world has not.
    #[arg(long, value_name = "FILE")]
    add: Option<PathBuf>,
    #[command(flatten)]
    effort: Effort,
    /// Print one JSON object, with the new plan.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.effort.check()?;
    let mut world = files::world(&arguments.file)?;
    let running = files::plan(&arguments.plan)?;
    let name = match (&arguments.workload, &arguments.add) {
        (_, Some(file)) => {
            let workload = files::read(file, read_workload)?;
            let name = workload.name.clone();
            world.workloads.push(workload);
            name
        }
        (Some(name), None) => name.clone(),
        (None, None) => bail!("want --workload or --add"),
    };
    let survey = Survey::new(&world).with_context(|| format!("in {}", arguments.file.display()))?;
    let Some(workload) = survey.find_workload(&name) else {
        bail!("the world has no workload {name:?}, want the name of one, or --add with a file");
    };
    let cancel = AtomicBool::new(false);
    let before = clock::nanoseconds();
    let plan =
        place(&survey, &running, &[workload], &arguments.effort.limits(&cancel), arguments.effort.seed)?;
    let seconds = (clock::nanoseconds() - before) as f64 / 1e9;
    let checked = check(&survey, &plan, Some(&running));
    let added = checked.costs.total() - check(&survey, &running, None).costs.total();
    let changes = plan.changes_from(&running);
    let against = conflict(&survey, workload, Some(&running)).unwrap_or_default();
    let against: Vec<String> = against.iter().map(ToString::to_string).collect();
    if arguments.json {
        return output::print(
            &json!({
                "objective": checked.costs.total(),
                "added": added,
                "feasible": checked.is_feasible(),
                "seconds": seconds,
                "moves": checked.moves,
                "changes": changes,
                "unserved": checked.unserved.get(&name),
                "conflict": against,
                "violations": planned::violations(&checked),
                "plan": plan,
            })
            .to_string(),
        );
    }
    let mut lines = planned::changes(&changes);
    if let Some(left) = checked.unserved.get(&name) {
        lines.push(format!("unserved   {left:.3} of the demand of {name}"));
    }
    if !against.is_empty() {
        lines.push(format!("conflict   these cannot all hold: {}", against.join(", ")));
    }
    lines.push(format!("added      {added:.3} an hour"));
    lines.push(format!("feasible   {}", if checked.is_feasible() { "yes" } else { "no" }));
    lines.extend(planned::violations(&checked).iter().take(10).map(|broken| format!("violation  {broken}")));
    lines.push(format!("seconds    {seconds:.4}"));
    output::print(&lines.join("\n"))
}
