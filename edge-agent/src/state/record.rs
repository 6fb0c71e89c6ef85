//! How local state is laid down.
//!
//! A key is the length of the host's name, the name, and `h` for what is kept of the host, or `p`, a pod's uid, and `o` for
//! its object or `s` for its state. So all of a host lies together, and a pod's two records do. The empty name holds the
//! format of the file.
//!
//! A value is the version of the format, a CRC-32C of the key and the payload, and the payload: a protobuf message, or the
//! object as it came. Fields may be added to the messages; whatever older versions must not overlook makes a new format.

use prost::Message;

use crate::duty::{HostRecord, PodState, PodUid, Position};

/// The newest format known here.
pub(super) const FORMAT: u8 = 1;

const HEADER: usize = 5;

/// What is kept of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostState {
    /// What the rules need.
    pub(crate) record: HostRecord,
    /// How often an agent has started on this state: status numbers begin with it, and so never come again.
    pub(crate) starts: u64,
}

/// What is kept of a pod, beside its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodRecord {
    pub(crate) tenant: String,
    pub(crate) state: PodState,
    /// The runtime's own account of the pod.
    pub(crate) runtime: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredHost {
    #[prost(uint64, tag = "1")]
    highest_epoch: u64,
    #[prost(uint64, tag = "2")]
    incarnation: u64,
    #[prost(message, optional, tag = "3")]
    position: Option<StoredPosition>,
    #[prost(uint64, tag = "4")]
    starts: u64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPosition {
    #[prost(string, tag = "1")]
    partition: String,
    #[prost(uint64, tag = "2")]
    epoch: u64,
    #[prost(uint64, tag = "3")]
    number: u64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPod {
    #[prost(string, tag = "1")]
    tenant: String,
    #[prost(enumeration = "StoredState", tag = "2")]
    state: i32,
    #[prost(uint32, tag = "3")]
    grace_seconds: u32,
    #[prost(bytes = "vec", tag = "4")]
    runtime: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum StoredState {
    Unknown = 0,
    Running = 1,
    Stopping = 2,
    Stopped = 3,
}

impl HostState {
    pub(super) fn encode(&self) -> Vec<u8> {
        let position = self.record.position.as_ref().map(|position| StoredPosition {
            partition: position.partition.to_string(),
            epoch: position.epoch,
            number: position.number,
        });
        StoredHost {
            highest_epoch: self.record.highest_epoch,
            incarnation: self.record.incarnation,
            position,
            starts: self.starts,
        }
        .encode_to_vec()
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, &'static str> {
        let stored = StoredHost::decode(payload).map_err(|_| "is no account of a host")?;
        let position = stored.position.map(|position| Position {
            partition: position.partition.into(),
            epoch: position.epoch,
            number: position.number,
        });
        let record =
            HostRecord { highest_epoch: stored.highest_epoch, incarnation: stored.incarnation, position };
        Ok(Self { record, starts: stored.starts })
    }
}

impl PodRecord {
    pub(super) fn encode(self) -> Vec<u8> {
        let (state, grace_seconds) = match self.state {
            PodState::Running => (StoredState::Running, 0),
            PodState::Stopping { grace_seconds } => (StoredState::Stopping, grace_seconds),
            PodState::Stopped => (StoredState::Stopped, 0),
        };
        StoredPod { tenant: self.tenant, state: state.into(), grace_seconds, runtime: self.runtime }
            .encode_to_vec()
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, &'static str> {
        let stored = StoredPod::decode(payload).map_err(|_| "is no account of a pod")?;
        let state = match stored.state() {
            StoredState::Running => PodState::Running,
            StoredState::Stopping => PodState::Stopping { grace_seconds: stored.grace_seconds },
            StoredState::Stopped => PodState::Stopped,
            StoredState::Unknown => return Err("has a state that is none of running, stopping and stopped"),
        };
        Ok(Self { tenant: stored.tenant, state, runtime: stored.runtime })
    }
}

/// What a key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Host,
    Object(PodUid),
    State(PodUid),
}

/// What the keys of a host begin with.
pub(super) fn prefix(host: &str) -> Vec<u8> {
    let length = u32::try_from(host.len()).unwrap_or(u32::MAX);
    let mut key = Vec::with_capacity(4 + host.len() + 48);
    key.extend_from_slice(&length.to_be_bytes());
    key.extend_from_slice(host.as_bytes());
    key
}

/// The key of a section, over what `prefix` gave.
pub(super) fn key(prefix: &[u8], section: &Section) -> Vec<u8> {
    let mut key = prefix.to_vec();
    match section {
        Section::Host => key.push(b'h'),
        Section::Object(uid) | Section::State(uid) => {
            key.push(b'p');
            key.extend_from_slice(uid.as_str().as_bytes());
            key.push(if matches!(section, Section::Object(_)) { b'o' } else { b's' });
        }
    }
    key
}

/// What a key names, without the prefix of its host.
pub(super) fn section(rest: &[u8]) -> Result<Section, &'static str> {
    const UNKNOWN: &str = "has a key of no known kind";
    match rest {
        [b'h'] => Ok(Section::Host),
        [b'p', uid @ .., kind] => {
            let uid = PodUid::from(std::str::from_utf8(uid).map_err(|_| "has a pod's uid that is no text")?);
            match kind {
                b'o' => Ok(Section::Object(uid)),
                b's' => Ok(Section::State(uid)),
                _ => Err(UNKNOWN),
            }
        }
        _ => Err(UNKNOWN),
    }
}

/// A value as it is stored under a key.
pub(super) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER + payload.len());
    value.push(FORMAT);
    value.extend_from_slice(&checksum(key, payload).to_le_bytes());
    value.extend_from_slice(payload);
    value
}

/// What is wrong with a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Newer(u8),
    Corrupt(&'static str),
}

/// The payload of a value that was stored under a key.
pub(super) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Broken> {
    let [format, a, b, c, d, payload @ ..] = value else { return Err(Broken::Corrupt("is cut short")) };
    // The version before the checksum, which a newer format may have computed in another way.
    match *format {
        0 => return Err(Broken::Corrupt("has the format 0")),
        FORMAT => {}
        newer => return Err(Broken::Newer(newer)),
    }
    if checksum(key, payload) != u32::from_le_bytes([*a, *b, *c, *d]) {
        return Err(Broken::Corrupt("has a wrong checksum"));
    }
    Ok(payload)
}

fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), payload)
}
