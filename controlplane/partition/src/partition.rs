//! The service: made of its tasks, and ended in order.

use std::fmt;
use std::sync::Arc;

use meridian_api::{BindOrder, ExplainRequest, Registry};
use meridian_environment::{Clock, Ids};
use meridian_proto::v1::{HostPartitionMessage, PartitionMessage, ReplicaMessage, TenantPartitionMessage};
use meridian_proto::{Connector, Listener, is_name};
use meridian_store::Epoch;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::actor::{Actor, Input, Parts};
use crate::follow;
use crate::ledgers::{self, Address};
use crate::metrics::Metrics;
use crate::replicas::{self, Identity};

/// Inputs that wait for the actor. Whoever brings more waits.
const INPUTS: usize = 1024;

/// What a tenant partition is made of.
pub struct PartitionOptions {
    /// Its name: the first part of its claims' names, for ever.
    pub name: String,
    /// The cell (region) it belongs to.
    pub cell: String,
    /// The registry over its store.
    pub registry: Registry,
    /// The epoch under which that registry writes to the tenants' store: the partition's, `te`.
    pub epoch: Epoch,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of chance.
    pub ids: Arc<Ids>,
    /// The scheduler names (`schedulerName`) of pods that its replicas decide on; it leaves all others alone.
    pub schedulers: Vec<String>,
    /// The ledgers of all host partitions, by the partitions' names.
    pub ledgers: Vec<(String, Connector<TenantPartitionMessage, HostPartitionMessage>)>,
    /// Where scheduler replicas open their streams.
    pub replicas: Listener<PartitionMessage, ReplicaMessage>,
    /// Where the registry orders bindings to hosts that somebody has named.
    pub binder: mpsc::Receiver<BindOrder>,
    /// Where the API server asks why pods are where they are.
    pub explainer: mpsc::Receiver<ExplainRequest>,
    /// Where figures are made known.
    pub metrics: prometheus::Registry,
}

/// Why a partition was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name is not one that peers take.
    #[error("partition name {name:?} has {} bytes, want 1 to 253", name.len())]
    Name {
        /// The name given.
        name: String,
    },
    /// Two ledgers have one name.
    #[error("host partition {name:?} is named twice, want one ledger for each")]
    Ledger {
        /// The name given.
        name: String,
    },
    /// The figures are not new to the metrics' registry.
    #[error("the partition's metrics cannot be registered: one registry takes those of one partition")]
    Metrics(#[source] prometheus::Error),
}

/// A running tenant partition. Dropping it ends it at once; [`Partition::shutdown`] ends it in order.
pub struct Partition {
    inputs: mpsc::Sender<Input>,
    stop: Option<oneshot::Sender<()>>,
    actor: JoinHandle<()>,
    _helpers: JoinSet<()>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition").finish_non_exhaustive()
    }
}

impl Partition {
    /// Starts the partition's tasks on the current runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`]: nothing was started.
    pub async fn start(options: PartitionOptions) -> Result<Self, StartError> {
        let PartitionOptions { name, cell, registry, clock, ids, schedulers, .. } = options;
        if !is_name(&name) {
            return Err(StartError::Name { name });
        }
        let mut names: Vec<Arc<str>> = Vec::with_capacity(options.ledgers.len());
        for (name, _) in &options.ledgers {
            if names.iter().any(|known| **known == **name) {
                return Err(StartError::Ledger { name: name.clone() });
            }
            names.push(name.as_str().into());
        }
        let metrics = Metrics::new(&options.metrics).map_err(StartError::Metrics)?;
        let identity = Identity { cell: cell.into(), name: name.into(), epoch: options.epoch.0, clock };
        let (inputs_sender, inputs) = mpsc::channel(INPUTS);
        let actor = Actor::new(Parts {
            identity: identity.clone(),
            registry: registry.clone(),
            ids: ids.clone(),
            metrics,
            schedulers,
            ledgers: names.clone(),
            inputs,
            binder: options.binder,
            explainer: options.explainer,
        });
        let (stop, stopped) = oneshot::channel();
        let actor = tokio::spawn(actor.run(stopped));
        let mut helpers = JoinSet::new();
        helpers.spawn(follow::follow(registry, inputs_sender.clone()));
        helpers.spawn(replicas::accept(identity.clone(), options.replicas, inputs_sender.clone()));
        for (ledger, ((_, connector), name)) in options.ledgers.into_iter().zip(names).enumerate() {
            let address = Address { ledger, name, connector };
            helpers.spawn(ledgers::keep(identity.clone(), ids.clone(), address, inputs_sender.clone()));
        }
        Ok(Self { inputs: inputs_sender, stop: Some(stop), actor, _helpers: helpers })
    }

    /// Returns when the partition ends by itself, which it should not: the process is of no more use then.
    pub async fn ended(&self) {
        self.inputs.closed().await;
    }

    /// Ends the partition: no more decisions are taken, writes under way are finished, and peers are told.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Err(error) = (&mut self.actor).await {
            tracing::error!(%error, "the tenant partition died");
        }
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        self.actor.abort();
    }
}
