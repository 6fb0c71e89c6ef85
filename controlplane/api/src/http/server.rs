//! The server: what it is given, what it keeps, and the loop that accepts connections.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use meridian_environment::Clock;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection;
use super::discovery::{Discovery, Whose};
use super::document::Document;
use super::explain::ExplainRequest;
use super::health::ReadinessCheck;
use super::metrics::Metrics;
use super::openapi::OpenApi;
use super::version;
use crate::Registry;

/// How long to wait after the system refused to accept a connection, for lack of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server is given.
pub struct ServeOptions {
    /// Where objects are.
    pub registry: Registry,
    /// Where to listen: a loopback address.
    pub listener: TcpListener,
    /// How to speak TLS; none: plain text. See [`tls`](super::tls).
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The gRPC services on the same port.
    pub grpc: Option<axum::Router>,
    /// What `/metrics` shows; the server's own are registered here.
    pub metrics: prometheus::Registry,
    /// What must hold before `/readyz` says so.
    pub readiness: Vec<ReadinessCheck>,
    /// Who explains pods.
    pub explainer: Option<mpsc::Sender<ExplainRequest>>,
    /// How much is taken.
    pub limits: ServeLimits,
    /// Cancelled when the server has to end.
    pub shutdown: CancellationToken,
}

impl fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeOptions")
            .field("listener", &self.listener)
            .field("tls", &self.tls.is_some())
            .field("grpc", &self.grpc.is_some())
            .field("readiness", &self.readiness)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How much a server takes from its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeLimits {
    /// The most connections at a time; further ones wait to be accepted.
    pub connections: usize,
    /// The largest body of a request, in bytes.
    pub body: usize,
    /// The largest headers of a request, in bytes.
    pub headers: usize,
    /// How long a connection may take to its first request, a request's body to arrive, and a client to take any more
    /// of an answer.
    pub patience: Duration,
    /// How long a request may take until its answer begins; watches begin at once.
    pub request: Duration,
    /// How long a connection may rest between two requests.
    pub idle: Duration,
    /// How long requests may go on after shutdown was called for.
    pub grace: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: 8192,
            // As much as Kubernetes' API server takes.
            body: 3 << 20,
            headers: 64 << 10,
            patience: Duration::from_secs(30),
            request: Duration::from_secs(60),
            // Longer than clients keep connections (Go's 90 s), so that it is they who close.
            idle: Duration::from_secs(120),
            grace: Duration::from_secs(10),
        }
    }
}

/// Why a server does not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The listener's address can be reached from other machines.
    #[error(
        "refusing to serve on {address}: requests carry no credentials yet, so whoever reaches the address is the \
         administrator; listen on a loopback address, such as 127.0.0.1:{port}", port = address.port()
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The listener has no address.
    #[error("finding out the address that is listened on")]
    Listener(#[source] std::io::Error),
    /// The metrics are there already.
    #[error("registering the server's metrics")]
    Metrics(#[source] prometheus::Error),
}

/// What all requests share.
pub(super) struct Server {
    pub(super) registry: Registry,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) grpc: Option<axum::Router>,
    pub(super) metrics: Metrics,
    pub(super) readiness: Vec<ReadinessCheck>,
    pub(super) explainer: Option<mpsc::Sender<ExplainRequest>>,
    pub(super) limits: ServeLimits,
    pub(super) discovery: Discovery,
    /// The same for those in tenants.
    pub(super) tenant_discovery: Discovery,
    pub(super) openapi: OpenApi,
    pub(super) version: Document,
    /// Cancelled when the server has to end: watches end, connections finish what they are at.
    pub(super) shutdown: CancellationToken,
}

/// Serves until shutdown is called for and every request is answered, or cut off after the grace period.
///
/// # Errors
///
/// [`ServeError`], before anything is served.
pub async fn serve(options: ServeOptions) -> Result<(), ServeError> {
    let address = options.listener.local_addr().map_err(ServeError::Listener)?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback { address });
    }
    let clock = options.registry.clock();
    let server = Arc::new(Server {
        registry: options.registry,
        clock: Arc::clone(&clock),
        grpc: options.grpc,
        metrics: Metrics::new(options.metrics).map_err(ServeError::Metrics)?,
        readiness: options.readiness,
        explainer: options.explainer,
        limits: options.limits,
        discovery: Discovery::new(meridian_schema::kinds(), Whose::Operators),
        tenant_discovery: Discovery::new(meridian_schema::kinds(), Whose::Tenants),
        openapi: OpenApi::new(),
        version: Document::new(&version::document()),
        shutdown: options.shutdown.clone(),
    });
    let acceptor = options.tls.map(TlsAcceptor::from);
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    let permits = Arc::new(Semaphore::new(options.limits.connections));
    tracing::info!(%address, tls = acceptor.is_some(), "serving");
    loop {
        let accepted = tokio::select! {
            biased;
            () = options.shutdown.cancelled() => break,
            accepted = accept(&options.listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                let serving =
                    connection::serve(Arc::clone(&server), stream, acceptor.clone(), cut_off.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::select! {
                    () = options.shutdown.cancelled() => break,
                    () = clock.wait_until(clock.now() + ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    // Clients that try to connect from here on are refused, and do not hang.
    drop(options.listener);
    connections.close();
    tokio::select! {
        () = connections.wait() => {}
        () = clock.wait_until(clock.now() + options.limits.grace) => {
            tracing::warn!(connections = connections.len(), "cutting off what did not end within the grace period");
            cut_off.cancel();
            connections.wait().await;
        }
    }
    Ok(())
}

/// The next connection, once there is one and room for it.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(tokio::net::TcpStream, Option<tokio::sync::OwnedSemaphorePermit>)> {
    // The semaphore is never closed; if it were, there would be no limit.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}
