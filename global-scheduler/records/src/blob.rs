//! A value of any size as a head and pieces: a store takes values of a bounded size only.

use std::io::Read;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use meridian_store::{Key, KeyRange, KeyValue, Op, Tenant, Txn};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

/// The most bytes of a world or a plan as it is stored, compressed. One of each fits into a transaction of the store.
pub const MOST_STORED: u64 = 7 << 19;

/// The most bytes of a world or a plan as JSON, which bounds what reading one takes.
pub const MOST_JSON: u64 = 256 << 20;

/// Bytes of a piece.
const PIECE: usize = 1 << 20;

/// What a blob's head says.
#[derive(Debug, Deserialize, Serialize)]
struct Head {
    pieces: usize,
    /// The version of the world that a plan is for.
    #[serde(default)]
    world: u64,
}

/// A value in the form in which it is stored.
#[derive(Debug)]
pub(crate) struct Blob {
    kind: Kind,
    bytes: Bytes,
}

/// A value that was read.
#[derive(Debug)]
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) version: u64,
    pub(crate) world: u64,
}

fn prefix(kind: Kind) -> String {
    format!("global/{kind}/")
}

/// The key whose version is the version of the world, or of the plan.
pub(crate) fn head_key(tenant: &Tenant, kind: Kind) -> Key {
    Key::new(tenant, format!("{}head", prefix(kind)))
}

/// All keys of the world, or of the plan.
pub(crate) fn keys(tenant: &Tenant, kind: Kind) -> KeyRange {
    KeyRange::prefix(tenant, prefix(kind))
}

fn piece_path(kind: Kind, number: usize) -> String {
    format!("{}piece/{number:04}", prefix(kind))
}

impl Blob {
    /// Encodes a value, and reads back what [`decode`] will read: JSON need not keep the last bit of a number.
    pub(crate) fn new<T: Serialize + DeserializeOwned>(kind: Kind, value: &T) -> Result<(Self, T), Error> {
        let unreadable = |error: &dyn std::fmt::Display| Error::Unreadable { kind, what: error.to_string() };
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        serde_json::to_writer(&mut encoder, value).map_err(|error| unreadable(&error))?;
        let within = |form, size, limit| {
            if size > limit { Err(Error::TooLarge { kind, form, size, limit }) } else { Ok(()) }
        };
        encoder.try_finish().map_err(|error| unreadable(&error))?;
        within("as JSON", encoder.total_in(), MOST_JSON)?;
        let bytes = encoder.finish().map_err(|error| unreadable(&error))?;
        within("compressed", bytes.len() as u64, MOST_STORED)?;
        let kept = decode(kind, &bytes)?;
        Ok((Self { kind, bytes: bytes.into() }, kept))
    }

    /// Adds to a transaction what replaces the stored value by this one.
    pub(crate) fn put(&self, tenant: &Tenant, world: u64, mut txn: Txn) -> Result<Txn, Error> {
        let pieces = self.bytes.len().div_ceil(PIECE);
        let head = serde_json::to_vec(&Head { pieces, world })
            .map_err(|error| Error::Unreadable { kind: self.kind, what: error.to_string() })?;
        txn = txn.then(Op::put(&head_key(tenant, self.kind), head));
        for number in 0..pieces {
            let piece = self.bytes.slice(number * PIECE..self.bytes.len().min((number + 1) * PIECE));
            txn = txn.then(Op::put(&Key::new(tenant, piece_path(self.kind, number)), piece));
        }
        // The byte after the slash ends the range of all pieces.
        let end = format!("{}piece0", prefix(self.kind));
        Ok(txn.then(Op::delete_range(&KeyRange::between(tenant, piece_path(self.kind, pieces), end))))
    }
}

/// Puts a value together from its keys, in their order; none where there is no head.
pub(crate) fn read<T: DeserializeOwned>(
    kind: Kind,
    tenant: &Tenant,
    kvs: &[&KeyValue],
) -> Result<Option<Found<T>>, Error> {
    let unreadable = |what: String| Error::Unreadable { kind, what };
    let head_key = head_key(tenant, kind);
    let Some(kv) = kvs.iter().find(|kv| kv.key == head_key) else {
        return Ok(None);
    };
    let head: Head =
        serde_json::from_slice(&kv.value).map_err(|error| unreadable(format!("its head: {error}")))?;
    let mut bytes = Vec::new();
    let mut pieces = 0;
    for piece in kvs.iter().filter(|kv| kv.key != head_key) {
        if piece.key.path() != piece_path(kind, pieces).as_bytes() {
            return Err(unreadable(format!("{:?} where piece {pieces} should be", piece.key)));
        }
        bytes.extend_from_slice(&piece.value);
        pieces += 1;
    }
    if pieces != head.pieces {
        return Err(unreadable(format!("{pieces} pieces, want {}", head.pieces)));
    }
    Ok(Some(Found { value: decode(kind, &bytes)?, version: kv.version, world: head.world }))
}

fn decode<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, Error> {
    let unreadable = |what: String| Error::Unreadable { kind, what };
    let mut json = Vec::new();
    DeflateDecoder::new(bytes)
        .take(MOST_JSON + 1)
        .read_to_end(&mut json)
        .map_err(|error| unreadable(error.to_string()))?;
    if json.len() as u64 > MOST_JSON {
        return Err(unreadable(format!("more than {MOST_JSON} bytes")));
    }
    serde_json::from_slice(&json).map_err(|error| unreadable(error.to_string()))
}
