//! Room that is kept for pods that have waited for long.
//!
//! Where room comes up in small pieces, pods that fit into them go first, and one that needs more never gets its turn. So for a
//! pod that has waited for [`keep_after`](super::QueueSettings::keep_after) a host is claimed that has no room for it yet: its
//! ledger keeps what others leave until there is, or until the pod has waited as long again (a minute at least). One pod of a
//! tenant at a time.

use std::time::Duration;

use meridian_engine::{ClassId, TenantId};

use super::Core;
use super::pods::{Pod, State};

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
        let has_waited =
            |pod: &Pod| pod.gang.is_none() && pod.arrived + after <= now && !self.is_kept_for(pod.tenant);
        let Some((key, tenant)) = waiting
            .iter()
            .find_map(|key| self.pods.get(*key).filter(|pod| has_waited(pod)).map(|pod| (*key, pod.tenant)))
        else {
            return;
        };
        // There may be room by now, and then it comes up by itself.
        if self.scheduler.decide(class).is_some() {
            return;
        }
        let Some(choice) = self.scheduler.least_lacking(class) else { return };
        let keep_seconds = u32::try_from(after.max(LEAST).as_secs()).unwrap_or(u32::MAX);
        if self.wait_for_room(key, &choice, Vec::new(), keep_seconds) {
            self.kept.insert(tenant, key);
            self.counts.kept += 1;
        }
    }

    /// Whether room is kept for a pod of a tenant now.
    fn is_kept_for(&self, tenant: TenantId) -> bool {
        let pod = self.kept.get(&tenant).and_then(|key| self.pods.get(*key));
        pod.is_some_and(|pod| matches!(pod.state, State::Decided(_) | State::Confirmed))
    }
}
