//! Reading the cache across tenants, in the partition's own sequence: for the region's operators.

use std::sync::Arc;

use meridian_schema::Kind;
use meridian_store::{Revision, Tenant, TenantRevision};

use super::{Cache, Collection, Place, State, Waiting, covers};
use crate::Entry;

/// Objects of all tenants as of one revision.
#[derive(Debug)]
pub(crate) struct Across {
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) at: Revision,
    /// How many more there are.
    pub(crate) rest: usize,
}

impl Cache {
    /// The objects of a kind that pass a test, in the order of tenants and then of keys, at most so many; with an empty `ns`
    /// of all namespaces. The test is done under the lock: it looks at the entry and decodes nothing.
    pub(crate) fn list_across(
        &self,
        kind: &Kind,
        ns: &str,
        most: usize,
        passes: impl Fn(&Entry) -> bool,
    ) -> Across {
        let state = self.read();
        let mut across = Across { entries: Vec::new(), at: state.revision, rest: 0 };
        for tenant in state.with_any(kind) {
            let Some(collection) = state.tenants.get(tenant).and_then(|tenant| tenant.collection(kind))
            else {
                continue;
            };
            for entry in collection.within(ns).filter(|entry| passes(entry)) {
                if across.entries.len() < most {
                    across.entries.push(entry.clone());
                } else {
                    across.rest += 1;
                }
            }
        }
        across
    }

    /// The tenants that have, or had, objects of a kind, in order.
    pub(crate) fn tenants_with(&self, kind: &Kind) -> Vec<Tenant> {
        self.read().with_any(kind).into_iter().cloned().collect()
    }

    /// What is new of all tenants for a watcher, whose place is a revision of the partition.
    pub(crate) fn after_across(&self, kind: &Kind, ns: &str, place: Revision, most: usize) -> Place {
        let state = self.read();
        let shown = state.shown(kind, ns);
        let floor = shown.map_or(state.log.floor(), |(_, floor)| floor.max(state.log.floor()));
        if place < floor {
            return Place::Forgotten(TenantRevision(floor.0));
        }
        let (mut changes, cut) = state.log.after_of(kind, place, most);
        let mut reached = cut.unwrap_or(state.revision.max(place));
        if let Some((leases, _)) = shown {
            changes.extend(
                leases.shown_after(place).take_while(|past| past.entry().modified <= reached).cloned(),
            );
            changes.sort_by_key(|past| past.entry().modified);
            if let Some(last) = changes.get(most.saturating_sub(1)).map(|past| past.entry().modified) {
                // Commits are not split.
                changes.truncate(changes.partition_point(|past| past.entry().modified <= last));
                reached = last;
            }
        }
        Place::Changes(changes, TenantRevision(reached.0))
    }

    /// What to wait for, for changes of any tenant.
    pub(crate) fn waiting_across(&self) -> Waiting {
        Waiting::Anything(self.applied.subscribe())
    }

    /// Whether several Leases of hosts were shown at a revision.
    pub(crate) fn is_of_several_across(&self, kind: &Kind, ns: &str, revision: Revision) -> bool {
        let state = self.read();
        let Some((leases, _)) = state.shown(kind, ns) else { return false };
        let before = Revision(revision.0.saturating_sub(1));
        leases.shown_after(before).take_while(|past| past.entry().modified == revision).count() > 1
    }
}

impl State {
    fn with_any(&self, kind: &Kind) -> Vec<&Tenant> {
        let with = self.tenants.iter().filter(|(_, state)| state.collection(kind).is_some());
        let mut tenants: Vec<&Tenant> = with.map(|(tenant, _)| tenant).collect();
        tenants.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        tenants
    }

    /// The Leases of hosts, whose changes are not in the log, and up to where those are not remembered; none: what is read
    /// has no such Leases.
    fn shown(&self, kind: &Kind, ns: &str) -> Option<(&Collection, Revision)> {
        let system = Tenant::system();
        if !covers(&system, kind, ns) {
            return None;
        }
        self.tenants.get(&system)?.shown()
    }
}
