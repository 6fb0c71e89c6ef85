//! Events go by themselves: each tenant's events of five minutes share a lease of the store.

use std::sync::PoisonError;
use std::time::Duration;

use meridian_schema::Kind;
use meridian_store::{LeaseId, Tenant};

use super::Registry;
use crate::Failure;

/// How long an event is kept, at least.
const KEPT: Duration = Duration::from_secs(3600);
/// How long a lease takes new events.
const SHARED: Duration = Duration::from_secs(300);

/// The lease that new events of a tenant go with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Current {
    lease: LeaseId,
    until: Duration,
}

impl Registry {
    /// The lease that an object goes with; none for all but events.
    pub(super) async fn event_lease(&self, tenant: &Tenant, kind: &Kind) -> Result<Option<LeaseId>, Failure> {
        if kind.kind != "Event" {
            return Ok(None);
        }
        let now = self.clock().now();
        {
            let mut leases = self.inner.event_leases.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(current) = leases.get(tenant).filter(|current| now < current.until) {
                return Ok(Some(current.lease));
            }
            leases.retain(|_, current| now < current.until);
        }
        // Two at once make two leases, which does no harm.
        let lease = self.cache(kind).store().grant_lease(tenant, KEPT + SHARED).await?.id;
        let current = Current { lease, until: now.saturating_add(SHARED) };
        self.inner
            .event_leases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tenant.clone(), current);
        Ok(Some(lease))
    }

    /// Takes another lease next time: this one is gone.
    pub(super) fn forget_event_lease(&self, tenant: &Tenant) {
        self.inner.event_leases.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }
}
