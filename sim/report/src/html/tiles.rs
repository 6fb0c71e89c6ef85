//! The figures at the top of the page.

use std::fmt::{self, Write};

use super::escape::Escaped;
use crate::{SimulationReport, quantity};

/// A figure with its name and what puts it into perspective.
pub(super) struct Tile {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) note: String,
    /// How the value is coloured: "", "good" or "bad". The value says the same in words.
    pub(super) tone: &'static str,
}

/// Adds the tiles to the page.
pub(super) fn write(out: &mut String, tiles: &[Tile]) -> fmt::Result {
    out.write_str("<dl class=\"tiles\">\n")?;
    for tile in tiles {
        write!(out, r#"<div class="tile"><dt>{}</dt>"#, tile.name)?;
        write!(out, r#"<dd class="{}">{}</dd>"#, tile.tone, Escaped(&tile.value))?;
        writeln!(out, r#"<dd class="note">{}</dd></div>"#, Escaped(&tile.note))?;
    }
    out.write_str("</dl>\n")
}

/// The tiles of a simulated region.
pub(super) fn of_region(report: &SimulationReport) -> Vec<Tile> {
    let summary = &report.summary;
    let count = quantity::count;
    let tile = |name, value, note| Tile { name, value, note, tone: "" };
    let mut tiles = vec![
        tile(
            "Pods placed",
            quantity::share(summary.pods_placed, summary.pods_arrived),
            format!("{} of {} that arrived", count(summary.pods_placed), count(summary.pods_arrived)),
        ),
        cpu(report),
        delay(report),
        tile(
            "Waiting at the end",
            count(summary.pods_waiting),
            format!("{} would fit no host even if empty", count(summary.pods_impossible)),
        ),
        tile(
            "Running at the end",
            count(summary.pods_running),
            format!("{} ran to their end", count(summary.pods_completed)),
        ),
        tile(
            "Hosts",
            count(summary.hosts),
            format!(
                "{} simulated, {} events",
                quantity::milliseconds(summary.simulated_ms as f64),
                count(summary.events)
            ),
        ),
        invariants(summary.invariant_violations),
    ];
    if let Some(timings) = &report.timings {
        let wall = quantity::milliseconds(timings.wall_seconds * 1000.0);
        tiles.push(tile(
            "Decisions a second",
            quantity::short(timings.decisions_per_second),
            format!("{} events a second, {wall} in all", quantity::short(timings.events_per_second)),
        ));
    }
    tiles
}

fn cpu(report: &SimulationReport) -> Tile {
    let values = report.samples.iter().map(|sample| sample.cpu_percent).filter(|value| value.is_finite());
    let values = values.collect::<Vec<_>>();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let most = values.iter().copied().reduce(f64::max).unwrap_or(f64::NAN);
    let note = format!("mean over the run; at most {}", quantity::percent(most));
    Tile { name: "CPU allocated", value: quantity::percent(mean), note, tone: "" }
}

fn delay(report: &SimulationReport) -> Tile {
    let histogram = &report.queue_delay;
    let [half, most, longest] = [0.5, 0.99, 1.0].map(|q| {
        if histogram.is_empty() {
            quantity::UNKNOWN.to_owned()
        } else {
            quantity::milliseconds(histogram.quantile(q) as f64)
        }
    });
    let note = format!("median; p99 {most}, longest {longest}");
    Tile { name: "Queue delay", value: half, note, tone: "" }
}

pub(super) fn invariants(violations: u64) -> Tile {
    let name = "Invariants";
    if violations == 0 {
        return Tile { name, value: "all held".into(), note: "no violation was found".into(), tone: "good" };
    }
    let value = format!("{} violated", quantity::count(violations));
    Tile { name, value, note: "a bug in the scheduler or the simulation".into(), tone: "bad" }
}
