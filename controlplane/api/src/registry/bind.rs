//! Binding pods to hosts, and releasing them: the appends of a tenant partition.
//!
//! What a bind append holds to is compared inside its transaction: that the pod is as it was when it was found pending, that
//! nothing is recorded under its name, and that the fence of the host partition stands at the epoch which accepted the claim.
//! A fence is an append of its own, and its answer is the records as of exactly that place in the log.

use futures::future::{BoxFuture, join_all};

use meridian_schema::pod;
use meridian_store::{Compare, KeyRange, Op, RangeRequest, Revision, Tenant, Txn};

use super::transact::{Outcome, Plan, RecordWrite, Target, Write};
use super::{Registry, pods, volumes};
use crate::binding::encode_fence;
use crate::entry::Form;
use crate::object;
use crate::{BindRequest, BindResult, BindingState, Entry, Failure, Fenced, Reason, entry, key};

/// Appends under way at once for one call.
const CONCURRENT: usize = 512;

impl Registry {
    /// Records bindings that were claimed: one append a pod, each under the epoch of the host partition that accepted it.
    /// The answers are in the order of the requests.
    pub async fn append_bindings(&self, tenant: &Tenant, pods: &[BindRequest]) -> Vec<BindResult> {
        let mut results = Vec::with_capacity(pods.len());
        for some in pods.chunks(CONCURRENT) {
            let mut appends: Vec<BoxFuture<'_, BindResult>> = Vec::with_capacity(some.len());
            for request in some {
                appends.push(Box::pin(self.append_binding(tenant, request)));
            }
            results.extend(join_all(appends).await);
        }
        results
    }

    async fn append_binding(&self, tenant: &Tenant, request: &BindRequest) -> BindResult {
        let target = Target { kind: pod(), tenant, ns: &request.namespace, name: &request.name };
        let fence = key::fence(&request.record.host_partition);
        let (mut refusal, mut has_volumes) = (None, false);
        let outcome = self
            .transact(target, |base| {
                let (plan, refused) =
                    match self.plan_binding(request, base.entry.as_deref(), base.held.as_ref()) {
                        Ok(Bind::Write(_, record)) if !record.volumes.is_empty() => {
                            has_volumes = true;
                            return Ok(Plan::of(Write::Keep));
                        }
                        Ok(Bind::Write(form, record)) => {
                            let guards = vec![Compare::value(&fence, encode_fence(request.host_epoch))];
                            let record = RecordWrite::Put(*record);
                            (Plan { record, guards, ..Plan::of(Write::Put(form)) }, None)
                        }
                        Ok(Bind::Done) => (Plan { record: RecordWrite::Keep, ..Plan::of(Write::Keep) }, None),
                        Ok(Bind::Refused(refused)) => {
                            (Plan { record: RecordWrite::Keep, ..Plan::of(Write::Keep) }, Some(refused))
                        }
                        Err(failure) => return Err(failure),
                    };
                refusal = refused;
                Ok(plan)
            })
            .await;
        if has_volumes && outcome.is_ok() {
            // What it asks of volumes concerns other pods too, as what a gang asks does.
            let mut results = Box::pin(self.append_gang(tenant, std::slice::from_ref(request))).await;
            return results.pop().unwrap_or(BindResult::NotPending);
        }
        match (outcome, refusal) {
            (Err(failure), _) => BindResult::Failed(failure),
            (Ok(Outcome::Refused), _) => self.fenced(&request.record.host_partition).await,
            (Ok(_), Some(refused)) => refused,
            (Ok(Outcome::Is(Some(entry))), None) => BindResult::Bound(entry),
            (Ok(Outcome::Is(None) | Outcome::Gone(_)), None) => BindResult::NotPending,
        }
    }

    /// What is to be written to bind a pod.
    pub(super) fn plan_binding(
        &self,
        request: &BindRequest,
        pod: Option<&Entry>,
        held: Option<&crate::cache::Held>,
    ) -> Result<Bind, Failure> {
        let Some(pod) = pod.filter(|pod| pod.uid == request.uid) else {
            return Ok(Bind::Refused(BindResult::NotPending));
        };
        match held {
            // The same append before, whose answer got lost.
            Some(held) if held.record.uid == request.uid && held.record.claim == request.record.claim => {
                return Ok(Bind::Done);
            }
            Some(held) if held.record.uid == request.uid => return Ok(Bind::Refused(BindResult::NotPending)),
            Some(_) => return Ok(Bind::Refused(BindResult::NameHeld)),
            None => {}
        }
        let mut value = pod.stored_value();
        if !pods::is_pending(&value, &request.record.host) {
            return Ok(Bind::Refused(BindResult::NotPending));
        }
        pods::bind(&mut value, &request.record.host, &object::seconds(self.clock().date()));
        let form = entry::form(pod.kind, &value).map_err(Failure::internal)?;
        self.check_size(&form.bytes)?;
        let (uid, volumes) = (request.uid.clone(), volumes::exclusive(&value));
        let record =
            crate::BindingRecord { uid, volumes, state: BindingState::Bound, ..request.record.clone() };
        Ok(Bind::Write(form, Box::new(record)))
    }

    async fn fenced(&self, host_partition: &str) -> BindResult {
        match self.stored_fence(host_partition).await {
            Ok((current, _)) => BindResult::Fenced { current },
            Err(failure) => BindResult::Failed(failure),
        }
    }

    /// Raises the fence of a host partition to `host_epoch`: bindings of older epochs are refused from this append on. Doing
    /// so again is another append, with an answer of its own.
    ///
    /// # Errors
    ///
    /// 409 when the fence is higher already.
    pub async fn append_fence(&self, host_partition: &str, host_epoch: u64) -> Result<Fenced, Failure> {
        let cache = self.cache(pod());
        let fence = key::fence(host_partition);
        loop {
            let (current, modified) = self.stored_fence(host_partition).await?;
            if current > host_epoch {
                let why = format!(
                    "host partition {host_partition:?} is fenced at epoch {current}: its epoch {host_epoch} is over"
                );
                return Err(Failure::new(Reason::Conflict, why));
            }
            cache.expect_fenced(host_partition);
            let txn = Txn::new(&Tenant::system())
                .when(Compare::modified(&fence, modified))
                .then(Op::put(&fence, encode_fence(host_epoch)));
            let result = cache.store().txn(txn).await?;
            if !result.succeeded {
                continue;
            }
            cache.reach(result.revision).await?;
            // None: another fence came right after this one, and its answer is not this one's.
            if let Some(fenced) = cache.take_fenced(host_partition, result.revision) {
                return Ok(fenced);
            }
        }
    }

    /// The fence of a host partition as it is stored, and when it was written.
    pub(super) async fn stored_fence(&self, host_partition: &str) -> Result<(u64, Revision), Failure> {
        let range = KeyRange::single(&key::fence(host_partition));
        let found = self.cache(pod()).store().range(&RangeRequest::new(range)).await?;
        match found.kvs.first() {
            None => Ok((0, Revision(0))),
            Some(kv) => {
                let epoch = crate::binding::decode_fence(&kv.value).map_err(Failure::internal)?;
                Ok((epoch, kv.modified))
            }
        }
    }

    /// The fence of a host partition; 0: it has none.
    #[must_use]
    pub fn fence(&self, host_partition: &str) -> u64 {
        self.cache(pod()).fence(host_partition)
    }

    /// Records that a pod stopped on the host it was bound to, which releases what it held. Saying so again does no harm.
    ///
    /// # Errors
    ///
    /// 503
    pub async fn pod_stopped(
        &self,
        tenant: &Tenant,
        ns: &str,
        name: &str,
        uid: &str,
        host: &str,
    ) -> Result<(), Failure> {
        let target = Target { kind: pod(), tenant, ns, name };
        let mut released = volumes::Released::default();
        loop {
            let mut held_volumes = None;
            let decided = self.transact(target, |base| {
                let held =
                    base.held.as_ref().filter(|held| held.record.uid == uid && held.record.host == host);
                let Some(held) = held else {
                    return Ok(Plan { record: RecordWrite::Keep, ..Plan::of(Write::Keep) });
                };
                if !released.is_of(&held.record.volumes) {
                    held_volumes = Some(held.record.volumes.clone());
                    return Ok(Plan { record: RecordWrite::Keep, ..Plan::of(Write::Keep) });
                }
                let pod = base.entry.as_ref().filter(|pod| pod.uid == uid && pod.deleting);
                let ends = pod.is_some_and(|pod| object::is_free(&pod.stored_value()));
                let object = if ends { Write::Delete } else { Write::Keep };
                let (guards, also) = released.parts();
                Ok(Plan { record: RecordWrite::Delete, guards, also, ..Plan::of(object) })
            });
            let outcome = Box::pin(decided).await?;
            let volumes = match (held_volumes, outcome) {
                (Some(volumes), _) => volumes,
                // Somebody else began or ceased to use one of the volumes.
                (None, Outcome::Refused) => released.volumes(),
                (None, _) => return Ok(()),
            };
            released = Box::pin(self.release_volumes(tenant, ns, uid, volumes)).await?;
        }
    }
}

/// What is to be done to bind a pod.
pub(super) enum Bind {
    /// This is to be written.
    Write(Form, Box<crate::BindingRecord>),
    /// It is bound, by this very claim.
    Done,
    /// It must not be bound.
    Refused(BindResult),
}
