//! Where a trace comes from: the arguments shared by all commands that take one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use meridian_trace::limits::{MAX_HOST_CPU_MILLI, MAX_HOST_MEMORY};
use meridian_trace::{
    PodOrder, PodTable, Swf, SwfOptions, Synthetic, TraceError, TraceHost, TracePod, read_csv_hosts,
    read_csv_pods, read_hosts,
};

use crate::output;

/// A trace.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Source {
    /// A made-up region, from stated distributions and a seed.
    Synthetic(SyntheticArguments),
    /// A job log in the Standard Workload Format, plain or gzip, on equal hosts.
    Swf(SwfArguments),
    /// Tables of hosts and pods, CSV or Parquet.
    Tables(TablesArguments),
}

/// A made-up region.
#[derive(Clone, Debug, Args)]
pub(crate) struct SyntheticArguments {
    /// Number of hosts.
    #[arg(long, default_value_t = Synthetic::default().hosts, allow_negative_numbers = true)]
    hosts: u32,
    /// Hours of arrivals.
    #[arg(long, default_value_t = Synthetic::default().hours, allow_negative_numbers = true)]
    hours: u32,
    /// Equal seeds make equal traces.
    #[arg(long, default_value_t = Synthetic::default().seed)]
    seed: u64,
    /// Distinct shapes of pods.
    #[arg(long, default_value_t = Synthetic::default().classes)]
    classes: u32,
    /// Number of tenants.
    #[arg(long, default_value_t = Synthetic::default().tenants)]
    tenants: u32,
    /// Demand as a share of the capacity.
    #[arg(long, default_value_t = Synthetic::default().load, allow_negative_numbers = true)]
    load: f64,
    /// Share of the hosts that have GPUs.
    #[arg(long, default_value_t = Synthetic::default().gpu_share, allow_negative_numbers = true)]
    gpu_share: f64,
}

impl SyntheticArguments {
    fn region(&self) -> Synthetic {
        Synthetic {
            hosts: self.hosts,
            hours: self.hours,
            seed: self.seed,
            classes: self.classes,
            tenants: self.tenants,
            load: self.load,
            gpu_share: self.gpu_share,
            ..Synthetic::default()
        }
    }
}

/// A job log on equal hosts.
#[derive(Clone, Debug, Args)]
pub(crate) struct SwfArguments {
    /// The log.
    #[arg(long)]
    trace: PathBuf,
    /// Number of hosts.
    #[arg(long, default_value_t = 500, allow_negative_numbers = true)]
    hosts: u32,
    /// Processors of each host.
    #[arg(long, default_value_t = 64, allow_negative_numbers = true)]
    host_cpus: u32,
    /// Memory of each host, in GiB.
    #[arg(long, default_value_t = 256, allow_negative_numbers = true)]
    host_memory_gib: u32,
    /// Memory of each processor of a job that says none, in MiB.
    #[arg(long, default_value_t = 2048, allow_negative_numbers = true)]
    memory_per_processor_mib: u32,
}

/// Tables of hosts and pods.
#[derive(Clone, Debug, Args)]
pub(crate) struct TablesArguments {
    /// The hosts: a `.csv` or `.parquet` file.
    #[arg(long)]
    nodes: PathBuf,
    /// The pods: a `.csv` or `.parquet` file.
    #[arg(long)]
    pods: PathBuf,
}

/// An opened trace.
pub(crate) struct Trace {
    pub(crate) title: String,
    pub(crate) seed: u64,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) hosts: Vec<TraceHost>,
    pub(crate) pods: Pods,
    /// When the trace ends by its own words.
    pub(crate) until_ms: Option<u64>,
}

/// A stream of pods in the order of arrival.
pub(crate) type Pods = Box<dyn Iterator<Item = Result<TracePod, TraceError>>>;

/// A table's format, told by the file's name.
enum Format {
    Csv,
    Parquet,
}

fn format(path: &Path) -> anyhow::Result<Format> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(Format::Csv),
        Some("parquet") => Ok(Format::Parquet),
        _ => bail!("{}: want a name that ends in .csv or .parquet", path.display()),
    }
}

impl Source {
    /// Opens the trace; it may be opened as often as need be.
    pub(crate) fn open(&self) -> anyhow::Result<Trace> {
        match self {
            Source::Synthetic(arguments) => arguments.open(),
            Source::Swf(arguments) => arguments.open(),
            Source::Tables(arguments) => arguments.open(),
        }
    }
}

impl SyntheticArguments {
    fn open(&self) -> anyhow::Result<Trace> {
        let region = self.region();
        region.validate()?;
        Ok(Trace {
            title: format!("Synthetic region, {} hosts, {} h", region.hosts, region.hours),
            seed: region.seed,
            parameters: BTreeMap::from([
                ("classes".to_owned(), region.classes.to_string()),
                ("tenants".to_owned(), region.tenants.to_string()),
                ("offered load".to_owned(), format!("{:.0} %", region.load * 100.0)),
                ("hosts with GPUs".to_owned(), format!("{:.0} %", region.gpu_share * 100.0)),
            ]),
            hosts: region.make_hosts()?,
            until_ms: Some(u64::from(region.hours) * 3_600_000),
            pods: Box::new(region.make_pods()?),
        })
    }
}

impl SwfArguments {
    fn open(&self) -> anyhow::Result<Trace> {
        for (option, value, most) in [
            ("--hosts", self.hosts, 1_000_000),
            ("--host-cpus", self.host_cpus, MAX_HOST_CPU_MILLI / 1000),
            ("--host-memory-gib", self.host_memory_gib, MAX_HOST_MEMORY >> 30),
        ] {
            if !(1..=most).contains(&i64::from(value)) {
                bail!("{option} is {value}, want 1 to {most}");
            }
        }
        let options = SwfOptions { memory_per_processor: i64::from(self.memory_per_processor_mib) << 20 };
        let hosts = (0..self.hosts)
            .map(|number| TraceHost {
                name: format!("host-{number:06}"),
                cpu_milli: i64::from(self.host_cpus) * 1000,
                memory: i64::from(self.host_memory_gib) << 30,
                pods: i64::from(self.host_cpus) * 4,
                ..TraceHost::default()
            })
            .collect();
        Ok(Trace {
            title: format!("{} on {} hosts", self.trace.display(), self.hosts),
            seed: 0,
            parameters: BTreeMap::from([(
                "host".to_owned(),
                format!("{} CPUs, {} GiB", self.host_cpus, self.host_memory_gib),
            )]),
            hosts,
            pods: told(Swf::open(&self.trace, options)?),
            until_ms: None,
        })
    }
}

/// The jobs of a log; at its end it is said which lines were no jobs that could be run.
fn told(mut jobs: Swf) -> Pods {
    let mut is_told = false;
    Box::new(std::iter::from_fn(move || {
        let job = jobs.next();
        let skipped = jobs.skipped();
        if job.is_none() && !is_told && skipped.total() > 0 {
            is_told = true;
            let reasons: Vec<String> = [
                (skipped.processors, "without processors"),
                (skipped.submit_time, "without a submit time"),
                (skipped.run_time, "without a run time"),
                (skipped.zero_run_time, "that ran for no time"),
                (skipped.partial, "that are parts of others"),
            ]
            .iter()
            .filter(|(jobs, _)| *jobs > 0)
            .map(|(jobs, reason)| format!("{jobs} {reason}"))
            .collect();
            output::note(&format!("note: {} jobs passed over: {}", skipped.total(), reasons.join(", ")));
        }
        job
    }))
}

impl TablesArguments {
    fn open(&self) -> anyhow::Result<Trace> {
        let hosts = match format(&self.nodes)? {
            Format::Csv => read_csv_hosts(&self.nodes)?,
            Format::Parquet => read_hosts(&self.nodes)?,
        };
        let pods: Pods = match format(&self.pods)? {
            Format::Csv => Box::new(read_csv_pods(&self.pods, PodOrder::Arrival)?.into_iter().map(Ok)),
            Format::Parquet => Box::new(PodTable::open(&self.pods)?),
        };
        let name = self.pods.file_name().context("--pods is not a file")?.to_string_lossy().into_owned();
        Ok(Trace { title: name, seed: 0, parameters: BTreeMap::new(), hosts, pods, until_ms: None })
    }
}
