//! `meridian explain`: why a pod went where it went.

mod pod;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use meridian_kubernetes::Dump;
use meridian_simulation::{OpenbExperiment, Options, cluster_story, openb_story, simulate};
use meridian_trace::PodOrder;

use crate::policy::{PolicyArguments, typical};
use crate::sim::OpenbTables;
use crate::source::{Source, SwfArguments, SyntheticArguments, TablesArguments};
use crate::{output, progress};

/// Say why a pod went where it went, or why it did not fit.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    trace: Explained,
}

/// A pod of a trace.
#[derive(Debug, Args)]
struct PodOf<T: Args> {
    /// The pod's name in the trace.
    #[arg(value_name = "POD")]
    pod: String,
    #[command(flatten)]
    source: T,
    #[command(flatten)]
    policy: PolicyArguments,
}

#[derive(Debug, Subcommand)]
enum Explained {
    /// A pod of a running region: why it waits, or why it runs where it runs.
    Pod(pod::Arguments),
    /// A pod of a made-up region.
    Synthetic(PodOf<SyntheticArguments>),
    /// A job of a log in the Standard Workload Format.
    Swf(PodOf<SwfArguments>),
    /// A pod of tables of hosts and pods.
    Tables(PodOf<TablesArguments>),
    /// A pod of the published experiment on the openb trace.
    Openb(OpenbPod),
    /// A pod of a Kubernetes cluster, from a dump of its nodes and pods: where it would go now, or why nowhere.
    Cluster(ClusterPod),
}

/// A pod of a Kubernetes cluster.
#[derive(Debug, Args)]
struct ClusterPod {
    /// The pod as NAMESPACE/NAME.
    #[arg(value_name = "POD")]
    pod: String,
    /// What `kubectl get nodes,pods -A -o json` printed (JSON or YAML).
    #[arg(long, value_name = "FILE")]
    dump: PathBuf,
    #[command(flatten)]
    policy: PolicyArguments,
}

/// A pod of the openb experiment.
#[derive(Debug, Args)]
struct OpenbPod {
    #[command(flatten)]
    pod: PodOf<OpenbTables>,
    /// GPUs asked for by all pods that arrive, as a multiple of the capacity.
    #[arg(long, default_value_t = 1.3, allow_negative_numbers = true)]
    arrivals: f64,
    /// The run's seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.trace {
        Explained::Pod(arguments) => arguments.run(),
        Explained::Synthetic(pod) => pod.explain(Source::Synthetic),
        Explained::Swf(pod) => pod.explain(Source::Swf),
        Explained::Tables(pod) => pod.explain(Source::Tables),
        Explained::Cluster(arguments) => {
            let policy = arguments.policy.policy()?;
            let reading = || format!("reading {}", arguments.dump.display());
            let file = File::open(&arguments.dump).with_context(reading)?;
            let dump = Dump::from_reader(file).with_context(reading)?;
            let told = cluster_story(&dump, &policy, &arguments.pod)?;
            for caveat in &told.caveats {
                output::note(&format!("note: {caveat}"));
            }
            output::print(&told.story.to_string())
        }
        Explained::Openb(arguments) => {
            let (hosts, pods) = arguments.pod.source.read(PodOrder::File)?;
            let experiment = OpenbExperiment {
                policy: arguments.pod.policy.policy()?,
                arrivals: arguments.arrivals,
                seeds: 1,
                first_seed: arguments.seed,
            };
            let story = openb_story(&hosts, &pods, &experiment, &arguments.pod.pod)?;
            output::print(&story.to_string())
        }
    }
}

impl<T: Args> PodOf<T> {
    fn explain(self, source: fn(T) -> Source) -> anyhow::Result<()> {
        let source = source(self.source);
        let policy = self.policy.policy()?;
        let typical = typical(&policy, &source)?;
        let trace = source.open()?;
        let options = Options {
            title: trace.title,
            policy,
            typical,
            seed: trace.seed,
            parameters: BTreeMap::new(),
            until_ms: trace.until_ms,
            clock: None,
            watch: Some(self.pod),
        };
        let (bar, mut update) = progress::simulation(trace.until_ms);
        let simulated = simulate(&trace.hosts, trace.pods, &options, &mut update);
        bar.finish_and_clear();
        match simulated?.1 {
            Some(story) => output::print(&story.to_string()),
            None => Ok(()),
        }
    }
}
