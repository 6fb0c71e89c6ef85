//! `meridian scheduler --kubeconfig`: the scheduler of any Kubernetes cluster.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;

use anyhow::Context;
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use meridian_adapter::{Adapter, AdapterOptions};
use meridian_kubernetes::SchedulerConfiguration;
use tokio::net::TcpListener;

use super::{Environment, asked_to_end};
use crate::output;
use crate::policy::PolicyArguments;

/// A Kubernetes cluster to be served over its API.
#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// Serve the Kubernetes cluster of this kubeconfig, for pods whose spec.schedulerName names a profile.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "cell"])]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context [default: its current one].
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
    /// A scheduler configuration (KubeSchedulerConfiguration, YAML or JSON): profiles, leader election, back-off.
    #[arg(long, value_name = "FILE", requires = "kubeconfig", conflicts_with_all = ["policy", "profile"])]
    config: Option<PathBuf>,
    /// Whether to wait until the lease is ours, whatever the configuration says.
    #[arg(long, value_name = "BOOL", requires = "kubeconfig")]
    leader_elect: Option<bool>,
    /// Where to serve metrics and health; port 0 takes any that is free.
    #[arg(long, value_name = "ADDR:PORT", requires = "kubeconfig", default_value = "127.0.0.1:10251")]
    listen: SocketAddr,
}

impl ClusterArguments {
    /// Whether a cluster is to be served.
    pub(super) fn is_meant(&self) -> bool {
        self.kubeconfig.is_some()
    }

    pub(super) async fn run(self, name: Option<String>, policy: PolicyArguments) -> anyhow::Result<()> {
        let mut end = pin!(asked_to_end()?);
        let Environment { clock, ids } = Environment::of_this_machine()?;
        let mut configuration = self.configuration(&policy)?;
        if let Some(elect) = self.leader_elect {
            configuration.process.leader_election.leader_elect = elect;
        }
        let path = self.kubeconfig.as_deref().context("there is no kubeconfig")?;
        let config = client_config(path, self.context).await?;
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).with_context(|| format!("using {}", path.display()))?;
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("listening on {}: choose another address with --listen", self.listen))?;
        let names: Vec<String> = configuration.profiles.iter().map(|profile| profile.name.clone()).collect();
        let elects = configuration.process.leader_election.leader_elect;
        let mut adapter = Adapter::start(AdapterOptions {
            client,
            configuration,
            identity: name.unwrap_or_else(|| format!("scheduler-{}", ids.name_suffix(8))),
            listener: Some(listener),
            metrics: prometheus::Registry::new(),
            clock,
            ids,
        })?;
        if let Some(address) = adapter.address() {
            output::print(&format!("metrics     http://{address}/metrics"))?;
        }
        if elects {
            output::print("waiting     for the lease")?;
        }
        let outcome = tokio::select! {
            () = &mut end => Ok(()),
            outcome = serve(&mut adapter, &names, &server) => outcome,
        };
        adapter.shutdown().await;
        outcome
    }

    fn configuration(&self, policy: &PolicyArguments) -> anyhow::Result<SchedulerConfiguration> {
        let Some(path) = &self.config else {
            return Ok(SchedulerConfiguration::of(policy.policy()?.profile(&[])?));
        };
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        meridian_kubernetes::scheduler_configuration(&text)
            .with_context(|| format!("reading {}", path.display()))
    }
}

/// Says when the adapter leads, and returns when it ends by itself.
async fn serve(adapter: &mut Adapter, names: &[String], server: &str) -> anyhow::Result<()> {
    adapter.leads().await?;
    let names = names.join(", ");
    output::print(&format!("leads       {server}, for pods of schedulerName {names}; Ctrl-C ends it"))?;
    Ok(adapter.ended().await?)
}

/// How the cluster of a kubeconfig is reached.
pub(crate) async fn client_config(path: &Path, context: Option<String>) -> anyhow::Result<Config> {
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let reading = || format!("reading {}", path.display());
    let config = Kubeconfig::read_from(path).with_context(reading)?;
    Config::from_custom_kubeconfig(config, &options).await.with_context(reading)
}
