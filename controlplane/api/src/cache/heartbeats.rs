//! Hosts' heartbeats, and the Leases that are their view.
//!
//! A heartbeat changes a time in memory here and nothing else: no Lease is made, nothing is logged, nobody is told. Leases
//! appear when they are *shown*: a small record is appended to the log of the system tenant, and where the cache applies it,
//! everything that has changed until then takes its place among all other changes, with that append's resource version. So
//! reads, selectors, watches and pages treat these Leases like any other object, and one append shows any number of them.
//!
//! All that is shown together has one resource version, of which a client whose connection broke may have been told a part.
//! That is why showing is followed by a second append, the *seal*: lists and bookmarks, which tell everything, name the
//! seal or what came later, and whoever names a resource version at which several Leases changed is sent away to list anew.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use rustc_hash::FxHashMap;
use serde_json::json;
use std::collections::BTreeSet;
use tokio::sync::Notify;

use meridian_schema::{Kind, lease};
use meridian_store::{Epoch, Revision, Tenant, TenantRevision};

use crate::entry::{self, Form};
use crate::{Entry, key, object};

/// The namespace of the system tenant that holds a Lease for each host and nothing else.
const NAMESPACE: &str = "kube-node-lease";

/// After this many seconds without a heartbeat a host is not heard of any more.
const DURATION_SECONDS: u64 = 40;

/// Leases that are made at once.
const AT_ONCE: usize = 256;

/// Whether an object is a view of something that is not stored, and so is written by nobody.
pub(crate) fn is_view(tenant: &Tenant, kind: &Kind, ns: &str) -> bool {
    kind == lease() && tenant.is_system() && ns == NAMESPACE
}

/// Whether the objects of a namespace, or with an empty one of all, may be views.
pub(crate) fn covers(tenant: &Tenant, kind: &Kind, ns: &str) -> bool {
    kind == lease() && tenant.is_system() && (ns.is_empty() || ns == NAMESPACE)
}

/// Where it is said which hosts there are and when they were last heard of. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Heartbeats {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<Known>,
    /// Leases made and waiting for the append that shows them, in order; none: it is gone.
    staged: Mutex<Vec<(Arc<str>, Option<Form>)>>,
    watchers: AtomicUsize,
    /// Woken when there is something to show and somebody who watches.
    wanted: Notify,
}

#[derive(Debug, Default)]
struct Known {
    hosts: FxHashMap<Arc<str>, Host>,
    /// Hosts that have changed since they were shown.
    changed: BTreeSet<Arc<str>>,
    /// Hosts that were shown and are gone.
    gone: BTreeSet<Arc<str>>,
}

#[derive(Clone, Debug)]
struct Host {
    /// The uid of its Node, and when that was created.
    uid: Arc<str>,
    created: Arc<str>,
    renewed: Option<Timestamp>,
    is_changed: bool,
    is_shown: bool,
}

/// A Lease that is to be shown as it is now; none: it is gone. Under its `namespace/name`.
pub(super) type Shown = (String, Option<Arc<Entry>>);

impl Heartbeats {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is a host with this Node. Its Lease has no renewal before it was heard of.
    pub fn appeared(&self, node: &Entry) {
        let mut known = self.known();
        if known.hosts.get(node.name.as_str()).is_some_and(|host| *host.uid == *node.uid) {
            return;
        }
        known.forget(&node.name);
        let name: Arc<str> = Arc::from(node.name.as_str());
        let host = Host {
            uid: Arc::from(node.uid.as_str()),
            created: Arc::from(object::meta(&node.stored_value(), "creationTimestamp")),
            renewed: None,
            is_changed: true,
            is_shown: false,
        };
        known.hosts.insert(Arc::clone(&name), host);
        known.changed.insert(name);
        self.changed(known);
    }

    /// A host was heard of.
    pub fn heard(&self, name: &Arc<str>, at: Timestamp) {
        let mut known = self.known();
        let Some(host) = known.hosts.get_mut(name) else { return };
        host.renewed = Some(at);
        if !std::mem::replace(&mut host.is_changed, true) {
            known.changed.insert(Arc::clone(name));
            self.changed(known);
        }
    }

    /// A host's Node is gone.
    pub fn gone(&self, name: &str) {
        let mut known = self.known();
        if known.forget(name) {
            self.changed(known);
        }
    }

    fn changed(&self, known: MutexGuard<'_, Known>) {
        drop(known);
        if self.shared.watchers.load(Ordering::Acquire) > 0 {
            self.shared.wanted.notify_one();
        }
    }

    /// Whether something has changed since it was shown.
    pub(crate) fn waits(&self) -> bool {
        let known = self.known();
        !known.changed.is_empty() || !known.gone.is_empty() || !self.staged().is_empty()
    }

    fn staged(&self) -> MutexGuard<'_, Vec<(Arc<str>, Option<Form>)>> {
        self.shared.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when there is something to show to somebody who watches.
    pub(crate) async fn wanted(&self) {
        while self.shared.watchers.load(Ordering::Acquire) == 0 || !self.waits() {
            // It keeps a permit, so what happens between the look and the wait is not missed.
            self.shared.wanted.notified().await;
        }
    }

    /// Has what changes shown for as long as the answer is kept.
    pub(crate) fn watch(&self) -> Watched {
        self.shared.watchers.fetch_add(1, Ordering::AcqRel);
        self.shared.wanted.notify_one();
        Watched { heartbeats: self.clone() }
    }

    /// Makes the Leases of what has changed until now, a few at a time: neither those who tell of heartbeats nor those who
    /// apply commits wait for it. Dropping the future loses nothing.
    pub(crate) async fn stage(&self) {
        let mut left = self.known().changed.len().max(1);
        while left > 0 {
            let count = left.min(AT_ONCE);
            left -= count;
            self.stage_some(count);
            tokio::task::yield_now().await;
        }
    }

    fn stage_some(&self, most: usize) {
        let (gone, changed) = {
            let mut known = self.known();
            (std::mem::take(&mut known.gone), known.take(most))
        };
        let leases =
            changed.into_iter().filter_map(|(name, host)| match entry::form(lease(), &host.lease(&name)) {
                Ok(form) => Some((name, Some(form))),
                Err(error) => {
                    tracing::error!(host = %name, %error, "a host's Lease could not be made");
                    None
                }
            });
        // What is gone goes first: another host may have its name by now.
        let made: Vec<_> = gone.into_iter().map(|name| (name, None)).chain(leases).collect();
        self.staged().extend(made);
    }

    /// What was staged, as of an append.
    pub(super) fn take(&self, tenant: &Tenant, at: (Revision, TenantRevision)) -> Vec<Shown> {
        let staged = std::mem::take(&mut *self.staged());
        let shown = staged.into_iter().map(|(name, form)| {
            let entry =
                form.map(|form| Arc::new(Entry::written(lease(), tenant, NAMESPACE, &name, form, at)));
            (key::join(NAMESPACE, &name), entry)
        });
        shown.collect()
    }
}

impl Known {
    /// Some of what has changed.
    fn take(&mut self, most: usize) -> Vec<(Arc<str>, Host)> {
        let mut changed = Vec::with_capacity(most.min(self.changed.len()));
        while changed.len() < most
            && let Some(name) = self.changed.pop_first()
        {
            if let Some(host) = self.hosts.get_mut(&name) {
                host.is_changed = false;
                host.is_shown = true;
                changed.push((name, host.clone()));
            }
        }
        changed
    }

    /// Whether something that was shown has to go.
    fn forget(&mut self, name: &str) -> bool {
        let Some((name, host)) = self.hosts.remove_entry(name) else { return false };
        self.changed.remove(&name);
        // What nobody was shown needs no farewell.
        host.is_shown && self.gone.insert(name)
    }
}

impl Host {
    fn lease(&self, name: &str) -> serde_json::Value {
        let mut spec = json!({ "holderIdentity": name, "leaseDurationSeconds": DURATION_SECONDS });
        if let Some(renewed) = self.renewed {
            spec["renewTime"] = json!(renewed.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string());
        }
        json!({
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": lease_uid(&self.uid),
                "creationTimestamp": *self.created,
                "ownerReferences": [{ "apiVersion": "v1", "kind": "Node", "name": name, "uid": *self.uid }],
            },
            "spec": spec,
        })
    }
}

/// The uid of a Node's Lease: another one, and the same whenever it is asked for.
fn lease_uid(node: &str) -> String {
    let (head, tail) = node.rsplit_once('-').unwrap_or(("", node));
    let turned = tail.chars().map(|c| c.to_digit(16).and_then(|d| char::from_digit(15 - d, 16)).unwrap_or(c));
    format!("{head}-{}", turned.collect::<String>())
}

/// Somebody who watches.
#[derive(Debug)]
pub(crate) struct Watched {
    heartbeats: Heartbeats,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.heartbeats.shared.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What an append is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Everything that has changed takes its place here.
    Show,
    /// Everything that was shown lies before this.
    Seal,
}

impl Moment {
    /// What is appended. It says whose heartbeats are meant: another process has none of them.
    pub(crate) fn encode(self, epoch: Epoch) -> Bytes {
        let word = match self {
            Self::Show => "show",
            Self::Seal => "seal",
        };
        Bytes::from(format!("{word} {epoch}"))
    }

    pub(super) fn decode(value: &[u8], epoch: Epoch) -> Option<Self> {
        [Self::Show, Self::Seal].into_iter().find(|moment| moment.encode(epoch) == value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_a_uid_of_its_own_that_follows_from_its_nodes() {
        let node = "0190a1b2-c3d4-4e5f-8a6b-7c8d9eaf0123";
        let lease = lease_uid(node);
        assert_eq!(lease, "0190a1b2-c3d4-4e5f-8a6b-83726150fedc");
        assert_eq!(lease_uid(&lease), node, "no two have the same");
    }

    #[test]
    fn a_moment_is_of_one_epoch() {
        for moment in [Moment::Show, Moment::Seal] {
            let value = moment.encode(Epoch(7));
            assert_eq!(Moment::decode(&value, Epoch(7)), Some(moment));
            assert_eq!(Moment::decode(&value, Epoch(8)), None);
        }
        assert_eq!(Moment::decode(b"", Epoch(7)), None);
    }
}
