//! The engines under test, and a way to open a partition again.

use std::sync::Arc;

use meridian_environment::ManualClock;
#[cfg(feature = "etcd")]
use meridian_store::EtcdOptions;
use meridian_store::{EmbeddedOptions, Key, KeyRange, Op, RangeRequest, Store, Tenant, Txn, TxnResult};
use tempfile::TempDir;

/// A partition on one of the engines.
pub(crate) struct Backend {
    on: On,
    pub(crate) clock: Arc<ManualClock>,
}

enum On {
    Embedded(TempDir),
    #[cfg(feature = "etcd")]
    Etcd {
        endpoint: String,
        prefix: String,
    },
}

impl Backend {
    pub(crate) fn embedded() -> Self {
        Self { on: On::Embedded(TempDir::new().unwrap()), clock: Arc::default() }
    }

    #[cfg(feature = "etcd")]
    pub(crate) fn etcd(endpoint: String, prefix: String) -> Self {
        Self { on: On::Etcd { endpoint, prefix }, clock: Arc::default() }
    }

    /// Another partition on the same engine.
    #[cfg_attr(not(feature = "etcd"), expect(unused_variables, reason = "a directory needs no name"))]
    pub(crate) fn another(&self, name: &str) -> Self {
        match &self.on {
            On::Embedded(_) => Self::embedded(),
            #[cfg(feature = "etcd")]
            On::Etcd { endpoint, prefix } => Self {
                on: On::Etcd { endpoint: endpoint.clone(), prefix: format!("{prefix}{name}/") },
                clock: Arc::default(),
            },
        }
    }

    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.on, On::Embedded(_))
    }

    /// Opens the partition, for the first time or again.
    pub(crate) async fn open(&self) -> Store {
        match &self.on {
            On::Embedded(dir) => {
                // Small, so that files change and snapshots are taken in every test.
                let options = EmbeddedOptions {
                    segment_bytes: 4096,
                    snapshot_bytes: 6000,
                    ..EmbeddedOptions::new(dir.path().join("data"))
                };
                Store::open_embedded(options, self.clock.clone()).await.unwrap()
            }
            #[cfg(feature = "etcd")]
            On::Etcd { endpoint, prefix } => {
                let options =
                    EtcdOptions { prefix: prefix.clone(), ..EtcdOptions::new(vec![endpoint.clone()]) };
                Store::open_etcd(options, self.clock.clone()).await.unwrap()
            }
        }
    }
}

pub(crate) fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

/// A key of tenant `t`.
pub(crate) fn key(path: &str) -> Key {
    Key::new(&tenant("t"), path)
}

pub(crate) fn all() -> KeyRange {
    KeyRange::tenant(&tenant("t"))
}

pub(crate) async fn put(store: &Store, key: &Key, value: &str) -> TxnResult {
    let tenant = tenant(key.tenant());
    store.txn(Txn::new(&tenant).then(Op::put(key, value.to_owned()))).await.unwrap()
}

pub(crate) async fn delete(store: &Store, key: &Key) -> TxnResult {
    let tenant = tenant(key.tenant());
    store.txn(Txn::new(&tenant).then(Op::delete(key))).await.unwrap()
}

/// Paths and values in a range.
pub(crate) async fn dump(store: &Store, request: RangeRequest) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let result = store.range(&request).await.unwrap();
    result.kvs.iter().map(|kv| (text(kv.key.path()), text(&kv.value))).collect()
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}
