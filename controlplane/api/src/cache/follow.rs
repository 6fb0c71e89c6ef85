//! Following a whole partition: everything there is, and then every change in the order of commits.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch as latest;

use meridian_schema::Kind;
use meridian_store::Revision;

use super::{Applied, Cache, Past, State, is_view};
use crate::change::{Change, FollowError};
use crate::{Entry, key};

/// The changes of all tenants that are remembered.
#[derive(Debug)]
pub(super) struct Log {
    changes: VecDeque<(Revision, Change)>,
    /// Changes up to and with this revision are not remembered.
    floor: Revision,
}

impl Log {
    pub(super) fn new(floor: Revision) -> Self {
        Self { changes: VecDeque::new(), floor }
    }

    pub(super) fn push(&mut self, revision: Revision, change: Change, remembered: usize) {
        self.changes.push_back((revision, change));
        while self.changes.len() > remembered {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((revision, _)) = self.changes.pop_front() {
            self.floor = revision;
        }
    }

    pub(super) fn forget(&mut self, until: Revision) {
        while self.changes.front().is_some_and(|(revision, _)| *revision <= until) {
            self.forget_oldest();
        }
    }

    pub(super) fn floor(&self) -> Revision {
        self.floor
    }

    /// Changes of objects of a kind after a place, whole commits, about `most`; and where they end, if there are more.
    pub(super) fn after_of(
        &self,
        kind: &Kind,
        place: Revision,
        most: usize,
    ) -> (Vec<Past>, Option<Revision>) {
        let from = self.changes.partition_point(|(revision, _)| *revision <= place);
        let mut last = place;
        let mut found = Vec::new();
        for (revision, change) in self.changes.range(from..) {
            let past = match change {
                Change::Put { entry, previous } if entry.kind == kind => {
                    Past::Put { entry: entry.clone(), previous: previous.clone() }
                }
                Change::Deleted(entry) if entry.kind == kind => Past::Deleted(entry.clone()),
                _ => continue,
            };
            if found.len() >= most && last != *revision {
                return (found, Some(last));
            }
            found.push(past);
            last = *revision;
        }
        (found, None)
    }

    /// Changes after a place, whole commits, about `most`; none if they are no longer all remembered.
    fn after(&self, place: Revision, most: usize) -> Option<(Vec<Change>, Option<Revision>)> {
        if place < self.floor {
            return None;
        }
        let from = self.changes.partition_point(|(revision, _)| *revision <= place);
        let mut last = None;
        let mut changes = Vec::new();
        for (revision, change) in self.changes.range(from..) {
            if changes.len() >= most && last != Some(*revision) {
                break;
            }
            changes.push(change.clone());
            last = Some(*revision);
        }
        Some((changes, last))
    }
}

/// Everything in a partition, and then all that happens to it. Dropping it ends it.
#[derive(Debug)]
pub struct Follow {
    cache: Arc<Cache>,
    applied: latest::Receiver<Applied>,
    /// Changes up to and with this revision were told; none: nothing was told yet.
    place: Option<Revision>,
}

/// The most changes told at once, but for a commit that has more by itself.
const AT_ONCE: usize = 1024;

impl Follow {
    pub(crate) fn new(cache: Arc<Cache>) -> Self {
        let applied = cache.applied.subscribe();
        Self { cache, applied, place: None }
    }

    /// The next changes, once there are any; never an empty list. Commits are not split. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`FollowError`]: nothing more will come.
    pub async fn next(&mut self) -> Result<Vec<Change>, FollowError> {
        loop {
            let Applied { revision, closed } = *self.applied.borrow_and_update();
            if closed {
                return Err(FollowError::Closed);
            }
            match self.place {
                None => {
                    let (changes, place) = self.cache.read().everything();
                    self.place = Some(place);
                    return Ok(changes);
                }
                Some(place) if place < revision => {
                    let (changes, last) =
                        self.cache.read().log.after(place, AT_ONCE).ok_or(FollowError::FellBehind)?;
                    // Without a change all up to `revision` was told: that much was applied before the log was read.
                    self.place = Some(last.unwrap_or(revision));
                    if !changes.is_empty() {
                        return Ok(changes);
                    }
                }
                Some(_) => self.applied.changed().await.map_err(|_| FollowError::Closed)?,
            }
        }
    }
}

impl State {
    /// All there is, as changes, and as of when.
    fn everything(&self) -> (Vec<Change>, Revision) {
        let mut changes = Vec::new();
        for (tenant, state) in &self.tenants {
            for (path, held) in &state.bindings {
                let (namespace, name) = key::split(path);
                changes.push(Change::Binding {
                    tenant: tenant.clone(),
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                    record: Some(held.record.clone()),
                });
            }
            for collection in state.collections() {
                let put = |entry: &Arc<Entry>| Change::Put { entry: entry.clone(), previous: None };
                let is_stored = |entry: &&Arc<Entry>| !is_view(tenant, entry.kind, &entry.namespace);
                changes.extend(collection.objects.values().filter(is_stored).map(put));
            }
        }
        changes.push(Change::InSync);
        (changes, self.revision)
    }
}
