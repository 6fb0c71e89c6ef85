//! The rolling simulation of the global scheduler as tables.

use super::{
    MOST_ROWS, first_of, heading, number, push, shown, sparkline, sparkline_width, table, width_or_terminal,
};
use crate::{GlobalReport, GlobalStep, quantity};
use comfy_table::{Cell, Table};

impl GlobalReport {
    /// The report as tables with sparklines of the run, at most `width` columns wide.
    ///
    /// Without a width that of the terminal is taken, or 100 where there is none.
    pub fn to_terminal(&self, width: Option<u16>) -> String {
        let width = width_or_terminal(width);
        let mut out = format!("{}\nseed {}\n", shown(&self.title), self.seed);
        let violations = self.summary.violations + self.summary.oracle_violations;
        if violations > 0 {
            out += &format!("{} VIOLATIONS: a bug in the global scheduler\n", quantity::count(violations));
        }
        out.push('\n');
        push(&mut out, "", &summary(self, width));
        push(&mut out, "Over time", &over_time(&self.steps, width));
        if !self.events.is_empty() {
            push(&mut out, &first_of("Events", self.events.len()), &events(self, width));
        }
        out
    }
}

fn summary(report: &GlobalReport, width: u16) -> Table {
    let summary = &report.summary;
    let count = quantity::count;
    let rows = [
        [
            ("sites", format!("{} + {}", count(summary.sites), count(summary.sites_built))),
            ("cost", quantity::short(summary.cost)),
            ("repair moves", count(summary.repair_moves)),
        ],
        [
            ("locations", count(summary.locations)),
            ("the oracle's", quantity::short(summary.oracle_cost)),
            ("improvement moves", count(summary.improvement_moves)),
        ],
        [
            ("workloads", count(summary.workloads)),
            ("ratio", ratio(summary.cost_ratio)),
            ("most in a step", count(summary.most_improvement_moves)),
        ],
        [
            ("simulated", quantity::milliseconds(summary.simulated_ms as f64)),
            ("ratio, moves paid", ratio(summary.cost_ratio_with_moves)),
            ("the oracle's moves", count(summary.oracle_moves)),
        ],
        [
            ("failures", count(summary.failures)),
            ("proven gap", quantity::fine_percent(summary.gap_percent)),
            ("unserved", quantity::fine_percent(summary.unserved_percent)),
        ],
        [
            ("returns", count(summary.returns)),
            ("price changes", count(summary.price_changes)),
            ("the oracle's", quantity::fine_percent(summary.oracle_unserved_percent)),
        ],
        [
            ("violations", count(summary.violations)),
            ("the oracle's", count(summary.oracle_violations)),
            ("unserved after repair", quantity::fine_percent(summary.repaired_unserved_percent)),
        ],
    ];
    let mut table = table(width);
    for row in rows {
        table.add_row(row.into_iter().flat_map(|(name, value)| [Cell::new(name), number(value)]));
    }
    table
}

/// A ratio near one.
pub(crate) fn ratio(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { quantity::UNKNOWN.into() }
}

fn over_time(steps: &[GlobalStep], width: u16) -> Table {
    let mut table = table(width);
    table.set_header(heading(["", "", "mean", "max", "end"]));
    let columns = sparkline_width(width);
    let mut row = |name: &str, format: fn(f64) -> String, value: fn(&GlobalStep) -> f64| {
        let values: Vec<f64> = steps.iter().map(value).collect();
        let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let (Some(max), Some(end)) = (known.iter().copied().reduce(f64::max), values.last()) else { return };
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        let line = sparkline::sparkline(&values, columns);
        let figures = [mean, max, *end].map(|value| number(format(value)));
        table.add_row([Cell::new(name), Cell::new(line)].into_iter().chain(figures));
    };
    row("demand, replicas", quantity::short, |step| step.demand);
    row("sites up", quantity::short, |step| step.sites_up as f64);
    row("cost an hour", quantity::short, |step| step.cost);
    row("above the oracle", quantity::fine_percent, GlobalStep::above_oracle_percent);
    row("proven gap", quantity::fine_percent, GlobalStep::gap_percent);
    row("repair moves", quantity::short, |step| step.repair_moves as f64);
    row("improvement moves", quantity::short, |step| step.improvement_moves as f64);
    row("the oracle's moves", quantity::short, |step| step.oracle_moves as f64);
    row("unserved", quantity::fine_percent, |step| step.unserved_percent);
    row("repair", quantity::milliseconds, |step| step.timings.map_or(f64::NAN, |timings| timings.repair_ms));
    row("improvement", quantity::milliseconds, |step| {
        step.timings.map_or(f64::NAN, |timings| timings.improvement_ms)
    });
    row("solving anew", quantity::milliseconds, |step| {
        step.timings.map_or(f64::NAN, |timings| timings.oracle_ms)
    });
    if table.is_empty() {
        table.add_row(["no steps"]);
    }
    table
}

fn events(report: &GlobalReport, width: u16) -> Table {
    let mut table = table(width);
    table.set_header(["after", "what", "site"]);
    for event in report.events.iter().take(MOST_ROWS) {
        let after = number(quantity::milliseconds(event.time_ms as f64));
        table.add_row([after, Cell::new(shown(&event.what)), Cell::new(shown(&event.site))]);
    }
    table
}
