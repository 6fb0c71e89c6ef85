//! One object's change as one transaction: decided on what is at hand, written only if that is still so, and else decided
//! again on what is there now.
//!
//! What is at hand may be a moment old. A refusal that rests on it is not given before it has been read anew, and neither is
//! the answer that nothing needs to change. A pod and its binding record are one thing here: both are looked at together,
//! and a decision that looked at the record holds only if that, too, is as it was.

use std::sync::Arc;

use bytes::Bytes;

use meridian_schema::Kind;
use meridian_store::{
    Compare, KeyRange, LeaseId, Op, OpResult, RangeRequest, Revision, Store, Tenant, TenantRevision, Txn,
    TxnResult,
};

use super::Registry;
use super::heartbeats::check_writable;
use crate::cache::{Held, entry};
use crate::entry::Form;
use crate::{BindingRecord, Entry, Failure, key};

/// Which object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) kind: &'static Kind,
    pub(crate) tenant: &'a Tenant,
    pub(crate) ns: &'a str,
    pub(crate) name: &'a str,
}

/// What a change is decided on.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) entry: Option<Arc<Entry>>,
    /// The binding record under a pod's name, whichever pod of that name it is of.
    pub(crate) held: Option<Held>,
    /// Whether it was read after the request came.
    fresh: bool,
}

/// What becomes of the object.
#[derive(Debug)]
pub(crate) enum Write {
    Keep,
    Put(Form),
    Delete,
}

/// What becomes of the binding record.
#[derive(Clone, Debug)]
pub(crate) enum RecordWrite {
    /// It was not looked at.
    Ignore,
    /// It was looked at, and stays.
    Keep,
    Put(BindingRecord),
    Delete,
}

/// A change that was decided.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) object: Write,
    pub(crate) record: RecordWrite,
    /// What else must hold.
    pub(crate) guards: Vec<Compare>,
    /// What else is written, where the object or its record is.
    pub(crate) also: Vec<Op>,
    pub(crate) lease: Option<LeaseId>,
    /// Do everything but the write.
    pub(crate) dry_run: bool,
}

impl Plan {
    /// A change of the object alone.
    pub(crate) fn of(object: Write) -> Self {
        Self {
            object,
            record: RecordWrite::Ignore,
            guards: Vec::new(),
            also: Vec::new(),
            lease: None,
            dry_run: false,
        }
    }

    fn writes(&self) -> bool {
        !matches!(self.object, Write::Keep)
            || matches!(self.record, RecordWrite::Put(_) | RecordWrite::Delete)
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The object as it is now; none: there is none.
    Is(Option<Arc<Entry>>),
    /// The object is gone; its last state.
    Gone(Arc<Entry>),
    /// A guard does not hold.
    Refused,
}

/// After so many attempts somebody else is to try again.
const ATTEMPTS: usize = 64;

impl Target<'_> {
    pub(crate) fn key(&self) -> meridian_store::Key {
        key::object(self.kind, self.tenant, self.ns, self.name)
    }

    fn is_pod(&self) -> bool {
        self.kind.kind == "Pod"
    }

    /// The object of this name as it was written.
    fn put(&self, form: Form, at: (Revision, TenantRevision)) -> Arc<Entry> {
        Arc::new(Entry::written(self.kind, self.tenant, self.ns, self.name, form, at))
    }

    pub(crate) fn not_found(&self) -> Failure {
        Failure::not_found(self.kind, self.name)
    }
}

impl Base {
    fn revisions(&self) -> (Revision, Revision) {
        let entry = self.entry.as_ref().map_or(Revision(0), |entry| entry.modified);
        (entry, self.held.as_ref().map_or(Revision(0), |held| held.modified))
    }
}

impl Registry {
    /// Changes one object. `decide` is called until what it decided on was still so when it was written.
    pub(crate) async fn transact(
        &self,
        target: Target<'_>,
        mut decide: impl FnMut(&Base) -> Result<Plan, Failure>,
    ) -> Result<Outcome, Failure> {
        check_writable(target.tenant, target.kind, target.ns, target.name)?;
        let cache = self.cache(target.kind);
        let mut base = if target.is_pod() {
            let (entry, held) = cache.get_with_binding(target.tenant, target.kind, target.ns, target.name);
            Base { entry, held, fresh: false }
        } else {
            let entry = cache.get(target.tenant, target.kind, target.ns, target.name);
            Base { entry, held: None, fresh: false }
        };
        for _ in 0..ATTEMPTS {
            let decided = decide(&base);
            let settled = !matches!(&decided, Ok(plan) if plan.writes() && !plan.dry_run);
            if settled && !base.fresh {
                let now = self.base(target).await?;
                if now.revisions() != base.revisions() {
                    base = now;
                    continue;
                }
            }
            let mut plan = decided?;
            if !plan.writes() {
                return Ok(Outcome::Is(base.entry));
            }
            if let Write::Put(form) = &plan.object {
                self.check_size(&form.bytes)?;
            }
            if plan.dry_run {
                return Ok(dry(target, &base, plan.object));
            }
            let result = cache.store().txn(txn(target, &base, &mut plan)).await?;
            if result.succeeded {
                self.metrics().wrote(target.kind, result.revision);
                return Ok(written(target, &base, plan.object, &result));
            }
            let now = base_of(target, &result)?;
            if now.revisions() == base.revisions() {
                return Ok(Outcome::Refused);
            }
            self.metrics().conflicts.inc();
            base = now;
        }
        Err(Failure::modified_meanwhile(target.kind, target.name))
    }

    /// What is stored now.
    async fn base(&self, target: Target<'_>) -> Result<Base, Failure> {
        let store: &Store = self.cache(target.kind).store();
        let read = store.range(&RangeRequest::new(KeyRange::single(&target.key()))).await?;
        let entry = read.kvs.first().map(|kv| stored(target, kv)).transpose()?;
        let mut held = None;
        if target.is_pod() {
            let key = key::binding(target.tenant, target.ns, target.name);
            let request = RangeRequest::new(KeyRange::single(&key)).at(read.revision);
            held = store.range(&request).await?.kvs.first().map(held_of).transpose()?;
        }
        Ok(Base { entry, held, fresh: true })
    }

    pub(crate) fn check_size(&self, bytes: &Bytes) -> Result<(), Failure> {
        let limit = self.limits().object_bytes;
        if bytes.len() <= limit {
            return Ok(());
        }
        let size = bytes.len();
        Err(Failure::too_large(format!(
            "Request entity too large: the object has {size} bytes, limit is {limit}"
        )))
    }
}

fn txn(target: Target<'_>, base: &Base, plan: &mut Plan) -> Txn {
    let object = target.key();
    let (entry, held) = base.revisions();
    // Of an absent key the revision is 0.
    let mut txn = Txn::new(target.tenant).when(Compare::modified(&object, entry)).otherwise(Op::get(&object));
    match &plan.object {
        Write::Keep => {}
        Write::Put(form) => {
            let (value, lease) = (form.bytes.clone(), plan.lease);
            txn = txn.then(Op::Put { key: object, value, lease, want_previous: false });
        }
        Write::Delete => txn = txn.then(Op::delete(&object)),
    }
    if target.is_pod() {
        let binding = key::binding(target.tenant, target.ns, target.name);
        txn = txn.otherwise(Op::get(&binding));
        if !matches!(plan.record, RecordWrite::Ignore) {
            txn = txn.when(Compare::modified(&binding, held));
        }
        match &plan.record {
            RecordWrite::Put(record) => txn = txn.then(Op::put(&binding, record.encode())),
            RecordWrite::Delete => txn = txn.then(Op::delete(&binding)),
            RecordWrite::Ignore | RecordWrite::Keep => {}
        }
    }
    txn.compares.append(&mut plan.guards);
    txn.then.append(&mut plan.also);
    txn
}

fn stored(target: Target<'_>, kv: &meridian_store::KeyValue) -> Result<Arc<Entry>, Failure> {
    let path = key::join(target.ns, target.name);
    entry(target.kind, target.tenant, &path, kv).map(Arc::new).map_err(Failure::internal)
}

fn held_of(kv: &meridian_store::KeyValue) -> Result<Held, Failure> {
    let record = BindingRecord::decode(&kv.value).map_err(Failure::internal)?;
    Ok(Held { record: Arc::new(record), modified: kv.modified })
}

/// What a transaction that did not hold found instead.
fn base_of(target: Target<'_>, result: &TxnResult) -> Result<Base, Failure> {
    let mut found = result.results.iter().map(|result| match result {
        OpResult::Range(range) => range.kvs.first(),
        _ => None,
    });
    let entry = found.next().flatten().map(|kv| stored(target, kv)).transpose()?;
    let held = found.next().flatten().map(held_of).transpose()?;
    Ok(Base { entry, held, fresh: true })
}

fn written(target: Target<'_>, base: &Base, object: Write, result: &TxnResult) -> Outcome {
    let at = (result.revision, result.tenant_revision);
    match (object, &base.entry) {
        (Write::Put(form), _) => Outcome::Is(Some(target.put(form, at))),
        (Write::Delete, Some(entry)) => Outcome::Gone(Arc::new(entry.restamped(at.0, at.1))),
        (_, entry) => Outcome::Is(entry.clone()),
    }
}

/// What would have come of it.
fn dry(target: Target<'_>, base: &Base, object: Write) -> Outcome {
    match (object, &base.entry) {
        (Write::Put(form), Some(old)) => {
            Outcome::Is(Some(target.put(form, (old.modified, old.tenant_modified))))
        }
        (Write::Delete, Some(old)) => Outcome::Gone(old.clone()),
        (_, entry) => Outcome::Is(entry.clone()),
    }
}
