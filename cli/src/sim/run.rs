//! A simulation in the time of its trace.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use meridian_report::{JsonStyle, SimulationReport};
use meridian_simulation::{Options, simulate};

use crate::policy::{PolicyArguments, typical};
use crate::source::{Source, Trace};
use crate::{clock, output, progress};

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
    #[arg(long, value_name = "HOURS")]
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
            Some(hours) if hours.is_finite() && hours > 0.0 => Some((hours * 3.6e6) as u64),
            Some(hours) => anyhow::bail!("--until is {hours}, want hours above 0"),
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
    fn write(&self, report: &SimulationReport) -> anyhow::Result<()> {
        if self.json {
            output::print(&report.to_json(JsonStyle::Pretty))?;
        } else {
            output::print(&report.to_terminal(None))?;
        }
        if let Some(path) = &self.report {
            output::write_file(path, &report.to_html())?;
            output::note(&format!("report: {}", path.display()));
        }
        if let Some(folder) = &self.parquet {
            std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
            for path in report.write_parquet(folder)? {
                output::note(&format!("table: {}", path.display()));
            }
        }
        Ok(())
    }
}
