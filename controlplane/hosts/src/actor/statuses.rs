//! Statuses of pods, from agents to tenant partitions: the newest of each pod, kept until it is stored.

use meridian_ledger::host::Entry;
use meridian_ledger::{HostNumber, Uid};
use meridian_proto::v1::{PodStatus, StatusReport, StatusStored, StatusStoredNumber};
use std::sync::Arc;

use super::Actor;
use crate::host::{MOST_UNKNOWN_STATUSES, PendingStatus};

/// The largest status that is passed on, in bytes.
const MOST_BYTES: usize = 512 << 10;

/// The longest text that names anything in a status.
const MOST_NAME: usize = 253;

impl Actor {
    /// An agent says how a pod is.
    pub(super) fn status(&mut self, number: HostNumber, status: PodStatus) {
        let names = [&status.uid, &status.tenant, &status.namespace, &status.name];
        if status.uid.is_empty()
            || names.iter().any(|name| name.len() > MOST_NAME)
            || status.status.len() > MOST_BYTES
        {
            tracing::warn!(host = %number, "a status that is out of all bounds was dropped");
            return;
        }
        let uid = Uid::from(status.uid.as_str());
        if status.stopped {
            self.ledger.stopped(number, &Arc::from(status.tenant.as_str()), &uid);
        }
        let is_known = self.ledger.entry_on(number, &uid).is_some();
        let Some(host) = self.hosts.get_mut(&number) else { return };
        if !is_known && self.ledger.is_open() {
            // Nobody is there to be told; of one that has stopped the ledger says that it may be forgotten.
            host.stored.push(StatusStoredNumber { uid: status.uid, number: status.number });
            self.touch(number);
            return;
        }
        let pending = host.statuses.get(&uid);
        if pending.is_none() && !is_known && host.statuses.len() >= MOST_UNKNOWN_STATUSES {
            return;
        }
        let was_stopped = pending.is_some_and(|pending| pending.report.stopped);
        if pending.is_some_and(|pending| pending.report.number > status.number) {
            return;
        }
        let report = StatusReport {
            tenant: status.tenant,
            namespace: status.namespace,
            name: status.name,
            uid: status.uid,
            host: host.name().to_string(),
            number: status.number,
            stopped: status.stopped || was_stopped,
            status: status.status,
        };
        let is_queued = pending.is_some_and(|pending| pending.is_queued);
        host.statuses.insert(uid.clone(), PendingStatus { report, is_queued, sent: None });
        self.queue_status(number, &uid);
    }

    /// A pod is known to have stopped, whoever said so.
    pub(super) fn report_stopped(&mut self, entry: &Entry) {
        let Some(host) = self.hosts.get_mut(&entry.host) else { return };
        let name = host.name().to_string();
        let pending = host.statuses.entry(entry.uid.clone()).or_insert_with(|| PendingStatus {
            report: StatusReport {
                tenant: entry.tenant.to_string(),
                uid: entry.uid.as_str().to_owned(),
                host: name,
                ..StatusReport::default()
            },
            is_queued: false,
            sent: None,
        });
        pending.report.stopped = true;
        self.queue_for(&entry.claim.partition, entry.host, &entry.uid);
    }

    /// Has a status wait to be sent, if there is one and the ledger says to whom.
    pub(super) fn queue_status(&mut self, number: HostNumber, uid: &Uid) {
        let is_waiting =
            |host: &crate::host::HostState| host.statuses.get(uid).is_some_and(|pending| !pending.is_queued);
        if !self.hosts.get(&number).is_some_and(is_waiting) {
            return;
        }
        if let Some(entry) = self.ledger.entry_on(number, uid) {
            self.queue_for(&entry.claim.partition, number, uid);
        }
    }

    pub(super) fn queue_for(&mut self, partition: &str, number: HostNumber, uid: &Uid) {
        let pending = self.hosts.get_mut(&number).and_then(|host| host.statuses.get_mut(uid));
        let (Some(pending), Some(tenant)) = (pending, self.tenants.get_mut(partition)) else { return };
        if tenant.session.is_some() && !pending.is_queued {
            pending.is_queued = true;
            tenant.statuses.push_back((number, uid.clone()));
        }
    }

    /// A tenant partition says which statuses are durable.
    pub(super) fn statuses_stored(&mut self, partition: &Arc<str>, stored: StatusStored) {
        for pod in stored.pods {
            let Some(number) = self.by_name.get(pod.host.as_str()).copied() else { continue };
            let uid = Uid::from(pod.uid);
            let is_its_own =
                self.ledger.entry_on(number, &uid).is_none_or(|entry| entry.claim.partition == *partition);
            if is_its_own {
                self.stored_by_partition(number, &uid, pod.number);
            }
        }
    }

    /// A status is durable. That a pod has stopped is told again all the same, until its claim is settled: only that
    /// releases what it holds.
    fn stored_by_partition(&mut self, number: HostNumber, uid: &Uid, up_to: u64) {
        let now = self.clock.now();
        let Some(host) = self.hosts.get_mut(&number) else { return };
        let is_held = || self.ledger.entries_on(number).iter().any(|entry| entry.uid == *uid);
        match host.statuses.get_mut(uid) {
            Some(pending) if pending.report.stopped && pending.report.number <= up_to && is_held() => {
                pending.sent = Some(now);
                let stored =
                    StatusStoredNumber { uid: uid.as_str().to_owned(), number: pending.report.number };
                host.stored.push(stored);
                self.touch(number);
            }
            _ => self.status_is_stored(number, uid, up_to),
        }
    }

    /// A pod's status up to a number need not be kept any more: its agent is told so.
    pub(super) fn status_is_stored(&mut self, number: HostNumber, uid: &Uid, up_to: u64) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        let Some(pending) = host.statuses.get(uid).filter(|pending| pending.report.number <= up_to) else {
            return;
        };
        let stored = StatusStoredNumber { uid: uid.as_str().to_owned(), number: pending.report.number };
        host.statuses.remove(uid);
        host.stored.push(stored);
        self.touch(number);
    }

    /// All that waits for a tenant partition that has just come is sent again.
    pub(super) fn requeue_statuses(&mut self, partition: &str) {
        let mut waiting = Vec::new();
        for (number, host) in &mut self.hosts {
            if host.statuses.is_empty() {
                continue;
            }
            let entries = self.ledger.entries_on(*number);
            for (uid, pending) in &mut host.statuses {
                if entries.iter().any(|entry| entry.uid == *uid && *entry.claim.partition == *partition) {
                    pending.is_queued = false;
                    waiting.push((*number, uid.clone()));
                }
            }
        }
        for (number, uid) in waiting {
            self.queue_for(partition, number, &uid);
        }
    }
}
