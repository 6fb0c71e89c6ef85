//! What commands print about a plan for a world: one JSON object, or a page of text.

use meridian_global_world::{Cause, Change, Checked, Planned, Survey, Unplaced, World};
use serde_json::{Value, json};

/// The most lines of one kind that are printed; JSON has them all.
const MOST_LINES: usize = 20;

/// A solved world as JSON.
pub(crate) fn whole(planned: &Planned, seconds: f64) -> Value {
    json!({
        "objective": planned.checked.costs.total(),
        "bound": planned.bound,
        "gap": planned.gap(),
        "feasible": planned.checked.is_feasible(),
        "seconds": seconds,
        "rounds": planned.rounds,
        "moves": planned.checked.moves,
        "costs": planned.checked.costs,
        "unserved": planned.checked.unserved,
        "unplaced": planned.unplaced,
        "violations": violations(&planned.checked),
        "plan": planned.plan,
    })
}

pub(crate) fn violations(checked: &Checked) -> Vec<String> {
    checked.violations.iter().map(ToString::to_string).collect()
}

/// A solved world as text.
pub(crate) fn table(survey: &Survey<'_>, planned: &Planned, seconds: f64) -> String {
    let world = survey.world();
    let replicas: u64 = planned.plan.workloads.values().map(|placement| placement.total()).sum();
    let mut open: Vec<&String> =
        planned.plan.workloads.values().flat_map(|placement| placement.replicas.keys()).collect();
    open.sort_unstable();
    open.dedup();
    let mut lines = vec![
        format!("objective  {:.3} an hour", planned.checked.costs.total()),
        format!("bound      {:.3}", planned.bound),
        format!("gap        {:.4} %", 100.0 * planned.gap()),
        format!("feasible   {}", if planned.checked.is_feasible() { "yes" } else { "no" }),
        format!(
            "workloads  {} of {} run, {replicas} replicas",
            planned.plan.workloads.len(),
            world.workloads.len()
        ),
        format!("sites      {} of {} used", open.len(), world.sites.len()),
        format!("moves      {}", planned.checked.moves),
        format!("seconds    {seconds:.3}"),
        String::new(),
    ];
    lines.extend(costs(&planned.checked));
    lines.push(String::new());
    lines.extend(placements(world, planned));
    lines.extend(unplaced(&planned.unplaced));
    lines.extend(
        planned.checked.violations.iter().take(MOST_LINES).map(|broken| format!("violation  {broken}")),
    );
    lines.join("\n")
}

/// What a plan costs, a line for each part that is not nothing.
pub(crate) fn costs(checked: &Checked) -> Vec<String> {
    let costs = &checked.costs;
    [
        ("latency", costs.latency),
        ("transport", costs.transport),
        ("opening", costs.opening),
        ("resources", costs.resources),
        ("unserved", costs.unserved),
        ("moves", costs.moves),
    ]
    .into_iter()
    .filter(|(_, money)| *money != 0.0)
    .map(|(what, money)| format!("{what:<10} {money:>14.3} an hour"))
    .collect()
}

fn placements(world: &World, planned: &Planned) -> Vec<String> {
    let mut lines = Vec::new();
    for workload in world.workloads.iter().take(MOST_LINES) {
        let Some(placement) = planned.plan.workloads.get(&workload.name) else { continue };
        let sites: Vec<String> =
            placement.replicas.iter().map(|(site, count)| format!("{site} x{count}")).collect();
        lines.push(format!("{:<20} {}", workload.name, sites.join(", ")));
    }
    if world.workloads.len() > MOST_LINES {
        lines.push(format!("... and {} more: --json has them all", world.workloads.len() - MOST_LINES));
    }
    lines
}

/// What is not served, and why.
pub(crate) fn unplaced(unplaced: &[Unplaced]) -> Vec<String> {
    let mut lines = Vec::new();
    for left in unplaced.iter().take(MOST_LINES) {
        let why = match &left.cause {
            Cause::Conflict { policies } => format!("these cannot all hold: {}", policies.join(", ")),
            Cause::Capacity { replicas, need, site } => {
                let need: Vec<String> =
                    need.iter().map(|(resource, amount)| format!("{amount} {resource}")).collect();
                format!("{replicas} more replicas need {}, cheapest at {site}", need.join(" and "))
            }
            Cause::Price { serving, leaving } => {
                format!("serving a unit costs {serving:.6} an hour at least, leaving it {leaving:.6}")
            }
            Cause::Apart { workloads } => {
                format!("where there is room runs what it keeps apart from: {}", workloads.join(", "))
            }
            _ => "for another reason".to_owned(),
        };
        let mut what: Vec<String> = left
            .shortfalls
            .iter()
            .map(|short| format!("{} is {} in the place of {}", short.policy, short.found, short.want))
            .collect();
        if left.demand > 0.0 {
            what.push(format!("{:.3} of its demand", left.demand));
        } else if what.is_empty() {
            what.push("it does not run".to_owned());
        }
        lines.push(format!("lacking    {}: {}; {why}", left.workload, what.join(", ")));
    }
    lines
}

/// What changes, a line for each workload and site.
pub(crate) fn changes(changes: &[Change]) -> Vec<String> {
    // Plans are not validated: their names may hold anything.
    let shown = |name: &str| name.chars().take(80).flat_map(char::escape_default).collect::<String>();
    let line = |change: &Change| {
        let (workload, site) = (shown(&change.workload), shown(&change.site));
        format!("{workload:<20} {site:<24} {:>5} -> {}", change.before, change.after)
    };
    changes.iter().map(line).collect()
}
