//! `meridian scheduler`: a scheduler replica for a control plane elsewhere, or the scheduler of a Kubernetes cluster.

use clap::Args;
use meridian_proto::Connector;
use meridian_replica::{Replica, ReplicaOptions};

use super::cluster::ClusterArguments;
use super::queue::{QueueArguments, beside};
use super::{Environment, asked_to_end};
use crate::output;
use crate::policy::PolicyArguments;

/// Run a scheduler. With --server it is a replica of a Meridian control plane: any number of them may serve one, and each
/// leads a share of the tenants. With --kubeconfig it is the scheduler of any Kubernetes cluster.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The control plane.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:6443")]
    server: String,
    /// The replica's name, unique among the replicas [default: made up].
    #[arg(long)]
    name: Option<String>,
    /// The region's name.
    #[arg(long, default_value = "region-1")]
    cell: String,
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    queue: QueueArguments,
}

impl Arguments {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        if self.cluster.is_meant() {
            return Box::pin(self.cluster.run(self.name, self.policy)).await;
        }
        let end = asked_to_end()?;
        self.queue.read()?;
        let Environment { clock, ids } = Environment::of_this_machine()?;
        let name = self.name.unwrap_or_else(|| format!("scheduler-{}", ids.name_suffix(8)));
        let replica = Replica::start(ReplicaOptions {
            name: name.clone(),
            cell: self.cell,
            profiles: vec![self.policy.policy()?.profile(&[])?],
            partitions: vec![Connector::scheduling_at(&self.server)?],
            hosts: vec![Connector::host_feed_at(&self.server)?],
            clock,
            ids,
            metrics: prometheus::Registry::new(),
        })?;
        output::print(&format!("scheduler {name} serves {}", self.server))?;
        let queue = replica.queue();
        let ended = beside(self.queue.follow(|settings| queue.settle(settings)), end).await;
        replica.shutdown().await;
        ended
    }
}
