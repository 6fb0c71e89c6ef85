//! Arguments that several services take.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use meridian_edge_agent::Delays;
use meridian_region::Storage;
use tokio::net::TcpListener;

/// Where a control plane listens and keeps its state.
#[derive(Debug, Args)]
pub(super) struct ControlPlaneArguments {
    /// Where to listen; port 0 takes any that is free. Requests carry no credentials yet, so only loopback addresses
    /// are taken.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6443")]
    listen: SocketAddr,
    /// Where to keep all state [default: meridian in the user's data directory].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where to write the kubeconfig [default: kubeconfig in the data directory].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// What keeps tenants' objects: a log in the data directory, or an etcd.
    #[arg(long, value_enum, default_value_t = StoreKind::Embedded)]
    store: StoreKind,
    /// Where the etcd of the tenants' objects listens, with `--store etcd`. It must hold nothing else.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    etcd_endpoints: Vec<String>,
    /// Where another etcd listens that keeps hosts, with `--store etcd` [default: a log in the data directory].
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    hosts_etcd_endpoints: Vec<String>,
    /// The region's name.
    #[arg(long, default_value = "region-1")]
    pub(super) cell: String,
    /// The server's certificate chain in PEM, to speak TLS.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The key of the certificate in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// The certificate, in PEM, of the authority that signed the server's: for the kubeconfig.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_authority: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StoreKind {
    Embedded,
    Etcd,
}

impl ControlPlaneArguments {
    /// The data directory, made if it is not there.
    pub(super) fn data_dir(&self) -> anyhow::Result<PathBuf> {
        let dir = match &self.data_dir {
            Some(dir) => dir.clone(),
            None => default_data_dir()?,
        };
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("making the data directory {}", dir.display()))?;
        // Others are told of it, and have another working directory.
        dir.canonicalize().with_context(|| format!("finding the data directory {}", dir.display()))
    }

    pub(super) fn storage(&self, dir: &Path) -> anyhow::Result<Storage> {
        let any = !self.etcd_endpoints.is_empty() || !self.hosts_etcd_endpoints.is_empty();
        match self.store {
            StoreKind::Embedded if any => {
                bail!(
                    "--etcd-endpoints is for --store etcd, and the store is embedded: say --store etcd as well"
                )
            }
            StoreKind::Etcd if self.etcd_endpoints.is_empty() => {
                bail!("--store etcd needs --etcd-endpoints, such as http://127.0.0.1:2379")
            }
            StoreKind::Etcd
                if self.etcd_endpoints.iter().any(|url| self.hosts_etcd_endpoints.contains(url)) =>
            {
                bail!(
                    "--hosts-etcd-endpoints names the etcd of --etcd-endpoints: hosts need one of their own"
                )
            }
            _ => {}
        }
        Ok(Storage {
            tenants_etcd: self.etcd_endpoints.clone(),
            hosts_etcd: self.hosts_etcd_endpoints.clone(),
            ..Storage::embedded(dir)
        })
    }

    pub(super) async fn listener(&self) -> anyhow::Result<TcpListener> {
        TcpListener::bind(self.listen).await.with_context(|| {
            format!(
                "listening on {}: choose another address with --listen, or port 0 for any that is free",
                self.listen
            )
        })
    }

    pub(super) fn tls(&self) -> anyhow::Result<Option<Arc<rustls::ServerConfig>>> {
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else { return Ok(None) };
        let read =
            |path: &PathBuf| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
        let config = meridian_api::tls(&read(certificate)?, &read(key)?)
            .with_context(|| format!("using {} with {}", certificate.display(), key.display()))?;
        Ok(Some(config))
    }

    /// The URL of the server.
    pub(super) fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.tls_certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// Writes the kubeconfig, and says where.
    pub(super) fn write_kubeconfig(&self, dir: &Path, address: SocketAddr) -> anyhow::Result<PathBuf> {
        let path = self.kubeconfig.clone().unwrap_or_else(|| dir.join("kubeconfig"));
        let authority = match &self.tls_authority {
            Some(path) => Some(path.canonicalize().with_context(|| format!("finding {}", path.display()))?),
            None => None,
        };
        let authority = authority.as_ref().map(|path| path.display().to_string());
        let text = meridian_api::kubeconfig("meridian", &self.url(address), None, authority.as_deref());
        crate::output::write_file(&path, &text)?;
        Ok(path)
    }
}

/// Where state is kept unless somebody says otherwise, by the XDG base directory specification.
pub(crate) fn default_data_dir() -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    let base = base.context("neither XDG_DATA_HOME nor HOME is set: name a directory with --data-dir")?;
    Ok(base.join("meridian"))
}

/// How long simulated pods take.
#[derive(Debug, Args)]
pub(super) struct DelayArguments {
    /// How long simulated hosts take to create a pod's sandbox, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 200)]
    create_delay: u64,
    /// How long they take to start its containers, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    start_delay: u64,
    /// How long they take to stop it, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 200)]
    stop_delay: u64,
}

impl DelayArguments {
    pub(super) fn delays(&self) -> Delays {
        Delays {
            create: Duration::from_millis(self.create_delay),
            start: Duration::from_millis(self.start_delay),
            stop: Duration::from_millis(self.stop_delay),
            ..Delays::default()
        }
    }
}
