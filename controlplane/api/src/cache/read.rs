//! Reading the cache.

use std::ops::Bound;
use std::sync::Arc;

use tokio::sync::watch as latest;

use meridian_schema::Kind;
use meridian_store::{Revision, Tenant, TenantRevision};

use super::{Applied, Cache, Held, Past};
use crate::{Entry, Fenced, key};

/// Objects as of one revision.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) entries: Vec<Arc<Entry>>,
    /// As of when; none: the tenant has nothing here, and never had since the cache was loaded.
    pub(crate) revision: Option<TenantRevision>,
    /// The same as the partition's revision.
    pub(crate) at: Revision,
    /// Whether `most` left some out.
    pub(crate) more: bool,
}

/// The hosts that run something of a tenant, as of one revision.
#[derive(Debug)]
pub(crate) struct HostsInUse {
    /// Each behind the name that the tenant knows it by.
    pub(crate) hosts: Vec<(Box<str>, Arc<str>)>,
    /// As of when; none: the tenant has nothing here.
    pub(crate) revision: Option<TenantRevision>,
    /// The same as the partition's revision.
    pub(crate) at: Revision,
}

/// What a watcher learns when it looks for what is new.
#[derive(Debug)]
pub(crate) enum Place {
    /// Changes after its place, and how far they reach: all up to there is told.
    Changes(Vec<Past>, TenantRevision),
    /// What comes after its place is no longer all remembered; what comes after this one is.
    Forgotten(TenantRevision),
    /// The tenant has nothing here.
    Unknown,
}

/// What there was at a moment.
#[derive(Debug)]
pub(crate) enum Then {
    /// These objects, and the moment.
    Known(Vec<Arc<Entry>>, TenantRevision),
    /// It has not come: this is where the tenant stands.
    Ahead(TenantRevision),
    /// It is not remembered; what came after this one is.
    Forgotten(TenantRevision),
}

/// What a watcher waits for.
#[derive(Debug)]
pub(crate) enum Waiting {
    Collection(latest::Receiver<()>),
    Anything(latest::Receiver<Applied>),
}

impl Waiting {
    /// Resolves when something may have changed; false: nothing will.
    pub(crate) async fn changed(&mut self) -> bool {
        match self {
            Self::Collection(changed) => changed.changed().await.is_ok(),
            Self::Anything(applied) => applied.changed().await.is_ok(),
        }
    }
}

impl Cache {
    /// An object.
    pub(crate) fn get(&self, tenant: &Tenant, kind: &Kind, ns: &str, name: &str) -> Option<Arc<Entry>> {
        let path = key::join(ns, name);
        self.read().tenants.get(tenant)?.collection(kind)?.objects.get(path.as_str()).cloned()
    }

    /// An object, and where its tenant stands.
    pub(crate) fn get_with_binding(
        &self,
        tenant: &Tenant,
        kind: &Kind,
        ns: &str,
        name: &str,
    ) -> (Option<Arc<Entry>>, Option<Held>) {
        let path = key::join(ns, name);
        let state = self.read();
        let Some(tenant) = state.tenants.get(tenant) else { return (None, None) };
        let entry = tenant.collection(kind).and_then(|c| c.objects.get(path.as_str()).cloned());
        (entry, tenant.bindings.get(path.as_str()).cloned())
    }

    /// A binding record.
    pub(crate) fn binding(&self, tenant: &Tenant, ns: &str, name: &str) -> Option<Held> {
        let path = key::join(ns, name);
        self.read().tenants.get(tenant)?.bindings.get(path.as_str()).cloned()
    }

    /// The host that a tenant knows by a name.
    pub(crate) fn host(&self, tenant: &Tenant, name: &str) -> Option<Arc<str>> {
        self.read().tenants.get(tenant)?.nodes.host(name).cloned()
    }

    /// The hosts that run something of a tenant, each behind the name that the tenant knows it by, and as of when; as with
    /// [`Self::list`].
    pub(crate) fn hosts(&self, tenant: &Tenant) -> HostsInUse {
        let state = self.read();
        let tenant = state.tenants.get(tenant);
        HostsInUse {
            hosts: tenant.map_or_else(Vec::new, |tenant| {
                tenant.nodes.all().map(|(name, host)| (name.clone(), host.clone())).collect()
            }),
            revision: tenant.map(|tenant| tenant.revision),
            at: state.revision,
        }
    }

    /// The fence of a host partition; 0: none.
    pub(crate) fn fence(&self, host_partition: &str) -> u64 {
        self.read().fences.get(host_partition).copied().unwrap_or_default()
    }

    /// Has the answer to the next fence of a host partition kept.
    pub(crate) fn expect_fenced(&self, host_partition: &str) {
        self.write().fenced.entry(host_partition.to_owned()).or_default();
    }

    /// Fetches the answer to the fence that was appended at a revision; none: a later one took its place.
    pub(crate) fn take_fenced(&self, host_partition: &str, at: Revision) -> Option<Fenced> {
        let answer = self.write().fenced.remove(host_partition).flatten();
        answer.filter(|(revision, _)| *revision == at).map(|(_, fenced)| fenced)
    }

    /// Where a tenant stands; none: it has nothing here.
    pub(crate) fn tenant_revision(&self, tenant: &Tenant) -> Option<TenantRevision> {
        self.read().tenants.get(tenant).map(|tenant| tenant.revision)
    }

    /// The objects of a kind that pass a test, in the order of their keys; with an empty `ns` of all namespaces. The test
    /// is done under the lock: it looks at the entry and decodes nothing.
    pub(crate) fn list(
        &self,
        tenant: &Tenant,
        kind: &Kind,
        ns: &str,
        most: usize,
        passes: impl Fn(&Entry) -> bool,
    ) -> Snapshot {
        let state = self.read();
        let mut snapshot = Snapshot { at: state.revision, ..Snapshot::default() };
        let Some(tenant) = state.tenants.get(tenant) else { return snapshot };
        snapshot.revision = Some(tenant.revision);
        let Some(collection) = tenant.collection(kind) else { return snapshot };
        for entry in collection.within(ns).filter(|entry| passes(entry)) {
            if snapshot.entries.len() == most {
                snapshot.more = true;
                break;
            }
            snapshot.entries.push(entry.clone());
        }
        snapshot
    }

    /// The objects of a kind at a resource version (none: now), behind a `namespace/name`, out of memory alone; with an empty
    /// `ns` of all namespaces.
    pub(crate) fn list_at(
        &self,
        tenant: &Tenant,
        kind: &Kind,
        ns: &str,
        at: Option<TenantRevision>,
        after: Option<&str>,
    ) -> Then {
        let state = self.read();
        let Some(tenant) = state.tenants.get(tenant) else {
            return Then::Known(Vec::new(), TenantRevision::FIRST);
        };
        let at = at.unwrap_or(tenant.revision);
        if at > tenant.revision {
            return Then::Ahead(tenant.revision);
        }
        let floor = tenant.floor(kind, ns);
        if at < floor {
            return Then::Forgotten(floor);
        }
        let Some(collection) = tenant.collection(kind) else { return Then::Known(Vec::new(), at) };
        if collection.is_as_at(at) {
            let objects = match after {
                None => collection.within(ns).cloned().collect(),
                Some(after) => collection.after_path(ns, after).cloned().collect(),
            };
            return Then::Known(objects, at);
        }
        let Some(objects) = collection.objects_at(at, after) else { return Then::Forgotten(tenant.revision) };
        let within = |entry: &Arc<Entry>| ns.is_empty() || entry.namespace == ns;
        Then::Known(objects.into_values().filter(within).collect(), at)
    }

    /// Whether several objects of a kind changed at a resource version, so that whoever was told of one of them may have
    /// missed the others.
    pub(crate) fn is_of_several(&self, tenant: &Tenant, kind: &Kind, version: TenantRevision) -> bool {
        let state = self.read();
        let collection = state.tenants.get(tenant).and_then(|tenant| tenant.collection(kind));
        collection.is_some_and(|collection| collection.changes_at(version) > 1)
    }

    /// How many objects of a kind come after one.
    pub(crate) fn count_after(&self, tenant: &Tenant, kind: &Kind, ns: &str, last: &Entry) -> usize {
        let state = self.read();
        let collection = state.tenants.get(tenant).and_then(|tenant| tenant.collection(kind));
        let last = key::join(&last.namespace, &last.name);
        collection.map_or(0, |collection| collection.after_path(ns, &last).count())
    }

    /// The objects of a kind of every tenant.
    pub(crate) fn list_all(&self, kind: &Kind, ns: &str) -> Vec<Arc<Entry>> {
        let state = self.read();
        let collections = state.tenants.values().filter_map(|tenant| tenant.collection(kind));
        collections.flat_map(|collection| collection.within(ns).cloned().collect::<Vec<_>>()).collect()
    }

    /// What is new for a watcher.
    pub(crate) fn after(
        &self,
        tenant: &Tenant,
        kind: &Kind,
        ns: &str,
        place: TenantRevision,
        most: usize,
    ) -> Place {
        let state = self.read();
        let Some(tenant) = state.tenants.get(tenant) else { return Place::Unknown };
        let floor = tenant.floor(kind, ns);
        if place < floor {
            return Place::Forgotten(floor);
        }
        let changes = tenant.collection(kind).and_then(|c| c.after(place, most)).unwrap_or_default();
        // A full answer reaches to its last change, any other to where the tenant stands.
        let reached = match changes.last() {
            Some(last) if changes.len() >= most => last.at(),
            _ => tenant.revision.max(place),
        };
        Place::Changes(changes, reached)
    }

    /// What to wait for, for changes of a kind: subscribed before the look that finds nothing.
    pub(crate) fn waiting(&self, tenant: &Tenant, kind: &Kind) -> Waiting {
        let known = self.read().tenants.contains_key(tenant);
        if !known {
            return Waiting::Anything(self.applied.subscribe());
        }
        let mut state = self.write();
        let collection = state.tenants.get_mut(tenant).and_then(|tenant| tenant.collection_mut(kind));
        match collection {
            Some(collection) => Waiting::Collection(collection.subscribe()),
            None => Waiting::Anything(self.applied.subscribe()),
        }
    }

    /// Whether nothing more will come.
    pub(crate) fn is_closed(&self) -> bool {
        self.applied.borrow().closed
    }
}

impl super::collection::Collection {
    /// The objects of a namespace; with an empty one all.
    pub(super) fn within(&self, ns: &str) -> impl Iterator<Item = &Arc<Entry>> {
        let start = if ns.is_empty() { String::new() } else { format!("{ns}/") };
        let range = self.objects.range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
        let ns = ns.to_owned();
        range.map(|(_, entry)| entry).take_while(move |entry| ns.is_empty() || entry.namespace == ns)
    }

    fn after_path(&self, ns: &str, path: &str) -> impl Iterator<Item = &Arc<Entry>> {
        let range = self.objects.range::<str, _>((Bound::Excluded(path), Bound::Unbounded));
        let ns = ns.to_owned();
        range.map(|(_, entry)| entry).take_while(move |entry| ns.is_empty() || entry.namespace == ns)
    }
}
