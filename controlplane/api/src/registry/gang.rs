//! Binding several pods by one append, all or none; also one pod whose volumes concern others.

use std::sync::Arc;

use meridian_schema::pod;
use meridian_store::{Compare, Op, Revision, Tenant, Txn};

use super::Registry;
use super::bind::Bind;
use super::volumes::Taking;
use crate::binding::encode_fence;
use crate::{BindRequest, BindResult, Entry, Failure, key};

/// After so many changes of members in between a gang is to be tried again later.
const ATTEMPTS: usize = 16;

impl Registry {
    /// Records the bindings of a gang: one append, all or nothing, on the condition that the fence of each member's host
    /// partition stands at the epoch that accepted its claim. The answers are in the order of the requests.
    pub async fn append_gang(&self, tenant: &Tenant, pods: &[BindRequest]) -> Vec<BindResult> {
        for _ in 0..ATTEMPTS {
            match Box::pin(self.try_gang(tenant, pods)).await {
                Ok(Some(results)) => return results,
                Ok(None) => {}
                Err(failure) => return pods.iter().map(|_| BindResult::Failed(failure.clone())).collect(),
            }
        }
        let failure = Failure::unavailable("the pods of the gang are being changed all the time: try again");
        pods.iter().map(|_| BindResult::Failed(failure.clone())).collect()
    }

    /// None: something changed in between.
    async fn try_gang(
        &self,
        tenant: &Tenant,
        requests: &[BindRequest],
    ) -> Result<Option<Vec<BindResult>>, Failure> {
        let cache = self.cache(pod());
        cache.reach_now().await?;
        let mut txn = Txn::new(tenant);
        let mut results: Vec<Option<BindResult>> = Vec::with_capacity(requests.len());
        let mut writes = Vec::with_capacity(requests.len());
        let mut volumes = Taking::default();
        let mut fences: Vec<(&str, u64)> = Vec::new();
        for request in requests {
            let (ns, name) = (request.namespace.as_str(), request.name.as_str());
            let (entry, held) = cache.get_with_binding(tenant, pod(), ns, name);
            let (object, binding) = (key::object(pod(), tenant, ns, name), key::binding(tenant, ns, name));
            let revision = entry.as_ref().map_or(Revision(0), |entry| entry.modified);
            let held_at = held.as_ref().map_or(Revision(0), |held| held.modified);
            txn = txn.when(Compare::modified(&object, revision)).when(Compare::modified(&binding, held_at));
            results.push(match self.plan_binding(request, entry.as_deref(), held.as_ref())? {
                Bind::Write(form, record) => {
                    match self.take_volumes(tenant, ns, &record, &mut volumes).await? {
                        Some(held) => Some(held),
                        None => {
                            txn = txn
                                .then(Op::put(&object, form.bytes.clone()))
                                .then(Op::put(&binding, record.encode()));
                            writes.push((request, form));
                            None
                        }
                    }
                }
                Bind::Done => entry.map(BindResult::Bound),
                Bind::Refused(refused) => Some(refused),
            });
            let fence = (request.record.host_partition.as_str(), request.host_epoch);
            if !fences.contains(&fence) {
                fences.push(fence);
            }
        }
        if results.iter().flatten().any(|result| !matches!(result, BindResult::Bound(_))) {
            return Ok(Some(all_refused(results)));
        }
        // The same append before, whose answer got lost: it holds whatever has been fenced since.
        if writes.is_empty() {
            return Ok(Some(all_refused(results)));
        }
        for (partition, epoch) in &fences {
            txn = txn.when(Compare::value(&key::fence(partition), encode_fence(*epoch)));
        }
        let result = cache.store().txn(volumes.add_to(txn)).await?;
        if result.succeeded {
            self.metrics().wrote(pod(), result.revision);
            let at = (result.revision, result.tenant_revision);
            let mut written = writes.into_iter().map(|(request, form)| {
                let (ns, name) = (&request.namespace, &request.name);
                BindResult::Bound(Arc::new(Entry::written(pod(), tenant, ns, name, form, at)))
            });
            let bound = |before: Option<BindResult>| before.or_else(|| written.next());
            return Ok(results.into_iter().map(bound).collect());
        }
        self.metrics().conflicts.inc();
        self.gang_fenced(requests).await
    }

    /// The members whose claims were accepted under epochs that are over; none: something else has changed.
    async fn gang_fenced(&self, requests: &[BindRequest]) -> Result<Option<Vec<BindResult>>, Failure> {
        let mut results = Vec::with_capacity(requests.len());
        for request in requests {
            let (current, _) = self.stored_fence(&request.record.host_partition).await?;
            let is_over = current != request.host_epoch;
            results.push(is_over.then_some(BindResult::Fenced { current }));
        }
        Ok(results.iter().any(Option::is_some).then(|| all_refused(results)))
    }
}

/// With one of a gang all are refused.
fn all_refused(results: Vec<Option<BindResult>>) -> Vec<BindResult> {
    results.into_iter().map(|result| result.unwrap_or(BindResult::GangRefused)).collect()
}
