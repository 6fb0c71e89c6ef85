//! Where a control plane keeps what it must not lose: one store for tenants' objects and one for hosts.

use std::path::PathBuf;
use std::sync::Arc;

use meridian_environment::Clock;
use meridian_store::{EmbeddedOptions, Error, EtcdOptions, Store};

/// What the stores run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Logs in a directory.
    Embedded {
        /// The directory; made when missing.
        dir: PathBuf,
        /// Salts the logs' checksums.
        seed: u64,
    },
    /// An etcd cluster.
    Etcd {
        /// Where it listens: `http://HOST:PORT`, one or more.
        endpoints: Vec<String>,
        /// The cell, which is part of every key.
        cell: String,
    },
}

/// Why the stores could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("opening the store of {what}")]
pub struct StorageError {
    /// Which store, and where.
    what: String,
    /// Why.
    source: Error,
}

/// Both stores, open.
#[derive(Clone, Debug)]
pub(crate) struct Stores {
    pub(crate) tenants: Store,
    pub(crate) hosts: Store,
}

impl Storage {
    pub(crate) async fn open(&self, clock: &Arc<dyn Clock>) -> Result<Stores, StorageError> {
        let tenants = self.open_one("tenants", clock).await?;
        match self.open_one("hosts", clock).await {
            Ok(hosts) => Ok(Stores { tenants, hosts }),
            Err(error) => {
                tenants.close().await;
                Err(error)
            }
        }
    }

    async fn open_one(&self, name: &str, clock: &Arc<dyn Clock>) -> Result<Store, StorageError> {
        let (place, opened) = match self {
            Self::Embedded { dir, seed } => {
                let options = EmbeddedOptions { seed: *seed, ..EmbeddedOptions::new(dir.join(name)) };
                (dir.display().to_string(), Store::open_embedded(options, clock.clone()).await)
            }
            Self::Etcd { endpoints, cell } => {
                let prefix = format!("/meridian/{cell}/{name}/");
                let options = EtcdOptions { prefix, ..EtcdOptions::new(endpoints.clone()) };
                (endpoints.join(","), Store::open_etcd(options, clock.clone()).await)
            }
        };
        opened.map_err(|source| StorageError { what: format!("{name} in {place}"), source })
    }
}

impl Stores {
    pub(crate) async fn close(&self) {
        self.tenants.close().await;
        self.hosts.close().await;
    }
}
