//! A report as one page for a browser.
//!
//! The page stands alone: styles and drawings are in it, it has no scripts and loads nothing, and its own security
//! policy forbids both, should a hostile name ever get past the escaping. It follows the reader's light or dark
//! setting, fits a phone, and each drawing says in words what it shows.

use std::fmt::{self, Write};

use self::{
    axis::Unit,
    distribution::Distribution,
    escape::Escaped,
    figure::Figure,
    lines::{Line, Scale},
};
use crate::{Sample, SimulationReport};

mod axis;
mod distribution;
mod escape;
mod figure;
mod frame;
mod global;
mod lines;
mod tables;
#[cfg(test)]
mod tests;
mod tiles;

const STYLE: &str = include_str!("html/style.css");

/// The title of axes that show how full hosts are.
const OF_CAPACITY: &str = "percent of capacity";

impl SimulationReport {
    /// The report as a self-contained HTML page.
    pub fn to_html(&self) -> String {
        let mut out = String::with_capacity(256 << 10);
        page(&mut out, self).expect("writing to a string cannot fail");
        out
    }
}

fn page(out: &mut String, report: &SimulationReport) -> fmt::Result {
    head(out, title(report))?;
    out.write_str("<body><main>\n")?;
    header(out, report)?;
    tiles::write(out, &tiles::of_region(report))?;
    section(out, "Over time", &over_time(report))?;
    section(out, "Delay and speed", &distributions(report))?;
    tables::write(out, report)?;
    out.write_str(
        "<footer>Simulated by Meridian. Times are simulated unless a plot says otherwise.</footer>\n",
    )?;
    out.write_str("</main></body>\n</html>\n")
}

fn head(out: &mut String, title: &str) -> fmt::Result {
    out.write_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")?;
    out.write_str("<meta http-equiv=\"Content-Security-Policy\" ")?;
    out.write_str("content=\"default-src 'none'; style-src 'unsafe-inline'\">\n")?;
    out.write_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")?;
    writeln!(out, "<title>{}</title>\n<style>\n{STYLE}</style>\n</head>", Escaped(title))
}

fn header(out: &mut String, report: &SimulationReport) -> fmt::Result {
    write!(out, r#"<header><p class="kicker">Meridian simulation</p><h1>{}</h1>"#, Escaped(title(report)))?;
    write!(
        out,
        r#"<p class="about">policy <b>{}</b> · seed <b>{}</b>"#,
        Escaped(&report.policy),
        report.seed
    )?;
    if !report.summary.placement_digest.is_empty() {
        write!(out, " · placements <code>{}</code>", Escaped(&report.summary.placement_digest))?;
    }
    out.write_str("</p></header>\n")
}

/// The report's title; a page and its heading must have one.
fn title(report: &SimulationReport) -> &str {
    if report.title.trim().is_empty() { "Simulation" } else { &report.title }
}

fn section(out: &mut String, title: &str, figures: &[Figure]) -> fmt::Result {
    writeln!(out, r#"<section><h2>{}</h2><div class="plots">"#, Escaped(title))?;
    figures.iter().try_for_each(|figure| figure.write(out))?;
    out.write_str("</div></section>\n")
}

fn over_time(report: &SimulationReport) -> Vec<Figure> {
    let figure = |title, note, scale, lines: &[Line<Sample>]| {
        lines::figure(title, note, scale, &report.samples, lines)
    };
    vec![
        figure(
            "Allocation",
            "what running pods have asked for; figures are those at the end",
            Scale::Whole(OF_CAPACITY),
            &[
                Line { name: "CPU", value: |sample| sample.cpu_percent },
                Line { name: "memory", value: |sample| sample.memory_percent },
                Line { name: "devices", value: |sample| sample.device_percent.unwrap_or(f64::NAN) },
            ],
        ),
        figure(
            "Fragmentation",
            "what is free but of no use to the typical pod; figures are those at the end",
            Scale::Percent(OF_CAPACITY),
            &[
                Line { name: "CPU stranded", value: |sample| sample.stranded_cpu_percent },
                // The styles of a resource are the same in both plots; memory is not measured here.
                Line { name: "memory", value: |_| f64::NAN },
                Line {
                    name: "devices fragmented",
                    value: |sample| sample.device_fragmentation_percent.unwrap_or(f64::NAN),
                },
            ],
        ),
        figure(
            "Pods running",
            "over time; the figure is that at the end",
            Scale::Count("pods"),
            &[Line { name: "running", value: |sample| sample.running as f64 }],
        ),
        figure(
            "Pods waiting",
            "for a host; the figure is that at the end",
            Scale::Count("pods"),
            &[Line { name: "waiting", value: |sample| sample.waiting as f64 }],
        ),
    ]
}

fn distributions(report: &SimulationReport) -> Vec<Figure> {
    let delay = Distribution {
        histogram: &report.queue_delay,
        unit: Unit::Milliseconds,
        axis: "queue delay, simulated time, logarithmic",
        things: "pods",
    };
    let mut figures = vec![
        delay.bars("Queue delay", "from arrival to placement"),
        delay.curve("Placed within", "share of placed pods that waited no longer"),
    ];
    if let Some(timings) = &report.timings {
        let decisions = Distribution {
            histogram: &timings.decision_nanoseconds,
            unit: Unit::Nanoseconds,
            axis: "decision time, wall clock, logarithmic",
            things: "decisions",
        };
        figures.push(decisions.bars("Decision time", "wall-clock time of one scheduling decision"));
        figures.push(decisions.curve("Decided within", "share of decisions that took no longer"));
    }
    figures
}
