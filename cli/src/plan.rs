//! `meridian plan` and `meridian whatif`: what would become of a cluster.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use meridian_kubernetes::{MAX_MANIFEST_BYTES, Manifests};
use meridian_simulation::{Hypothesis, plan, what_if};
use serde::Serialize;

use crate::cluster::ClusterSource;
use crate::output;
use crate::policy::PolicyArguments;

/// Say where the pods of manifests would go on a cluster, which would wait and why, and what would let them in. Nothing is
/// changed.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// Manifests, as for kubectl apply; - is standard input. May be given several times.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    cluster: ClusterSource,
    #[command(flatten)]
    policy: PolicyArguments,
    /// Print the answer as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Say what would become of a cluster if hosts were drained or added, or, with neither, if all pods were placed anew by the
/// policy. Nothing is changed.
#[derive(Debug, Args)]
pub(crate) struct WhatIfArguments {
    /// Hosts to drain and take away, separated by commas.
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    drain: Vec<String>,
    /// How many hosts to add.
    #[arg(long, value_name = "N", requires = "like", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    add: Option<u32>,
    /// The host that those added are like.
    #[arg(long, value_name = "NODE", requires = "add")]
    like: Option<String>,
    /// Place all pods that may move anew, beside what else is asked.
    #[arg(long)]
    place_anew: bool,
    #[command(flatten)]
    cluster: ClusterSource,
    #[command(flatten)]
    policy: PolicyArguments,
    /// Print the answer as one JSON object.
    #[arg(long)]
    json: bool,
}

impl PlanArguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let policy = self.policy.policy()?;
        let mut manifests = Manifests::default();
        for path in &self.files {
            let text = read(path)?;
            let read = Manifests::from_text(&text).with_context(|| format!("reading {}", path.display()))?;
            manifests.workloads.extend(read.workloads);
            manifests.groups.extend(read.groups);
            manifests.notes.extend(read.notes);
        }
        if manifests.workloads.is_empty() {
            bail!("the manifests bring no pods, want a Pod, Deployment, StatefulSet, DaemonSet or Job");
        }
        let plan = plan(&self.cluster.read()?, &manifests, &policy)?;
        print(&plan, &plan.notes, self.json)
    }
}

impl WhatIfArguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let add = self.add.zip(self.like.clone()).map(|(count, like)| (like, count as usize));
        let hypothesis = Hypothesis {
            drain: self.drain.clone(),
            place_anew: self.place_anew || (self.drain.is_empty() && add.is_none()),
            add: add.into_iter().collect(),
        };
        let consequences = what_if(&self.cluster.read()?, &hypothesis, &self.policy.policy()?)?;
        print(&consequences, &consequences.notes, self.json)
    }
}

pub(crate) fn print<T: Serialize + ToString>(
    answer: &T,
    notes: &[String],
    as_json: bool,
) -> anyhow::Result<()> {
    if as_json {
        return output::print(&serde_json::to_string_pretty(answer).context("writing JSON")?);
    }
    for note in notes {
        output::note(&format!("note: {note}"));
    }
    output::print(&answer.to_string())
}

/// A file, or standard input, as far as manifests may go.
fn read(path: &Path) -> anyhow::Result<String> {
    let reading = || format!("reading {}", path.display());
    let reader: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(path).with_context(reading)?),
    };
    let mut text = String::new();
    // One byte more than may be, so that what is too long is seen.
    reader.take(MAX_MANIFEST_BYTES + 1).read_to_string(&mut text).with_context(reading)?;
    Ok(text)
}
