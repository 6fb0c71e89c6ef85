//! `meridian global whatif`: what would change if something happened.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use clap::Args;
use meridian_global_format::read_site;
use meridian_global_world::{Event, Plan, Survey, Terms, check, plan, repair};
use serde_json::json;

use super::effort::Effort;
use super::{files, planned};
use crate::{clock, output};

/// Say what would change if a site or link failed, a price changed, demand grew or a site were built.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The world, as JSON or YAML.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// The running plan, or what `solve --json` printed; solved first if it is not given.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// A site that fails.
    #[arg(long, value_name = "SITE")]
    site_down: Vec<String>,
    /// A link that fails, by its ends.
    #[arg(long, value_name = "FROM:TO")]
    link_down: Vec<String>,
    /// Another price of a resource.
    #[arg(long, value_name = "SITE:RESOURCE=MONEY")]
    price: Vec<String>,
    /// Demand of a workload, or of `all`, that is multiplied.
    #[arg(long, value_name = "WORKLOAD=FACTOR")]
    demand: Vec<String>,
    /// A file with a site that is built.
    #[arg(long, value_name = "FILE")]
    add_site: Vec<PathBuf>,
    /// The most replicas that improvement may move.
    #[arg(long, value_name = "NUMBER")]
    most_moves: Option<u64>,
    #[command(flatten)]
    effort: Effort,
    /// Print one JSON object, with the new plan.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    arguments.effort.check()?;
    let events = events(arguments)?;
    if events.is_empty() {
        bail!("nothing happens: want --site-down, --link-down, --price, --demand or --add-site");
    }
    let world = files::world(&arguments.file)?;
    let cancel = AtomicBool::new(false);
    let limits = arguments.effort.limits(&cancel);
    let survey = Survey::new(&world).with_context(|| format!("in {}", arguments.file.display()))?;
    let running: Plan = match &arguments.plan {
        Some(file) => files::plan(file)?,
        None => plan(&survey, Terms { seed: arguments.effort.seed, ..Terms::default() }, &limits)?.plan,
    };
    let before = check(&survey, &running, None);
    let mut changed = world.clone();
    for event in &events {
        event.apply(&mut changed)?;
    }
    let survey = Survey::new(&changed).context("in the world as it would be")?;
    let start = clock::nanoseconds();
    let repaired = repair(&survey, &running)?;
    let seconds = (clock::nanoseconds() - start) as f64 / 1e9;
    let after_repair = check(&survey, &repaired, Some(&running));
    let terms = Terms {
        running: Some(&repaired),
        most_moves: arguments.most_moves,
        seed: arguments.effort.seed,
        ..Terms::default()
    };
    let improved = plan(&survey, terms, &limits)?;
    let changes = improved.plan.changes_from(&running);
    if arguments.json {
        return output::print(
            &json!({
                "before": before.costs.total(),
                "repaired": {
                    "objective": after_repair.costs.total(),
                    "moves": after_repair.moves,
                    "seconds": seconds,
                    "feasible": after_repair.is_feasible(),
                    "changes": repaired.changes_from(&running),
                },
                "objective": improved.checked.costs.total(),
                "bound": improved.bound,
                "gap": improved.gap(),
                "feasible": improved.checked.is_feasible(),
                "moves": improved.plan.moves_from(&running),
                "changes": changes,
                "unplaced": improved.unplaced,
                "plan": improved.plan,
            })
            .to_string(),
        );
    }
    let mut lines = vec![
        format!("before     {:.3} an hour", before.costs.total()),
        format!(
            "repaired   {:.3} an hour, {} moves, {seconds:.4} s",
            after_repair.costs.standing(),
            after_repair.moves
        ),
        format!(
            "improved   {:.3} an hour, {} moves in all, gap {:.4} %",
            improved.checked.costs.standing(),
            improved.plan.moves_from(&running),
            100.0 * improved.gap()
        ),
        String::new(),
    ];
    lines.extend(planned::changes(&changes));
    lines.extend(planned::unplaced(&improved.unplaced));
    output::print(&lines.join("\n"))
}

fn events(arguments: &Arguments) -> anyhow::Result<Vec<Event>> {
    let mut events: Vec<Event> = arguments.site_down.iter().cloned().map(Event::SiteDown).collect();
    for link in &arguments.link_down {
        let Some((from, to)) = link.split_once(':') else { bail!("--link-down is {link:?}, want FROM:TO") };
        events.push(Event::LinkDown(from.to_owned(), to.to_owned()));
    }
    for text in &arguments.price {
        let parts =
            text.split_once('=').and_then(|(of, money)| Some((of.rsplit_once(':')?, money.parse().ok()?)));
        let Some(((site, resource), price)) = parts else {
            bail!("--price is {text:?}, want SITE:RESOURCE=MONEY");
        };
        events.push(Event::Price { site: site.to_owned(), resource: resource.to_owned(), price });
    }
    for text in &arguments.demand {
        let parts = text.rsplit_once('=').and_then(|(name, factor)| Some((name, factor.parse().ok()?)));
        let Some((name, factor)) = parts else { bail!("--demand is {text:?}, want WORKLOAD=FACTOR") };
        let workload = (name != "all").then(|| name.to_owned());
        events.push(Event::Demand { workload, factor });
    }
    for file in &arguments.add_site {
        events.push(Event::NewSite(files::read(file, read_site)?));
    }
    Ok(events)
}
