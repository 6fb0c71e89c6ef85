//! The commands that run services: what they have in common.

mod agent;
mod apiserver;
mod arguments;
mod cluster;
mod kubeconfig;
mod queue;
mod scheduler;
mod up;

use std::future::Future;
use std::sync::Arc;

use anyhow::Context;
use meridian_environment::{Clock, Ids, MonotonicClock};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use self::agent::Arguments as AgentArguments;
pub(crate) use self::apiserver::Arguments as ApiserverArguments;
pub(crate) use self::arguments::default_data_dir;
pub(crate) use self::cluster::client_config;
pub(crate) use self::kubeconfig::Arguments as KubeconfigArguments;
pub(crate) use self::scheduler::Arguments as SchedulerArguments;
pub(crate) use self::up::Arguments as UpArguments;

/// What every service is lent.
struct Environment {
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
}

impl Environment {
    /// The machine's clock, and ids that nobody can foresee.
    fn of_this_machine() -> anyhow::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("asking the system for random numbers")?;
        Ok(Self { clock: Arc::new(MonotonicClock::new()), ids: Arc::new(Ids::new(seed)) })
    }
}

/// Runs a service to its end on a runtime of its own.
pub(crate) fn block_on(service: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(service)
}

/// Resolves when somebody asks the program to end: Ctrl-C, or what service managers send.
fn asked_to_end() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("waiting for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("waiting for signals")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
