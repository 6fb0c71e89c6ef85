//! `meridian apiserver`: a control plane whose scheduler and hosts run elsewhere.

use std::pin::pin;

use clap::Args;
use meridian_region::{ControlPlane, ControlPlaneOptions};

use super::arguments::ControlPlaneArguments;
use super::{Environment, asked_to_end};
use crate::output;

/// Run a control plane: the API, the store and the controllers. Schedulers and hosts join it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The scheduler names (`schedulerName`) of pods that its schedulers decide on.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "default-scheduler")]
    schedulers: Vec<String>,
    #[command(flatten)]
    control_plane: ControlPlaneArguments,
}

impl Arguments {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut end = pin!(asked_to_end()?);
        let Environment { clock, ids } = Environment::of_this_machine()?;
        let dir = self.control_plane.data_dir()?;
        let starting = ControlPlane::start(ControlPlaneOptions {
            cell: self.control_plane.cell.clone(),
            schedulers: self.schedulers,
            storage: self.control_plane.storage(&dir)?,
            listener: self.control_plane.listener().await?,
            tls: self.control_plane.tls()?,
            clock,
            ids,
            metrics: prometheus::Registry::new(),
            readiness: Vec::new(),
        });
        // What was begun is as if it had been killed, which it must bear anyway.
        let mut control_plane = tokio::select! {
            control_plane = Box::pin(starting) => control_plane?,
            () = &mut end => return Ok(()),
        };
        let address = control_plane.address();
        let kubeconfig = self.control_plane.write_kubeconfig(&dir, address)?;
        output::print(&format!(
            "API         {}\nkubeconfig  {}\ndata        {}",
            self.control_plane.url(address),
            kubeconfig.display(),
            dir.display()
        ))?;
        let ended = tokio::select! {
            () = &mut end => Ok(()),
            ended = control_plane.ended() => ended,
        };
        control_plane.shutdown().await;
        Ok(ended?)
    }
}
