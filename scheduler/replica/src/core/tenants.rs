//! Tenants by small numbers, and what each is entitled to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use meridian_engine::{Backoff, Queue, QueueError, TenantId, TenantSettings, TenantStatus};
use rustc_hash::FxHashMap;

/// The most tenants that are told apart; all that come later are one.
const MAX_TENANTS: usize = 1 << 19;

/// The number of all tenants that are not told apart.
const REST: TenantId = TenantId(u32::MAX);

/// The tenant that runs the region.
const SYSTEM: &str = "system";

/// Refusals in a row that are remembered, and for how long.
const MAX_REFUSED: usize = 1 << 16;
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// What can be settled about the queue of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// What tenants are entitled to, by name. Those that are not named have [`TenantSettings::default`].
    pub tenants: BTreeMap<String, TenantSettings>,
    /// How long pods rest whose decisions are refused again and again.
    pub backoff: Backoff,
    /// How long a pod waits until room is kept for it, and for how long it is then, a minute at least. Zero: never.
    pub keep_after: Duration,
}

/// Long enough for what is only full for a while.
const KEEP_AFTER: Duration = Duration::from_secs(300);

/// The longest that can be asked for.
const MAX_KEEP: Duration = Duration::from_secs(3600);

impl Default for QueueSettings {
    fn default() -> Self {
        QueueSettings { tenants: BTreeMap::new(), backoff: Backoff::default(), keep_after: KEEP_AFTER }
    }
}

/// Why settings were refused. What was settled before holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A tenant's.
    #[error("tenant {tenant:?}")]
    Tenant {
        /// Which.
        tenant: String,
        /// What is wrong.
        source: QueueError,
    },
    /// The backoff.
    #[error(transparent)]
    Backoff(#[from] QueueError),
    /// The wait until room is kept.
    #[error("room is kept after {0:?}, want at most an hour; 0 for never")]
    KeepAfter(Duration),
}

impl QueueSettings {
    /// Whether a queue would take these settings.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] names the tenant whose weight or guarantee is out of range, or with whom more would be guaranteed than
    /// there is.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let mut queue = Queue::new();
        queue.set_backoff(self.backoff)?;
        if self.keep_after > MAX_KEEP {
            return Err(SettingsError::KeepAfter(self.keep_after));
        }
        for ((name, settings), number) in self.tenants.iter().zip(0..) {
            queue
                .set_tenant(TenantId(number), *settings)
                .map_err(|source| SettingsError::Tenant { tenant: name.clone(), source })?;
        }
        Ok(())
    }
}

/// The tenants heard of.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    ids: FxHashMap<Arc<str>, TenantId>,
    names: Vec<Arc<str>>,
    settings: QueueSettings,
    /// How often, and when last, pods have been refused that are expected to come again.
    refused: FxHashMap<super::uid::Uid, (u32, Duration)>,
}

impl Tenants {
    /// The number of a tenant, new if need be, entitled to what has been settled for it.
    pub(crate) fn intern(&mut self, name: &str, queue: &mut Queue) -> TenantId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        if self.names.len() >= MAX_TENANTS {
            return REST;
        }
        let id = TenantId(self.names.len() as u32);
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.ids.insert(name, id);
        self.apply(id, queue);
        id
    }

    /// How long a pod waits until room is kept for it; zero: for ever.
    pub(crate) fn keep_after(&self) -> Duration {
        self.settings.keep_after
    }

    fn apply(&self, id: TenantId, queue: &mut Queue) {
        let Some(name) = self.names.get(id.0 as usize) else { return };
        let mut settings = self.settings.tenants.get(&**name).copied().unwrap_or_default();
        settings.may_be_critical |= &**name == SYSTEM;
        if let Err(error) = queue.set_tenant(id, settings) {
            tracing::warn!(tenant = &**name, %error, "a tenant's settings are not taken");
        }
    }

    /// Takes over settings that have been validated.
    pub(crate) fn settle(&mut self, settings: QueueSettings, queue: &mut Queue) {
        if let Err(error) = queue.set_backoff(settings.backoff) {
            tracing::warn!(%error, "the backoff is not taken");
        }
        let former = std::mem::replace(&mut self.settings, settings);
        let now = &self.settings.tenants;
        let mut changed: Vec<TenantId> = former
            .tenants
            .iter()
            .chain(now)
            .filter(|(name, _)| former.tenants.get(*name) != now.get(*name))
            .filter_map(|(name, _)| self.ids.get(&**name).copied())
            .collect();
        changed.sort_unstable();
        changed.dedup();
        // Guarantees that shrink make room for those that grow.
        let guaranteed = |id: &TenantId| {
            let name = self.names.get(id.0 as usize);
            name.and_then(|name| now.get(&**name)).map_or(0, |settings| settings.guaranteed_millionths)
        };
        changed.sort_by_key(guaranteed);
        for id in changed.iter().chain(&changed) {
            if let Some(name) = self.names.get(id.0 as usize) {
                tracing::info!(tenant = &**name, "a tenant's settings have changed");
            }
            self.apply(*id, queue);
        }
    }

    /// How tenants stand, with their names.
    pub(crate) fn status<'a>(
        &'a self,
        queue: &Queue,
    ) -> impl Iterator<Item = (&'a str, TenantStatus)> + use<'a> {
        let named = |status: TenantStatus| {
            let name = self.names.get(status.tenant.0 as usize).map_or("", |name| &**name);
            (name, status)
        };
        queue.tenants().into_iter().map(named)
    }

    /// Notes that a decision about a pod was refused; it is expected to come again.
    pub(crate) fn refuse(&mut self, uid: super::uid::Uid, failures: u32, now: Duration) {
        if self.refused.len() >= MAX_REFUSED {
            self.refused.retain(|_, (_, at)| *at + REFUSED_FOR > now);
        }
        if self.refused.len() < MAX_REFUSED {
            self.refused.insert(uid, (failures, now));
        }
    }

    /// How often a pod has been refused that comes again.
    pub(crate) fn failures(&mut self, uid: &super::uid::Uid) -> u32 {
        self.refused.remove(uid).map_or(0, |(failures, _)| failures)
    }
}
