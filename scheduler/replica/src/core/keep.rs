//! Room that is kept for pods that have waited for long.
//!
//! Where room comes up in small pieces, pods that fit into them go first, and one that needs more never gets its turn. So for a
//! pod that has waited for [`keep_after`](super::QueueSettings::keep_after) a host is claimed that has no room for it yet: its
//! ledger keeps what others leave until there is, or until the pod has waited as long again (a minute at least). One pod of a
//! tenant at a time.

use std::time::Duration;

use meridian_engine::{ClassId, Running, Seat};
use meridian_proto::v1;

use super::Core;
use super::pods::State;

/// Pods of a class that are looked at to find one that has waited for long.
const FIRST: usize = 16;

/// The shortest time that room is kept for: others need some to leave it.
const LEAST: Duration = Duration::from_secs(60);

impl Core {
    /// Has room kept for a pod of a class that fits nowhere, if one has waited for long.
    pub(crate) fn keep_room(&mut self, class: ClassId, now: Duration) {
        let after = self.tenants.keep_after();
        let (false, Some(entry)) = (after.is_zero(), self.classes.get_mut(class)) else { return };
        let waiting = entry.waiting(&self.pods, FIRST);
        let has_waited = |key: &&_| {
            let pod = self.pods.get(**key);
            pod.is_some_and(|pod| pod.gang.is_none() && pod.arrived + after <= now)
        };
        let Some(key) = waiting.iter().find(has_waited).copied() else { return };
        let Some(pod) = self.pods.get(key) else { return };
        let (tenant, stream, assignment, uid) = (pod.tenant, pod.stream, pod.assignment, pod.uid.to_string());
        let (priority, owner) = (pod.priority, pod.preempts_in.unwrap_or(u32::MAX));
        if let Some(other) = self.kept.get(&tenant)
            && self
                .pods
                .get(*other)
                .is_some_and(|pod| matches!(pod.state, State::Decided(_) | State::Confirmed))
        {
            return;
        }
        // There may be room by now, and then it comes up by itself.
        if self.scheduler.decide(class).is_some() {
            return;
        }
        let Some(choice) = self.scheduler.least_lacking(class) else { return };
        let Some(decided) = self.decided_host(&choice) else { return };
        let seat = Seat { devices: choice.devices, numa: choice.numa };
        let Ok(mut placement) = self.scheduler.nominate(class, choice.host, seat) else { return };
        // A claim that waits cannot be made to give way.
        let running = Running { pod: u64::MAX, priority, owner, is_protected: true, ..Running::default() };
        self.scheduler.track(&mut placement, running);
        self.queue.remove(key.number());
        self.pods.change(key, State::Decided(placement));
        self.kept.insert(tenant, key);
        self.counts.decisions += 1;
        self.counts.kept += 1;
        let keep_seconds = u32::try_from(after.max(LEAST).as_secs()).unwrap_or(u32::MAX);
        let member = v1::MemberDecision { uid, host: Some(decided), keep_seconds, ..Default::default() };
        if let Some(outbox) = self.outbox(stream) {
            outbox.groups.push_back(v1::GroupDecision { assignment, members: vec![member] });
        }
    }
}
