//! Bindings: the appends that decide, and what follows from what they decided.

use std::sync::Arc;
use std::time::Duration;

use meridian_api::{
    BindRequest, BindResult, BindingRecord, BindingState, ClaimName, Entry, Failure, Registry,
};
use meridian_ledger::ClaimId;
use meridian_ledger::tenant::LiveClaim;
use meridian_proto::v1::{ClaimState, outcome};
use meridian_store::Tenant;

use super::claim::{Attempt, Refusal};
use super::{Actor, Again, Done};
use crate::bindings::PodName;
use crate::pods::{Blocked, Stage};

/// Bindings appended by one task.
const APPENDS_A_TASK: usize = 64;

/// How long until an append that could not be done is tried again.
const APPEND_AGAIN: Duration = Duration::from_secs(1);

impl Actor {
    /// Submits the appends of all claims that were accepted since the last time. Many are under way at once, so that the
    /// store commits them together.
    pub(super) fn submit_appends(&mut self) {
        for (tenant, claims) in std::mem::take(&mut self.appends) {
            for claims in claims.chunks(APPENDS_A_TASK) {
                let (claims, requests) = self.requests(claims);
                self.work.spawn(append(self.registry.clone(), tenant.clone(), claims, requests));
            }
        }
        for claims in std::mem::take(&mut self.group_appends) {
            let (claims, requests) = self.requests(&claims);
            let tenant = claims.first().and_then(|id| self.claims.get(id));
            let Some(tenant) = tenant.map(|live| live.payload.about.tenant.clone()) else { continue };
            self.work.spawn(append_group(self.registry.clone(), tenant, claims, requests));
        }
    }

    fn requests(&self, claims: &[ClaimId]) -> (Vec<ClaimId>, Vec<BindRequest>) {
        claims.iter().filter_map(|id| Some((id.clone(), request(self.claims.get(id)?)?))).unzip()
    }

    /// Has claims appended that are to be bound together. A claim in Writing is never given up: only its append decides.
    pub(super) fn append_together(&mut self, mut ids: Vec<ClaimId>) {
        ids.retain(|id| self.claims.get(id).is_some());
        let Some(live) = ids.first().and_then(|first| self.claims.get(first)) else { return };
        if live.group.is_some() {
            self.group_appends.push(ids);
        } else {
            self.appends.entry(live.payload.about.tenant.clone()).or_default().extend(ids);
        }
    }

    /// Appends have been tried.
    pub(super) fn appended(&mut self, results: Vec<(ClaimId, BindResult)>) {
        for (id, result) in results {
            match result {
                BindResult::Bound(entry) => {
                    self.appends_fail = false;
                    self.bound(&id, Some(entry));
                }
                BindResult::Failed(failure) => self.append_failed(vec![id], &failure),
                result => self.not_bound(&id, &result),
            }
        }
    }

    /// A binding is durable: told by the append's result or by the store's history, whichever comes first.
    pub(super) fn bound(&mut self, id: &ClaimId, entry: Option<Arc<Entry>>) {
        let Some(request) = self.claims.get(id).and_then(request) else { return };
        let Some(live) = self.claims.written(id) else { return };
        let Attempt { about, profile, seen, session, reply, .. } = live.payload;
        let name = PodName {
            tenant: about.tenant.clone(),
            namespace: about.namespace.clone(),
            name: about.name.clone(),
        };
        let host = request.record.host.clone();
        self.bindings.appended(Arc::new(name), Arc::new(request.record));
        self.settle(&live.host_partition, id, ClaimState::Bound);
        if let Some(entry) = entry {
            self.send_spec(&live.host_partition, id, entry);
        }
        self.tell_outcome(session, &about.uid, outcome::Result::Bound, &host);
        self.group_bound(&about.uid);
        self.forget_pending(&about.uid);
        if let Some(reply) = reply {
            let _ = reply.send(Ok(()));
        }
        self.metrics.claims.with_label_values(&["bound"]).inc();
        self.metrics.bind_seconds.observe(self.now().saturating_sub(seen).as_secs_f64());
        let shown = self.registry.host_name(&about.tenant, &host).into_owned();
        self.events.scheduled(about, profile, &shown);
    }

    /// An append was refused: its claim is void for ever.
    fn not_bound(&mut self, id: &ClaimId, result: &BindResult) {
        let Some(live) = self.claims.written(id) else { return };
        self.settle(&live.host_partition, id, ClaimState::Void);
        let uid = live.payload.about.uid.clone();
        match result {
            BindResult::Fenced { current } => {
                self.metrics.claims.with_label_values(&["fenced"]).inc();
                self.raise_fence(&live.host_partition, *current);
                self.go_on(live.payload);
            }
            BindResult::VolumeHeld { volume, host } => {
                self.metrics.claims.with_label_values(&["volume held"]).inc();
                self.say_volume_held(&uid, volume, host);
                let mut attempt = live.payload;
                attempt.refusal = Some(Refusal::unasked(volume_held(volume, host)));
                self.all_refused(attempt);
            }
            BindResult::NameHeld => {
                self.metrics.claims.with_label_values(&["name held"]).inc();
                self.tell_outcome(live.payload.session, &uid, outcome::Result::Gone, "");
                reply_conflict(live.payload, "an earlier pod of this name is not known to have stopped");
                self.hold_for_name(&uid);
            }
            _ => {
                self.metrics.claims.with_label_values(&["not pending"]).inc();
                self.tell_outcome(live.payload.session, &uid, outcome::Result::Gone, "");
                reply_conflict(live.payload, "it is gone, going, finished or bound already");
                // The store's history tells the rest; until then nobody is to decide on it.
                self.forget_pending(&uid);
            }
        }
    }

    /// Perhaps it was done and the answer got lost. Trying again finds out: the same append twice is one, and what is refused
    /// then was not done before.
    pub(super) fn append_failed(&mut self, ids: Vec<ClaimId>, failure: &Failure) {
        let Some(live) = ids.iter().find_map(|id| self.claims.get(id)) else { return };
        // Once for many: a store that is gone fails them all, again and again.
        if !std::mem::replace(&mut self.appends_fail, true) {
            tracing::warn!(pod = %live.payload.about.name, claim = %live.id, %failure, "binding could not be appended");
        }
        self.metrics.claims.with_label_values(&["append failed"]).inc();
        self.later(APPEND_AGAIN, Again::Append(ids));
    }

    /// A volume that a pod wants is in use on another host.
    pub(super) fn say_volume_held(&mut self, uid: &str, volume: &str, host: &str) {
        self.say_unschedulable(uid, "Unschedulable", &volume_held(volume, host));
    }

    /// A pod's name is held by an earlier one: it waits until that one is known to have stopped.
    pub(super) fn hold_for_name(&mut self, uid: &Arc<str>) {
        let Some(pod) = self.pods.get_mut(uid) else { return };
        let name = PodName {
            tenant: pod.about.tenant.clone(),
            namespace: pod.about.namespace.clone(),
            name: pod.about.name.clone(),
        };
        let holder = self.bindings.holder(&name).and_then(|holder| self.bindings.get(holder));
        let Some(holder) = holder else {
            // The history has not told of it yet, or has already told that it let go.
            pod.stage = Stage::Blocked(Blocked::Name);
            return self.later(APPEND_AGAIN, Again::Examine(uid.clone()));
        };
        let host = self.registry.host_name(&name.tenant, &holder.record.host).into_owned();
        self.take_back(uid);
        if let Some(pod) = self.pods.get_mut(uid) {
            pod.stage = Stage::Blocked(Blocked::Name);
        }
        let message = format!(
            "an earlier pod of this name was deleted by force and is not known to have stopped on host {host}"
        );
        self.say_unschedulable(uid, "NameHeld", &message);
    }
}

fn volume_held(volume: &str, host: &str) -> String {
    format!("volume {volume} is used by a pod on host {host} that is not known to have stopped")
}

/// Tells whoever ordered a binding that it came to nothing.
fn reply_conflict(attempt: Attempt, why: &str) {
    if let Some(reply) = attempt.reply {
        let failure = Failure::conflict(meridian_schema::pod(), &attempt.about.name, why);
        let _ = reply.send(Err(failure));
    }
}

/// What is to be appended for a claim.
fn request(live: &LiveClaim<Attempt>) -> Option<BindRequest> {
    let Attempt { about, asked, rest, .. } = &live.payload;
    let host = rest.front()?;
    let claim = ClaimName {
        partition: live.id.partition.to_string(),
        epoch: live.id.epoch,
        sequence: live.id.sequence,
    };
    Some(BindRequest {
        namespace: about.namespace.to_string(),
        name: about.name.to_string(),
        uid: about.uid.to_string(),
        record: BindingRecord {
            uid: about.uid.to_string(),
            host: host.host.clone(),
            host_partition: live.host_partition.to_string(),
            incarnation: host.incarnation,
            claim,
            demand: asked.encoded.clone(),
            devices: host.devices,
            numa: host.numa,
            volumes: Vec::new(),
            state: BindingState::Bound,
        },
        host_epoch: live.host_epoch,
    })
}

/// Each binding is an append of its own; all are submitted at once.
async fn append(
    registry: Registry,
    tenant: Tenant,
    claims: Vec<ClaimId>,
    requests: Vec<BindRequest>,
) -> Done {
    let results = registry.append_bindings(&tenant, &requests).await;
    Done::Appended(claims.into_iter().zip(results).collect())
}

/// The bindings of a group are one append.
async fn append_group(
    registry: Registry,
    tenant: Tenant,
    claims: Vec<ClaimId>,
    requests: Vec<BindRequest>,
) -> Done {
    let results = registry.append_gang(&tenant, &requests).await;
    Done::GroupAppended(claims.into_iter().zip(results).collect())
}
