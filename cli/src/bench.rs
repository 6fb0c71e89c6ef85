//! `meridian bench`: figures against their goals.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use meridian_benches::{BENCHES, Figure, Fill, Parameters, ProfileName};

use crate::{clock, output};

/// Measure.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The bench; without one, the list of those there are.
    name: Option<String>,
    /// Number of hosts.
    #[arg(long)]
    hosts: Option<u32>,
    /// Number of pods.
    #[arg(long)]
    pods: Option<u32>,
    /// Number of classes.
    #[arg(long)]
    classes: Option<u32>,
    /// Equal seeds make equal work.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The profile to measure.
    #[arg(long, value_enum, default_value_t = Profile::Meridian)]
    profile: Profile,
    /// The kind of class that engine/latency times.
    #[arg(long, value_enum, default_value_t = Class::Known)]
    class: Class,
    /// How cells are half filled before engine/mixed, engine/distinct and engine/latency.
    #[arg(long, value_enum, default_value_t = Filling::Scattered)]
    fill: Filling,
    /// Whether api/create speaks TLS.
    #[arg(long)]
    tls: bool,
    /// Number of sites of the global benches.
    #[arg(long)]
    sites: Option<u32>,
    /// Number of workloads of the global benches.
    #[arg(long)]
    workloads: Option<u32>,
    /// How many times the demand all sites of the global benches could serve.
    #[arg(long, allow_negative_numbers = true)]
    ratio: Option<f64>,
    /// Seconds that a plan of the global benches may take.
    #[arg(long, allow_negative_numbers = true)]
    seconds: Option<f64>,
    /// What solves mixed-integer programmes in the global benches: microlp or highs.
    #[arg(long, default_value = "microlp")]
    backend: String,
    /// Where global/size writes its plot, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// The policy of the sim benches.
    #[arg(long)]
    policy: Option<String>,
    /// The folder with real traces.
    #[arg(long, env = "MERIDIAN_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Print one JSON object in the place of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    Meridian,
    Kubernetes,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Filling {
    /// Pods on random hosts.
    Scattered,
    /// Pods where the scheduler puts them.
    Scheduled,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Class {
    Known,
    New,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Some(name) = &arguments.name else {
        let width = BENCHES.iter().map(|bench| bench.name.len()).max().unwrap_or(0);
        let lines: Vec<String> =
            BENCHES.iter().map(|bench| format!("{:width$}  {}", bench.name, bench.what)).collect();
        return output::print(&lines.join("\n"));
    };
    let parameters = Parameters {
        hosts: arguments.hosts,
        pods: arguments.pods,
        classes: arguments.classes,
        seed: arguments.seed,
        profile: match arguments.profile {
            Profile::Meridian => ProfileName::Meridian,
            Profile::Kubernetes => ProfileName::Kubernetes,
        },
        new_class: matches!(arguments.class, Class::New),
        fill: match arguments.fill {
            Filling::Scattered => Fill::Scattered,
            Filling::Scheduled => Fill::Scheduled,
        },
        tls: arguments.tls,
        sites: arguments.sites,
        workloads: arguments.workloads,
        ratio: arguments.ratio,
        seconds: arguments.seconds,
        backend: arguments.backend.parse().context("--backend")?,
        plot: arguments.plot.clone(),
        policy: arguments.policy.clone(),
        data: arguments.data.clone(),
    };
    let figure = meridian_benches::run(name, &parameters, clock::nanoseconds)?;
    if arguments.json {
        output::print(&serde_json::to_string(&figure).context("writing the figure as JSON")?)
    } else {
        output::print(&table(&figure))
    }
}

fn table(figure: &Figure) -> String {
    let mut rows = vec![
        (figure.name.to_owned(), format!("{} {}", grouped(figure.value), figure.unit)),
        (
            "goal".to_owned(),
            format!("{} ({})", figure.goal, if figure.goal.is_met(figure.value) { "met" } else { "not met" }),
        ),
    ];
    rows.extend(figure.parameters.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        ((*name).to_owned(), value)
    }));
    rows.push(("peak memory".to_owned(), format!("{} MiB", figure.peak_rss_bytes >> 20)));
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
    lines.join("\n")
}

/// A number with its thousands apart; with decimals where it is small.
fn grouped(value: f64) -> String {
    if value < 1000.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
