//! `meridian up`: a whole region in one process.

use std::path::Path;
use std::pin::pin;

use clap::Args;
use indicatif::ProgressBar;
use meridian_kubernetes::DEFAULT_SCHEDULER_NAME;
use meridian_region::{ControlPlaneOptions, Progress, Region, RegionOptions};

use super::arguments::{ControlPlaneArguments, DelayArguments};
use super::queue::QueueArguments;
use super::{Environment, asked_to_end};
use crate::policy::PolicyArguments;
use crate::{output, progress};

/// Run a whole region in this process: the API, a scheduler and simulated hosts. What it keeps survives it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many hosts to simulate.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    hosts: u32,
    #[command(flatten)]
    control_plane: ControlPlaneArguments,
    /// Equal seeds make equal hosts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    delays: DelayArguments,
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    queue: QueueArguments,
}

impl Arguments {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut end = pin!(asked_to_end()?);
        let Environment { clock, ids } = Environment::of_this_machine()?;
        let dir = self.control_plane.data_dir()?;
        self.queue.read()?;
        let profile = self.policy.policy()?.profile(&[])?;
        let starting = Region::start(RegionOptions {
            control_plane: ControlPlaneOptions {
                cell: self.control_plane.cell.clone(),
                schedulers: vec![DEFAULT_SCHEDULER_NAME.to_owned(), profile.name.clone()],
                storage: self.control_plane.storage(&dir)?,
                listener: self.control_plane.listener().await?,
                tls: self.control_plane.tls()?,
                clock,
                ids,
                metrics: prometheus::Registry::new(),
                readiness: Vec::new(),
            },
            hosts: self.hosts,
            delays: self.delays.delays(),
            seed: self.seed,
            agents: dir.join("agents.redb"),
            profile,
        });
        // What was begun is as if it had been killed, which it must bear anyway.
        let mut region = tokio::select! {
            region = Box::pin(starting) => region?,
            () = &mut end => return Ok(()),
        };
        self.tell(&region, &dir)?;

        let bar = progress::counted(self.hosts.into(), "hosts have joined");
        let queue = region.queue();
        let outcome = tokio::select! {
            () = &mut end => Ok(()),
            ended = async {
                joined(&region, &bar).await;
                bar.finish_and_clear();
                output::print(&format!("ready       {} hosts; Ctrl-C ends the region, and all it holds stays", self.hosts))?;
                region.ended().await.map_err(anyhow::Error::from)
            } => ended,
            error = self.queue.follow(|settings| queue.settle(settings)) => error,
        };
        bar.finish_and_clear();
        output::note("shutting down");
        region.shutdown().await;
        outcome
    }

    fn tell(&self, region: &Region, dir: &Path) -> anyhow::Result<()> {
        let address = region.address();
        let kubeconfig = self.control_plane.write_kubeconfig(dir, address)?;
        output::print(&format!(
            "API         {}\nkubeconfig  {}\ndata        {}",
            self.control_plane.url(address),
            kubeconfig.display(),
            dir.display()
        ))
    }
}

/// Shows how many hosts have joined, until all have and the scheduler knows them.
async fn joined(region: &Region, bar: &ProgressBar) {
    let mut progress = region.progress();
    loop {
        let Progress { joined, is_ready, .. } = *progress.borrow_and_update();
        bar.set_position(joined.into());
        if is_ready || progress.changed().await.is_err() {
            return;
        }
    }
}
