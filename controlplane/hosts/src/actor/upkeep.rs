//! What is done from time to time: asking again, and noticing who has fallen silent.

use std::time::Duration;

use meridian_ledger::ClaimId;
use meridian_ledger::host::EntryState;
use meridian_proto::v1::Goodbye;

use super::{Actor, AgentPhase, Peer, Session};
use crate::input::SessionId;
use crate::node::Health;

/// Time between two ticks.
const TICK: Duration = Duration::from_secs(1);

/// Ticks after which claims that are still Held are asked about.
const HELD_TICKS: u64 = 2;

/// Ticks in which all entries are asked about once.
const SWEEP_TICKS: usize = 600;

/// Ticks after which statuses that nobody has stored are sent again.
const STATUS_TICKS: u64 = 5;

/// Without a word for this long, a host is not heard of any more.
const SILENCE: Duration = Duration::from_secs(40);

/// Time for a stream to open properly.
const GREETING: Duration = Duration::from_secs(10);

impl Actor {
    pub(super) fn tick(&mut self) {
        let now = self.clock.now();
        self.next_tick = now + TICK;
        self.ticks += 1;
        for partition in self.ledger.unanswered() {
            let tenant = self.tenants.entry(partition).or_default();
            tenant.relist = tenant.is_connected();
        }
        if self.ticks.is_multiple_of(HELD_TICKS) {
            let held = self.ledger.tick();
            self.audit(held);
        }
        let count = self.ledger.slots().div_ceil(SWEEP_TICKS);
        let (claims, next) = self.ledger.sweep(self.swept, count);
        self.swept = next;
        self.audit(claims);
        self.notice_silence(now);
        if self.ticks.is_multiple_of(STATUS_TICKS) {
            self.repeat_statuses(now);
        }
        self.end_silent_streams(now);
        self.remove_leaving();
        self.count();
    }

    fn audit(&mut self, claims: Vec<ClaimId>) {
        for claim in claims {
            if let Some(tenant) =
                self.tenants.get_mut(&claim.partition).filter(|tenant| tenant.is_connected())
            {
                tenant.audits.push(claim);
            }
        }
    }

    fn notice_silence(&mut self, now: Duration) {
        let (mut silent, mut unmarked, mut said_off) = (Vec::new(), Vec::new(), Vec::new());
        for (number, host) in &self.hosts {
            let is_silent = host.last_heard + SILENCE <= now;
            let is_settled = host.health == Health::Ready || (is_silent && host.session.is_none());
            if is_silent && host.health == Health::Ready {
                silent.push((*number, host.session));
            } else if host.health != host.marked && is_settled {
                unmarked.push(*number);
            }
            if is_silent && (host.is_out_of_service || !host.has_node) {
                said_off.push(*number);
            }
        }
        // Said while nobody was here to hear it, or before it was known what is bound there.
        for number in said_off {
            self.heed_out_of_service(number);
        }
        for (number, session) in silent {
            self.set_health(number, Health::Unknown);
            if let Some(session) = session {
                self.refuse(
                    session,
                    Goodbye::later("nothing has been heard of this host for too long: come again"),
                );
            }
        }
        for number in unmarked {
            self.mark(number);
        }
    }

    fn repeat_statuses(&mut self, now: Duration) {
        let mut due = Vec::new();
        for (number, host) in &self.hosts {
            for (uid, pending) in &host.statuses {
                let is_due = pending.sent.is_none_or(|sent| sent + TICK * 5 <= now);
                if is_due && !pending.is_queued {
                    due.push((*number, uid.clone()));
                }
            }
        }
        for (number, uid) in due {
            let of_uid = self.ledger.entries_on(number).into_iter().find(|entry| entry.uid == uid);
            match of_uid {
                // Also where the host is of a newer incarnation.
                Some(entry) => self.queue_for(&entry.claim.partition, number, &uid),
                None if self.ledger.is_open() => self.status_is_stored(number, &uid, u64::MAX),
                None => {}
            }
        }
    }

    /// Ends streams whose peers never said who they are.
    fn end_silent_streams(&mut self, now: Duration) {
        let is_silent = |open: &Session| {
            let is_new = match &open.peer {
                Peer::Tenant { partition, .. } => partition.is_none(),
                Peer::Agent { phase, .. } => matches!(phase, AgentPhase::New | AgentPhase::Greeted { .. }),
                Peer::Replica { is_following, .. } => !is_following,
            };
            is_new && open.opened + GREETING <= now
        };
        let silent: Vec<SessionId> =
            self.sessions.iter().filter(|(_, open)| is_silent(open)).map(|(session, _)| *session).collect();
        for session in silent {
            self.refuse(session, Goodbye::later("nothing was said for too long"));
        }
    }

    fn count(&self) {
        let mut states = [0_i64; 3];
        for host in self.hosts.values() {
            states[host.health as usize] += 1;
        }
        for (state, count) in ["ready", "not-ready", "unknown"].into_iter().zip(states) {
            self.metrics.hosts.with_label_values(&[state]).set(count);
        }
        let counts = self.ledger.counts();
        for (name, state) in [
            ("waiting", EntryState::Waiting),
            ("held", EntryState::Held),
            ("bound", EntryState::Bound),
            ("terminating", EntryState::Terminating),
        ] {
            let count = i64::try_from(counts[state as usize]).unwrap_or(i64::MAX);
            self.metrics.entries.with_label_values(&[name]).set(count);
        }
        self.metrics.recovering.set(i64::from(!self.ledger.is_open()));
        self.metrics.unanswered.set(i64::try_from(self.ledger.unanswered().len()).unwrap_or(i64::MAX));
    }
}
