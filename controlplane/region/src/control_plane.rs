//! One process of a control plane.

use std::net::SocketAddr;
use std::sync::Arc;

use meridian_api::{
    OpenError, ReadinessCheck, Registry, RegistryLimits, RegistryOptions, ServeError, ServeLimits,
    ServeOptions, serve,
};
use meridian_controllers::{Controllers, ControllersOptions};
use meridian_environment::{Clock, Ids};
use meridian_hosts::{HostPartition, HostPartitionOptions};
use meridian_partition::{Partition, PartitionOptions};
use meridian_proto::{Connector, v1};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::storage::{Storage, StorageError, Stores};

/// Messages under way in each direction of a stream within the process.
const CAPACITY: usize = 256;
/// Questions about pods, and orders to bind them, that wait.
const WAITING: usize = 1024;
/// The names of the one tenant partition and the one host partition.
const TENANT_PARTITION: &str = "tenants-0";
const HOST_PARTITION: &str = "hosts-0";

/// What a control plane is given.
#[derive(Debug)]
pub struct ControlPlaneOptions {
    /// The cell (region) that it runs.
    pub cell: String,
    /// The scheduler names (`schedulerName`) of pods that its replicas decide on.
    pub schedulers: Vec<String>,
    /// Where it keeps its state.
    pub storage: Storage,
    /// Where clients, replicas and agents reach it: a listener on a loopback address.
    pub listener: TcpListener,
    /// How to speak TLS; none: plain text.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and seeds.
    pub ids: Arc<Ids>,
    /// Where metrics are registered.
    pub metrics: prometheus::Registry,
    /// What else must hold before it calls itself ready.
    pub readiness: Vec<ReadinessCheck>,
}

/// Why a control plane could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlPlaneError {
    /// A store.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The registry upon the stores.
    #[error("reading the stores")]
    Registry(#[source] OpenError),
    /// The host partition.
    #[error("starting the host partition")]
    Hosts(#[source] meridian_hosts::StartError),
    /// The tenant partition.
    #[error("starting the tenant partition")]
    Partition(#[source] meridian_partition::StartError),
    /// Metrics of one name twice.
    #[error("registering metrics")]
    Metrics(#[from] prometheus::Error),
    /// The server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The listener.
    #[error("finding out the address that is listened on")]
    Listener(#[source] std::io::Error),
    /// Something ended that should go on.
    #[error("the server ended before it was told to")]
    Ended,
    /// The host partition ended.
    #[error("the host partition ended: another process has taken it over, or its store failed")]
    HostsEnded,
    /// The tenant partition ended.
    #[error("the tenant partition ended: another process has taken it over, or its store was closed")]
    PartitionEnded,
}

/// A running control plane.
#[derive(Debug)]
pub struct ControlPlane {
    address: SocketAddr,
    registry: Registry,
    stores: Stores,
    hosts: HostPartition,
    partition: Partition,
    controllers: Controllers,
    /// None: it has ended.
    server: Option<JoinHandle<Result<(), ServeError>>>,
    stop_server: CancellationToken,
    /// Where replicas and agents of this process open their streams.
    pub(crate) scheduling: Connector<v1::ReplicaMessage, v1::PartitionMessage>,
    pub(crate) host_feed: Connector<v1::HostFeedRequest, v1::HostFeedResponse>,
    pub(crate) link: Connector<v1::AgentMessage, v1::LinkMessage>,
}

impl ControlPlane {
    /// Starts everything. When this returns, requests are answered.
    ///
    /// # Errors
    ///
    /// [`ControlPlaneError`]; nothing runs then.
    pub async fn start(options: ControlPlaneOptions) -> Result<Self, ControlPlaneError> {
        let ControlPlaneOptions { cell, schedulers, storage, listener, tls, clock, ids, metrics, readiness } =
            options;
        let address = listener.local_addr().map_err(ControlPlaneError::Listener)?;
        if !address.ip().is_loopback() {
            // The server would refuse it too, but only after everything was started.
            return Err(ServeError::NotLoopback { address }.into());
        }
        let stores = storage.open(&cell, &clock).await?;
        let registry = Registry::open(RegistryOptions {
            tenants: stores.tenants.clone(),
            hosts: stores.hosts.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            limits: RegistryLimits::default(),
        })
        .await
        .map_err(ControlPlaneError::Registry)?;
        registry.register_metrics(&metrics)?;

        let (ledger, claims) = meridian_proto::local("the ledger", CAPACITY);
        let (link, agents) = meridian_proto::local("the link", CAPACITY);
        let (host_feed, followers) = meridian_proto::local("the feed of hosts", CAPACITY);
        let (scheduling, replicas) = meridian_proto::local("the scheduling service", CAPACITY);
        let (bind, binder) = mpsc::channel(WAITING);
        let (explain, explainer) = mpsc::channel(WAITING);
        registry.set_binder(bind);

        let hosts = HostPartition::start(HostPartitionOptions {
            name: HOST_PARTITION.to_owned(),
            cell: cell.clone(),
            registry: registry.clone(),
            store: stores.hosts.clone(),
            clock: clock.clone(),
            ledger: claims,
            links: agents,
            feed: followers,
            metrics: metrics.clone(),
        })
        .await
        .map_err(ControlPlaneError::Hosts)?;
        let partition = Partition::start(PartitionOptions {
            name: TENANT_PARTITION.to_owned(),
            cell,
            epoch: stores.tenants.epoch(),
            schedulers,
            registry: registry.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            ledgers: vec![(HOST_PARTITION.to_owned(), ledger)],
            replicas,
            binder,
            explainer,
            metrics: metrics.clone(),
        })
        .await
        .map_err(ControlPlaneError::Partition)?;
        let controllers = Controllers::start(ControllersOptions {
            registry: registry.clone(),
            clock,
            ids,
            metrics: metrics.clone(),
        })?;

        // A router may have one answer for what it does not know: the first one's.
        let services = meridian_proto::scheduling_service(scheduling.clone())
            .into_axum_router()
            .merge(meridian_proto::host_feed_service(host_feed.clone()).into_axum_router().reset_fallback())
            .merge(meridian_proto::link_service(link.clone()).into_axum_router().reset_fallback());
        let stop_server = CancellationToken::new();
        let server = tokio::spawn(serve(ServeOptions {
            registry: registry.clone(),
            listener,
            tls,
            grpc: Some(services),
            metrics,
            readiness,
            explainer: Some(explain),
            limits: ServeLimits::default(),
            shutdown: stop_server.clone(),
        }));
        Ok(Self {
            address,
            registry,
            stores,
            hosts,
            partition,
            controllers,
            server: Some(server),
            stop_server,
            scheduling,
            host_feed,
            link,
        })
    }

    /// Where it is reached.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its objects, for those in the same process.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns when a part of it ends by itself, as it does when another process takes over: what is left is of no use, and
    /// the process should end.
    ///
    /// # Errors
    ///
    /// Which part, or why it ended.
    pub async fn ended(&mut self) -> Result<(), ControlPlaneError> {
        let Some(server) = &mut self.server else { return Err(ControlPlaneError::Ended) };
        let ended = tokio::select! {
            ended = server => ended,
            () = self.hosts.ended() => return Err(ControlPlaneError::HostsEnded),
            () = self.partition.ended() => return Err(ControlPlaneError::PartitionEnded),
        };
        self.server = None;
        match ended {
            Ok(Err(error)) => Err(error.into()),
            _ => Err(ControlPlaneError::Ended),
        }
    }

    /// As another process does.
    #[cfg(test)]
    pub(crate) async fn take_hosts_over(&self) -> meridian_store::Store {
        self.stores.hosts.take_over().await.expect("the store is open")
    }

    /// As another process does.
    #[cfg(test)]
    pub(crate) async fn take_tenants_over(&self) -> meridian_store::Store {
        self.stores.tenants.take_over().await.expect("the store is open")
    }

    /// Ends everything in order: no new requests, then those who write, then the stores.
    pub async fn shutdown(self) {
        self.stop_server.cancel();
        if let Some(server) = self.server {
            // How it ended matters no more.
            let _ = server.await;
        }
        self.controllers.shutdown().await;
        self.partition.shutdown().await;
        self.hosts.shutdown().await;
        self.registry.shutdown().await;
        self.stores.close().await;
    }
}
