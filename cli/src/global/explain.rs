//! `meridian global explain`: why a workload runs where it runs.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use meridian_global_world::{Choice, Explanation, Survey, conflict, explain};
use serde_json::json;

use super::files;
use crate::output;

/// Say why a workload runs where it runs, what would be second, and what binds.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The world, as JSON or YAML.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// The plan, or what `solve --json` printed.
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// The workload.
    workload: String,
    /// How many other sites to show for each.
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    others: usize,
    /// Print one JSON object, with all other sites.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let world = files::world(&arguments.file)?;
    let plan = files::plan(&arguments.plan)?;
    let survey = Survey::new(&world).with_context(|| format!("in {}", arguments.file.display()))?;
    let name = &arguments.workload;
    let Some(workload) = survey.find_workload(name) else {
        bail!("the world has no workload {name:?}, want the name of one");
    };
    let against = conflict(&survey, workload, None).unwrap_or_default();
    let against: Vec<String> = against.iter().map(ToString::to_string).collect();
    let found = explain(&survey, &plan, workload, None);
    if arguments.json {
        return output::print(&json!({ "explanation": found, "conflict": against }).to_string());
    }
    let Some(found) = found else {
        let why = match against.is_empty() {
            true => "nothing but room or money is against it: `solve` says what it would need".to_owned(),
            false => format!("these cannot all hold: {}", against.join(", ")),
        };
        return output::print(&format!("{name} does not run; {why}"));
    };
    output::print(&text(&found, arguments.others))
}

fn text(found: &Explanation, others: usize) -> String {
    let mut lines = Vec::new();
    for choice in &found.sites {
        lines.extend(chosen(choice, others));
    }
    lines.push(match found.binding.is_empty() {
        true => "binds      nothing: no other site costs less for what each one serves".to_owned(),
        false => format!("binds      {}", found.binding.join("; ")),
    });
    lines.join("\n")
}

fn chosen(choice: &Choice, others: usize) -> Vec<String> {
    let replicas = choice.replicas;
    let mut lines = vec![format!(
        "{:<24} {:>12.3} an hour, {replicas} replicas serve {}",
        choice.site, choice.cost, choice.served
    )];
    for other in choice.others.iter().take(others) {
        let cost = other.cost.map_or_else(|| "no way".to_owned(), |cost| format!("{cost:.3}"));
        let why = match (other.against.is_empty(), other.cost) {
            (false, _) => format!("against it: {}", other.against.join(", ")),
            (true, Some(cost)) if cost > choice.cost => format!("dearer by {:.3}", cost - choice.cost),
            (true, Some(cost)) => {
                format!("cheaper by {:.3} by itself; others would lose more", choice.cost - cost)
            }
            (true, None) => String::new(),
        };
        lines.push(format!("  {:<22} {cost:>12}  {why}", other.site));
    }
    lines
}
