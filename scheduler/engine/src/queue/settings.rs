//! What can be settled while the queue is in use.

use std::time::Duration;

use super::entry::QueueError;

/// The largest weight of a tenant.
pub(super) const MAX_WEIGHT: u32 = 1_000_000;

/// All there is, in the unit of guarantees.
pub(super) const WHOLE: u32 = 1_000_000;

/// The longest backoff that can be asked for.
const MAX_BACKOFF: Duration = Duration::from_secs(3600);

/// What a tenant is entitled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantSettings {
    /// What the tenant's dominant share is divided by: of two tenants with weights 1 and 2 the second gets twice as much.
    /// 1 to 1,000,000.
    pub weight: u32,
    /// The dominant share, in millionths of the cell, up to which the tenant goes before those that have more than what is
    /// guaranteed to them. Guarantees of all tenants add up to a million at most.
    pub guaranteed_millionths: u32,
    /// Whether the tenant's pods of [`CRITICAL_PRIORITY`](super::CRITICAL_PRIORITY) and above go before those of all
    /// tenants. Tenants give their pods priorities themselves, so this is for the one that runs the region.
    pub may_be_critical: bool,
}

impl Default for TenantSettings {
    fn default() -> Self {
        TenantSettings { weight: 1, guaranteed_millionths: 0, may_be_critical: false }
    }
}

impl TenantSettings {
    pub(super) fn validate(&self) -> Result<(), QueueError> {
        if !(1..=MAX_WEIGHT).contains(&self.weight) {
            return Err(QueueError::Weight { weight: self.weight });
        }
        if self.guaranteed_millionths > WHOLE {
            return Err(QueueError::Guarantee { millionths: self.guaranteed_millionths });
        }
        Ok(())
    }
}

/// How long what has failed rests: not at all after the first `free` failures, then `initial`, and twice as long after each
/// further one, up to `most`. kube-scheduler waits for 1 to 10 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Failures that cost no time.
    pub free: u32,
    /// The first wait.
    pub initial: Duration,
    /// The longest wait.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { free: 1, initial: Duration::from_secs(1), most: Duration::from_secs(10) }
    }
}

impl Backoff {
    pub(super) fn validate(&self) -> Result<(), QueueError> {
        let Backoff { initial, most, .. } = *self;
        if initial.is_zero() || initial > most || most > MAX_BACKOFF {
            return Err(QueueError::Backoff { initial, most });
        }
        Ok(())
    }

    /// The wait after so many failures.
    pub(super) fn wait(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(self.free.saturating_add(1)) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.most)
    }
}
