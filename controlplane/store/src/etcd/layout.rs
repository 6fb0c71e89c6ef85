//! How keys and values lie in etcd.

use bytes::Bytes;
use etcd_client::{GetOptions, GetResponse, TxnOp};

use crate::txn::{KeyValue, RangeRequest, RangeResult};
use crate::{Error, Key, KeyRange, LeaseId, Revision, TenantRevision};

/// The version of a stored value's head.
const VERSION: u8 = 1;
/// Version, tenant's revision, lease.
const HEAD: usize = 1 + 8 + 8;

/// The names of things under a partition's prefix.
#[derive(Debug)]
pub(crate) struct Layout {
    prefix: String,
}

impl Layout {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    fn named(&self, kind: &str, rest: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), kind.as_bytes(), rest].concat()
    }

    pub(crate) fn epoch(&self) -> Vec<u8> {
        self.named("m/epoch", b"")
    }

    pub(crate) fn counter(&self, tenant: &str) -> Vec<u8> {
        self.named("m/t/", tenant.as_bytes())
    }

    /// The tenant of a counter's key.
    pub(crate) fn counted<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        let name = key.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b"m/t/")?;
        std::str::from_utf8(name).ok()
    }

    pub(crate) fn lease(&self, id: LeaseId) -> Vec<u8> {
        self.named("m/l/", format!("{:016x}", id.0).as_bytes())
    }

    pub(crate) fn leases(&self) -> Vec<u8> {
        self.named("m/l/", b"")
    }

    pub(crate) fn lease_id(&self, key: &[u8]) -> Option<LeaseId> {
        let id = key.strip_prefix(self.leases().as_slice())?;
        u64::from_str_radix(std::str::from_utf8(id).ok()?, 16).ok().map(LeaseId)
    }

    pub(crate) fn attached(&self, id: LeaseId, key: &[u8]) -> Vec<u8> {
        self.named(&format!("m/a/{:016x}/", id.0), key)
    }

    pub(crate) fn key(&self, encoded: &[u8]) -> Vec<u8> {
        self.named("k/", encoded)
    }

    fn keys_end(&self) -> Vec<u8> {
        self.named("k0", b"")
    }

    pub(crate) fn range(&self, range: &KeyRange) -> (Vec<u8>, Vec<u8>) {
        let end = if range.end().is_empty() { self.keys_end() } else { self.key(range.end()) };
        (self.key(range.start()), end)
    }

    /// Everything of the partition.
    pub(crate) fn everything(&self) -> Vec<u8> {
        self.named("", b"")
    }

    /// The key of ours that one of etcd's stands for.
    pub(crate) fn own_key(&self, key: &[u8]) -> Option<Key> {
        let encoded = key.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b"k/")?;
        Key::from_encoded(Bytes::copy_from_slice(encoded))
    }

    pub(crate) fn number(value: &[u8]) -> Option<u64> {
        std::str::from_utf8(value).ok()?.parse().ok()
    }

    pub(crate) fn value(value: &[u8], at: TenantRevision, lease: Option<LeaseId>) -> Vec<u8> {
        let lease = lease.map_or(0, |id| id.0);
        [&[VERSION][..], &at.0.to_le_bytes(), &lease.to_le_bytes(), value].concat()
    }

    /// A read. The values come along even where only keys are wanted, as their heads are.
    pub(crate) fn get(&self, request: &RangeRequest) -> TxnOp {
        let (start, end) = self.range(&request.range);
        let mut options = GetOptions::new().with_range(end);
        if let Some(revision) = request.revision {
            options = options.with_revision(revision.0 as i64);
        }
        match request.limit {
            Some(0) => options = options.with_count_only(),
            Some(limit) => options = options.with_limit(i64::try_from(limit).unwrap_or(i64::MAX)),
            None => {}
        }
        TxnOp::get(start, Some(options))
    }

    pub(crate) fn key_value(&self, kv: &etcd_client::KeyValue) -> Result<KeyValue, Error> {
        let strange = || Error::Etcd {
            what: "reading a value",
            source: format!("{} was not written by this store", kv.key().escape_ascii()).into(),
        };
        let key = self.own_key(kv.key()).ok_or_else(strange)?;
        let number = |at: usize| kv.value().get(at..)?.first_chunk().copied().map(u64::from_le_bytes);
        let (Some(&VERSION), Some(at), Some(lease)) = (kv.value().first(), number(1), number(9)) else {
            return Err(strange());
        };
        Ok(KeyValue {
            key,
            value: Bytes::copy_from_slice(&kv.value()[HEAD..]),
            created: Revision(kv.create_revision() as u64),
            modified: Revision(kv.mod_revision() as u64),
            tenant_modified: TenantRevision(at),
            version: kv.version() as u64,
            lease: (lease != 0).then_some(LeaseId(lease)),
        })
    }

    pub(crate) fn range_result(
        &self,
        got: GetResponse,
        request: &RangeRequest,
        at: Revision,
    ) -> Result<RangeResult, Error> {
        let mut kvs = got.kvs().iter().map(|kv| self.key_value(kv)).collect::<Result<Vec<_>, _>>()?;
        if request.keys_only {
            kvs.iter_mut().for_each(|kv| kv.value = Bytes::new());
        }
        let count = got.count() as usize;
        Ok(RangeResult {
            more: count > kvs.len(),
            kvs,
            count: request.count.then_some(count),
            revision: at,
            tenant_revision: None,
        })
    }

    /// What a range without room for a key holds.
    pub(crate) fn nothing(&self, request: &RangeRequest, at: Revision) -> RangeResult {
        RangeResult {
            kvs: Vec::new(),
            more: false,
            count: request.count.then_some(0),
            revision: at,
            tenant_revision: None,
        }
    }
}
