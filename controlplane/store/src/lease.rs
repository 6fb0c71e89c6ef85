//! When leases end: deadlines in memory, counted on the store's clock, the same over every engine.
//!
//! The engine keeps which leases there are, durably, and which keys go with them. How long each still has is soft state of
//! the writer: after a start or a take-over every lease has its whole time again, since nobody can know how long the
//! writer was away. Ending a lease is one transaction of its tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::error::chain;
use crate::store::Engine;
use crate::{Epoch, Error, LeaseId};
use meridian_environment::Clock;

/// A lease, as granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// How long it lasts without being renewed.
    pub ttl: Duration,
}

/// How long to leave a lease that could not be ended.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Entry {
    ttl: Duration,
    deadline: Duration,
}

/// The deadlines.
#[derive(Debug)]
pub(crate) struct Leases {
    clock: Arc<dyn Clock>,
    entries: Mutex<HashMap<LeaseId, Entry>>,
    changed: Notify,
}

impl Leases {
    pub(crate) fn new(clock: Arc<dyn Clock>, leases: Vec<(LeaseId, Duration)>) -> Self {
        let now = clock.now();
        let entry = |(id, ttl)| (id, Entry { ttl, deadline: now.saturating_add(ttl) });
        let entries = Mutex::new(leases.into_iter().map(entry).collect());
        Self { clock, entries, changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name that no lease had before, in any epoch: names start with the epoch.
    pub(crate) fn name(epoch: Epoch, number: u64) -> LeaseId {
        LeaseId((epoch.0 << 32) | number)
    }

    pub(crate) fn insert(&self, lease: Lease) {
        let deadline = self.clock.now().saturating_add(lease.ttl);
        self.lock().insert(lease.id, Entry { ttl: lease.ttl, deadline });
        self.changed.notify_one();
    }

    pub(crate) fn remove(&self, id: LeaseId) {
        self.lock().remove(&id);
    }

    /// Gives a lease its whole time again.
    pub(crate) fn renew(&self, id: LeaseId) -> Result<Lease, Error> {
        let now = self.clock.now();
        let mut entries = self.lock();
        let entry = entries.get_mut(&id).ok_or(Error::LeaseNotFound { id })?;
        entry.deadline = now.saturating_add(entry.ttl);
        Ok(Lease { id, ttl: entry.ttl })
    }

    /// What a lease has left.
    pub(crate) fn left(&self, id: LeaseId) -> Result<Duration, Error> {
        let now = self.clock.now();
        let entries = self.lock();
        let entry = entries.get(&id).ok_or(Error::LeaseNotFound { id })?;
        Ok(entry.deadline.saturating_sub(now))
    }

    fn earliest(&self) -> Option<Duration> {
        self.lock().values().map(|entry| entry.deadline).min()
    }

    /// Takes out the leases whose time is over: from here on they cannot be renewed.
    fn take_due(&self) -> Vec<(LeaseId, Entry)> {
        let now = self.clock.now();
        let mut due: Vec<_> = self.lock().extract_if(|_, entry| entry.deadline <= now).collect();
        due.sort_unstable_by_key(|(id, entry)| (entry.deadline, *id));
        due
    }

    /// Ends leases when their time comes, until the store is closed or taken over.
    async fn expire(&self, engine: &Engine) {
        loop {
            match self.earliest() {
                None => self.changed.notified().await,
                Some(deadline) => tokio::select! {
                    () = self.changed.notified() => continue,
                    () = self.clock.wait_until(deadline) => {}
                },
            }
            for (id, entry) in self.take_due() {
                match engine.revoke(id).await {
                    Ok(()) | Err(Error::LeaseNotFound { .. }) => {}
                    Err(Error::Closed | Error::Fenced { .. } | Error::Poisoned { .. }) => return,
                    Err(error) => {
                        tracing::warn!(
                            lease = id.0,
                            error = chain(&error),
                            "could not end a lease, trying again"
                        );
                        let deadline = self.clock.now().saturating_add(RETRY);
                        self.lock().insert(id, Entry { deadline, ..entry });
                    }
                }
            }
        }
    }
}

/// The task that ends leases; it goes with the last handle.
#[derive(Debug)]
pub(crate) struct Expiry(JoinHandle<()>);

impl Expiry {
    pub(crate) fn start(leases: Arc<Leases>, engine: Engine) -> Self {
        Self(tokio::spawn(async move { leases.expire(&engine).await }))
    }
}

impl Drop for Expiry {
    fn drop(&mut self) {
        self.0.abort();
    }
}
