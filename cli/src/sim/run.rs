//! A simulation in the time of its trace.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use meridian_report::{JsonStyle, SimulationReport};
use meridian_simulation::{Options, simulate};
use meridian_trace::limits::MAX_TIME_MS;

use crate::policy::{PolicyArguments, typical};
use crate::source::{Source, Trace};
use crate::{clock, output, progress};

/// The latest end: no pod of a trace arrives after that.
const LONGEST_HOURS: u64 = MAX_TIME_MS / 3_600_000;

/// A trace and what to do with it.
#[derive(Debug, Args)]
pub(super) struct Simulated<T: Args> {
    #[command(flatten)]
    source: T,
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    results: Results,
}

/// When to stop.
#[derive(Debug, Args)]
struct Limits {
    /// Stop after so many simulated hours; by default when the trace says, or when nothing can happen any more.
    #[arg(long, value_name = "HOURS", allow_negative_numbers = true)]
    until: Option<f64>,
}

/// Where results go, beside the terminal.
#[derive(Debug, Args)]
struct Results {
    /// Print one JSON object in the place of tables.
    #[arg(long)]
    json: bool,
    /// Write a page with plots.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write samples, tenants and histograms as Parquet files.
    #[arg(long, value_name = "FOLDER")]
    parquet: Option<PathBuf>,
    /// Measure nothing, so that equal runs write equal bytes.
    #[arg(long)]
    no_timings: bool,
}

impl<T: Args> Simulated<T> {
    pub(super) fn run(self, source: fn(T) -> Source) -> anyhow::Result<()> {
        let source = source(self.source);
        let policy = self.policy.policy()?;
        let typical = typical(&policy, &source)?;
        let Trace { title, seed, parameters, hosts, pods, until_ms } = source.open()?;
        let until_ms = match self.limits.until {
            Some(hours) if hours > 0.0 && hours <= LONGEST_HOURS as f64 => Some((hours * 3.6e6) as u64),
            Some(hours) => anyhow::bail!("--until is {hours}, want hours above 0, at most {LONGEST_HOURS}"),
            None => until_ms,
        };
        let options = Options {
            title,
            policy,
            typical,
            seed,
            parameters,
            until_ms,
            clock: (!self.results.no_timings).then_some(clock::nanoseconds),
            watch: None,
        };
        let (bar, mut update) = progress::simulation(until_ms);
        let simulated = simulate(&hosts, pods, &options, &mut update);
        bar.finish_and_clear();
        self.results.write(&simulated?.0)
    }
}

impl Results {
    /// Files come first: whoever reads what is printed may stop at any line, and still wants them.
    fn write(&self, report: &SimulationReport) -> anyhow::Result<()> {
        let mut written = Vec::new();
        if let Some(path) = &self.report {
            output::write_file(path, &report.to_html())?;
            written.push(format!("report: {}", path.display()));
        }
        if let Some(folder) = &self.parquet {
            std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
            let tables = report.write_parquet(folder)?;
            written.extend(tables.iter().map(|path| format!("table: {}", path.display())));
        }
        let printed = if self.json {
            output::print(&report.to_json(JsonStyle::Pretty))
        } else {
            output::print(&report.to_terminal(None))
        };
        for line in written {
            output::note(&line);
        }
        printed
    }
}
