//! A region to measure, in a directory that goes with it.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use meridian_edge_agent::Delays;
use meridian_engine::Profile;
use meridian_environment::{Ids, MonotonicClock};
use meridian_region::{ControlPlane, ControlPlaneOptions, Region, RegionOptions, Storage};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::load::failed;
use crate::parameters::BenchError;

/// The region's name.
pub(super) const CELL: &str = "bench";

/// What runs.
pub(super) struct Setting {
    runs: Runs,
    client_tls: Option<Arc<rustls::ClientConfig>>,
    // Deleted last.
    dir: TempDir,
}

enum Runs {
    ControlPlane(Box<ControlPlane>),
    Region(Box<Region>),
}

/// Runs a bench on a runtime of its own.
pub(super) fn block_on<T>(bench: impl Future<Output = Result<T, BenchError>>) -> Result<T, BenchError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?.block_on(bench)
}

struct Certificates {
    server: Arc<rustls::ServerConfig>,
    client: Arc<rustls::ClientConfig>,
}

fn certificates() -> Result<Certificates, BenchError> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).map_err(failed)?;
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let mut server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .map_err(failed)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).map_err(failed)?;
    let client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Certificates { server: Arc::new(server), client: Arc::new(client) })
}

async fn control_plane_options(
    dir: &TempDir,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Result<ControlPlaneOptions, BenchError> {
    Ok(ControlPlaneOptions {
        cell: CELL.to_owned(),
        schedulers: vec!["default-scheduler".to_owned()],
        storage: Storage::embedded(dir.path()),
        listener: TcpListener::bind("127.0.0.1:0").await.map_err(failed)?,
        tls,
        clock: Arc::new(MonotonicClock::new()),
        ids: Arc::new(Ids::seeded(1)),
        metrics: prometheus::Registry::new(),
        readiness: Vec::new(),
    })
}

impl Setting {
    /// A control plane without a scheduler and without hosts.
    pub(super) async fn control_plane(tls: bool) -> Result<Self, BenchError> {
        let dir = tempfile::tempdir().map_err(failed)?;
        let certificates = if tls { Some(certificates()?) } else { None };
        let server_tls = certificates.as_ref().map(|certificates| certificates.server.clone());
        let options = control_plane_options(&dir, server_tls).await?;
        let control_plane = ControlPlane::start(options).await.map_err(failed)?;
        let client_tls = certificates.map(|certificates| certificates.client);
        Ok(Self { runs: Runs::ControlPlane(Box::new(control_plane)), client_tls, dir })
    }

    /// A control plane and a scheduler whose hosts are elsewhere.
    pub(super) async fn without_hosts(seed: u64) -> Result<Self, BenchError> {
        Self::region(0, seed).await
    }

    /// A region of simulated hosts that take no time for anything, ready.
    pub(super) async fn region(hosts: u32, seed: u64) -> Result<Self, BenchError> {
        let dir = tempfile::tempdir().map_err(failed)?;
        let region = Region::start(RegionOptions {
            control_plane: control_plane_options(&dir, None).await?,
            hosts,
            delays: Delays::ZERO,
            seed,
            agents: dir.path().join("agents.redb"),
            profile: Profile::meridian(),
        })
        .await
        .map_err(failed)?;
        let mut progress = region.progress();
        progress.wait_for(|progress| progress.is_ready).await.map_err(failed)?;
        Ok(Self { runs: Runs::Region(Box::new(region)), client_tls: None, dir })
    }

    pub(super) fn address(&self) -> SocketAddr {
        match &self.runs {
            Runs::ControlPlane(control_plane) => control_plane.address(),
            Runs::Region(region) => region.address(),
        }
    }

    pub(super) fn registry(&self) -> &meridian_api::Registry {
        match &self.runs {
            Runs::ControlPlane(control_plane) => control_plane.registry(),
            Runs::Region(region) => region.registry(),
        }
    }

    /// Where it keeps everything.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn client_tls(&self) -> Option<Arc<rustls::ClientConfig>> {
        self.client_tls.clone()
    }

    pub(super) async fn end(self) {
        match self.runs {
            Runs::ControlPlane(control_plane) => control_plane.shutdown().await,
            Runs::Region(region) => region.shutdown().await,
        }
    }
}
