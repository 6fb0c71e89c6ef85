//! What follows from inputs to the ledger.

use std::sync::Arc;

use meridian_ledger::host::{Change, Entry};
use meridian_ledger::{HostNumber, Uid};
use meridian_proto::v1::host_change;
use meridian_proto::v1::{DemandDefinition, DesiredPod, HostState as FedHost, LedgerEntry, desired_pod};

use super::{Actor, claim_message};

/// The time to end in of pods that ask for none.
pub(super) const USUAL_GRACE: i64 = 30;

impl Actor {
    /// Takes what follows from inputs to the ledger, until nothing does.
    pub(super) fn apply_changes(&mut self) {
        loop {
            let changes = self.ledger.take_changes();
            if changes.is_empty() {
                return;
            }
            for change in changes {
                self.apply(change);
            }
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Opened => {
                tracing::info!(epoch = self.epoch, "all tenant partitions have listed: open");
                self.metrics.recovering.set(0);
                self.has_opened = true;
                self.opened();
            }
            Change::Demand { number, demand } => {
                let demand = Some(meridian_wire::demand_to_message(&demand));
                self.feed.push(host_change::Change::Demand(DemandDefinition { number, demand }));
            }
            Change::Entered(entry) => {
                self.feed.push(host_change::Change::Entry(fed_entry(&entry)));
                self.queue_status(entry.host, &entry.uid);
            }
            Change::Left(entry) => self.left(&entry),
            Change::Answered(answer) => self.answer_late(answer),
            Change::Readiness { host } => self.feed_host(host),
            Change::Run(entry) => self.run_pod(&entry),
            Change::Stop { host, tenant, uid } => {
                let claim = self.ledger.entry_on(host, &uid).map(|entry| entry.claim);
                let grace = claim.and_then(|claim| self.graces.get(&claim).copied());
                self.stop_pod(host, &tenant, &uid, grace.unwrap_or(USUAL_GRACE));
            }
            Change::Forget { host, tenant, uid } => {
                self.order(host, order(&tenant, &uid, desired_pod::Action::Forget));
                self.status_is_stored(host, &uid, u64::MAX);
            }
            Change::Stopped(entry) => self.report_stopped(&entry),
            Change::SpecWanted { claim } => {
                if let Some(tenant) = self.tenants.get_mut(&claim.partition) {
                    tenant.specs_wanted.push(claim);
                }
            }
            // Of a later build of the ledger, which this one is never linked with.
            other => tracing::error!(?other, "a change that is not known"),
        }
    }

    fn left(&mut self, entry: &Entry) {
        self.feed.push(host_change::Change::RemovedEntry(claim_message(&entry.claim)));
        self.specs.remove(&entry.claim);
        self.graces.remove(&entry.claim);
        if self.ledger.entry_on(entry.host, &entry.uid).is_none() {
            self.status_is_stored(entry.host, &entry.uid, u64::MAX);
        }
    }

    fn run_pod(&mut self, entry: &Entry) {
        let Some(spec) = self.specs.get(&entry.claim) else {
            // The ledger says so only of claims whose specs were taken in.
            tracing::error!(claim = %entry.claim, "a pod is to run whose spec is not at hand");
            return;
        };
        let pod = DesiredPod {
            object: spec.object.clone(),
            ..order(&spec.tenant, &entry.uid, desired_pod::Action::Run)
        };
        self.order(entry.host, pod);
        if let Some(host) = self.hosts.get_mut(&entry.host) {
            host.runs.push(entry.claim.clone());
        }
    }

    pub(super) fn stop_pod(&mut self, host: HostNumber, tenant: &Arc<str>, uid: &Uid, grace_seconds: i64) {
        let pod = DesiredPod { grace_seconds, ..order(tenant, uid, desired_pod::Action::Stop) };
        self.order(host, pod);
    }

    fn order(&mut self, number: HostNumber, pod: DesiredPod) {
        if let Some(host) = self.hosts.get_mut(&number) {
            host.orders.push(pod);
        }
        self.touch(number);
    }

    /// Notes that something is to go out for a host.
    pub(super) fn touch(&mut self, number: HostNumber) {
        if let Some(host) = self.hosts.get_mut(&number)
            && !host.is_dirty
        {
            host.is_dirty = true;
            self.dirty.push(number);
        }
    }

    /// Tells replicas how a host is now.
    pub(super) fn feed_host(&mut self, number: HostNumber) {
        if let Some(change) = self.fed_host(number) {
            self.feed.push(change);
        }
    }

    pub(super) fn fed_host(&self, number: HostNumber) -> Option<host_change::Change> {
        let host = self.hosts.get(&number)?;
        Some(host_change::Change::Host(FedHost {
            number: number.0,
            host: Some(meridian_wire::host_to_message(&host.description)),
            incarnation: host.record.incarnation,
            ready: host.has_node && self.ledger.is_ready(number),
        }))
    }
}

fn order(tenant: &Arc<str>, uid: &Uid, action: desired_pod::Action) -> DesiredPod {
    DesiredPod {
        tenant: tenant.to_string(),
        uid: uid.as_str().to_owned(),
        action: action.into(),
        object: bytes::Bytes::new(),
        grace_seconds: 0,
    }
}

/// An entry as replicas are told of it.
pub(super) fn fed_entry(entry: &Entry) -> LedgerEntry {
    LedgerEntry {
        claim: Some(claim_message(&entry.claim)),
        tenant: entry.tenant.to_string(),
        uid: entry.uid.as_str().to_owned(),
        host: entry.host.0,
        demand: entry.demand,
        devices: entry.seat.devices,
        numa: entry.seat.numa,
    }
}
