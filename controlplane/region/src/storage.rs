//! Where a control plane keeps what it must not lose: one store for tenants' objects and one for hosts.

use std::path::PathBuf;
use std::sync::Arc;

use meridian_environment::Clock;
use meridian_store::{EmbeddedOptions, Error, EtcdOptions, Store};

/// What the stores run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The directory of the logs; made when missing.
    pub dir: PathBuf,
    /// Salts the logs' checksums.
    pub seed: u64,
    /// The etcd of the tenants' objects: `http://HOST:PORT`, one or more. None: a log.
    pub tenants_etcd: Vec<String>,
    /// The etcd of the hosts. None: a log. It must be another one than that of the tenants, since a partition counts its
    /// revisions as its etcd does.
    pub hosts_etcd: Vec<String>,
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
    /// Logs in a directory.
    #[must_use]
    pub fn embedded(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), seed: 0, tenants_etcd: Vec::new(), hosts_etcd: Vec::new() }
    }

    pub(crate) async fn open(&self, cell: &str, clock: &Arc<dyn Clock>) -> Result<Stores, StorageError> {
        let tenants = self.open_one("tenants", &self.tenants_etcd, cell, clock).await?;
        match self.open_one("hosts", &self.hosts_etcd, cell, clock).await {
            Ok(hosts) => Ok(Stores { tenants, hosts }),
            Err(error) => {
                tenants.close().await;
                Err(error)
            }
        }
    }

    async fn open_one(
        &self,
        name: &str,
        etcd: &[String],
        cell: &str,
        clock: &Arc<dyn Clock>,
    ) -> Result<Store, StorageError> {
        let (place, opened) = if etcd.is_empty() {
            let options = EmbeddedOptions { seed: self.seed, ..EmbeddedOptions::new(self.dir.join(name)) };
            (self.dir.display().to_string(), Store::open_embedded(options, clock.clone()).await)
        } else {
            let prefix = format!("/meridian/{cell}/{name}/");
            let options = EtcdOptions { prefix, ..EtcdOptions::new(etcd.to_vec()) };
            (etcd.join(","), Store::open_etcd(options, clock.clone()).await)
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
