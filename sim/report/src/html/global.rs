//! The rolling simulation of the global scheduler as one page.

use std::fmt::{self, Write};

use super::escape::Escaped;
use super::figure::Figure;
use super::lines::{Line, Scale, figure};
use super::tables::{self, MOST_ROWS};
use super::tiles::{self, Tile};
use super::{head, section};
use crate::{GlobalEvent, GlobalReport, GlobalStep, quantity};

impl GlobalReport {
    /// The report as a self-contained HTML page.
    pub fn to_html(&self) -> String {
        let mut out = String::with_capacity(128 << 10);
        page(&mut out, self).expect("writing to a string cannot fail");
        out
    }
}

fn page(out: &mut String, report: &GlobalReport) -> fmt::Result {
    let title = if report.title.trim().is_empty() { "Rolling simulation" } else { &report.title };
    head(out, title)?;
    out.write_str("<body><main>\n")?;
    write!(out, r#"<header><p class="kicker">Meridian rolling simulation</p><h1>{}</h1>"#, Escaped(title))?;
    writeln!(out, r#"<p class="about">seed <b>{}</b></p></header>"#, report.seed)?;
    tiles::write(out, &tiles(report))?;
    section(out, "Cost and moves", &costs(&report.steps))?;
    section(out, "The world", &world(&report.steps))?;
    events(out, &report.events)?;
    tables::parameters(out, &[("seed", &report.seed.to_string())], &report.parameters)?;
    out.write_str(
        "<footer>Simulated by Meridian. The oracle solves the world of each step anew, as if nothing ran; ",
    )?;
    out.write_str("the bound is proven and was recomputed by the checker. Times are simulated unless a plot says otherwise.</footer>\n")?;
    out.write_str("</main></body>\n</html>\n")
}

fn tiles(report: &GlobalReport) -> Vec<Tile> {
    let summary = &report.summary;
    let count = quantity::count;
    let tile = |name, value, note| Tile { name, value, note, tone: "" };
    let above = |ratio: f64| quantity::fine_percent(100.0 * (ratio - 1.0));
    let mut tiles = vec![
        tile(
            "Above the oracle",
            above(summary.cost_ratio),
            format!("{} with moves paid on both sides", above(summary.cost_ratio_with_moves)),
        ),
        tile(
            "Proven gap",
            quantity::fine_percent(summary.gap_percent),
            format!("cost {}, bound {}", quantity::short(summary.cost), quantity::short(summary.bound)),
        ),
        tile(
            "Replicas moved",
            count(summary.repair_moves + summary.improvement_moves),
            format!(
                "{} by repair, at most {} a step by improvement; the oracle {}",
                count(summary.repair_moves),
                count(summary.most_improvement_moves),
                count(summary.oracle_moves)
            ),
        ),
        tile(
            "Demand unserved",
            quantity::fine_percent(summary.unserved_percent),
            format!("the oracle {}", quantity::fine_percent(summary.oracle_unserved_percent)),
        ),
        tile(
            "Failures of sites",
            count(summary.failures),
            format!(
                "{} returns, {} price changes, {} sites built",
                count(summary.returns),
                count(summary.price_changes),
                count(summary.sites_built)
            ),
        ),
        tile(
            "Sites",
            count(summary.sites),
            format!("{} locations, {} workloads", count(summary.locations), count(summary.workloads)),
        ),
        tiles::invariants(summary.violations + summary.oracle_violations),
    ];
    let longest = report.steps.iter().filter_map(|step| step.timings).map(|timings| timings.repair_ms);
    if let Some(longest) = longest.reduce(f64::max) {
        let note = "wall clock, the longest of all steps".to_owned();
        tiles.push(tile("Repair", quantity::milliseconds(longest), note));
    }
    tiles
}

fn costs(steps: &[GlobalStep]) -> Vec<Figure> {
    vec![
        figure(
            "Cost",
            "money an hour, moves apart",
            Scale::Amount("money an hour"),
            steps,
            &[
                Line { name: "plan", value: |step| step.cost },
                Line { name: "oracle", value: |step| step.oracle_cost },
                Line { name: "bound", value: |step| step.bound },
            ],
        ),
        figure(
            "Above the oracle, and from the bound",
            "what the plan costs more than one that is solved anew, and its proven gap",
            Scale::Percent("percent of the cost"),
            steps,
            &[
                Line { name: "above the oracle", value: |step| step.above_oracle_percent().max(0.0) },
                Line { name: "proven gap", value: GlobalStep::gap_percent },
            ],
        ),
        figure(
            "Moves",
            "replicas that go to another site in a step",
            Scale::Count("replicas"),
            &steps[1.min(steps.len())..],
            &[
                Line { name: "repair", value: |step| step.repair_moves as f64 },
                Line { name: "improvement", value: |step| step.improvement_moves as f64 },
                Line { name: "solving anew", value: |step| step.oracle_moves as f64 },
            ],
        ),
        figure(
            "Demand unserved",
            "in percent of the replicas that it asks for",
            Scale::Percent("percent of demand"),
            steps,
            &[
                Line { name: "plan", value: |step| step.unserved_percent },
                Line { name: "oracle", value: |step| step.oracle_unserved_percent },
            ],
        ),
    ]
}

fn world(steps: &[GlobalStep]) -> Vec<Figure> {
    let mut figures = vec![
        figure(
            "Demand and replicas",
            "replicas that run, and those that demand asks for",
            Scale::Count("replicas"),
            steps,
            &[
                Line { name: "running", value: |step| step.replicas as f64 },
                Line { name: "asked for", value: |step| step.demand },
            ],
        ),
        figure(
            "Sites up",
            "over time",
            Scale::Count("sites"),
            steps,
            &[Line { name: "up", value: |step| step.sites_up as f64 }],
        ),
    ];
    if steps.iter().any(|step| step.timings.is_some()) {
        figures.push(figure(
            "Time to plan",
            "wall clock",
            Scale::Amount("milliseconds"),
            steps,
            &[
                Line {
                    name: "repair",
                    value: |step| step.timings.map_or(f64::NAN, |timings| timings.repair_ms),
                },
                Line {
                    name: "improvement",
                    value: |step| step.timings.map_or(f64::NAN, |timings| timings.improvement_ms),
                },
                Line {
                    name: "solving anew",
                    value: |step| step.timings.map_or(f64::NAN, |timings| timings.oracle_ms),
                },
            ],
        ));
    }
    figures
}

fn events(out: &mut String, events: &[GlobalEvent]) -> fmt::Result {
    out.write_str("<section><h2>Events</h2>\n")?;
    if events.is_empty() {
        return out.write_str("<p class=\"more\">Nothing happened but demand.</p></section>\n");
    }
    tables::open(out, "Events", &[("After", true), ("What", false), ("Site", false)])?;
    for event in events.iter().take(MOST_ROWS) {
        out.write_str("<tr>")?;
        tables::figure(out, &quantity::milliseconds(event.time_ms as f64))?;
        write!(out, r#"<td class="name">{}</td>"#, Escaped(&event.what))?;
        writeln!(out, r#"<td class="name">{}</td></tr>"#, Escaped(&event.site))?;
    }
    tables::close(out, events.len())
}
