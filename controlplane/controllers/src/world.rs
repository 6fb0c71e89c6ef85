//! What the controllers share: the registry, the index of owners, and the queues that changes go to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meridian_api::{Caller, Change, Entry, Follow, FollowError, Registry};
use meridian_environment::Clock;
use meridian_schema::{Home, LabelSelector};
use meridian_store::{Revision, Tenant};
use serde_json::Value;
use tokio::sync::watch;

use crate::disruption::Protected;
use crate::index::{Index, Outline};
use crate::key::ObjectKey;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::recorder::Recorder;
use crate::{object, owner};

/// The finalizer under which an object waits for those it owns to go.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer under which an object waits for those it owns to lose it as their owner.
pub(crate) const ORPHAN: &str = "orphan";

/// The shared state. A lock in here is never held while something is awaited.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Recorder,
    pub(crate) metrics: Metrics,
    pub(crate) deployments: Queue<ObjectKey>,
    pub(crate) replica_sets: Queue<ObjectKey>,
    pub(crate) budgets: Queue<ObjectKey>,
    pub(crate) namespaces: Queue<ObjectKey>,
    pub(crate) garbage: Queue<ObjectKey>,
    pub(crate) protected: Protected,
    index: Mutex<Index>,
    /// Up to where changes are in the index.
    seen: watch::Sender<Revision>,
}

impl World {
    pub(crate) fn new(
        registry: Registry,
        clock: Arc<dyn Clock>,
        recorder: Recorder,
        metrics: Metrics,
    ) -> Self {
        let queue = || Queue::new(clock.clone());
        Self {
            deployments: queue(),
            replica_sets: queue(),
            budgets: queue(),
            namespaces: queue(),
            garbage: queue(),
            registry,
            clock,
            recorder,
            metrics,
            protected: Protected::default(),
            index: Mutex::default(),
            seen: watch::Sender::new(Revision(0)),
        }
    }

    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A controller at work in a tenant.
    pub(crate) fn caller(&self, controller: &str, tenant: &Tenant) -> Caller {
        Caller::component(&format!("{controller}-controller"), tenant)
    }

    /// Waits until the index shows what was written at a revision: a controller that looked at an older picture would do its
    /// last step again.
    pub(crate) async fn seen(&self, revision: Revision) {
        // The sender is `self`, which outlives this.
        let _ = self.seen.subscribe().wait_for(|seen| *seen >= revision).await;
    }

    /// Ends the workers, once they are done with what they have.
    pub(crate) fn close(&self) {
        let queues = [&self.deployments, &self.replica_sets, &self.budgets, &self.namespaces, &self.garbage];
        for queue in queues {
            queue.close();
        }
        // Nobody waits for what will not be shown any more.
        self.seen.send_replace(Revision(u64::MAX));
    }

    /// Keeps the index, and tells the controllers what to look at, until the registry is closed.
    pub(crate) async fn follow(&self) {
        loop {
            *self.index() = Index::default();
            self.protected.clear();
            match self.follow_once(self.registry.follow(Home::Tenants)).await {
                FollowError::FellBehind => {
                    tracing::warn!("fell behind the changes: reading everything again")
                }
                _ => return,
            }
        }
    }

    async fn follow_once(&self, mut changes: Follow) -> FollowError {
        let mut in_sync = false;
        loop {
            let batch = match changes.next().await {
                Ok(batch) => batch,
                Err(error) => return error,
            };
            let mut through = Revision(0);
            for change in batch {
                match change {
                    Change::Put { entry, previous } => {
                        through = through.max(entry.modified);
                        self.put(&entry, previous.as_deref(), in_sync);
                    }
                    Change::Deleted(entry) => {
                        through = through.max(entry.modified);
                        self.deleted(&entry);
                    }
                    Change::Binding { .. } => {}
                    Change::InSync => {
                        in_sync = true;
                        for key in self.index().abandoned() {
                            self.garbage.add(key);
                        }
                    }
                }
            }
            self.seen.send_if_modified(|seen| {
                let moved = through > *seen;
                *seen = (*seen).max(through);
                moved
            });
        }
    }

    fn put(&self, entry: &Entry, previous: Option<&Entry>, in_sync: bool) {
        let key = ObjectKey::of(entry);
        let outline = Outline::parse(entry).unwrap_or_else(|error| {
            tracing::warn!(%key, %error, "a stored object cannot be read");
            Outline::default()
        });
        let (controller, is_abandoned) = {
            let mut index = self.index();
            index.put(entry, &outline);
            let controller = outline.references.iter().find(|reference| reference.is_controller);
            let abandoned = outline.references.iter().any(|reference| index.object(&reference.uid).is_none());
            (controller.and_then(|reference| index.object(&reference.uid).cloned()), abandoned)
        };
        let is_orphan = !outline.references.iter().any(|reference| reference.is_controller);
        match entry.kind.kind {
            "Pod" => match controller {
                Some(owner) => self.tell(owner),
                None if is_orphan => {
                    self.offer(entry, previous, &self.replica_sets, meridian_schema::replica_set())
                }
                None => {}
            },
            "ReplicaSet" => {
                match controller {
                    Some(owner) => self.tell(owner),
                    None if is_orphan => {
                        self.offer(entry, previous, &self.deployments, meridian_schema::deployment())
                    }
                    None => {}
                }
                self.replica_sets.add(key.clone());
            }
            "Deployment" => self.deployments.add(key.clone()),
            "Namespace" => self.namespaces.add(key.clone()),
            "PodDisruptionBudget" => {
                self.protected.put_budget(&self.registry, entry);
                self.budgets.add(key.clone());
            }
            _ => {}
        }
        self.tell_budgets(entry);
        let waits =
            entry.deleting && outline.finalizers.iter().any(|name| name == FOREGROUND || name == ORPHAN);
        if waits || (in_sync && is_abandoned) {
            self.garbage.add(key);
        }
    }

    fn deleted(&self, entry: &Entry) {
        let outline = Outline::parse(entry).unwrap_or_default();
        let (dependents, owners) = {
            let mut index = self.index();
            index.remove(entry);
            let owners: Vec<_> = outline
                .references
                .iter()
                .filter_map(|reference| index.object(&reference.uid).cloned())
                .collect();
            (index.dependents(&entry.uid), owners)
        };
        for dependent in dependents {
            self.garbage.add(dependent);
        }
        if entry.kind == meridian_schema::pod_disruption_budget() {
            self.protected.remove_budget(entry);
        }
        self.tell_budgets(entry);
        for owner in owners {
            // It may wait for this one to go.
            if self
                .registry
                .cached(&owner.tenant, owner.kind, &owner.namespace, &owner.name)
                .is_some_and(|o| o.deleting)
            {
                self.garbage.add(owner.clone());
            }
            self.tell(owner);
        }
        if !entry.namespace.is_empty() {
            let kind = meridian_schema::namespace();
            let namespace = self.registry.cached(&entry.tenant, kind, "", &entry.namespace);
            if namespace.is_some_and(|namespace| namespace.deleting) {
                self.namespaces.add(ObjectKey::new(kind, &entry.tenant, "", &entry.namespace));
            }
        }
    }

    /// Tells an owner that something it controls changed; and the owner of a ReplicaSet too, which may wait for its pods to end.
    fn tell(&self, owner: ObjectKey) {
        match owner.kind.kind {
            "ReplicaSet" => self.replica_sets.add(owner),
            "Deployment" => self.deployments.add(owner),
            _ => {}
        }
    }

    /// Tells the budgets that count by an object: the pods that they protect, and how many of them workloads want.
    fn tell_budgets(&self, entry: &Entry) {
        let told = match entry.kind.kind {
            "Pod" => self.protected.pod_changed(&self.registry, entry),
            "ReplicaSet" | "Deployment" => self.protected.budgets_in(&entry.tenant, &entry.namespace),
            _ => return,
        };
        for budget in told {
            self.budgets.add(budget);
        }
    }

    /// Tells those that would adopt an object which nobody controls, where its labels are new.
    fn offer(
        &self,
        entry: &Entry,
        previous: Option<&Entry>,
        queue: &Queue<ObjectKey>,
        kind: &'static meridian_schema::Kind,
    ) {
        let is_old = previous.is_some_and(|previous| {
            previous.labels == entry.labels
                && Outline::parse(previous).is_ok_and(|outline| outline.references.is_empty())
        });
        if is_old || entry.deleting {
            return;
        }
        for candidate in self.registry.cached_list(Some(&entry.tenant), kind, &entry.namespace) {
            if selector(&candidate.value()).is_some_and(|selector| selector.matches(&entry.labels)) {
                queue.add(ObjectKey::of(&candidate));
            }
        }
    }

    /// Objects of a kind that nobody controls and that an owner's selector matches: it is to adopt them.
    pub(crate) fn adoptable(
        &self,
        owner: &ObjectKey,
        selector: &LabelSelector,
        kind: &str,
    ) -> Vec<Arc<Entry>> {
        let orphans = self.index().orphans(&owner.tenant, &owner.namespace, kind);
        let entries = orphans
            .iter()
            .filter_map(|key| self.registry.cached(&key.tenant, key.kind, &key.namespace, &key.name));
        entries.filter(|entry| !entry.deleting && selector.matches(&entry.labels)).collect()
    }

    /// Makes `owner` the controller of objects that nobody controls. An owner that is about to go adopts nothing.
    pub(crate) async fn adopt(
        &self,
        caller: &Caller,
        owner: &Value,
        reference: &Value,
        entries: &[Arc<Entry>],
    ) -> Result<Revision, meridian_api::Failure> {
        let mut written = Revision(0);
        if object::is_deleting(owner) {
            return Ok(written);
        }
        for entry in entries {
            let change = |stored: &mut Value| owner::adopt(stored, reference);
            let (namespace, name) = (&entry.namespace, &entry.name);
            let adopted = self
                .registry
                .modify(caller, entry.kind, namespace, name, Some(&entry.uid), None, change)
                .await;
            match adopted {
                Ok(entry) => written = entry.map_or(written, |entry| written.max(entry.modified)),
                Err(failure) if failure.is_not_found() || failure.is_conflict() => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(written)
    }
}

/// What a workload's `spec.selector` selects.
pub(crate) fn selector(object: &Value) -> Option<LabelSelector> {
    LabelSelector::from_object(object.pointer("/spec/selector")?).ok()
}
