//! Leases: records of our own, since etcd's would delete keys behind the tenants' counters.

use std::time::Duration;

use bytes::Bytes;
use etcd_client::{Compare as Guard, CompareOp, DeleteOptions, GetOptions, TxnOp, TxnOpResponse};

use super::{Etcd, failed};
use crate::{Error, LeaseId, Tenant};

/// A lease's record: its time in milliseconds, a blank, its tenant.
fn record(tenant: &Tenant, ttl: Duration) -> String {
    format!("{} {tenant}", ttl.as_millis())
}

fn parse(value: &[u8]) -> Option<(Duration, Tenant)> {
    let (ttl, tenant) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    Some((Duration::from_millis(ttl.parse().ok()?), Tenant::new(tenant).ok()?))
}

/// The name of the tenant in a lease's record.
pub(super) fn tenant_of(value: &[u8]) -> Bytes {
    parse(value).map(|(_, tenant)| Bytes::copy_from_slice(tenant.as_bytes())).unwrap_or_default()
}

impl Etcd {
    pub(crate) async fn leases(&self) -> Result<Vec<(LeaseId, Duration)>, Error> {
        let layout = &self.shared.layout;
        let all = GetOptions::new().with_prefix();
        let got =
            self.shared.kv.clone().get(layout.leases(), Some(all)).await.map_err(failed("reading leases"))?;
        let lease = |kv: &etcd_client::KeyValue| Some((layout.lease_id(kv.key())?, parse(kv.value())?.0));
        Ok(got.kvs().iter().filter_map(lease).collect())
    }

    pub(crate) async fn grant(&self, id: LeaseId, tenant: &Tenant, ttl: Duration) -> Result<(), Error> {
        self.check_open()?;
        let layout = &self.shared.layout;
        let txn = etcd_client::Txn::new()
            .when([
                Guard::value(layout.epoch(), CompareOp::Equal, self.epoch.to_string()),
                Guard::version(layout.lease(id), CompareOp::Equal, 0),
            ])
            .and_then([TxnOp::put(layout.lease(id), record(tenant, ttl), None)])
            .or_else([TxnOp::get(layout.epoch(), None)]);
        let answer = self.shared.kv.clone().txn(txn).await.map_err(failed("granting a lease"))?;
        if answer.succeeded() {
            return Ok(());
        }
        if let Some(TxnOpResponse::Get(epoch)) = answer.op_responses().first() {
            self.check_epoch_in(epoch.kvs())?;
        }
        Err(Error::Invalid { what: format!("lease {id} exists: grant another one") })
    }

    /// Ends a lease: its keys, the record and the notes of what went with it go in one transaction of its tenant.
    pub(crate) async fn revoke(&self, id: LeaseId) -> Result<(), Error> {
        self.check_epoch().await?;
        let layout = &self.shared.layout;
        let mut kv = self.shared.kv.clone();
        let reading = failed("reading a lease");
        let found = kv.get(layout.lease(id), None).await.map_err(&reading)?;
        let Some((_, tenant)) = found.kvs().first().and_then(|kv| parse(kv.value())) else {
            return Err(Error::LeaseNotFound { id });
        };
        let counter = self.counter_of(&tenant);
        let mut counter = counter.lock().await;
        *counter = None;
        let notes = layout.attached(id, b"");
        let all = GetOptions::new().with_prefix().with_keys_only();
        let look = [TxnOp::get(layout.counter(&tenant), None), TxnOp::get(notes.clone(), Some(all))];
        let seen = kv.txn(etcd_client::Txn::new().and_then(look)).await.map_err(&reading)?.op_responses();
        let [TxnOpResponse::Get(count), TxnOpResponse::Get(noted)] = &seen[..] else {
            return Err(Error::Etcd { what: "reading a lease", source: "too few answers".into() });
        };
        let count = count.kvs().first().map_or(0, etcd_client::KeyValue::version);
        // A key that was written without the lease since is noted still, and stays.
        let mut ops = Vec::new();
        for note in noted.kvs() {
            let key = layout.key(note.key().strip_prefix(notes.as_slice()).unwrap_or_default());
            let found = kv.get(&*key, None).await.map_err(&reading)?;
            let attached = found.kvs().first().map(|kv| layout.key_value(kv)).transpose()?;
            if attached.is_some_and(|kv| kv.lease == Some(id)) {
                ops.push(TxnOp::delete(key, None));
            }
        }
        if !ops.is_empty() {
            ops.push(TxnOp::put(layout.counter(&tenant), "", None));
        }
        ops.push(TxnOp::delete(layout.lease(id), None));
        ops.push(TxnOp::delete(notes, Some(DeleteOptions::new().with_prefix())));
        let txn = etcd_client::Txn::new()
            .when([
                Guard::value(layout.epoch(), CompareOp::Equal, self.epoch.to_string()),
                Guard::version(layout.counter(&tenant), CompareOp::Equal, count),
                Guard::version(layout.lease(id), CompareOp::Greater, 0),
            ])
            .and_then(ops)
            .or_else([TxnOp::get(layout.epoch(), None)]);
        let answer = kv.txn(txn).await.map_err(failed("ending a lease"))?;
        if answer.succeeded() {
            return Ok(());
        }
        if let Some(TxnOpResponse::Get(epoch)) = answer.op_responses().first() {
            self.check_epoch_in(epoch.kvs())?;
        }
        // Under one epoch and the tenant's lock only another revocation can have come in between.
        Err(Error::LeaseNotFound { id })
    }
}
