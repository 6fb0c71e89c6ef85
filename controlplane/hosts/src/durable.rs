//! Writes that must be durable before the partition acts on them, done by tasks of their own that report back.
//!
//! The partition's own records are written through the hosts' store, which refuses a process that has been deposed; Node
//! objects are written through the registry.

use std::sync::Arc;

use meridian_api::{Caller, CreateOptions, Entry, Failure, Registry, Sub};
use meridian_environment::Clock;
use meridian_store::{Key, Op, Store, Tenant, Txn};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use crate::input::{Input, SessionId};
use crate::node::{self, Health};
use crate::record::{self, NodeRecord};

/// Writes under way at once. The stores commit in groups, so many at once cost little more than one.
const AT_ONCE: usize = 1024;

/// After so many attempts to write an object that others keep changing.
const ATTEMPTS: usize = 4;

/// It is durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written;

/// Why something is not, or may not be, durable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// Another process has taken this partition over.
    #[error("this process has been deposed: {0}")]
    Deposed(meridian_store::Error),
    /// The store failed.
    #[error("writing a record: {0}")]
    Store(meridian_store::Error),
    /// A record could not be encoded.
    #[error("encoding a record: {0}")]
    Encode(serde_json::Error),
    /// The Node was refused.
    #[error("{0}")]
    Node(Failure),
}

impl From<meridian_store::Error> for Failed {
    fn from(error: meridian_store::Error) -> Self {
        match error {
            meridian_store::Error::Fenced { .. } => Self::Deposed(error),
            error => Self::Store(error),
        }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Node(failure)
    }
}

/// Starts writes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Durable {
    store: Store,
    registry: Registry,
    clock: Arc<dyn Clock>,
    inputs: mpsc::Sender<Input>,
    permits: Arc<Semaphore>,
    caller: Caller,
    /// The host partition's name.
    partition: Arc<str>,
}

impl Durable {
    pub(crate) fn new(
        store: Store,
        registry: Registry,
        clock: Arc<dyn Clock>,
        inputs: mpsc::Sender<Input>,
        partition: Arc<str>,
    ) -> Self {
        let caller = Caller::system("host-partition");
        Self { store, registry, clock, inputs, permits: Arc::new(Semaphore::new(AT_ONCE)), caller, partition }
    }

    /// Follows the Nodes, from what there is.
    pub(crate) fn follow(&self) -> meridian_api::Follow {
        self.registry.follow(meridian_schema::Home::Hosts)
    }

    fn spawn<F>(&self, write: impl FnOnce(Self) -> F + Send + 'static)
    where
        F: Future<Output = Input> + Send,
    {
        let durable = self.clone();
        tokio::spawn(async move {
            let permits = Arc::clone(&durable.permits);
            let inputs = durable.inputs.clone();
            // Never closed: it is dropped with the last task that waits for it.
            let permit = permits.acquire().await;
            let input = Box::pin(write(durable)).await;
            drop(permit);
            // Nobody is there to be told once the partition has ended.
            let _ = inputs.send(input).await;
        });
    }

    /// Writes a host's record, where that changed, and then its Node, as its agent describes it.
    pub(crate) fn register(
        &self,
        session: SessionId,
        record: NodeRecord,
        is_changed: bool,
        mut given: Value,
    ) {
        self.spawn(move |durable| async move {
            node::place(&mut given, &durable.partition, record.incarnation);
            let result = durable.write_host(&record, is_changed, &given).await;
            Input::Registered { session, record: Box::new(record), result }
        });
    }

    /// Writes a record with an incarnation that no agent has: its host is off.
    pub(crate) fn declare_off(&self, record: NodeRecord) {
        self.spawn(move |durable| async move {
            let result = durable.write_record(&record).await;
            Input::DeclaredOff { record: Box::new(record), result }
        });
    }

    /// Deletes a host's record.
    pub(crate) fn remove(&self, name: Arc<str>) {
        self.spawn(move |durable| async move {
            let result = durable.txn(Op::delete(&record::host_key(&name))).await;
            Input::Removed { name, result }
        });
    }

    /// Makes a tenant partition a known one.
    pub(crate) fn adopt(&self, partition: Arc<str>) {
        self.spawn(move |durable| async move {
            let result = match record::encode_tenant_partition() {
                Ok(value) => durable.put(&record::tenant_partition_key(&partition), value).await,
                Err(error) => Err(Failed::Encode(error)),
            };
            Input::Adopted { partition, result }
        });
    }

    /// Says in a Node how its host is.
    pub(crate) fn mark(&self, name: Arc<str>, health: Health) {
        self.spawn(move |durable| async move {
            let result = durable.write_health(&name, health).await;
            Input::Marked { name, health, result }
        });
    }

    async fn write_host(
        &self,
        record: &NodeRecord,
        is_changed: bool,
        given: &Value,
    ) -> Result<Arc<Entry>, Failed> {
        if is_changed {
            self.write_record(record).await?;
        }
        let kind = meridian_schema::node();
        let name = &*record.name;
        let mut last = Failure::conflict(kind, name, "it is deleted and created again and again");
        for _ in 0..ATTEMPTS {
            if self.registry.cached(&Tenant::system(), kind, "", name).is_none() {
                let fresh = node::fresh(name, given, &self.now());
                match self.registry.create(&self.caller, kind, "", fresh, &CreateOptions::default()).await {
                    Ok(entry) => return Ok(entry),
                    Err(failure) if failure.is_already_exists() => last = failure,
                    Err(failure) => return Err(failure.into()),
                }
            }
            let described = self.modify(name, None, |object, now| {
                node::describe(object, name, given) | node::mark_taints(object, Health::Ready, now)
            });
            if described.await?.is_none() {
                continue;
            }
            let status = self.modify(name, Some(Sub::Status), |object, now| {
                node::describe_status(object, given) | node::mark_status(object, Health::Ready, now)
            });
            if let Some(entry) = status.await? {
                return Ok(entry);
            }
        }
        Err(last.into())
    }

    async fn write_health(&self, name: &str, health: Health) -> Result<Written, Failed> {
        self.modify(name, None, |object, now| node::mark_taints(object, health, now)).await?;
        self.modify(name, Some(Sub::Status), |object, now| node::mark_status(object, health, now)).await?;
        Ok(Written)
    }

    async fn modify(
        &self,
        name: &str,
        sub: Option<Sub>,
        change: impl Fn(&mut Value, &str) -> bool + Send + Sync,
    ) -> Result<Option<Arc<Entry>>, Failure> {
        let now = self.now();
        let kind = meridian_schema::node();
        let change = |object: &mut Value| change(object, &now);
        Box::pin(self.registry.modify(&self.caller, kind, "", name, None, sub, change)).await
    }

    async fn write_record(&self, record: &NodeRecord) -> Result<Written, Failed> {
        let value = record.encode().map_err(Failed::Encode)?;
        self.put(&record::host_key(&record.name), value).await
    }

    /// Returns when this process can never write again; within seconds, also while it writes nothing.
    pub(crate) async fn deposed(&self) -> Failed {
        self.store.deposed().await.into()
    }

    async fn put(&self, key: &Key, value: Vec<u8>) -> Result<Written, Failed> {
        self.txn(Op::put(key, value)).await
    }

    async fn txn(&self, op: Op) -> Result<Written, Failed> {
        self.store.txn(Txn::new(&Tenant::system()).then(op)).await?;
        Ok(Written)
    }

    fn now(&self) -> String {
        meridian_api::seconds(self.clock.date())
    }
}
