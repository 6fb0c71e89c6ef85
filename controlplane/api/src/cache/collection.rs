//! What one tenant has: its objects by kind, each kind with its recent changes, and its binding records.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tokio::sync::watch as latest;

use meridian_schema::{Kind, kinds, lease};
use meridian_store::{Revision, Tenant, TenantRevision};

use super::heartbeats::Shown;
use super::{covers, is_view};
use crate::view::{View, VirtualNodes};
use crate::{BindingRecord, Entry, key};

/// Changes of the Leases of hosts that are remembered, for each.
const SHOWINGS: usize = 4;

/// A binding record, as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) record: Arc<BindingRecord>,
    pub(crate) modified: Revision,
}

/// A change of one object.
#[derive(Clone, Debug)]
pub(crate) enum Past {
    Put {
        entry: Arc<Entry>,
        previous: Option<Arc<Entry>>,
    },
    /// The last state, with the revision of the deletion.
    Deleted(Arc<Entry>),
}

impl Past {
    pub(crate) fn entry(&self) -> &Arc<Entry> {
        match self {
            Self::Put { entry, .. } | Self::Deleted(entry) => entry,
        }
    }

    pub(crate) fn at(&self) -> TenantRevision {
        self.entry().tenant_modified
    }
}

/// The objects of one kind of a tenant.
#[derive(Debug)]
pub(crate) struct Collection {
    /// By `namespace/name`.
    pub(crate) objects: BTreeMap<Box<str>, Arc<Entry>>,
    /// Recent changes, oldest first.
    history: VecDeque<Past>,
    /// Changes up to and with this one are not in `history`.
    floor: TenantRevision,
    /// The same as the partition's revision; 0 where everything since the cache was loaded is there.
    floor_at: Revision,
    /// So many changes are remembered at least.
    least_remembered: usize,
    changed: latest::Sender<()>,
}

/// What one tenant has.
#[derive(Debug)]
pub(crate) struct TenantState {
    /// Where the tenant stood when the cache was loaded: nothing is remembered of before.
    loaded: TenantRevision,
    /// Where it stands.
    pub(crate) revision: TenantRevision,
    /// By the index of the kind.
    collections: Vec<Option<Box<Collection>>>,
    /// By `namespace/name`.
    pub(crate) bindings: BTreeMap<Box<str>, Held>,
    /// Since when heartbeats are shown; none: they are not.
    shown_since: Option<(Revision, TenantRevision)>,
    /// The hosts that these bindings name, for all tenants but `system`, which sees hosts as they are.
    pub(crate) nodes: VirtualNodes,
}

impl TenantState {
    pub(crate) fn new(loaded: TenantRevision) -> Self {
        let collections = std::iter::repeat_with(|| None).take(kinds().len()).collect();
        Self {
            loaded,
            revision: loaded,
            collections,
            bindings: BTreeMap::new(),
            shown_since: None,
            nodes: VirtualNodes::default(),
        }
    }

    pub(crate) fn collection(&self, kind: &Kind) -> Option<&Collection> {
        self.collections.get(kind.index())?.as_deref()
    }

    pub(crate) fn collections(&self) -> impl Iterator<Item = &Collection> {
        self.collections.iter().flatten().map(Box::as_ref)
    }

    /// The objects of a kind; made when there were none so far.
    pub(crate) fn collection_mut(&mut self, kind: &Kind) -> Option<&mut Collection> {
        let loaded = self.loaded;
        let slot = self.collections.get_mut(kind.index())?;
        Some(slot.get_or_insert_with(|| Box::new(Collection::new(loaded))))
    }

    /// Changes of a kind in a namespace, or with an empty one in all, up to and with this one are not remembered.
    pub(crate) fn floor(&self, kind: &Kind, ns: &str) -> TenantRevision {
        let floor = self.collection(kind).map_or(self.loaded, |collection| collection.floor);
        match self.shown_since {
            Some((_, since)) if covers(&Tenant::system(), kind, ns) => floor.max(since),
            _ => floor,
        }
    }

    /// Shows what has changed of the Leases of hosts. The answer says of each change whether its Lease is new; none: it is
    /// gone.
    pub(super) fn show(
        &mut self,
        shown: Vec<Shown>,
        at: (Revision, TenantRevision),
        remembered: usize,
    ) -> Vec<Option<bool>> {
        self.shown_since.get_or_insert(at);
        let Some(collection) = self.collection_mut(lease()) else { return Vec::new() };
        // However many hosts there are, what was shown last is remembered.
        collection.least_remembered = collection.objects.len().max(shown.len()) * SHOWINGS;
        let mut changes = Vec::with_capacity(shown.len());
        for (path, entry) in shown {
            match entry {
                Some(entry) => changes.push(Some(collection.put(&path, entry, remembered).is_none())),
                None => changes.extend(collection.delete(&path, at, remembered).map(|_| None)),
            }
        }
        changes
    }

    /// The Leases of hosts among others, and the partition's revision up to which their changes are not remembered.
    pub(super) fn shown(&self) -> Option<(&Collection, Revision)> {
        let (since, _) = self.shown_since?;
        let leases = self.collection(lease())?;
        Some((leases, leases.floor_at.max(since)))
    }

    /// Takes a binding record in.
    pub(crate) fn hold(&mut self, tenant: &Tenant, path: &str, held: Held, view: &View) {
        let record = held.record.clone();
        let before = self.bindings.insert(path.into(), held);
        if tenant.is_system() {
            return;
        }
        // First in, then out: a record that only changed its state leaves the node where it is.
        self.nodes.enter(&record.host, || view.host_name(tenant, &record.host).into_owned());
        if let Some(before) = before {
            self.nodes.leave(&before.record.host);
        }
    }

    /// Takes the end of a binding in.
    pub(crate) fn release(&mut self, path: &str) {
        if let Some(held) = self.bindings.remove(path) {
            self.nodes.leave(&held.record.host);
        }
    }

    pub(crate) fn forget(&mut self, until: Revision) {
        for collection in self.collections.iter_mut().flatten() {
            collection.forget(until);
        }
    }
}

impl Collection {
    fn new(floor: TenantRevision) -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            floor,
            floor_at: Revision(0),
            least_remembered: 0,
            changed: latest::Sender::new(()),
        }
    }

    /// Takes a change in; the answer is what was there before.
    pub(crate) fn put(&mut self, path: &str, entry: Arc<Entry>, remembered: usize) -> Option<Arc<Entry>> {
        let previous = match self.objects.get_mut(path) {
            Some(slot) => Some(std::mem::replace(slot, entry.clone())),
            None => self.objects.insert(path.into(), entry.clone()),
        };
        self.remember(Past::Put { entry, previous: previous.clone() }, remembered);
        previous
    }

    /// Takes a deletion in; the answer is the last state, with the revision of the deletion.
    pub(crate) fn delete(
        &mut self,
        path: &str,
        at: (Revision, TenantRevision),
        remembered: usize,
    ) -> Option<Arc<Entry>> {
        let last = self.objects.remove(path)?;
        let last = Arc::new(last.restamped(at.0, at.1));
        self.remember(Past::Deleted(last.clone()), remembered);
        Some(last)
    }

    fn remember(&mut self, past: Past, remembered: usize) {
        self.history.push_back(past);
        while self.history.len() > remembered.max(self.least_remembered) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.history.pop_front() {
            self.floor = oldest.at();
            self.floor_at = oldest.entry().modified;
        }
    }

    fn forget(&mut self, until: Revision) {
        while self.history.front().is_some_and(|past| past.entry().modified <= until) {
            self.forget_oldest();
        }
        if self.history.is_empty() && self.history.capacity() > 64 {
            self.history.shrink_to_fit();
        }
    }

    /// Changes after a place, at most so many; none if they are no longer all remembered.
    pub(crate) fn after(&self, place: TenantRevision, most: usize) -> Option<Vec<Past>> {
        if place < self.floor {
            return None;
        }
        let from = self.history.partition_point(|past| past.at() <= place);
        let mut to = self.history.len().min(from.saturating_add(most));
        // The changes of one commit have one resource version and are never split.
        while to > from && to < self.history.len() && self.history[to].at() == self.history[to - 1].at() {
            to += 1;
        }
        Some(self.history.range(from..to).cloned().collect())
    }

    /// Changes of the Leases of hosts after a revision of the partition.
    pub(super) fn shown_after(&self, place: Revision) -> impl Iterator<Item = &Past> {
        let from = self.history.partition_point(|past| past.entry().modified <= place);
        let is_shown = |past: &&Past| {
            let entry = past.entry();
            is_view(&entry.tenant, entry.kind, &entry.namespace)
        };
        self.history.range(from..).filter(is_shown)
    }

    /// How many changes one resource version is of.
    pub(crate) fn changes_at(&self, version: TenantRevision) -> usize {
        let from = self.history.partition_point(|past| past.at() < version);
        self.history.range(from..).take_while(|past| past.at() == version).count()
    }

    /// Whether nothing has changed since a resource version.
    pub(crate) fn is_as_at(&self, version: TenantRevision) -> bool {
        self.history.back().is_none_or(|past| past.at() <= version)
    }

    /// What was there at a resource version, behind a `namespace/name`; none: it is not remembered.
    pub(crate) fn objects_at(
        &self,
        version: TenantRevision,
        after: Option<&str>,
    ) -> Option<BTreeMap<Box<str>, Arc<Entry>>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let is_behind = |path: &str| after.is_none_or(|after| path > after);
        let range = self.objects.range::<str, _>((start, Bound::Unbounded));
        let mut objects: BTreeMap<_, _> = range.map(|(path, entry)| (path.clone(), entry.clone())).collect();
        for past in self.history.iter().rev().take_while(|past| past.at() > version) {
            let entry = past.entry();
            let path = key::join(&entry.namespace, &entry.name);
            match past {
                Past::Put { previous, .. } if is_behind(&path) => match previous {
                    Some(previous) => drop(objects.insert(path.into(), previous.clone())),
                    None => drop(objects.remove(path.as_str())),
                },
                Past::Put { .. } => {}
                // What is remembered of it has the version of its end and not its own.
                Past::Deleted(_) => return None,
            }
        }
        Some(objects)
    }

    /// Tells those who wait that something changed.
    pub(crate) fn wake(&self) {
        self.changed.send_replace(());
    }

    pub(crate) fn subscribe(&self) -> latest::Receiver<()> {
        self.changed.subscribe()
    }
}
