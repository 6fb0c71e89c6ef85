//! A report as tables for people at a terminal. Plain text without colours, so that it can be piped and mailed.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Row, Table, presets::UTF8_FULL_CONDENSED};

use self::sparkline::sparkline;
use crate::{Histogram, OpenbReport, SimulationReport, Summary, Timings, quantity, text::visible_start};

mod global;
mod sparkline;
#[cfg(test)]
mod tests;

/// Tenants and reasons shown; the other renderings have all of them.
const MOST_ROWS: usize = 10;

/// Characters shown of a name and of a reason.
const LONGEST_NAME: usize = 80;
const LONGEST_REASON: usize = 1_000;

/// Taken where the width is not given and there is no terminal to ask.
const DEFAULT_WIDTH: u16 = 100;

impl SimulationReport {
    /// The report as tables with sparklines of the run, at most `width` columns wide.
    ///
    /// Without a width that of the terminal is taken, or 100 where there is none.
    pub fn to_terminal(&self, width: Option<u16>) -> String {
        let width = width_or_terminal(width);
        let mut out = format!("{}\npolicy {}, seed {}", shown(&self.title), shown(&self.policy), self.seed);
        if !self.summary.placement_digest.is_empty() {
            out += &format!("\nplacements {}", shown(&self.summary.placement_digest));
        }
        out.push('\n');
        if self.summary.invariant_violations > 0 {
            let violations = quantity::count(self.summary.invariant_violations);
            out += &format!("{violations} INVARIANT VIOLATIONS: a bug in the scheduler or the simulation\n");
        }
        out.push('\n');
        push(&mut out, "", &summary(&self.summary, width));
        push(&mut out, "Over time", &over_time(self, width));
        let distributions_title =
            if self.timings.is_some() { "Queue delay and decision time" } else { "Queue delay" };
        push(&mut out, distributions_title, &distributions(self, width));
        if !self.tenants.is_empty() {
            push(&mut out, &first_of("Tenants", self.tenants.len()), &tenants(self, width));
        }
        if !self.unplaced.is_empty() {
            push(&mut out, &first_of("Not placed", self.unplaced.len()), &unplaced(self, width));
        }
        if let Some(timings) = &self.timings {
            out.push_str(&speed(timings));
        }
        out
    }
}

impl OpenbReport {
    /// The report as a table, at most `width` columns wide.
    ///
    /// Without a width that of the terminal is taken, or 100 where there is none.
    pub fn to_terminal(&self, width: Option<u16>) -> String {
        let width = width_or_terminal(width);
        let mut levels = table(width);
        levels.set_header(heading(["arrived", "allocated", "±", "fragmented", "±"]));
        for each in &self.arrived {
            levels.add_row(figures([
                format!("{} %", each.percent),
                quantity::fine_percent(each.allocation_mean),
                spread(each.allocation_stdev),
                quantity::fine_percent(each.fragmentation_mean),
                spread(each.fragmentation_stdev),
            ]));
        }
        let mut out = format!("GPU allocation on the openb trace\npolicy {}, ", shown(&self.policy));
        out += &format!("mean of {} seeds, ", quantity::count(self.seeds));
        out += &format!("{} decisions/s\n\n", quantity::short(self.decisions_per_second));
        push(&mut out, "", &levels);
        out
    }
}

fn summary(summary: &Summary, width: u16) -> Table {
    let count = quantity::count;
    let placed = quantity::share(summary.pods_placed, summary.pods_arrived);
    let rows = [
        [
            ("hosts", count(summary.hosts)),
            ("pods arrived", count(summary.pods_arrived)),
            ("running", count(summary.pods_running)),
        ],
        [
            ("simulated", quantity::milliseconds(summary.simulated_ms as f64)),
            ("placed", count(summary.pods_placed)),
            ("waiting", count(summary.pods_waiting)),
        ],
        [
            ("events", count(summary.events)),
            ("placed of arrived", placed),
            ("impossible", count(summary.pods_impossible)),
        ],
        [
            ("violations", count(summary.invariant_violations)),
            ("completed", count(summary.pods_completed)),
            ("", String::new()),
        ],
    ];
    let mut table = table(width);
    for row in rows {
        table.add_row(row.into_iter().flat_map(|(name, value)| [Cell::new(name), number(value)]));
    }
    table
}

fn over_time(report: &SimulationReport, width: u16) -> Table {
    let mut table = table(width);
    table.set_header(heading(["", "", "mean", "max", "end"]));
    let samples = &report.samples;
    let columns = sparkline_width(width);
    let mut row = |name: &str, values: Vec<f64>, format: fn(f64) -> String| {
        let known = values.iter().copied().filter(|value| value.is_finite()).collect::<Vec<_>>();
        if known.is_empty() {
            return;
        }
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        let max = known.iter().copied().fold(f64::MIN, f64::max);
        let end = values.last().copied().unwrap_or(f64::NAN);
        let line = sparkline(&values, columns);
        let figures = [mean, max, end].map(|value| number(format(value)));
        table.add_row([Cell::new(name), Cell::new(line)].into_iter().chain(figures));
    };
    let unknown = |value: Option<f64>| value.unwrap_or(f64::NAN);
    row("CPU allocated", samples.iter().map(|each| each.cpu_percent).collect(), quantity::percent);
    row("memory allocated", samples.iter().map(|each| each.memory_percent).collect(), quantity::percent);
    row(
        "devices allocated",
        samples.iter().map(|each| unknown(each.device_percent)).collect(),
        quantity::percent,
    );
    let fragmented = samples.iter().map(|each| unknown(each.device_fragmentation_percent)).collect();
    row("devices fragmented", fragmented, quantity::percent);
    row("CPU stranded", samples.iter().map(|each| each.stranded_cpu_percent).collect(), quantity::percent);
    row("pods running", samples.iter().map(|each| each.running as f64).collect(), quantity::short);
    row("pods waiting", samples.iter().map(|each| each.waiting as f64).collect(), quantity::short);
    if table.is_empty() {
        table.add_row(["no samples"]);
    }
    table
}

/// A column a distribution and a row a figure, so that long times need no wrapping.
fn distributions(report: &SimulationReport, width: u16) -> Table {
    let delay = distribution(&report.queue_delay, quantity::milliseconds);
    let decision = report.timings.as_ref();
    let decision = decision.map(|timings| distribution(&timings.decision_nanoseconds, quantity::nanoseconds));
    let mut table = table(width);
    let titles = ["", "queue delay", "decision"].into_iter().take(if decision.is_some() { 3 } else { 2 });
    table.set_header(titles.map(|title| number(title.into())));
    for (i, name) in ["count", "mean", "p50", "p90", "p99", "p99.9", "max"].into_iter().enumerate() {
        let values = [Some(&delay), decision.as_ref()].into_iter().flatten();
        let values = values.map(|values| number(values[i].clone()));
        table.add_row([Cell::new(name)].into_iter().chain(values));
    }
    table
}

fn distribution(histogram: &Histogram, format: fn(f64) -> String) -> [String; 7] {
    let show = |value| if histogram.is_empty() { quantity::UNKNOWN.to_owned() } else { format(value) };
    let [p50, p90, p99, p999, max] = [0.5, 0.9, 0.99, 0.999, 1.0].map(|q| show(histogram.quantile(q) as f64));
    [quantity::count(histogram.count()), show(histogram.mean()), p50, p90, p99, p999, max]
}

fn tenants(report: &SimulationReport, width: u16) -> Table {
    let mut table = table(width);
    table.set_header(heading(["tenant", "core hours", "arrived", "placed", "mean delay", "max delay"]));
    for tenant in report.tenants.iter().take(MOST_ROWS) {
        table.add_row(figures([
            shown(&tenant.tenant),
            quantity::short(tenant.cpu_core_hours),
            quantity::count(tenant.pods_arrived),
            quantity::share(tenant.pods_placed, tenant.pods_arrived),
            quantity::milliseconds(tenant.mean_queue_delay_ms),
            quantity::milliseconds(tenant.max_queue_delay_ms as f64),
        ]));
    }
    table
}

fn unplaced(report: &SimulationReport, width: u16) -> Table {
    let mut table = table(width);
    table.set_header(["pods", "reason", "for example"]);
    for group in report.unplaced.iter().take(MOST_ROWS) {
        let pods = number(quantity::count(group.pods));
        table.add_row([
            pods,
            Cell::new(visible_start(&group.reason, LONGEST_REASON)),
            Cell::new(shown(&group.example)),
        ]);
    }
    table
}

fn speed(timings: &Timings) -> String {
    let wall = quantity::milliseconds(timings.wall_seconds * 1000.0);
    let (events, decisions) = (timings.events_per_second, timings.decisions_per_second);
    format!(
        "{wall} of wall clock: {} events/s, {} decisions/s\n",
        quantity::short(events),
        quantity::short(decisions)
    )
}

/// A name from outside, fit for a terminal.
fn shown(name: &str) -> String {
    visible_start(name, LONGEST_NAME)
}

/// Adds a table under its title, with an empty line after it.
fn push(out: &mut String, title: &str, table: &Table) {
    if !title.is_empty() {
        out.push_str(title);
        out.push('\n');
    }
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push('\n');
}

fn first_of(title: &str, rows: usize) -> String {
    if rows > MOST_ROWS { format!("{title} (first {MOST_ROWS} of {rows})") } else { title.to_owned() }
}

fn width_or_terminal(width: Option<u16>) -> u16 {
    width.or_else(|| Table::new().width()).unwrap_or(DEFAULT_WIDTH)
}

/// What the other columns and the borders of the table over time leave.
fn sparkline_width(width: u16) -> usize {
    usize::from(width).saturating_sub(56).clamp(8, 60)
}

fn table(width: u16) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED.with_rounded_corners());
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table
}

/// A header over a column of names and columns of figures.
fn heading<const N: usize>(names: [&str; N]) -> Row {
    figures(names.map(str::to_owned))
}

/// A row of a name and figures, the figures to the right.
fn figures<const N: usize>(values: [String; N]) -> Row {
    let cells = values.into_iter().enumerate();
    cells.map(|(i, value)| if i == 0 { Cell::new(value) } else { number(value) }).collect::<Vec<_>>().into()
}

fn number(value: String) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}

fn spread(stdev: f64) -> String {
    if stdev.is_finite() { format!("{stdev:.2}") } else { quantity::UNKNOWN.into() }
}
