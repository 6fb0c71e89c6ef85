//! Changes: transactions are decided here, once, and what they decided is what the log says and replays.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;

use super::{LeaseState, State, Touched, Version};
use crate::embedded::record::{Record, Write};
use crate::txn::{Compare, Op, OpResult, Target, Txn, TxnResult};
use crate::{Epoch, Error, Key, KeyRange, KeyValue, LeaseId, Revision, Tenant, TenantRevision};

/// A transaction that was decided.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub(crate) result: TxnResult,
    /// What goes to the log, where anything was written.
    pub(crate) record: Option<Record>,
}

/// A revision in the making.
struct Draft {
    tenant: Tenant,
    revision: u64,
    tenant_revision: u64,
    touched: Vec<Bytes>,
}

impl State {
    /// Decides a transaction and does it. On an error nothing was done.
    pub(crate) fn evaluate(&mut self, txn: Txn, published: Revision) -> Result<Evaluated, Error> {
        let succeeded = txn.compares.iter().all(|compare| self.holds(compare));
        let branch = if succeeded { txn.then } else { txn.otherwise };
        for op in &branch {
            self.check(&txn.tenant, op, published)?;
        }
        let mut draft = self.draft(&txn.tenant);
        let mut results = Vec::with_capacity(branch.len());
        let mut writes = Vec::new();
        for op in branch {
            results.push(match op {
                Op::Put { key, value, lease, want_previous } => {
                    let lease = lease.map_or(0, |id| id.0);
                    let key = key.encoded().clone();
                    let previous = want_previous.then(|| self.newest(&key)).flatten();
                    self.put(&mut draft, &key, value.clone(), lease);
                    writes.push(Write::Put { key, value, lease });
                    OpResult::Put { previous }
                }
                Op::Delete { range, want_previous } => {
                    let going = self.live_keys(&range);
                    let previous = if want_previous {
                        going.iter().filter_map(|key| self.newest(key)).collect()
                    } else {
                        Vec::new()
                    };
                    let deleted = going.len();
                    for key in going {
                        self.delete(&mut draft, &key);
                    }
                    writes.push(Write::Delete { start: range.start().clone(), end: range.end().clone() });
                    OpResult::Delete { deleted, previous }
                }
                // Own writes stand at the next revision already.
                Op::Range(request) => {
                    let at = request.revision.map_or(draft.revision, |revision| revision.0);
                    OpResult::Range(self.read_all(&request, at))
                }
            });
        }
        let (revision, tenant, tenant_revision) =
            (draft.revision, draft.tenant.clone(), draft.tenant_revision);
        let wrote = self.commit(draft);
        let result = TxnResult {
            succeeded,
            wrote,
            revision: Revision(self.head),
            tenant_revision: TenantRevision(if wrote { tenant_revision } else { tenant_revision - 1 }),
            results: results.into_iter().map(|result| stamped(result, self.head)).collect(),
        };
        let record = wrote.then_some(Record::Txn { revision, tenant, writes });
        Ok(Evaluated { result, record })
    }

    /// A new epoch of the writer.
    pub(crate) fn take_over(&mut self) -> Record {
        let record = Record::Epoch { revision: self.head + 1, epoch: self.epoch.0 + 1 };
        self.set_epoch(Epoch(self.epoch.0 + 1));
        record
    }

    pub(crate) fn grant(&mut self, id: LeaseId, tenant: &Tenant, ttl: Duration) -> Result<Record, Error> {
        if id.0 == 0 || self.leases.contains_key(&id) {
            return Err(Error::Invalid { what: format!("lease {id} exists: grant another one") });
        }
        self.set_lease(id, tenant.clone(), ttl);
        Ok(Record::Grant { revision: self.head, id, tenant: tenant.clone(), ttl })
    }

    pub(crate) fn revoke(&mut self, id: LeaseId) -> Result<Record, Error> {
        if !self.leases.contains_key(&id) {
            return Err(Error::LeaseNotFound { id });
        }
        self.end_lease(id);
        Ok(Record::Revoke { revision: self.head, id })
    }

    /// Marks all history up to `at` as gone. [`State::purge`] frees it.
    pub(crate) fn compact(&mut self, at: Revision, published: Revision) -> Result<Record, Error> {
        if at.0 <= self.compacted {
            return Err(Error::Compacted { compacted: Revision(self.compacted) });
        }
        if at > published {
            return Err(Error::FutureRevision { asked: at, current: published });
        }
        self.compacted = at.0;
        Ok(Record::Compact { revision: self.head, at: at.0 })
    }

    /// Does again what a record of the log says was done. False: it does not follow what is here.
    pub(crate) fn replay(&mut self, record: Record) -> bool {
        let expected = match &record {
            Record::Compact { .. } => self.head,
            _ => self.head + 1,
        };
        if record.revision() != expected {
            return false;
        }
        match record {
            Record::Txn { tenant, writes, .. } => {
                let mut draft = self.draft(&tenant);
                for write in writes {
                    match write {
                        Write::Put { key, value, lease } => self.put(&mut draft, &key, value, lease),
                        Write::Delete { start, end } => {
                            for key in self.live_keys(&KeyRange::from_encoded(start, end)) {
                                self.delete(&mut draft, &key);
                            }
                        }
                    }
                }
                self.commit(draft)
            }
            Record::Epoch { epoch, .. } => {
                let follows = epoch > self.epoch.0;
                self.set_epoch(Epoch(epoch));
                follows
            }
            Record::Grant { id, tenant, ttl, .. } => {
                let follows = !self.leases.contains_key(&id);
                self.set_lease(id, tenant, ttl);
                follows
            }
            Record::Revoke { id, .. } => self.leases.contains_key(&id) && self.end_lease(id),
            Record::Compact { at, .. } => {
                let follows = at > self.compacted && at <= self.head;
                if follows {
                    self.compacted = at;
                    while self.purge(usize::MAX, at) {}
                }
                follows
            }
        }
    }

    fn holds(&self, compare: &Compare) -> bool {
        let newest = self.keys.get(compare.key.encoded()).and_then(|versions| versions.last());
        let newest = newest.filter(|version| version.is_live());
        let number = |of: fn(&Version) -> u64| newest.map_or(0, of);
        match &compare.target {
            Target::Modified(given) => compare.relation.holds(&number(|v| v.modified), &given.0),
            Target::Created(given) => compare.relation.holds(&number(|v| v.created), &given.0),
            Target::Version(given) => compare.relation.holds(&number(|v| v.version), given),
            Target::Value(given) => newest.is_some_and(|v| compare.relation.holds(&v.value, given)),
        }
    }

    /// Whether an operation can be done, before any of its transaction is.
    fn check(&self, tenant: &Tenant, op: &Op, published: Revision) -> Result<(), Error> {
        match op {
            Op::Put { lease: Some(id), .. } => match self.leases.get(id) {
                Some(lease) if lease.tenant == *tenant => Ok(()),
                _ => Err(Error::LeaseNotFound { id: *id }),
            },
            Op::Range(request) => self.readable(request.revision, published).map(|_| ()),
            _ => Ok(()),
        }
    }

    fn draft(&self, tenant: &Tenant) -> Draft {
        let writes = self.tenants.get(tenant).map_or(0, super::Sequence::writes);
        Draft {
            tenant: tenant.clone(),
            revision: self.head + 1,
            tenant_revision: TenantRevision::FIRST.0 + writes + 1,
            touched: Vec::new(),
        }
    }

    fn put(&mut self, draft: &mut Draft, key: &Bytes, value: Bytes, lease: u64) {
        let versions = self.keys.entry(key.clone()).or_insert_with(|| Vec::with_capacity(1));
        let before = versions.last().filter(|version| version.is_live());
        let (created, version, detached) =
            before.map_or((draft.revision, 1, 0), |v| (v.created, v.version + 1, v.lease));
        versions.push(Version {
            modified: draft.revision,
            created,
            version,
            tenant_revision: draft.tenant_revision,
            lease,
            value,
        });
        self.versions += 1;
        draft.touched.push(key.clone());
        self.detach(detached, key);
        if let Some(lease) = self.leases.get_mut(&LeaseId(lease)) {
            lease.keys.insert(key.clone());
        }
    }

    fn delete(&mut self, draft: &mut Draft, key: &Bytes) {
        let Some(versions) = self.keys.get_mut(key) else { return };
        let lease = versions.last().map_or(0, |version| version.lease);
        versions.push(Version {
            modified: draft.revision,
            created: 0,
            version: 0,
            tenant_revision: draft.tenant_revision,
            lease: 0,
            value: Bytes::new(),
        });
        self.versions += 1;
        draft.touched.push(key.clone());
        self.detach(lease, key);
    }

    fn detach(&mut self, lease: u64, key: &Bytes) {
        if let Some(lease) = self.leases.get_mut(&LeaseId(lease)) {
            lease.keys.remove(key);
        }
    }

    /// Makes a draft the next revision, if it touched anything.
    fn commit(&mut self, draft: Draft) -> bool {
        let Draft { tenant, revision, tenant_revision, mut touched } = draft;
        if touched.is_empty() {
            return false;
        }
        touched.sort_unstable();
        self.tenants.entry(tenant.clone()).or_default().revisions.push_back(revision);
        self.advance(Touched { tenant: Some(tenant), tenant_revision, keys: touched.into() });
        true
    }

    fn advance(&mut self, touched: Touched) {
        self.head += 1;
        self.touched.push_back(touched);
    }

    fn advance_without_keys(&mut self) {
        self.advance(Touched { tenant: None, tenant_revision: 0, keys: Box::default() });
    }

    fn set_epoch(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.advance_without_keys();
    }

    fn set_lease(&mut self, id: LeaseId, tenant: Tenant, ttl: Duration) {
        self.leases.insert(id, LeaseState { tenant, ttl, keys: BTreeSet::new() });
        self.advance_without_keys();
    }

    /// Ends a lease: its keys go in one transaction of its tenant. Always true, for its use in `replay`.
    fn end_lease(&mut self, id: LeaseId) -> bool {
        if let Some(lease) = self.leases.remove(&id) {
            let mut draft = self.draft(&lease.tenant);
            for key in &lease.keys {
                self.delete(&mut draft, key);
            }
            if !self.commit(draft) {
                self.advance_without_keys();
            }
        }
        true
    }

    fn newest(&self, key: &Bytes) -> Option<KeyValue> {
        let newest = self.keys.get(key)?.last()?;
        newest.is_live().then(|| newest.key_value(Key::trusted(key.clone()), false))
    }

    fn live_keys(&self, range: &KeyRange) -> Vec<Bytes> {
        let live = |(key, versions): (&Bytes, &Vec<Version>)| {
            versions.last().filter(|version| version.is_live()).map(|_| key.clone())
        };
        self.span(range).filter_map(live).collect()
    }

    pub(super) fn span(&self, range: &KeyRange) -> impl Iterator<Item = (&Bytes, &Vec<Version>)> {
        // `BTreeMap::range` panics on a range that is turned round; an empty one is asked for instead.
        let start = range.start();
        let end = if range.is_empty() {
            Bound::Excluded(start)
        } else if range.end().is_empty() {
            Bound::Unbounded
        } else {
            Bound::Excluded(range.end())
        };
        self.keys.range::<Bytes, _>((Bound::Included(start), end))
    }
}

/// Reads inside a transaction are as of the revision the transaction ends at, unless they named another.
fn stamped(mut result: OpResult, head: u64) -> OpResult {
    if let OpResult::Range(range) = &mut result {
        range.revision = Revision(range.revision.0.min(head));
    }
    result
}
