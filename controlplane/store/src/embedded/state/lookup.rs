//! Reads: ranges as of a revision, and the events of a stretch of revisions.

use super::{State, Touched, Version};
use crate::txn::{KeyValue, RangeRequest, RangeResult};
use crate::watch::{Batch, Change, Commit, Event};
use crate::{Error, Key, KeyRange, LeaseId, Revision, Tenant, TenantRevision};

/// What was read of a range so far, and where the rest starts.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) kvs: Vec<KeyValue>,
    pub(crate) counted: usize,
    /// Where to go on, if there is more to look at.
    pub(crate) rest: Option<KeyRange>,
}

/// What ends a batch of a watch, beside history.
const BATCH_REVISIONS: u64 = 1024;
const BATCH_EVENTS: usize = 512;
const BATCH_BYTES: usize = 1 << 20;

impl Version {
    pub(super) fn key_value(&self, key: Key, keys_only: bool) -> KeyValue {
        KeyValue {
            key,
            value: if keys_only { bytes::Bytes::new() } else { self.value.clone() },
            created: Revision(self.created),
            modified: Revision(self.modified),
            tenant_modified: TenantRevision(self.tenant_revision),
            version: self.version,
            lease: (self.lease != 0).then_some(LeaseId(self.lease)),
        }
    }
}

/// The version that counts at a revision.
fn version_at(versions: &[Version], revision: u64) -> Option<&Version> {
    let behind = versions.partition_point(|version| version.modified <= revision);
    behind.checked_sub(1).and_then(|at| versions.get(at))
}

impl State {
    /// The revision a read is done at.
    pub(crate) fn readable(&self, asked: Option<Revision>, published: Revision) -> Result<Revision, Error> {
        let revision = asked.unwrap_or(published);
        if revision > published {
            return Err(Error::FutureRevision { asked: revision, current: published });
        }
        if revision.0 < self.compacted {
            return Err(Error::Compacted { compacted: Revision(self.compacted) });
        }
        Ok(revision)
    }

    /// Adds to `page` what the next `keys` keys of a range were at a revision.
    pub(crate) fn read(
        &self,
        page: &mut Page,
        range: &KeyRange,
        request: &RangeRequest,
        at: u64,
        keys: usize,
    ) {
        let limit = request.limit.unwrap_or(usize::MAX);
        page.rest = None;
        for (walked, (key, versions)) in self.span(range).enumerate() {
            if walked == keys {
                page.rest = Some(KeyRange::from_encoded(key.clone(), range.end().clone()));
                break;
            }
            if let Some(version) = version_at(versions, at).filter(|version| version.is_live()) {
                page.counted += 1;
                if page.kvs.len() < limit {
                    page.kvs.push(version.key_value(Key::trusted(key.clone()), request.keys_only));
                } else if !request.count {
                    break;
                }
            }
        }
    }

    /// A read inside a transaction.
    pub(crate) fn read_all(&self, request: &RangeRequest, at: u64) -> RangeResult {
        let mut page = Page::default();
        self.read(&mut page, &request.range, request, at, usize::MAX);
        RangeResult {
            more: page.counted > page.kvs.len(),
            kvs: page.kvs,
            count: request.count.then_some(page.counted),
            revision: Revision(at),
            tenant_revision: None,
        }
    }

    /// The events of a range in revisions `from..=published`, up to the size of a batch.
    pub(crate) fn events(
        &self,
        range: &KeyRange,
        from: u64,
        published: u64,
        want_previous: bool,
    ) -> Result<Batch, Error> {
        if from <= self.compacted {
            return Err(Error::Compacted { compacted: Revision(self.compacted) });
        }
        let from = from.max(self.forgotten + 1);
        let last = published.min(from.saturating_add(BATCH_REVISIONS - 1));
        let mut batch = Batch { commits: Vec::new(), through: Revision(published.min(last)) };
        let (mut events, mut bytes) = (0, 0);
        for revision in from..=last {
            let Some(touched) = self.touched.get((revision - self.forgotten - 1) as usize) else { break };
            if let Some(commit) = self.commit_of(revision, touched, range, want_previous) {
                events += commit.events.len();
                bytes += commit.events.iter().map(size_of_event).sum::<usize>();
                batch.commits.push(commit);
                if events >= BATCH_EVENTS || bytes >= BATCH_BYTES {
                    batch.through = Revision(revision);
                    break;
                }
            }
        }
        Ok(batch)
    }

    fn commit_of(
        &self,
        revision: u64,
        touched: &Touched,
        range: &KeyRange,
        want_previous: bool,
    ) -> Option<Commit> {
        let tenant = touched.tenant.as_ref()?;
        let event = |key: &bytes::Bytes| {
            let versions = self.keys.get(key)?;
            let at = versions.binary_search_by_key(&revision, |version| version.modified).ok()?;
            let named = || Key::trusted(key.clone());
            let version = &versions[at];
            let change = if version.is_live() {
                Change::Put(version.key_value(named(), false))
            } else {
                Change::Delete(named())
            };
            let before = at.checked_sub(1).map(|before| &versions[before]).filter(|_| want_previous);
            let previous = before.filter(|v| v.is_live()).map(|v| v.key_value(named(), false));
            Some(Event { change, previous })
        };
        let events: Vec<Event> =
            touched.keys.iter().filter(|key| range.holds(key)).filter_map(event).collect();
        (!events.is_empty()).then(|| Commit {
            revision: Revision(revision),
            tenant: tenant.clone(),
            tenant_revision: TenantRevision(touched.tenant_revision),
            events,
        })
    }

    /// Where a tenant's own sequence stood at a revision that is not compacted.
    pub(crate) fn tenant_at(&self, tenant: &str, revision: u64) -> TenantRevision {
        let writes = self.tenants.get(tenant).map_or(0, |sequence| {
            sequence.forgotten + sequence.revisions.partition_point(|r| *r <= revision) as u64
        });
        TenantRevision(TenantRevision::FIRST.0 + writes)
    }

    /// A revision of the partition at which a tenant's keys are as at `asked`, and behind which come its later writes.
    pub(crate) fn partition_at(
        &self,
        tenant: &Tenant,
        asked: TenantRevision,
        published: u64,
    ) -> Result<Revision, Error> {
        let current = self.tenant_at(tenant, published);
        if asked > current {
            return Err(Error::TenantFuture { asked, current });
        }
        // A tenant that wrote nothing since the compaction is none the worse for it.
        let compacted = self.tenant_at(tenant, self.compacted);
        if asked < compacted {
            return Err(Error::TenantCompacted { compacted });
        }
        if asked == compacted {
            return Ok(Revision(self.compacted.max(Revision::FIRST.0)));
        }
        let sequence = self.tenants.get(tenant);
        let at = |s: &super::Sequence| {
            let write = asked.0 - TenantRevision::FIRST.0 - s.forgotten;
            s.revisions.get(write.checked_sub(1)? as usize).copied()
        };
        sequence.and_then(at).map(Revision).ok_or(Error::TenantCompacted { compacted })
    }
}

fn size_of_event(event: &Event) -> usize {
    let of = |kv: &KeyValue| kv.value.len() + kv.key.encoded().len();
    let change = match &event.change {
        Change::Put(kv) => of(kv),
        Change::Delete(key) => key.encoded().len(),
    };
    change + event.previous.as_ref().map_or(0, of)
}
