//! The one interface over both engines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::embedded::{Embedded, EmbeddedOptions};
#[cfg(feature = "etcd")]
use crate::etcd::{Etcd, EtcdOptions};
use crate::lease::{Expiry, Lease, Leases};
use crate::txn::{RangeRequest, RangeResult, Txn, TxnResult};
use crate::watch::{Source, Watch, WatchRequest};
use crate::{Counters, Epoch, Error, LeaseId, Revision, Tenant, TenantRevision};
use meridian_environment::Clock;

/// Time between two looks at whose epoch counts, by one who writes nothing.
const EPOCH_CHECK: Duration = Duration::from_secs(2);

/// A handle to one partition's open store, writing under one epoch. Cheap to clone.
///
/// The store is let go when the last handle is dropped; [`Store::close`] says when that is done.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
    leases: Arc<Leases>,
    lease_names: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
    _expiry: Arc<Expiry>,
}

/// What a store runs on.
#[derive(Clone, Debug)]
pub(crate) enum Engine {
    Embedded(Embedded),
    #[cfg(feature = "etcd")]
    Etcd(Etcd),
}

/// Calls the same method on whichever engine there is; `await` marks those that only etcd must wait for.
macro_rules! on {
    ($engine:expr, $name:ident ( $($arg:expr),* ) await) => {
        match $engine {
            Engine::Embedded(engine) => engine.$name($($arg),*).await,
            #[cfg(feature = "etcd")]
            Engine::Etcd(engine) => engine.$name($($arg),*).await,
        }
    };
    ($engine:expr, $name:ident ( $($arg:expr),* )) => {
        match $engine {
            Engine::Embedded(engine) => engine.$name($($arg),*),
            #[cfg(feature = "etcd")]
            Engine::Etcd(engine) => engine.$name($($arg),*).await,
        }
    };
}

impl Engine {
    pub(crate) async fn revoke(&self, id: LeaseId) -> Result<(), Error> {
        on!(self, revoke(id) await)
    }
}

impl Store {
    /// Opens the embedded store in a data directory, recovers what is there, and takes the partition over.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], [`Error::Corrupt`], [`Error::NewerFormat`], [`Error::Io`]: nothing was changed then.
    pub async fn open_embedded(options: EmbeddedOptions, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let engine = Embedded::open(options, clock.clone()).await?;
        Self::start(Engine::Embedded(engine), clock).await
    }

    /// Connects to the etcd that holds a partition and takes the partition over.
    ///
    /// # Errors
    ///
    /// [`Error::Etcd`] when it does not answer.
    #[cfg(feature = "etcd")]
    pub async fn open_etcd(options: EtcdOptions, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let engine = Etcd::open(options).await?;
        Self::start(Engine::Etcd(engine), clock).await
    }

    async fn start(engine: Engine, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let known = match &engine {
            Engine::Embedded(engine) => engine.leases(),
            #[cfg(feature = "etcd")]
            Engine::Etcd(engine) => engine.leases().await?,
        };
        let leases = Arc::new(Leases::new(clock.clone(), known));
        let expiry = Arc::new(Expiry::start(leases.clone(), engine.clone()));
        let lease_names = Arc::new(AtomicU64::new(1));
        Ok(Self { engine, leases, lease_names, clock, _expiry: expiry })
    }

    /// Takes the partition over under the next epoch. Every handle of an older epoch is refused from here on, with
    /// [`Error::Fenced`].
    ///
    /// # Errors
    ///
    /// As for any write.
    pub async fn take_over(&self) -> Result<Self, Error> {
        let engine = match &self.engine {
            Engine::Embedded(engine) => Engine::Embedded(engine.take_over().await?),
            #[cfg(feature = "etcd")]
            Engine::Etcd(engine) => Engine::Etcd(engine.take_over().await?),
        };
        Self::start(engine, self.clock.clone()).await
    }

    /// Returns when this handle can never write again, within seconds, also while nothing is written: the answer is
    /// [`Error::Fenced`] where another writer has taken the partition over, or [`Error::Closed`]. A store that cannot be
    /// asked may come back, and is asked again.
    pub async fn deposed(&self) -> Error {
        loop {
            let checked = on!(&self.engine, check_epoch());
            match checked {
                Err(error @ (Error::Fenced { .. } | Error::Closed)) => return error,
                Err(error) => tracing::debug!(%error, "the writer's epoch could not be read"),
                Ok(()) => {}
            }
            self.clock.wait_until(self.clock.now().saturating_add(EPOCH_CHECK)).await;
        }
    }

    /// The epoch this handle writes under.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match &self.engine {
            Engine::Embedded(engine) => engine.epoch(),
            #[cfg(feature = "etcd")]
            Engine::Etcd(engine) => engine.epoch(),
        }
    }

    /// Does a transaction. When this returns without an error, what it wrote is durable.
    ///
    /// # Errors
    ///
    /// [`Error::Fenced`], [`Error::LeaseNotFound`], [`Error::TooLarge`], [`Error::Invalid`], [`Error::ForeignTenant`] and
    /// [`Error::DiskFull`]: nothing was written. [`Error::Poisoned`], [`Error::Closed`] and [`Error::Etcd`]: it may or may
    /// not have been.
    pub async fn txn(&self, txn: Txn) -> Result<TxnResult, Error> {
        on!(&self.engine, txn(txn) await)
    }

    /// Reads a range. The latest revision is one at or after everything acknowledged before the call.
    ///
    /// # Errors
    ///
    /// [`Error::Compacted`] and [`Error::FutureRevision`] where the revision asked for is not there.
    pub async fn range(&self, request: &RangeRequest) -> Result<RangeResult, Error> {
        on!(&self.engine, range(request))
    }

    /// Watches a range.
    ///
    /// # Errors
    ///
    /// [`Error::Compacted`] where it should start at a revision that is compacted.
    pub async fn watch(&self, request: WatchRequest) -> Result<Watch, Error> {
        match &self.engine {
            Engine::Embedded(engine) => Ok(Watch(Source::Embedded(engine.watch(request)?))),
            #[cfg(feature = "etcd")]
            Engine::Etcd(engine) => Ok(Watch(Source::Etcd(Box::new(engine.watch(request).await?)))),
        }
    }

    /// Gives up all history before `at`: reads at `at` and later, and watches from after it, stay possible.
    ///
    /// History takes memory until it is given up, so whoever runs a store does this from time to time, at a revision some
    /// minutes old, so that watches are past it.
    ///
    /// # Errors
    ///
    /// [`Error::Compacted`] when that was done before, [`Error::FutureRevision`].
    pub async fn compact(&self, at: Revision) -> Result<(), Error> {
        on!(&self.engine, compact(at) await)
    }

    /// Grants a lease, which keys of this tenant may go with.
    ///
    /// # Errors
    ///
    /// As for any write; [`Error::Invalid`] when `ttl` is not at least a millisecond.
    pub async fn grant_lease(&self, tenant: &Tenant, ttl: Duration) -> Result<Lease, Error> {
        if ttl < Duration::from_millis(1) {
            return Err(Error::Invalid { what: format!("a lease of {ttl:?}: want a millisecond or more") });
        }
        // As it is stored, so that it is the same after a restart.
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let ttl = Duration::from_millis(millis);
        let id = Leases::name(self.epoch(), self.lease_names.fetch_add(1, Ordering::Relaxed));
        let lease = Lease { id, ttl };
        // Before as well: if nobody waits for the answer, the lease ends all the same.
        self.leases.insert(lease);
        on!(&self.engine, grant(id, tenant, ttl) await)?;
        self.leases.insert(lease);
        Ok(lease)
    }

    /// Gives a lease its whole time again. Not durable, and no write.
    ///
    /// # Errors
    ///
    /// [`Error::LeaseNotFound`] when it ended.
    pub fn renew_lease(&self, id: LeaseId) -> Result<Lease, Error> {
        self.leases.renew(id)
    }

    /// How long a lease still has.
    ///
    /// # Errors
    ///
    /// [`Error::LeaseNotFound`] when it ended.
    pub fn lease_time_left(&self, id: LeaseId) -> Result<Duration, Error> {
        self.leases.left(id)
    }

    /// Ends a lease now, and deletes the keys that go with it.
    ///
    /// # Errors
    ///
    /// [`Error::LeaseNotFound`] when it ended already; else as for any write.
    pub async fn revoke_lease(&self, id: LeaseId) -> Result<(), Error> {
        self.engine.revoke(id).await?;
        self.leases.remove(id);
        Ok(())
    }

    /// The partition's revision: at or after everything acknowledged before the call.
    ///
    /// # Errors
    ///
    /// [`Error::Etcd`] when etcd does not answer.
    pub async fn revision(&self) -> Result<Revision, Error> {
        match &self.engine {
            Engine::Embedded(engine) => Ok(engine.revision()),
            #[cfg(feature = "etcd")]
            Engine::Etcd(engine) => engine.revision().await,
        }
    }

    /// The revision up to which history was given up; 0: none was.
    ///
    /// # Errors
    ///
    /// [`Error::Etcd`] when etcd does not answer.
    pub async fn compacted(&self) -> Result<Revision, Error> {
        match &self.engine {
            Engine::Embedded(engine) => Ok(engine.compacted()),
            #[cfg(feature = "etcd")]
            Engine::Etcd(engine) => engine.compacted().await,
        }
    }

    /// Where a tenant's own sequence stands, or stood at a revision of the partition.
    ///
    /// # Errors
    ///
    /// As for a read at that revision.
    pub async fn tenant_revision(
        &self,
        tenant: &Tenant,
        at: Option<Revision>,
    ) -> Result<TenantRevision, Error> {
        on!(&self.engine, tenant_revision(tenant, at))
    }

    /// The partition's revision for a tenant's own: one at which the tenant's keys are as of `at`, and after which come
    /// all its later writes, so that both a read at it and a watch from behind it are right.
    ///
    /// # Errors
    ///
    /// [`Error::TenantCompacted`] and [`Error::TenantFuture`]. Other tenants' writes never cause them.
    pub async fn partition_revision(&self, tenant: &Tenant, at: TenantRevision) -> Result<Revision, Error> {
        on!(&self.engine, partition_revision(tenant, at))
    }

    /// What the store did so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        match &self.engine {
            Engine::Embedded(engine) => engine.counters(),
            #[cfg(feature = "etcd")]
            Engine::Etcd(engine) => engine.counters(),
        }
    }

    /// Finishes what is under way and lets the store go. Calls on other handles fail with [`Error::Closed`] afterwards.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Embedded(engine) => engine.close().await,
            #[cfg(feature = "etcd")]
            Engine::Etcd(engine) => engine.close(),
        }
    }
}
