//! What the partition keeps durably beside the Node objects: a record of each host, and the tenant partitions it knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use meridian_engine::{Devices, Host, Resources};
use meridian_ledger::HostNumber;
use meridian_store::{Key, KeyRange, Tenant};
use serde::{Deserialize, Serialize};

/// The version in which records are written, and the newest that is read.
const VERSION: u32 = 1;

const HOSTS: &str = "/-hosts/";
const TENANT_PARTITIONS: &str = "/-tenant-partitions/";

/// Why a record cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It does not say what a record says.
    #[error("the record at {key} cannot be read: restore the store from a backup")]
    Unreadable {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It was written by a newer program.
    #[error(
        "the record at {key} has version {found}, and this program reads up to version {VERSION}: run a newer one"
    )]
    Newer {
        /// Its key.
        key: String,
        /// Its version.
        found: u32,
    },
}

/// What is durable of a host: its number and incarnation, which must never go back, and what it offers, which claims are
/// measured by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeRecord {
    pub(crate) name: Arc<str>,
    pub(crate) number: HostNumber,
    pub(crate) incarnation: u64,
    pub(crate) allocatable: Resources,
    pub(crate) pods: i64,
    pub(crate) devices: Option<Devices>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    version: u32,
    number: u32,
    incarnation: u64,
    cpu_milli: i64,
    memory: i64,
    ephemeral_storage: i64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    extended: BTreeMap<String, i64>,
    pods: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_model: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    device_count: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[derive(Serialize, Deserialize)]
struct Versioned {
    version: u32,
}

impl NodeRecord {
    /// The host with what it durably offers, whatever its description says.
    pub(crate) fn applied_to(&self, mut host: Host) -> Host {
        host.name = self.name.to_string();
        host.allocatable.clone_from(&self.allocatable);
        host.pods = self.pods;
        host.devices.clone_from(&self.devices);
        host
    }

    /// Takes over what a host offers now; whether that is something else.
    pub(crate) fn offer(&mut self, host: &Host) -> bool {
        let is_same =
            self.allocatable == host.allocatable && self.pods == host.pods && self.devices == host.devices;
        self.allocatable.clone_from(&host.allocatable);
        self.pods = host.pods;
        self.devices.clone_from(&host.devices);
        !is_same
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Stored {
            version: VERSION,
            number: self.number.0,
            incarnation: self.incarnation,
            cpu_milli: self.allocatable.cpu_milli,
            memory: self.allocatable.memory,
            ephemeral_storage: self.allocatable.ephemeral_storage,
            extended: self.allocatable.extended.clone(),
            pods: self.pods,
            device_model: self.devices.as_ref().map(|devices| devices.model.clone()),
            device_count: self.devices.as_ref().map_or(0, |devices| devices.count),
        })
    }

    pub(crate) fn decode(key: &Key, value: &[u8]) -> Result<Self, RecordError> {
        let name = name_in(key, HOSTS);
        let stored: Stored = read(key, value)?;
        let devices = stored.device_model.map(|model| Devices { model, count: stored.device_count });
        Ok(Self {
            name,
            number: HostNumber(stored.number),
            incarnation: stored.incarnation,
            allocatable: Resources {
                cpu_milli: stored.cpu_milli,
                memory: stored.memory,
                ephemeral_storage: stored.ephemeral_storage,
                extended: stored.extended,
            },
            pods: stored.pods,
            devices,
        })
    }
}

/// The key of a host's record.
pub(crate) fn host_key(name: &str) -> Key {
    Key::new(&Tenant::system(), format!("{HOSTS}{name}"))
}

/// All records of hosts.
pub(crate) fn hosts() -> KeyRange {
    KeyRange::prefix(&Tenant::system(), HOSTS)
}

/// The key that says that a tenant partition is known.
pub(crate) fn tenant_partition_key(name: &str) -> Key {
    Key::new(&Tenant::system(), format!("{TENANT_PARTITIONS}{name}"))
}

/// All tenant partitions known.
pub(crate) fn tenant_partitions() -> KeyRange {
    KeyRange::prefix(&Tenant::system(), TENANT_PARTITIONS)
}

/// What is stored of a known tenant partition: that it is.
pub(crate) fn encode_tenant_partition() -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Versioned { version: VERSION })
}

/// The name of a known tenant partition.
pub(crate) fn decode_tenant_partition(key: &Key, value: &[u8]) -> Result<Arc<str>, RecordError> {
    read::<Versioned>(key, value)?;
    Ok(name_in(key, TENANT_PARTITIONS))
}

fn name_in(key: &Key, prefix: &str) -> Arc<str> {
    let path = String::from_utf8_lossy(key.path());
    Arc::from(path.strip_prefix(prefix).unwrap_or(&path))
}

fn read<T: for<'de> Deserialize<'de>>(key: &Key, value: &[u8]) -> Result<T, RecordError> {
    let unreadable = |source| RecordError::Unreadable { key: format!("{key:?}"), source };
    let Versioned { version } = serde_json::from_slice(value).map_err(unreadable)?;
    if version > VERSION {
        return Err(RecordError::Newer { key: format!("{key:?}"), found: version });
    }
    serde_json::from_slice(value).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_and_a_newer_one_is_refused() {
        let record = NodeRecord {
            name: "h1".into(),
            number: HostNumber(9),
            incarnation: 3,
            allocatable: Resources {
                cpu_milli: 4000,
                memory: 1 << 33,
                ephemeral_storage: 5,
                extended: [("example.com/fpga".into(), 2)].into(),
            },
            pods: 110,
            devices: Some(Devices { model: "A".into(), count: 8 }),
        };
        let key = host_key("h1");
        let value = record.encode().unwrap();
        assert_eq!(NodeRecord::decode(&key, &value).unwrap(), record);
        let newer = br#"{"version":2,"shape":"unknown"}"#;
        let error = NodeRecord::decode(&key, newer).unwrap_err().to_string();
        assert!(error.contains("/-hosts/h1 has version 2"), "{error}");
        assert!(matches!(NodeRecord::decode(&key, b"{}"), Err(RecordError::Unreadable { .. })));
        let known = tenant_partition_key("tp");
        assert_eq!(&*decode_tenant_partition(&known, &encode_tenant_partition().unwrap()).unwrap(), "tp");
    }
}
