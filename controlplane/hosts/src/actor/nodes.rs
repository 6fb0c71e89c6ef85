//! What users do to Node objects, and how Nodes say how their hosts are.

use std::sync::Arc;

use meridian_api::{Change, Entry, FollowError};
use meridian_kubernetes::host_from_node;
use meridian_ledger::HostNumber;
use meridian_proto::v1::Goodbye;
use meridian_store::Revision;
use rustc_hash::FxHashSet;

use super::Actor;
use crate::durable::{Failed, Written};
use crate::node::{self, Health};
use crate::record::NodeRecord;

impl Actor {
    pub(super) fn nodes_changed(&mut self, changes: Result<Vec<Change>, FollowError>) {
        let changes = match changes {
            Ok(changes) => changes,
            Err(FollowError::FellBehind) => {
                self.follow = self.durable.follow();
                self.resync = Some(FxHashSet::default());
                return;
            }
            Err(FollowError::Closed) => {
                tracing::info!("the registry is shut down: ending");
                self.is_over = true;
                return;
            }
        };
        for change in changes {
            match change {
                Change::Put { entry, .. } if is_node(&entry) => {
                    if let Some(told) = &mut self.resync {
                        told.insert(entry.name.clone());
                    }
                    self.node_put(&entry);
                }
                Change::Deleted(entry) if is_node(&entry) => {
                    if let Some(told) = &mut self.resync {
                        told.remove(&entry.name);
                    }
                    self.node_deleted(&entry.name, entry.modified);
                }
                Change::InSync => self.resynced(),
                _ => {}
            }
        }
    }

    /// Following began anew, and all Nodes that there are have been told: the others are gone.
    fn resynced(&mut self) {
        let Some(told) = self.resync.take() else { return };
        let gone: Vec<_> = self
            .hosts
            .values()
            .filter(|host| host.has_node && !told.contains(&**host.name()))
            .map(|host| (Arc::clone(host.name()), host.modified.next()))
            .collect();
        for (name, at) in gone {
            self.node_deleted(&name, at);
        }
    }

    fn node_put(&mut self, entry: &Entry) {
        let Some(number) = self.by_name.get(entry.name.as_str()).copied() else { return };
        let Some(host) = self.hosts.get_mut(&number) else { return };
        if entry.modified <= host.modified {
            return;
        }
        host.modified = entry.modified;
        self.heartbeats.appeared(entry);
        let object = entry.value();
        if !host.is_marking {
            host.marked = Health::of(&object);
        }
        host.is_out_of_service = node::is_out_of_service(&object);
        let described = match host_from_node(&object) {
            Ok(described) => described,
            Err(error) => {
                tracing::warn!(node = %entry.name, %error, "the Node cannot be used as it is: the host stays as it was");
                return;
            }
        };
        let mut description = host.record.applied_to(described);
        // What a host offers is its agent's to say; how far it may be overcommitted and of which NUMA nodes it is made may
        // be said in its Node at any time.
        let is_so = description.overcommit == host.description.overcommit
            && description.numa == host.description.numa;
        if !is_so && let Err(error) = self.ledger.update_host(number, &description) {
            tracing::warn!(node = %entry.name, %error, "the overcommit and NUMA nodes of the Node cannot be used: they stay as they were");
            description.overcommit = host.description.overcommit;
            description.numa.clone_from(&host.description.numa);
        }
        let is_new = !host.has_node || description != host.description;
        host.has_node = true;
        host.description = description;
        if is_new {
            self.feed_host(number);
        }
        self.heed_out_of_service(number);
    }

    /// An operator may say that a host that is not heard of is off.
    pub(super) fn heed_out_of_service(&mut self, number: HostNumber) {
        let Some(host) = self.hosts.get(&number) else { return };
        let has_pods = || {
            let entries = self.ledger.entries_on(number);
            let is_present = entries.iter().any(|entry| entry.incarnation >= host.record.incarnation);
            is_present || !self.ledger.strays_on(number).is_empty()
        };
        let is_said_off = host.is_out_of_service || !host.has_node;
        if is_said_off && host.session.is_none() && host.health != Health::Ready && has_pods() {
            self.declare_off(number);
        }
    }

    fn node_deleted(&mut self, name: &str, at: Revision) {
        let Some(number) = self.by_name.get(name).copied() else { return };
        let Some(host) = self.hosts.get_mut(&number) else { return };
        if at <= host.modified {
            return;
        }
        host.modified = at;
        host.has_node = false;
        self.heartbeats.gone(name);
        let session = host.session;
        self.leaving.push(number);
        self.ledger.set_reachable(number, false);
        self.feed_host(number);
        match session {
            // It comes again, and its Node is made anew.
            Some(session) => self.refuse(session, Goodbye::later("the Node was deleted: register again")),
            None => self.declare_off(number),
        }
    }

    /// Makes it durable that nothing that was bound to a host runs any more: an operator has said so.
    fn declare_off(&mut self, number: HostNumber) {
        let Some(host) = self.hosts.get_mut(&number).filter(|host| !host.is_writing && !host.is_leaving)
        else {
            return;
        };
        host.is_writing = true;
        let record = NodeRecord { incarnation: host.record.incarnation + 1, ..host.record.clone() };
        tracing::info!(host = %record.name, incarnation = record.incarnation, "the host was declared off");
        self.durable.declare_off(record);
    }

    pub(super) fn declared_off(&mut self, record: NodeRecord, result: Result<Written, Failed>) {
        let (number, incarnation) = (record.number, record.incarnation);
        if let Some(host) = self.hosts.get_mut(&number) {
            host.is_writing = false;
            if result.is_ok() {
                host.record = record;
                host.desired.reset();
            }
        }
        match result {
            Ok(Written) => {
                self.ledger.reincarnated(number, incarnation);
                self.feed_host(number);
            }
            Err(failed) => self.failed("declaring a host off", &failed),
        }
    }

    /// A host without a Node goes when nothing is left on it.
    pub(super) fn remove_leaving(&mut self) {
        let leaving = std::mem::take(&mut self.leaving);
        for number in leaving {
            let Some(host) = self.hosts.get_mut(&number).filter(|host| !host.has_node) else { continue };
            let is_left =
                host.session.is_none() && !host.is_writing && !host.is_leaving && self.ledger.is_open();
            if is_left
                && self.ledger.entries_on(number).is_empty()
                && self.ledger.strays_on(number).is_empty()
            {
                host.is_leaving = true;
                let name = Arc::clone(host.name());
                self.durable.remove(name);
            }
            self.leaving.push(number);
        }
    }

    pub(super) fn removed(&mut self, name: &Arc<str>, result: Result<Written, Failed>) {
        let Some(number) = self.by_name.get(name).copied() else { return };
        if let Some(host) = self.hosts.get_mut(&number) {
            host.is_leaving = false;
        }
        if let Err(failed) = result {
            return self.failed("removing a host", &failed);
        }
        // Nothing was given away there in the meantime: it was not ready.
        if self.ledger.remove_host(number).is_ok() {
            self.hosts.remove(&number);
            self.by_name.remove(name);
            self.feed.push(meridian_proto::v1::host_change::Change::RemovedHost(number.0));
        }
    }

    /// How a host is has changed, or is said again.
    pub(super) fn set_health(&mut self, number: HostNumber, health: Health) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        host.health = health;
        self.ledger.set_reachable(number, health == Health::Ready && host.has_node);
        self.mark(number);
        self.heed_out_of_service(number);
    }

    /// Has a host's Node say how it is, unless it does.
    pub(super) fn mark(&mut self, number: HostNumber) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        if host.has_node && !host.is_marking && !host.is_writing && host.marked != host.health {
            host.is_marking = true;
            self.durable.mark(Arc::clone(host.name()), host.health);
        }
    }

    pub(super) fn marked(&mut self, name: &Arc<str>, health: Health, result: Result<Written, Failed>) {
        let Some(number) = self.by_name.get(name).copied() else { return };
        let Some(host) = self.hosts.get_mut(&number) else { return };
        host.is_marking = false;
        match result {
            Ok(Written) => {
                host.marked = health;
                // It may have changed in the meantime.
                self.mark(number);
            }
            // It is tried again at the next tick.
            Err(failed) => self.failed("saying in a Node how its host is", &failed),
        }
    }
}

/// Whether an object is a Node of the region's: those are the operators', whatever a tenant calls its own.
fn is_node(entry: &Entry) -> bool {
    std::ptr::eq(entry.kind, meridian_schema::node()) && entry.tenant.is_system()
}
