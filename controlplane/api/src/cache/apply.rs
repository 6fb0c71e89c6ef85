//! Taking commits in: decoded before the lock is taken, applied under it, told to those who wait after it.

use std::sync::Arc;

use meridian_schema::{Kind, lease};
use meridian_store::{Commit, Event, KeyValue, Revision, Tenant, TenantRevision};

use super::heartbeats::{Moment, Shown};
use super::{Applied, Cache, Held, State, TenantState};
use crate::binding::decode_fence;
use crate::key::{self, Place};
use crate::view::View;
use crate::{BindingRecord, Change, Entry, Fenced, HeldBinding};

/// A commit, decoded.
struct Prepared {
    revision: Revision,
    tenant: Tenant,
    tenant_revision: TenantRevision,
    steps: Vec<Step>,
}

enum Step {
    Put { path: String, entry: Arc<Entry> },
    Delete { kind: &'static Kind, path: String },
    Hold { path: String, record: Arc<BindingRecord> },
    Release { path: String },
    Fence { host_partition: String, epoch: u64 },
    Show(Vec<Shown>),
    Seal,
}

impl Cache {
    /// Takes commits in that the store says are the next ones, and that history now reaches to `through`.
    pub(super) fn apply(&self, commits: Vec<Commit>, through: Revision) {
        let prepared: Vec<Prepared> = commits.into_iter().map(|commit| self.prepare(commit)).collect();
        {
            let mut state = self.write();
            let mut touched: Vec<(Tenant, &'static Kind)> = Vec::new();
            for commit in prepared {
                state.apply(commit, self, &mut touched);
            }
            state.revision = state.revision.max(through);
            touched.sort_unstable_by(|a, b| (&a.0, a.1.index()).cmp(&(&b.0, b.1.index())));
            touched.dedup();
            for (tenant, kind) in &touched {
                if let Some(collection) = state.tenants.get(tenant).and_then(|t| t.collection(kind)) {
                    collection.wake();
                }
            }
        }
        self.applied.send_modify(|Applied { revision, .. }| *revision = through.max(*revision));
        self.metrics.applied(self.home, through);
    }

    fn prepare(&self, commit: Commit) -> Prepared {
        let Commit { revision, tenant, tenant_revision, events } = commit;
        let mut steps: Vec<Step> = events.iter().filter_map(|event| prepare_event(&tenant, event)).collect();
        steps.extend(events.iter().filter_map(|event| match &event.change {
            meridian_store::Change::Put(kv) if key::place(&kv.key) == Place::Heartbeats => {
                match Moment::decode(&kv.value, self.store.epoch())? {
                    Moment::Show => {
                        Some(Step::Show(self.heartbeats.take(&tenant, (revision, tenant_revision))))
                    }
                    Moment::Seal => Some(Step::Seal),
                }
            }
            _ => None,
        }));
        Prepared { revision, tenant, tenant_revision, steps }
    }
}

fn prepare_event(tenant: &Tenant, event: &Event) -> Option<Step> {
    match &event.change {
        meridian_store::Change::Put(kv) => prepare_put(tenant, kv),
        meridian_store::Change::Delete(key) => match key::place(key) {
            Place::Object { kind, path } => Some(Step::Delete { kind, path: path.to_owned() }),
            Place::Binding { path } => Some(Step::Release { path: path.to_owned() }),
            Place::Fence { .. } | Place::Heartbeats | Place::Other => None,
        },
    }
}

fn prepare_put(tenant: &Tenant, kv: &KeyValue) -> Option<Step> {
    match key::place(&kv.key) {
        Place::Object { kind, path } => match entry(kind, tenant, path, kv) {
            Ok(entry) => Some(Step::Put { path: path.to_owned(), entry: Arc::new(entry) }),
            Err(error) => unreadable(kv, &error),
        },
        Place::Binding { path } => match BindingRecord::decode(&kv.value) {
            Ok(record) => Some(Step::Hold { path: path.to_owned(), record: Arc::new(record) }),
            Err(error) => unreadable(kv, &error),
        },
        Place::Fence { host_partition } => match decode_fence(&kv.value) {
            Ok(epoch) => Some(Step::Fence { host_partition: host_partition.to_owned(), epoch }),
            Err(error) => unreadable(kv, &error),
        },
        Place::Heartbeats | Place::Other => None,
    }
}

fn unreadable(kv: &KeyValue, error: &dyn std::error::Error) -> Option<Step> {
    tracing::error!(key = ?kv.key, revision = kv.modified.0, %error, "what is stored cannot be read and is left out");
    None
}

/// An object as it is stored, as an entry.
pub(crate) fn entry(
    kind: &'static Kind,
    tenant: &Tenant,
    path: &str,
    kv: &KeyValue,
) -> Result<Entry, serde_json::Error> {
    let (namespace, name) = key::split(path);
    Entry::decode(kind, tenant, namespace, name, kv.value.clone(), kv.modified, kv.tenant_modified)
}

impl State {
    /// Takes in what was there when the cache was loaded.
    pub(super) fn load(&mut self, tenant: &Tenant, loaded: TenantRevision, kv: &KeyValue, view: &View) {
        let Some(step) = prepare_put(tenant, kv) else { return };
        let state = self.tenants.entry(tenant.clone()).or_insert_with(|| TenantState::new(loaded));
        match step {
            Step::Put { path, entry } => {
                if let Some(collection) = state.collection_mut(entry.kind) {
                    collection.objects.insert(path.into(), entry);
                }
            }
            Step::Hold { path, record } => {
                state.hold(tenant, &path, Held { record, modified: kv.modified }, view);
            }
            Step::Fence { host_partition, epoch } => {
                self.fences.insert(host_partition, epoch);
            }
            Step::Delete { .. } | Step::Release { .. } | Step::Show(_) | Step::Seal => {}
        }
    }

    fn apply(&mut self, commit: Prepared, cache: &Cache, touched: &mut Vec<(Tenant, &'static Kind)>) {
        let Cache { remembered, metrics, view, .. } = cache;
        let remembered = *remembered;
        let Prepared { revision, tenant, tenant_revision, steps } = commit;
        // A tenant that had nothing when the cache was loaded stood just before its first commit since.
        let before = TenantRevision(tenant_revision.0.saturating_sub(1));
        let state = self.tenants.entry(tenant.clone()).or_insert_with(|| TenantState::new(before));
        state.revision = tenant_revision;
        let mut fence = None;
        for step in steps {
            let change = match step {
                Step::Put { path, entry } => {
                    let Some(collection) = state.collection_mut(entry.kind) else { continue };
                    let previous = collection.put(&path, entry.clone(), remembered);
                    touched.push((tenant.clone(), entry.kind));
                    metrics.object_put(entry.kind, previous.is_none());
                    Change::Put { entry, previous }
                }
                Step::Delete { kind, path } => {
                    let Some(collection) = state.collection_mut(kind) else { continue };
                    let at = (revision, tenant_revision);
                    let Some(last) = collection.delete(&path, at, remembered) else { continue };
                    touched.push((tenant.clone(), kind));
                    metrics.object_deleted(kind);
                    Change::Deleted(last)
                }
                Step::Hold { path, record } => {
                    let change = binding_change(&tenant, &path, Some(record.clone()));
                    state.hold(&tenant, &path, Held { record, modified: revision }, view);
                    change
                }
                Step::Release { path } => {
                    state.release(&path);
                    binding_change(&tenant, &path, None)
                }
                Step::Fence { host_partition, epoch } => {
                    fence = Some((host_partition, epoch));
                    continue;
                }
                // Followers act on what is stored, and are not told.
                Step::Show(shown) => {
                    for change in state.show(shown, (revision, tenant_revision), remembered) {
                        match change {
                            Some(is_new) => metrics.object_put(lease(), is_new),
                            None => metrics.object_deleted(lease()),
                        }
                    }
                    touched.push((tenant.clone(), lease()));
                    continue;
                }
                Step::Seal => {
                    touched.push((tenant.clone(), lease()));
                    continue;
                }
            };
            self.log.push(revision, change, remembered);
        }
        self.revision = revision;
        if let Some((host_partition, epoch)) = fence {
            // Exactly here, at the append's own place among all others.
            if self.fenced.contains_key(&host_partition) {
                let bindings = self.bindings_of(&host_partition);
                self.fenced.insert(host_partition.clone(), Some((revision, Fenced { epoch, bindings })));
            }
            self.fences.insert(host_partition, epoch);
        }
    }

    /// All bindings at hosts of a host partition.
    fn bindings_of(&self, host_partition: &str) -> Vec<HeldBinding> {
        let mut all = Vec::new();
        for (tenant, state) in &self.tenants {
            for (path, held) in &state.bindings {
                if held.record.host_partition == host_partition {
                    let (namespace, name) = key::split(path);
                    all.push(HeldBinding {
                        tenant: tenant.clone(),
                        namespace: namespace.to_owned(),
                        name: name.to_owned(),
                        record: held.record.clone(),
                    });
                }
            }
        }
        all
    }
}

fn binding_change(tenant: &Tenant, path: &str, record: Option<Arc<BindingRecord>>) -> Change {
    let (namespace, name) = key::split(path);
    Change::Binding { tenant: tenant.clone(), namespace: namespace.to_owned(), name: name.to_owned(), record }
}
