//! `meridian rebalance`: moves that leave a cluster better than it is.

mod carry_out;

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use meridian_simulation::{Aims, rebalance};

use crate::cluster::ClusterSource;
use crate::policy::PolicyArguments;

/// Propose a bounded number of moves: pods off hosts that are to be emptied for maintenance, pods whose hosts do not admit
/// them any more, and pods off hosts that the cluster can do without. Nothing is changed unless `--carry-out` is given.
///
/// A pod is moved by an eviction, which honours disruption budgets, and only where it has a controller that makes another.
/// Where that one goes is its scheduler's decision; hosts that are to be emptied are cordoned first. Owners keep a pod where
/// it is with the annotation `cluster-autoscaler.kubernetes.io/safe-to-evict: "false"`.
#[derive(Debug, Args)]
pub(crate) struct RebalanceArguments {
    /// Hosts to empty for maintenance, separated by commas.
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    drain: Vec<String>,
    /// Move pods whose hosts do not admit them any more: by labels, taints, or terms between pods.
    #[arg(long)]
    correct: bool,
    /// Empty hosts whose pods have room on others.
    #[arg(long)]
    consolidate: bool,
    /// How many pods may be moved.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    most_moves: u32,
    /// Evict the pods, on a live cluster.
    #[arg(long, conflicts_with = "dump")]
    carry_out: bool,
    /// How many seconds to wait for a pod that a disruption budget holds back.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "carry_out")]
    patience: u32,
    #[command(flatten)]
    cluster: ClusterSource,
    #[command(flatten)]
    policy: PolicyArguments,
    /// Print the answer as one JSON object.
    #[arg(long)]
    json: bool,
}

impl RebalanceArguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if self.drain.is_empty() && !self.correct && !self.consolidate {
            bail!("nothing is asked for, want --drain NODE, --correct or --consolidate");
        }
        let aims = Aims {
            drain: self.drain.clone(),
            correct: self.correct,
            consolidate: self.consolidate,
            most_moves: self.most_moves as usize,
        };
        let proposal = rebalance(&self.cluster.read()?, &aims, &self.policy.policy()?)?;
        crate::plan::print(&proposal, &proposal.notes, self.json)?;
        if !self.carry_out {
            return Ok(());
        }
        let patience = Duration::from_secs(self.patience.into());
        crate::serve::block_on(async {
            carry_out::carry_out(&self.cluster.client().await?, &proposal, patience).await
        })
    }
}
