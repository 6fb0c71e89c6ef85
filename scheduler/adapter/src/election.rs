//! Leader election by a `Lease`, by the rules of Kubernetes' own components (client-go's `leaderelection`).
//!
//! Whoever holds the lease renews it every retry period. Others take it when they have seen no renewal for a lease
//! duration, by their own clocks: dates in the lease are for people, and clocks of machines need not agree. A leader that
//! cannot renew for the renew deadline has lost, and its process ends. Since the deadline is shorter than the duration, two
//! do not lead at once as long as clocks run at about the same speed; and should they, the API server binds a pod once.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use meridian_environment::{Clock, Ids};
use meridian_kubernetes::LeaderElection;

use crate::bind::Writer;

/// Takes part in the election.
pub(crate) struct Elector {
    writer: Writer,
    election: LeaderElection,
    /// Unique among those who compete.
    identity: String,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    /// What the lease said when it was last seen to change, and when that was.
    observed: Option<(LeaseSpec, Duration)>,
    /// The lease as it was last read or written by us.
    lease: Option<Lease>,
}

impl Elector {
    pub(crate) fn new(
        writer: Writer,
        election: LeaderElection,
        identity: String,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
    ) -> Elector {
        Elector { writer, election, identity, clock, ids, observed: None, lease: None }
    }

    /// Returns when the lease is ours.
    pub(crate) async fn acquire(&mut self) {
        let mut holder = None;
        loop {
            match self.try_once().await {
                Ok(true) => {
                    tracing::info!(identity = self.identity, "leading");
                    return;
                }
                Ok(false) => {
                    let now = self.observed.as_ref().and_then(|(spec, _)| spec.holder_identity.clone());
                    if now != holder {
                        tracing::info!(holder = now.as_deref().unwrap_or(""), "another scheduler leads");
                        holder = now;
                    }
                }
                Err(error) => tracing::warn!(%error, "the lease could not be read or taken; trying again"),
            }
            // Between one and 2.2 times the period, so that those who wait do not move in step.
            let jitter = (self.ids.seed() % 1_200) as f64 / 1_000.0;
            self.wait(self.election.retry_period.mul_f64(1.0 + jitter)).await;
        }
    }

    /// Renews the lease, and returns when it is lost.
    pub(crate) async fn renew(&mut self) {
        let mut renewed = self.clock.now();
        loop {
            self.wait(self.election.retry_period).await;
            let deadline = renewed + self.election.renew_deadline;
            let clock = self.clock.clone();
            let outcome = tokio::select! {
                outcome = self.try_once() => outcome,
                () = clock.wait_until(deadline) => return,
            };
            match outcome {
                Ok(true) => renewed = self.clock.now(),
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "the lease could not be renewed; trying again"),
            }
            if self.clock.now() >= deadline {
                return;
            }
        }
    }

    /// Gives the lease up, so that others need not wait for it to run out.
    pub(crate) async fn release(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        let Some(spec) = lease.spec.as_mut() else { return };
        if spec.holder_identity.as_deref() != Some(&*self.identity) {
            return;
        }
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(self.date());
        let api = self.api();
        let params = PostParams::default();
        let replaced = api.replace(&self.election.resource_name, &params, &lease);
        if let Err(error) = self.writer.request("PUT", replaced).await {
            tracing::warn!(%error, "the lease was not given up; others wait until it runs out");
        }
    }

    async fn wait(&self, time: Duration) {
        self.clock.wait_until(self.clock.now() + time).await;
    }

    fn api(&self) -> Api<Lease> {
        Api::namespaced(self.writer.client.clone(), &self.election.resource_namespace)
    }

    fn date(&self) -> MicroTime {
        MicroTime(self.clock.date())
    }

    /// Takes or renews the lease, if it is ours or nobody's. Returns whether it is ours now.
    async fn try_once(&mut self) -> Result<bool, kube::Error> {
        let api = self.api();
        let name = self.election.resource_name.clone();
        let Some(found) = self.writer.request("GET", api.get_opt(&name)).await? else {
            let lease = Lease {
                metadata: ObjectMeta { name: Some(name), ..ObjectMeta::default() },
                spec: Some(self.ours(None)),
            };
            let params = PostParams::default();
            return match self.writer.request("POST", api.create(&params, &lease)).await {
                Ok(lease) => Ok(self.took(lease)),
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
                Err(error) => Err(error),
            };
        };
        let spec = found.spec.clone().unwrap_or_default();
        let now = self.clock.now();
        let since = match &self.observed {
            Some((seen, since)) if *seen == spec => *since,
            _ => {
                self.observed = Some((spec.clone(), now));
                now
            }
        };
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let is_ours = holder == self.identity;
        if !is_ours && !holder.is_empty() && now < since + self.election.lease_duration {
            return Ok(false);
        }
        let lease = Lease { spec: Some(self.ours(Some(&spec))), ..found };
        // The version that was read goes with it: whoever wrote in between wins.
        let params = PostParams::default();
        match self.writer.request("PUT", api.replace(&name, &params, &lease)).await {
            Ok(lease) => Ok(self.took(lease)),
            Err(kube::Error::Api(status)) if status.code == 409 && !is_ours => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn took(&mut self, lease: Lease) -> bool {
        self.observed = lease.spec.clone().map(|spec| (spec, self.clock.now()));
        self.lease = Some(lease);
        true
    }

    /// What the lease is to say.
    fn ours(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let is_ours = before.is_some_and(|spec| spec.holder_identity.as_deref() == Some(&*self.identity));
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        let acquired = before.filter(|_| is_ours).and_then(|spec| spec.acquire_time.clone());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.election.lease_duration.as_secs().max(1)).ok(),
            acquire_time: Some(acquired.unwrap_or_else(|| self.date())),
            renew_time: Some(self.date()),
            lease_transitions: Some(transitions.saturating_add(i32::from(before.is_some() && !is_ours))),
            ..LeaseSpec::default()
        }
    }
}
