//! `meridian agent`: hosts for a control plane elsewhere. Today they are simulated; container and VM runtimes come to them.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use meridian_edge_agent::{HostShape, LocalStore, SimulatedHosts, SimulatedHostsOptions};
use meridian_proto::Connector;

use super::arguments::{DelayArguments, default_data_dir};
use super::{Environment, asked_to_end};
use crate::output;

/// Run simulated hosts that join a control plane.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The control plane.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:6443")]
    server: String,
    /// How many hosts to simulate.
    #[arg(long, value_name = "N")]
    simulated: u32,
    /// What the names of the hosts start with.
    #[arg(long, default_value = "host")]
    name_prefix: String,
    /// The file that keeps what the hosts run [default: agents.redb in the data directory].
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The region's name.
    #[arg(long, default_value = "region-1")]
    cell: String,
    /// How many zones they are spread over.
    #[arg(long, default_value_t = 3)]
    zones: u32,
    /// Equal seeds make equal hosts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    delays: DelayArguments,
}

impl Arguments {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let end = asked_to_end()?;
        let Environment { clock, ids } = Environment::of_this_machine()?;
        let state = match self.state {
            Some(state) => state,
            None => {
                let dir = default_data_dir()?;
                std::fs::create_dir_all(&dir)
                    .with_context(|| format!("making the data directory {}", dir.display()))?;
                dir.join("agents.redb")
            }
        };
        let hosts = SimulatedHosts::start(SimulatedHostsOptions {
            count: self.simulated,
            name_prefix: self.name_prefix,
            cell: self.cell,
            zones: self.zones,
            shapes: HostShape::mixed(),
            delays: self.delays.delays(),
            link: Connector::link_at(&self.server)?,
            store: LocalStore::open(&state)
                .with_context(|| format!("opening the hosts' state in {}", state.display()))?,
            clock,
            ids,
            seed: self.seed,
        })?;
        output::print(&format!("{} simulated hosts join {}", self.simulated, self.server))?;
        end.await;
        hosts.shutdown().await;
        Ok(())
    }
}
