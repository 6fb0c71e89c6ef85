//! What goes out after inputs were taken in.

use meridian_ledger::HostNumber;
use meridian_proto::v1::{
    Answers, Audit, Goodbye, Relist, SpecsWanted, StatusReports, StatusesStored, host_feed_response,
    host_partition_message, link_message,
};

use super::{Actor, Peer, Session, claim_message};
use crate::input::SessionId;

/// Items in one message to a tenant partition.
const ITEMS: usize = 2048;

impl Actor {
    pub(super) fn flush(&mut self) {
        for number in std::mem::take(&mut self.dirty) {
            self.flush_host(number);
        }
        self.flush_feed();
        let connected: Vec<_> = self
            .tenants
            .iter()
            .filter_map(|(name, tenant)| Some((std::sync::Arc::clone(name), tenant.session?)))
            .collect();
        for (partition, session) in connected {
            self.flush_tenant(&partition, session);
        }
    }

    fn flush_host(&mut self, number: HostNumber) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        host.is_dirty = false;
        let session = host.session;
        let stored = std::mem::take(&mut host.stored);
        // Until its inventory is in, an agent that does not go on from before is to be told all anew.
        if !host.orders.is_empty() {
            let (orders, runs) = (std::mem::take(&mut host.orders), std::mem::take(&mut host.runs));
            let desired = host.desired.push(self.epoch, orders, runs, false);
            let is_overfull = host.desired.is_overfull();
            match session {
                Some(session) if is_overfull => {
                    self.refuse(session, Goodbye::later("too much is under way to this host: come again"));
                }
                Some(session) => self.send_agent(session, link_message::Message::Desired(desired)),
                None => {}
            }
            if is_overfull && let Some(host) = self.hosts.get_mut(&number) {
                host.desired.reset();
            }
        }
        if let Some(session) = session
            && !stored.is_empty()
        {
            self.send_agent(session, link_message::Message::Stored(StatusesStored { pods: stored }));
        }
    }

    /// Tells replicas what changed.
    pub(super) fn flush_feed(&mut self) {
        let mut batches = self.feed.take_batches();
        if std::mem::take(&mut self.has_opened) {
            batches.push(self.feed.in_sync());
        }
        if batches.is_empty() {
            return;
        }
        for session in self.following.clone() {
            for batch in &batches {
                self.send_replica(session, host_feed_response::Message::Changes(batch.clone()));
            }
        }
    }

    fn flush_tenant(&mut self, partition: &str, session: SessionId) {
        let Some(tenant) = self.tenants.get_mut(partition) else { return };
        let relist = std::mem::take(&mut tenant.relist);
        let answers = std::mem::take(&mut tenant.answers);
        let audits = std::mem::take(&mut tenant.audits);
        let wanted = std::mem::take(&mut tenant.specs_wanted);
        let host_epoch = self.epoch;
        if relist {
            let relist =
                Relist { host_partition: self.name.to_string(), epoch: host_epoch, ranges: Vec::new() };
            self.send_tenant(session, host_partition_message::Message::Relist(relist));
        }
        if !answers.is_empty() {
            self.send_tenant(
                session,
                host_partition_message::Message::Answers(Answers { host_epoch, answers }),
            );
        }
        for claims in audits.chunks(ITEMS) {
            self.metrics.audited.inc_by(claims.len() as u64);
            let claims = claims.iter().map(claim_message).collect();
            self.send_tenant(session, host_partition_message::Message::Audit(Audit { host_epoch, claims }));
        }
        for claims in wanted.chunks(ITEMS) {
            let claims = claims.iter().map(claim_message).collect();
            self.send_tenant(session, host_partition_message::Message::SpecsWanted(SpecsWanted { claims }));
        }
        self.flush_statuses(partition, session);
    }

    /// Statuses wait here while the partition is slow, so that newer ones replace older ones.
    fn flush_statuses(&mut self, partition: &str, session: SessionId) {
        let now = self.clock.now();
        loop {
            let is_idle = match self.sessions.get(&session) {
                Some(Session { peer: Peer::Tenant { outlet, .. }, .. }) => outlet.is_idle(),
                _ => false,
            };
            let Some(tenant) =
                self.tenants.get_mut(partition).filter(|tenant| is_idle && !tenant.statuses.is_empty())
            else {
                return;
            };
            let count = tenant.statuses.len().min(ITEMS);
            let mut reports = Vec::with_capacity(count);
            for (number, uid) in tenant.statuses.drain(..count) {
                let pending = self.hosts.get_mut(&number).and_then(|host| host.statuses.get_mut(&uid));
                if let Some(pending) = pending.filter(|pending| pending.is_queued) {
                    pending.is_queued = false;
                    pending.sent = Some(now);
                    reports.push(pending.report.clone());
                }
            }
            if !reports.is_empty() {
                self.metrics.statuses.inc_by(reports.len() as u64);
                self.send_tenant(
                    session,
                    host_partition_message::Message::Statuses(StatusReports { reports }),
                );
            }
        }
    }
}
