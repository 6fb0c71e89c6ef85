//! The stored form of binding records, of fences, of the holders of volumes and of the region's secret.
//!
//! All begin with eight bytes that say what they are and in which version, then comes a checksum of the rest. A version
//! that is not known is refused by name. A binding record is of version 1 where its pod has no volumes, so that older
//! programs read it as long as they can. Numbers are little-endian; text and bytes follow their length in four bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{BindingRecord, BindingState, ClaimName, VolumeHolders};

const BINDING: &[u8; 4] = b"MBND";
const FENCE: &[u8; 4] = b"MFNC";
const SECRET: &[u8; 4] = b"MSEC";
const VOLUME: &[u8; 4] = b"MVOL";
/// The newest version of each.
const BINDING_VERSION: u32 = 3;
const FENCE_VERSION: u32 = 1;
const VOLUME_VERSION: u32 = 1;
const SECRET_VERSION: u32 = 1;
const HEAD: usize = 12;

/// Why a stored record cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// It is something else.
    #[error("it is {found:?} and not a {want}")]
    Magic {
        /// What it should be.
        want: &'static str,
        /// How it begins.
        found: Vec<u8>,
    },
    /// It was written by a newer program.
    #[error("it has version {found}, and this program reads version {newest}: run a newer one")]
    Version {
        /// Its version.
        found: u32,
        /// The newest that is known.
        newest: u32,
    },
    /// It is damaged.
    #[error("its checksum is {found:08x} and should be {want:08x}")]
    Checksum {
        /// What it should be.
        want: u32,
        /// What it is.
        found: u32,
    },
    /// It is too short.
    #[error("it ends within {field}")]
    Truncated {
        /// Where.
        field: &'static str,
    },
    /// A part of it makes no sense.
    #[error("{field} is not what it should be")]
    Field {
        /// Which.
        field: &'static str,
    },
}

impl BindingRecord {
    /// The stored form.
    pub(crate) fn encode(&self) -> Bytes {
        let size =
            HEAD + 64 + self.uid.len() + self.host.len() + self.host_partition.len() + self.demand.len();
        let volumes: usize = self.volumes.iter().map(|volume| 4 + volume.len()).sum();
        let version = match (self.numa, self.volumes.is_empty()) {
            (0, true) => 1,
            (0, false) => 2,
            _ => BINDING_VERSION,
        };
        let mut body = start(BINDING, version, size + self.claim.partition.len() + volumes);
        body.put_u8(match self.state {
            BindingState::Bound => 1,
            BindingState::Terminating => 2,
            BindingState::Ghost => 3,
        });
        put(&mut body, self.uid.as_bytes());
        put(&mut body, self.host.as_bytes());
        put(&mut body, self.host_partition.as_bytes());
        body.put_u64_le(self.incarnation);
        put(&mut body, self.claim.partition.as_bytes());
        body.put_u64_le(self.claim.epoch);
        body.put_u64_le(self.claim.sequence);
        put(&mut body, &self.demand);
        body.put_u64_le(self.devices);
        if version > 1 {
            put_all(&mut body, &self.volumes);
        }
        if version > 2 {
            body.put_u32_le(self.numa);
        }
        finish(body)
    }

    /// A record from its stored form.
    ///
    /// # Errors
    ///
    /// What is wrong with the stored form.
    pub fn decode(stored: &Bytes) -> Result<Self, RecordError> {
        let (version, mut body) = open(stored, BINDING, "binding record", BINDING_VERSION)?;
        let state = match number::<1>(&mut body, "state")?[0] {
            1 => BindingState::Bound,
            2 => BindingState::Terminating,
            3 => BindingState::Ghost,
            _ => return Err(RecordError::Field { field: "state" }),
        };
        let record = Self {
            uid: text(&mut body, "uid")?,
            host: text(&mut body, "host")?,
            host_partition: text(&mut body, "host partition")?,
            incarnation: long(&mut body, "incarnation")?,
            claim: ClaimName {
                partition: text(&mut body, "claim's partition")?,
                epoch: long(&mut body, "claim's epoch")?,
                sequence: long(&mut body, "claim's sequence")?,
            },
            demand: take(&mut body, "demand")?,
            devices: long(&mut body, "devices")?,
            volumes: if version > 1 { texts(&mut body, "volumes")? } else { Vec::new() },
            numa: if version > 2 { u32::from_le_bytes(number::<4>(&mut body, "numa")?) } else { 0 },
            state,
        };
        if body.is_empty() { Ok(record) } else { Err(RecordError::Field { field: "the end" }) }
    }
}

impl VolumeHolders {
    /// The stored form.
    pub(crate) fn encode(&self) -> Bytes {
        let mut body = start(VOLUME, VOLUME_VERSION, HEAD + 64);
        put(&mut body, self.host.as_bytes());
        put_all(&mut body, &self.uids);
        finish(body)
    }

    /// From the stored form.
    pub(crate) fn decode(stored: &Bytes) -> Result<Self, RecordError> {
        let (_, mut body) = open(stored, VOLUME, "volume's holders", VOLUME_VERSION)?;
        let holders = Self { host: text(&mut body, "host")?, uids: texts(&mut body, "uids")? };
        if body.is_empty() { Ok(holders) } else { Err(RecordError::Field { field: "the end" }) }
    }
}

/// The stored form of a fence. Equal fences have equal bytes, so that transactions can compare them.
pub(crate) fn encode_fence(epoch: u64) -> Bytes {
    let mut body = start(FENCE, FENCE_VERSION, HEAD + 8);
    body.put_u64_le(epoch);
    finish(body)
}

/// A fence from its stored form.
pub(crate) fn decode_fence(stored: &Bytes) -> Result<u64, RecordError> {
    let (_, mut body) = open(stored, FENCE, "fence", FENCE_VERSION)?;
    let epoch = long(&mut body, "epoch")?;
    if body.is_empty() { Ok(epoch) } else { Err(RecordError::Field { field: "the end" }) }
}

/// The stored form of the secret that the names of virtual nodes are made under.
pub(crate) fn encode_secret(secret: &[u8; 32]) -> Bytes {
    let mut body = start(SECRET, SECRET_VERSION, HEAD + secret.len());
    body.put_slice(secret);
    finish(body)
}

/// The secret from its stored form.
pub(crate) fn decode_secret(stored: &Bytes) -> Result<[u8; 32], RecordError> {
    let (_, mut body) = open(stored, SECRET, "secret", SECRET_VERSION)?;
    let secret = number(&mut body, "secret")?;
    if body.is_empty() { Ok(secret) } else { Err(RecordError::Field { field: "the end" }) }
}

fn start(magic: &[u8; 4], version: u32, size: usize) -> BytesMut {
    let mut body = BytesMut::with_capacity(size);
    body.put_slice(magic);
    body.put_u32_le(version);
    body.put_u32_le(0);
    body
}

fn finish(mut body: BytesMut) -> Bytes {
    let checksum = crc32c::crc32c(&body[HEAD..]).to_le_bytes();
    body[HEAD - 4..HEAD].copy_from_slice(&checksum);
    body.freeze()
}

/// The version, and the rest behind a head that is as it should be.
fn open(
    stored: &Bytes,
    magic: &[u8; 4],
    want: &'static str,
    newest: u32,
) -> Result<(u32, Bytes), RecordError> {
    let mut body = stored.clone();
    let found = number::<4>(&mut body, "what it is")?;
    if found != *magic {
        return Err(RecordError::Magic { want, found: found.to_vec() });
    }
    let version = u32::from_le_bytes(number(&mut body, "version")?);
    if !(1..=newest).contains(&version) {
        return Err(RecordError::Version { found: version, newest });
    }
    let found = u32::from_le_bytes(number(&mut body, "checksum")?);
    let want = crc32c::crc32c(&body);
    if found == want { Ok((version, body)) } else { Err(RecordError::Checksum { want, found }) }
}

fn put(body: &mut BytesMut, bytes: &[u8]) {
    // A record is far smaller than the store's largest value.
    body.put_u32_le(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    body.put_slice(bytes);
}

fn put_all(body: &mut BytesMut, texts: &[String]) {
    body.put_u32_le(u32::try_from(texts.len()).unwrap_or(u32::MAX));
    for text in texts {
        put(body, text.as_bytes());
    }
}

fn texts(body: &mut Bytes, field: &'static str) -> Result<Vec<String>, RecordError> {
    let count = u32::from_le_bytes(number(body, field)?);
    (0..count).map(|_| text(body, field)).collect()
}

fn number<const N: usize>(body: &mut Bytes, field: &'static str) -> Result<[u8; N], RecordError> {
    let bytes =
        body.get(..N).and_then(|bytes| bytes.try_into().ok()).ok_or(RecordError::Truncated { field })?;
    body.advance(N);
    Ok(bytes)
}

fn long(body: &mut Bytes, field: &'static str) -> Result<u64, RecordError> {
    number(body, field).map(u64::from_le_bytes)
}

fn take(body: &mut Bytes, field: &'static str) -> Result<Bytes, RecordError> {
    let length = u32::from_le_bytes(number(body, field)?) as usize;
    if body.len() < length {
        return Err(RecordError::Truncated { field });
    }
    Ok(body.split_to(length))
}

fn text(body: &mut Bytes, field: &'static str) -> Result<String, RecordError> {
    String::from_utf8(take(body, field)?.into()).map_err(|_| RecordError::Field { field })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> BindingRecord {
        BindingRecord {
            uid: "5f0c".to_owned(),
            host: "host-7".to_owned(),
            host_partition: "hosts".to_owned(),
            incarnation: 3,
            claim: ClaimName { partition: "tenants".to_owned(), epoch: 2, sequence: 99 },
            demand: Bytes::from_static(b"\x01\x02"),
            devices: 5,
            numa: 0,
            volumes: Vec::new(),
            state: BindingState::Terminating,
        }
    }

    fn with_volumes() -> BindingRecord {
        BindingRecord { volumes: vec!["data".to_owned(), "logs".to_owned()], ..record() }
    }

    fn holders() -> VolumeHolders {
        VolumeHolders { host: "host-7".to_owned(), uids: vec!["5f0c".to_owned()] }
    }

    /// Version 1 as it was first written.
    const VERSION_1: &str = "4d424e4401000000f21cc7ac02040000003566306306000000686f73742d3705000000686f737473\
        03000000000000000700000074656e616e7473020000000000000063000000000000000200000001020500000000000000";
    const VERSION_2: &str = "4d424e440200000020dd379202040000003566306306000000686f73742d3705000000686f737473\
        03000000000000000700000074656e616e74730200000000000000630000000000000002000000010205000000000000000\
        20000000400000064617461040000006c6f6773";
    const VOLUME_VERSION_1: &str = "4d564f4c010000007280e4b106000000686f73742d37010000000400000035663063";
    const FENCE_VERSION_1: &str = "4d464e43010000008eb771760700000000000000";

    const SECRET_VERSION_1: &str = "4d534543010000004e79dd46\
        000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn secret() -> [u8; 32] {
        std::array::from_fn(|at| u8::try_from(at).unwrap())
    }

    fn bytes(hex: &str) -> Bytes {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    #[test]
    fn each_version_is_read_for_ever() {
        assert_eq!(BindingRecord::decode(&bytes(VERSION_1)), Ok(record()));
        assert_eq!(record().encode(), bytes(VERSION_1), "older programs read what has no volumes");
        assert_eq!(BindingRecord::decode(&bytes(VERSION_2)), Ok(with_volumes()));
        assert_eq!(VolumeHolders::decode(&bytes(VOLUME_VERSION_1)), Ok(holders()));
        assert_eq!(decode_fence(&bytes(FENCE_VERSION_1)), Ok(7));
        // Fences are compared as bytes.
        assert_eq!(encode_fence(7), bytes(FENCE_VERSION_1));
        assert_eq!(decode_secret(&bytes(SECRET_VERSION_1)), Ok(secret()));
    }

    #[test]
    fn what_is_stored_is_read_back_and_what_is_damaged_is_refused() {
        let stored = with_volumes().encode();
        assert_eq!(BindingRecord::decode(&stored), Ok(with_volumes()));
        for by_node in [record(), with_volumes()].map(|record| BindingRecord { numa: 0b10, ..record }) {
            assert_eq!(BindingRecord::decode(&by_node.encode()), Ok(by_node));
        }
        assert_eq!(VolumeHolders::decode(&holders().encode()), Ok(holders()));
        assert_eq!(decode_fence(&encode_fence(u64::MAX)), Ok(u64::MAX));
        let kept = encode_secret(&secret());
        assert_eq!(decode_secret(&kept), Ok(secret()));
        for at in 0..kept.len() {
            assert!(decode_secret(&kept.slice(..at)).is_err(), "cut at {at}");
            let mut damaged = kept.to_vec();
            damaged[at] ^= 0x40;
            assert!(decode_secret(&damaged.into()).is_err(), "damaged at {at}");
        }
        for at in 0..stored.len() {
            assert!(BindingRecord::decode(&stored.slice(..at)).is_err(), "cut at {at}");
            let mut damaged = stored.to_vec();
            damaged[at] ^= 0x40;
            assert!(BindingRecord::decode(&damaged.into()).is_err(), "damaged at {at}");
        }
        let mut longer = stored.to_vec();
        longer.push(0);
        assert!(BindingRecord::decode(&longer.into()).is_err());
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut newer = record().encode().to_vec();
        newer[4] = 4;
        let error = BindingRecord::decode(&newer.into()).unwrap_err();
        assert_eq!(error.to_string(), "it has version 4, and this program reads version 3: run a newer one");
        let error = BindingRecord::decode(&encode_fence(1)).unwrap_err();
        assert!(error.to_string().contains("not a binding record"), "{error}");
    }
}
