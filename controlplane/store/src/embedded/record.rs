//! What the log says was done: the effects of what was decided, in bytes and back.
//!
//! Numbers are little-endian. A record says what to do, not how to decide, so replaying it needs no compare; the numbers
//! a key carries follow from the history before it, and each record names its revision so that a gap is noticed.

use std::time::Duration;

use bytes::Bytes;

use crate::{Key, LeaseId, Tenant};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Txn {
        revision: u64,
        tenant: Tenant,
        writes: Vec<Write>,
    },
    Epoch {
        revision: u64,
        epoch: u64,
    },
    Grant {
        revision: u64,
        id: LeaseId,
        tenant: Tenant,
        ttl: Duration,
    },
    Revoke {
        revision: u64,
        id: LeaseId,
    },
    /// Takes no revision: `revision` is the head it was done at.
    Compact {
        revision: u64,
        at: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Put { key: Bytes, value: Bytes, lease: u64 },
    Delete { start: Bytes, end: Bytes },
}

const TXN: u8 = 1;
const EPOCH: u8 = 2;
const GRANT: u8 = 3;
const REVOKE: u8 = 4;
const COMPACT: u8 = 5;
const PUT: u8 = 1;
const DELETE: u8 = 2;

/// More than any record's bytes beside its keys and values, with one operation.
pub(crate) const RECORD_OVERHEAD: usize = 128;

impl Record {
    pub(crate) fn revision(&self) -> u64 {
        match self {
            Self::Txn { revision, .. }
            | Self::Epoch { revision, .. }
            | Self::Grant { revision, .. }
            | Self::Revoke { revision, .. }
            | Self::Compact { revision, .. } => *revision,
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Txn { revision, tenant, writes } => {
                put_head(out, TXN, *revision);
                put_bytes(out, tenant.as_bytes());
                put_u32(out, writes.len());
                for write in writes {
                    write.encode(out);
                }
            }
            Self::Epoch { revision, epoch } => {
                put_head(out, EPOCH, *revision);
                put_u64(out, *epoch);
            }
            Self::Grant { revision, id, tenant, ttl } => {
                put_head(out, GRANT, *revision);
                put_u64(out, id.0);
                put_bytes(out, tenant.as_bytes());
                put_duration(out, *ttl);
            }
            Self::Revoke { revision, id } => {
                put_head(out, REVOKE, *revision);
                put_u64(out, id.0);
            }
            Self::Compact { revision, at } => {
                put_head(out, COMPACT, *revision);
                put_u64(out, *at);
            }
        }
    }

    /// The next record, or none where the bytes are no record.
    pub(crate) fn decode(bytes: &mut Reader<'_>) -> Option<Self> {
        let tag = bytes.u8()?;
        let revision = bytes.u64()?;
        Some(match tag {
            TXN => {
                let tenant = bytes.tenant()?;
                let count = bytes.u32()?;
                let mut writes = Vec::new();
                for _ in 0..count {
                    writes.push(Write::decode(bytes, &tenant)?);
                }
                Self::Txn { revision, tenant, writes }
            }
            EPOCH => Self::Epoch { revision, epoch: bytes.u64()? },
            GRANT => {
                let id = LeaseId(bytes.u64()?);
                Self::Grant { revision, id, tenant: bytes.tenant()?, ttl: bytes.duration()? }
            }
            REVOKE => Self::Revoke { revision, id: LeaseId(bytes.u64()?) },
            COMPACT => Self::Compact { revision, at: bytes.u64()? },
            _ => return None,
        })
    }
}

impl Write {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Put { key, value, lease } => {
                out.push(PUT);
                put_bytes(out, key);
                put_bytes(out, value);
                put_u64(out, *lease);
            }
            Self::Delete { start, end } => {
                out.push(DELETE);
                put_bytes(out, start);
                put_bytes(out, end);
            }
        }
    }

    fn decode(bytes: &mut Reader<'_>, tenant: &Tenant) -> Option<Self> {
        match bytes.u8()? {
            PUT => {
                let key = Key::from_encoded(bytes.copied()?)?;
                let value = bytes.copied()?;
                let key = key.belongs_to(tenant).then(|| key.encoded().clone())?;
                Some(Self::Put { key, value, lease: bytes.u64()? })
            }
            DELETE => Some(Self::Delete { start: bytes.copied()?, end: bytes.copied()? }),
            _ => None,
        }
    }
}

fn put_head(out: &mut Vec<u8>, tag: u8, revision: u64) {
    out.push(tag);
    put_u64(out, revision);
}

pub(crate) fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Lengths are bounded by [`crate::Limits`], far below what a `u32` holds.
pub(crate) fn put_u32(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, bytes.len());
    out.extend_from_slice(bytes);
}

pub(crate) fn put_duration(out: &mut Vec<u8>, duration: Duration) {
    put_u64(out, u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
}

/// Takes things off the front of bytes that may hold anything.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    /// A copy: a slice would keep all of a log's frame in memory for one small value.
    pub(crate) fn copied(&mut self) -> Option<Bytes> {
        self.bytes().map(Bytes::copy_from_slice)
    }

    pub(crate) fn tenant(&mut self) -> Option<Tenant> {
        Tenant::new(std::str::from_utf8(self.bytes()?).ok()?).ok()
    }

    pub(crate) fn duration(&mut self) -> Option<Duration> {
        self.u64().map(Duration::from_millis)
    }
}
