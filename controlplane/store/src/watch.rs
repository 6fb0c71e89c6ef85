//! Watches: everything that happened in a range since a revision, in order, each thing once.
//!
//! A watch is pulled: [`Watch::next`] takes the next commits out of the store's history, so a slow watcher holds no
//! memory beyond its place in it. One that falls behind is served from history, and ends with [`Error::Compacted`] when
//! its place is compacted away. Dropping a watch cancels it.

use crate::{Error, KeyRange, KeyValue, Revision, Tenant, TenantRevision};

/// What to watch.
#[derive(Clone, Debug)]
pub struct WatchRequest {
    /// Which keys.
    pub range: KeyRange,
    /// The first revision of interest; none: from now on.
    pub from: Option<Revision>,
    /// Whether events carry what was there before.
    pub want_previous: bool,
    /// Whether [`Watch::next`] also returns when history went on without an event in the range.
    pub progress: bool,
}

impl WatchRequest {
    /// Watches a range from now on.
    #[must_use]
    pub fn new(range: KeyRange) -> Self {
        Self { range, from: None, want_previous: false, progress: false }
    }

    /// From a revision on, with that revision.
    #[must_use]
    pub fn from(mut self, revision: Revision) -> Self {
        self.from = Some(revision);
        self
    }

    /// With what was there before each event.
    #[must_use]
    pub fn with_previous(mut self) -> Self {
        self.want_previous = true;
        self
    }

    /// With batches that carry no event, only how far history went.
    #[must_use]
    pub fn with_progress(mut self) -> Self {
        self.progress = true;
        self
    }
}

/// What a watch yields at once: whole commits, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The commits with an event in the range. None is ever split over two batches.
    pub commits: Vec<Commit>,
    /// Every event up to and with this revision has been delivered.
    pub through: Revision,
}

/// One write transaction, as far as it touched the watched range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its revision.
    pub revision: Revision,
    /// The tenant it belongs to.
    pub tenant: Tenant,
    /// Its revision in that tenant's own sequence.
    pub tenant_revision: TenantRevision,
    /// What it did, in the order of the keys.
    pub events: Vec<Event>,
}

/// What happened to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub change: Change,
    /// What was there before, where that was asked for.
    pub previous: Option<KeyValue>,
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was written.
    Put(KeyValue),
    /// It was deleted.
    Delete(crate::Key),
}

impl Change {
    /// The key that changed.
    #[must_use]
    pub fn key(&self) -> &crate::Key {
        match self {
            Self::Put(kv) => &kv.key,
            Self::Delete(key) => key,
        }
    }
}

/// A running watch.
#[derive(Debug)]
pub struct Watch(pub(crate) Source);

#[derive(Debug)]
pub(crate) enum Source {
    Embedded(crate::embedded::EmbeddedWatch),
    #[cfg(feature = "etcd")]
    Etcd(Box<crate::etcd::EtcdWatch>),
}

impl Watch {
    /// The next commits, once there are any. Dropping the future loses nothing: call again.
    ///
    /// # Errors
    ///
    /// [`Error::Compacted`] when the watch fell behind what is kept, [`Error::Closed`] when the store was closed.
    pub async fn next(&mut self) -> Result<Batch, Error> {
        match &mut self.0 {
            Source::Embedded(watch) => watch.next().await,
            #[cfg(feature = "etcd")]
            Source::Etcd(watch) => watch.next().await,
        }
    }
}
