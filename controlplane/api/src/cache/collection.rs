//! What one tenant has: its objects by kind, each kind with its recent changes, and its binding records.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::watch as latest;

use meridian_schema::{Kind, kinds};
use meridian_store::{Revision, TenantRevision};

use crate::{BindingRecord, Entry};

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
}

impl TenantState {
    pub(crate) fn new(loaded: TenantRevision) -> Self {
        let collections = std::iter::repeat_with(|| None).take(kinds().len()).collect();
        Self { loaded, revision: loaded, collections, bindings: BTreeMap::new() }
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

    /// Changes of a kind up to and with this one are not remembered.
    pub(crate) fn floor(&self, kind: &Kind) -> TenantRevision {
        self.collection(kind).map_or(self.loaded, |collection| collection.floor)
    }

    pub(crate) fn forget(&mut self, until: Revision) {
        for collection in self.collections.iter_mut().flatten() {
            collection.forget(until);
        }
    }
}

impl Collection {
    fn new(floor: TenantRevision) -> Self {
        Self { objects: BTreeMap::new(), history: VecDeque::new(), floor, changed: latest::Sender::new(()) }
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
        while self.history.len() > remembered {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.history.pop_front() {
            self.floor = oldest.at();
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

    /// Tells those who wait that something changed.
    pub(crate) fn wake(&self) {
        self.changed.send_replace(());
    }

    pub(crate) fn subscribe(&self) -> latest::Receiver<()> {
        self.changed.subscribe()
    }
}
