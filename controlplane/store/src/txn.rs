//! Requests and answers: transactions, ranges and what they yield.

use bytes::Bytes;

use crate::{Key, KeyRange, LeaseId, Revision, Tenant, TenantRevision};

/// A transaction: if every compare holds, `then` is done, else `otherwise`; all of it or nothing, at one revision.
///
/// It belongs to one tenant and writes only there. It may read and compare the tenant's keys and those of `system`. A
/// key is written at most once. Operations are done in order, and each sees what those before it wrote.
#[derive(Clone, Debug)]
pub struct Txn {
    /// The tenant it belongs to.
    pub tenant: Tenant,
    /// What must hold for `then`.
    pub compares: Vec<Compare>,
    /// Done when every compare holds.
    pub then: Vec<Op>,
    /// Done when one does not.
    pub otherwise: Vec<Op>,
}

impl Txn {
    /// A transaction that does nothing yet.
    #[must_use]
    pub fn new(tenant: &Tenant) -> Self {
        Self { tenant: tenant.clone(), compares: Vec::new(), then: Vec::new(), otherwise: Vec::new() }
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, compare: Compare) -> Self {
        self.compares.push(compare);
        self
    }

    /// Adds an operation for when all conditions hold.
    #[must_use]
    pub fn then(mut self, op: Op) -> Self {
        self.then.push(op);
        self
    }

    /// Adds an operation for when one does not.
    #[must_use]
    pub fn otherwise(mut self, op: Op) -> Self {
        self.otherwise.push(op);
        self
    }
}

/// A condition on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The key looked at.
    pub key: Key,
    /// How it is looked at.
    pub relation: Relation,
    /// What for.
    pub target: Target,
}

/// How a compared thing must relate to what is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The same.
    Equal,
    /// Not the same.
    NotEqual,
    /// What is stored is greater.
    Greater,
    /// What is stored is less.
    Less,
}

/// What of a key is compared. Of an absent key all numbers are 0, and no comparison of its value holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The revision of its last write.
    Modified(Revision),
    /// The revision of the write that created it.
    Created(Revision),
    /// The number of writes since, and with, its creation.
    Version(u64),
    /// Its value.
    Value(Bytes),
}

impl Compare {
    /// The key was last written at `revision`.
    #[must_use]
    pub fn modified(key: &Key, revision: Revision) -> Self {
        Self::new(key, Relation::Equal, Target::Modified(revision))
    }

    /// The key exists.
    #[must_use]
    pub fn exists(key: &Key) -> Self {
        Self::new(key, Relation::Greater, Target::Version(0))
    }

    /// The key does not exist.
    #[must_use]
    pub fn absent(key: &Key) -> Self {
        Self::new(key, Relation::Equal, Target::Version(0))
    }

    /// The key exists and has this value.
    #[must_use]
    pub fn value(key: &Key, value: impl Into<Bytes>) -> Self {
        Self::new(key, Relation::Equal, Target::Value(value.into()))
    }

    /// Any comparison.
    #[must_use]
    pub fn new(key: &Key, relation: Relation, target: Target) -> Self {
        Self { key: key.clone(), relation, target }
    }

    pub(crate) fn value_len(&self) -> usize {
        if let Target::Value(value) = &self.target { value.len() } else { 0 }
    }
}

impl Relation {
    pub(crate) fn holds<T: Ord>(self, stored: &T, given: &T) -> bool {
        match self {
            Self::Equal => stored == given,
            Self::NotEqual => stored != given,
            Self::Greater => stored > given,
            Self::Less => stored < given,
        }
    }
}

/// One step of a transaction.
#[derive(Clone, Debug)]
pub enum Op {
    /// Writes a value.
    Put {
        /// The key.
        key: Key,
        /// Its new value.
        value: Bytes,
        /// The lease it goes with; none detaches it from the lease it had.
        lease: Option<LeaseId>,
        /// Whether the answer carries what was there.
        want_previous: bool,
    },
    /// Deletes every key in a range.
    Delete {
        /// The range.
        range: KeyRange,
        /// Whether the answer carries what was there.
        want_previous: bool,
    },
    /// Reads.
    Range(RangeRequest),
}

impl Op {
    /// Writes a value without a lease.
    #[must_use]
    pub fn put(key: &Key, value: impl Into<Bytes>) -> Self {
        Self::Put { key: key.clone(), value: value.into(), lease: None, want_previous: false }
    }

    /// Writes a value that goes when the lease goes.
    #[must_use]
    pub fn put_with_lease(key: &Key, value: impl Into<Bytes>, lease: LeaseId) -> Self {
        Self::Put { key: key.clone(), value: value.into(), lease: Some(lease), want_previous: false }
    }

    /// Deletes a key.
    #[must_use]
    pub fn delete(key: &Key) -> Self {
        Self::delete_range(&KeyRange::single(key))
    }

    /// Deletes every key in a range.
    #[must_use]
    pub fn delete_range(range: &KeyRange) -> Self {
        Self::Delete { range: range.clone(), want_previous: false }
    }

    /// Reads a key.
    #[must_use]
    pub fn get(key: &Key) -> Self {
        Self::Range(RangeRequest::new(KeyRange::single(key)))
    }

    /// The same, and the answer carries what was there before.
    #[must_use]
    pub fn with_previous(mut self) -> Self {
        if let Self::Put { want_previous, .. } | Self::Delete { want_previous, .. } = &mut self {
            *want_previous = true;
        }
        self
    }
}

/// A read of a range of keys, in the order of the keys.
#[derive(Clone, Debug)]
pub struct RangeRequest {
    /// Which keys.
    pub range: KeyRange,
    /// As of when; none: the latest.
    pub revision: Option<Revision>,
    /// The most keys to return; none: all.
    pub limit: Option<usize>,
    /// Leaves the values out.
    pub keys_only: bool,
    /// Counts the keys of the whole range too, whatever the limit. Costs a walk over them.
    pub count: bool,
}

impl RangeRequest {
    /// All of a range, as of the latest revision.
    #[must_use]
    pub fn new(range: KeyRange) -> Self {
        Self { range, revision: None, limit: None, keys_only: false, count: false }
    }

    /// As of a revision.
    #[must_use]
    pub fn at(mut self, revision: Revision) -> Self {
        self.revision = Some(revision);
        self
    }

    /// At most so many keys.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Without values.
    #[must_use]
    pub fn keys_only(mut self) -> Self {
        self.keys_only = true;
        self
    }

    /// With the count of all keys in the range.
    #[must_use]
    pub fn with_count(mut self) -> Self {
        self.count = true;
        self
    }
}

/// A key with its value and its history in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Key,
    /// Its value; shared, never copied.
    pub value: Bytes,
    /// When it was created.
    pub created: Revision,
    /// When it was last written.
    pub modified: Revision,
    /// When it was last written, in its tenant's own sequence.
    pub tenant_modified: TenantRevision,
    /// The number of writes since, and with, its creation.
    pub version: u64,
    /// The lease it goes with.
    pub lease: Option<LeaseId>,
}

/// The answer to a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeResult {
    /// The keys found, in order.
    pub kvs: Vec<KeyValue>,
    /// Whether the limit left some out.
    pub more: bool,
    /// How many keys the whole range has, where that was asked for.
    pub count: Option<usize>,
    /// The revision that was read.
    pub revision: Revision,
    /// The same in the tenant's sequence, where the range lies in one tenant.
    pub tenant_revision: Option<TenantRevision>,
}

/// The answer to a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnResult {
    /// Whether every compare held.
    pub succeeded: bool,
    /// Whether anything was written.
    pub wrote: bool,
    /// The partition's revision after it: its own, where it wrote.
    pub revision: Revision,
    /// Its tenant's revision after it.
    pub tenant_revision: TenantRevision,
    /// What each operation of the chosen branch yielded.
    pub results: Vec<OpResult>,
}

/// What one operation yielded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpResult {
    /// Of a put.
    Put {
        /// What was there, where that was asked for.
        previous: Option<KeyValue>,
    },
    /// Of a delete.
    Delete {
        /// How many keys went.
        deleted: usize,
        /// What was there, where that was asked for, in order.
        previous: Vec<KeyValue>,
    },
    /// Of a read.
    Range(RangeResult),
}
