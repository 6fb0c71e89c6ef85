//! Hosts as the core keeps them, and what pods take from them.
//!
//! What is there counts, whether it fits or not. A pod that is on a host takes what is left there when it is less than the
//! pod's own (a *short* hold), and more as soon as there is more. A host on which something runs that cannot be read
//! takes no new pods.

use std::collections::BTreeSet;
use std::sync::Arc;

use meridian_engine::{ClassId, Host, HostId};
use rustc_hash::FxHashMap;

use super::engines::{Engines, Hold};

/// A host, or the name of one that pods are said to be on.
#[derive(Debug, Default)]
pub(crate) struct HostRecord {
    /// `None`: not in the cluster, or its description was refused.
    pub(crate) id: Option<HostId>,
    described: Option<Box<Host>>,
    /// The pods that take something from it.
    pub(crate) pods: BTreeSet<u64>,
    /// Of these, the ones that hold less than they take.
    pub(crate) short: BTreeSet<u64>,
    /// Of these, the ones that cannot be read.
    unreadable: BTreeSet<u64>,
    /// The newest description cannot be used.
    is_refused: bool,
    /// It was described to the engines as a host that takes no pods.
    is_closed: bool,
    /// The listing in which it was last seen.
    seen: u64,
}

/// What has become of a host's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// The host has come into the cluster: what is there is to be held.
    Added,
    /// It is described anew, or what was said of it cannot be used.
    Changed,
    /// Nothing is new.
    Same,
}

/// All hosts.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    by_name: FxHashMap<Arc<str>, HostRecord>,
    names: FxHashMap<HostId, Arc<str>>,
}

impl Hosts {
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut HostRecord> {
        self.by_name.get_mut(name)
    }

    /// The shared name of a host.
    pub(crate) fn name(&self, id: HostId) -> Option<Arc<str>> {
        self.names.get(&id).cloned()
    }

    /// The shared form of a name.
    pub(crate) fn shared(&self, name: &str) -> Arc<str> {
        self.by_name.get_key_value(name).map_or_else(|| name.into(), |(name, _)| name.clone())
    }

    fn entry(&mut self, name: &str) -> &mut HostRecord {
        if !self.by_name.contains_key(name) {
            self.by_name.insert(name.into(), HostRecord::default());
        }
        self.by_name.entry(name.into()).or_default()
    }

    /// Takes a host's description in.
    pub(crate) fn put(
        &mut self,
        name: &str,
        described: Result<Box<Host>, String>,
        seen: u64,
        engines: &mut Engines,
    ) -> Put {
        let record = self.entry(name);
        record.seen = seen;
        let known = record.id;
        if let (Some(_), Ok(host), false) = (known, &described, record.is_refused)
            && record.described.as_ref() == Some(host)
        {
            // Kubelets report often, and seldom anything that matters here.
            return Put::Same;
        }
        let result = described.and_then(|host| {
            let is_closed = !record.unreadable.is_empty();
            let told = if is_closed { closed(&host) } else { (*host).clone() };
            let id = match known {
                Some(id) => engines.update_host(id, &told).map(|()| id),
                None => engines.add_host(&told),
            };
            let id = id.map_err(|error| error.to_string())?;
            record.id = Some(id);
            record.described = Some(host);
            record.is_refused = false;
            record.is_closed = is_closed;
            Ok(id)
        });
        match result {
            Ok(id) => {
                if known.is_none() {
                    let name = self.shared(name);
                    self.names.insert(id, name);
                    return Put::Added;
                }
            }
            Err(problem) => {
                tracing::warn!(
                    host = name,
                    problem,
                    "a host's description is refused; nothing is placed there"
                );
                record.is_refused = true;
                self.open_or_close(name, engines);
            }
        }
        Put::Changed
    }

    /// Drops a host. What is said to be there waits for it to come back. Returns those pods.
    pub(crate) fn remove(&mut self, name: &str, engines: &mut Engines) -> Vec<u64> {
        let Some(record) = self.by_name.get_mut(name) else { return Vec::new() };
        if let Some(id) = record.id.take() {
            engines.remove_host(id);
            self.names.remove(&id);
        }
        record.described = None;
        record.short.clear();
        let pods: Vec<u64> = record.pods.iter().copied().collect();
        if pods.is_empty() {
            self.by_name.remove(name);
        }
        pods
    }

    /// The hosts that were not seen in a listing.
    pub(crate) fn unseen(&self, listing: u64) -> Vec<Arc<str>> {
        let unseen = |record: &HostRecord| record.described.is_some() && record.seen < listing;
        let mut names: Vec<Arc<str>> =
            self.by_name.iter().filter(|(_, record)| unseen(record)).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Notes that a pod takes its room on a host by a hold that has been made already.
    pub(crate) fn note(&mut self, name: &str, pod: u64) {
        self.entry(name).pods.insert(pod);
    }

    /// Holds a pod that is on a host. `class` is `None` for one that cannot be read.
    pub(crate) fn hold(
        &mut self,
        name: &str,
        pod: u64,
        class: Option<ClassId>,
        engines: &mut Engines,
    ) -> Option<Hold> {
        let record = self.entry(name);
        record.pods.insert(pod);
        let Some(class) = class else {
            record.unreadable.insert(pod);
            self.open_or_close(name, engines);
            return None;
        };
        let hold = engines.hold_what_is_there(class, record.id?);
        if hold.as_ref().is_none_or(|hold| hold.is_short) {
            record.short.insert(pod);
        }
        hold
    }

    /// A pod is not on a host any more; its hold has been released.
    pub(crate) fn leave(&mut self, name: &str, pod: u64, engines: &mut Engines) {
        let Some(record) = self.by_name.get_mut(name) else { return };
        record.pods.remove(&pod);
        record.short.remove(&pod);
        if record.unreadable.remove(&pod) {
            self.open_or_close(name, engines);
        }
        self.by_name
            .get(name)
            .is_some_and(|record| record.pods.is_empty() && record.described.is_none())
            .then(|| self.by_name.remove(name));
    }

    /// Describes a host as it is, or as one that takes no pods.
    fn open_or_close(&mut self, name: &str, engines: &mut Engines) {
        let Some(record) = self.by_name.get_mut(name) else { return };
        let close = record.is_refused || !record.unreadable.is_empty();
        let (Some(id), Some(host)) = (record.id, &record.described) else { return };
        if close == record.is_closed {
            return;
        }
        let described =
            if close { engines.update_host(id, &closed(host)) } else { engines.update_host(id, host) };
        match described {
            Ok(()) => record.is_closed = close,
            Err(error) => tracing::error!(host = name, %error, close, "a host cannot be opened or closed"),
        }
    }
}

/// The host as one that takes no more pods, whatever they tolerate.
fn closed(host: &Host) -> Host {
    Host { pods: 0, ..host.clone() }
}
