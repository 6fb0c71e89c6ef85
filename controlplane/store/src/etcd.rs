//! The engine over etcd: one etcd cluster holds one partition, and one fenced writer writes to it.
//!
//! Under a prefix lie the keys (`k/` and the key as everywhere) and, beside them, the writer's epoch (`m/epoch`), a
//! counter a tenant (`m/t/NAME`), leases (`m/l/ID`) and the keys that went with them (`m/a/ID/KEY`). The partition's
//! revision is etcd's. A tenant's own revision is the version of its counter, which every write transaction of the tenant
//! puts; a stored value starts with the revision it was written at in that sequence, and its lease.
//!
//! A transaction reads what its compares and deletions depend on, decides, and then writes under the condition that the
//! epoch is its own and the counter still where it was, so that nothing of the tenant can have changed in between.
//! Transactions of one tenant go one after the other, those of several tenants at once.
//!
//! etcd takes 128 operations and 1.5 MiB a transaction unless it is started with a larger `--max-txn-ops` and
//! `--max-request-bytes`: set them to the store's [`Limits`].

mod layout;
mod lease;
mod txn;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use etcd_client::{
    Client, CompareOp, ConnectOptions, GetOptions, KvClient, TxnOp, TxnOpResponse, WatchOptions,
};
use tokio::sync::{Mutex as AsyncMutex, watch as latest};

use self::layout::Layout;
pub(crate) use self::watch::EtcdWatch;
use crate::counters::Running;
use crate::txn::{RangeRequest, RangeResult};
use crate::watch::WatchRequest;
use crate::{Counters, Epoch, Error, Limits, Revision, Tenant, TenantRevision};

/// How to reach the etcd of a partition.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// Where it listens: `http://host:2379`, one or more.
    pub endpoints: Vec<String>,
    /// What all keys of the partition start with.
    pub prefix: String,
    /// How large keys, values and transactions may be.
    pub limits: Limits,
    /// TLS, user and time limits.
    pub connect: ConnectOptions,
}

impl EtcdOptions {
    /// The defaults, at some endpoints.
    #[must_use]
    pub fn new(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            prefix: "/meridian/".into(),
            limits: Limits::default(),
            connect: ConnectOptions::new(),
        }
    }
}

/// A handle to an etcd, writing under one epoch. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Etcd {
    shared: Arc<Shared>,
    epoch: Epoch,
}

impl std::fmt::Debug for Etcd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Etcd").field("layout", &self.shared.layout).field("epoch", &self.epoch).finish()
    }
}

struct Shared {
    client: Client,
    kv: KvClient,
    layout: Layout,
    limits: Limits,
    /// One a tenant: its transactions go one after the other, and the counter is known from the last one.
    tenants: Mutex<HashMap<Tenant, Arc<AsyncMutex<Option<i64>>>>>,
    closed: latest::Sender<bool>,
    running: Arc<Running>,
}

/// The largest answer taken: a range may be as large as memory allows.
const MAX_ANSWER: usize = 1 << 30;

impl Etcd {
    pub(crate) async fn open(options: EtcdOptions) -> Result<Self, Error> {
        let EtcdOptions { endpoints, prefix, limits, connect } = options;
        let client = Client::connect(&endpoints, Some(connect)).await.map_err(failed("connecting"))?;
        let kv =
            client.kv_client().max_decoding_message_size(MAX_ANSWER).max_encoding_message_size(MAX_ANSWER);
        let shared = Shared {
            client,
            kv,
            layout: Layout::new(prefix),
            limits,
            tenants: Mutex::default(),
            closed: latest::Sender::new(false),
            running: Arc::default(),
        };
        Self { shared: Arc::new(shared), epoch: Epoch(0) }.take_over().await
    }

    pub(crate) async fn take_over(&self) -> Result<Self, Error> {
        self.check_open()?;
        let key = self.shared.layout.epoch();
        loop {
            let mut kv = self.shared.kv.clone();
            let found = kv.get(&*key, None).await.map_err(failed("reading the epoch"))?;
            let found = found.kvs().first();
            let last = found.map_or(Some(0), |kv| Layout::number(kv.value()));
            let last = last.ok_or_else(|| Error::Invalid {
                what: "the epoch in etcd is no number: want a partition's prefix".into(),
            })?;
            let seen = found.map_or(0, etcd_client::KeyValue::mod_revision);
            let txn = etcd_client::Txn::new()
                .when([etcd_client::Compare::mod_revision(&*key, CompareOp::Equal, seen)])
                .and_then([TxnOp::put(&*key, (last + 1).to_string(), None)]);
            let taken = kv.txn(txn).await.map_err(failed("taking the partition over"))?;
            if taken.succeeded() {
                return Ok(Self { shared: self.shared.clone(), epoch: Epoch(last + 1) });
            }
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn check_open(&self) -> Result<(), Error> {
        if *self.shared.closed.borrow() { Err(Error::Closed) } else { Ok(()) }
    }

    /// Refuses when another writer has taken over, where no transaction can say so.
    pub(crate) async fn check_epoch(&self) -> Result<(), Error> {
        self.check_open()?;
        let key = self.shared.layout.epoch();
        let found = self.shared.kv.clone().get(key, None).await.map_err(failed("reading the epoch"))?;
        self.check_epoch_in(found.kvs())
    }

    fn check_epoch_in(&self, found: &[etcd_client::KeyValue]) -> Result<(), Error> {
        let current = found.first().and_then(|kv| Layout::number(kv.value())).unwrap_or(0);
        if current == self.epoch.0 {
            return Ok(());
        }
        Err(Error::Fenced { epoch: self.epoch, current: Epoch(current) })
    }

    fn counter_of(&self, tenant: &Tenant) -> Arc<AsyncMutex<Option<i64>>> {
        let mut tenants = self.shared.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.entry(tenant.clone()).or_default().clone()
    }

    pub(crate) async fn range(&self, request: &RangeRequest) -> Result<RangeResult, Error> {
        self.check_open()?;
        self.shared.limits.range(&request.range)?;
        let layout = &self.shared.layout;
        // First the counter, where there is one tenant, and then the keys, where there can be any.
        let mut ops = Vec::new();
        let tenant = request.range.tenant_name();
        if let Some(tenant) = tenant {
            let revision = request.revision.map_or(0, |revision| revision.0 as i64);
            let at = GetOptions::new().with_revision(revision);
            ops.push(TxnOp::get(layout.counter(tenant), Some(at)));
        }
        if !request.range.is_empty() {
            ops.push(layout.get(request));
        }
        let answer = self.shared.kv.clone().txn(etcd_client::Txn::new().and_then(ops)).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Err(self.explain(error, request.revision).await),
        };
        let now = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
        let at = request.revision.unwrap_or(Revision(now as u64));
        let mut found = answer.op_responses().into_iter().map(|answer| match answer {
            TxnOpResponse::Get(got) => Some(got),
            _ => None,
        });
        let mut next = || {
            found
                .next()
                .flatten()
                .ok_or_else(|| Error::Etcd { what: "a read", source: "too few answers".into() })
        };
        let counted = match tenant {
            Some(_) => Some(next()?.kvs().first().map_or(0, etcd_client::KeyValue::version)),
            None => None,
        };
        let mut result = if request.range.is_empty() {
            layout.nothing(request, at)
        } else {
            layout.range_result(next()?, request, at)?
        };
        result.tenant_revision = counted.map(tenant_revision);
        Ok(result)
    }

    pub(crate) async fn watch(&self, request: WatchRequest) -> Result<EtcdWatch, Error> {
        self.check_open()?;
        self.shared.limits.range(&request.range)?;
        let from = match request.from {
            Some(from) => {
                let compacted = self.compacted().await?;
                if from <= compacted {
                    return Err(Error::Compacted { compacted });
                }
                from
            }
            None => self.revision().await?.next(),
        };
        Ok(EtcdWatch::new(self.shared.clone(), request, from))
    }

    pub(crate) async fn compact(&self, at: Revision) -> Result<(), Error> {
        self.check_epoch().await?;
        match self.shared.kv.clone().compact(at.0 as i64, None).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.explain(error, Some(at)).await),
        }
    }

    pub(crate) async fn revision(&self) -> Result<Revision, Error> {
        self.check_open()?;
        let key = self.shared.layout.epoch();
        let answer = self.shared.kv.clone().get(key, None).await.map_err(failed("reading the revision"))?;
        Ok(Revision(answer.header().map_or(0, etcd_client::ResponseHeader::revision) as u64))
    }

    /// etcd tells it only to a watch that starts too early. One on the epoch's key from the beginning either is that, or
    /// yields the epoch's first put.
    pub(crate) async fn compacted(&self) -> Result<Revision, Error> {
        self.check_open()?;
        let mut watches = self.shared.client.watch_client();
        let from_start = WatchOptions::new().with_start_revision(1);
        let probing = "asking for the compacted revision";
        let mut stream =
            watches.watch(self.shared.layout.epoch(), Some(from_start)).await.map_err(failed(probing))?;
        while let Some(answer) = stream.message().await.map_err(failed(probing))? {
            if answer.compact_revision() > 0 {
                return Ok(Revision(answer.compact_revision() as u64));
            }
            if answer.canceled() {
                break;
            }
            if !answer.events().is_empty() {
                return Ok(Revision(0));
            }
        }
        Err(Error::Etcd { what: probing, source: "etcd ended the watch".into() })
    }

    /// The tenant's counter at a revision: how often it was put, and when last.
    async fn counter(&self, tenant: &Tenant, at: Option<Revision>) -> Result<(i64, i64), Error> {
        self.check_open()?;
        let options = GetOptions::new().with_revision(at.map_or(0, |at| at.0 as i64));
        let got = self.shared.kv.clone().get(self.shared.layout.counter(tenant), Some(options)).await;
        match got {
            Ok(got) => Ok(got.kvs().first().map_or((0, 0), |kv| (kv.version(), kv.mod_revision()))),
            Err(error) => Err(self.explain(error, at).await),
        }
    }

    pub(crate) async fn tenant_revision(
        &self,
        tenant: &Tenant,
        at: Option<Revision>,
    ) -> Result<TenantRevision, Error> {
        Ok(tenant_revision(self.counter(tenant, at).await?.0))
    }

    pub(crate) async fn partition_revision(
        &self,
        tenant: &Tenant,
        asked: TenantRevision,
    ) -> Result<Revision, Error> {
        loop {
            match self.search(tenant, asked).await {
                // What was looked at is compacted by now: look again, behind it.
                Err(Error::Compacted { .. }) => {}
                result => return result,
            }
        }
    }

    /// Finds the partition's revision of a tenant's by halves, as etcd has no index for it.
    async fn search(&self, tenant: &Tenant, asked: TenantRevision) -> Result<Revision, Error> {
        let (writes, last) = self.counter(tenant, None).await?;
        let current = tenant_revision(writes);
        if asked > current {
            return Err(Error::TenantFuture { asked, current });
        }
        let start = self.compacted().await?.max(Revision::FIRST);
        let compacted = tenant_revision(self.counter(tenant, Some(start)).await?.0);
        if asked < compacted {
            return Err(Error::TenantCompacted { compacted });
        }
        if asked == compacted {
            return Ok(start);
        }
        // The first revision at which the counter has got there.
        let (mut before, mut there) = (start, Revision(last as u64));
        while before.next() < there {
            let middle = Revision(before.0.midpoint(there.0));
            let (writes, last) = self.counter(tenant, Some(middle)).await?;
            if tenant_revision(writes) >= asked {
                there = Revision(last as u64);
            } else {
                before = middle;
            }
        }
        Ok(there)
    }

    pub(crate) fn counters(&self) -> Counters {
        self.shared.running.snapshot()
    }

    pub(crate) fn close(&self) {
        self.shared.closed.send_replace(true);
    }

    /// An error of etcd about a revision, as our own.
    async fn explain(&self, error: etcd_client::Error, asked: Option<Revision>) -> Error {
        if let (etcd_client::Error::GRpcStatus(status), Some(asked)) = (&error, asked) {
            if status.message().contains("compacted") {
                return match self.compacted().await {
                    Ok(compacted) => Error::Compacted { compacted },
                    Err(error) => error,
                };
            }
            if status.message().contains("future revision") {
                return match self.revision().await {
                    Ok(current) => Error::FutureRevision { asked, current },
                    Err(error) => error,
                };
            }
        }
        failed("reading or compacting")(error)
    }
}

/// A tenant's revision, of the version of its counter.
fn tenant_revision(version: i64) -> TenantRevision {
    TenantRevision(TenantRevision::FIRST.0 + version as u64)
}

fn failed(what: &'static str) -> impl Fn(etcd_client::Error) -> Error {
    move |source| Error::Etcd { what, source: Box::new(source) }
}
