//! Pods that make way for others.
//!
//! A replica names them; whether they must is decided here, since a replica may be late, wrong or worse. They are told to
//! stop only when the host's ledger has taken the preemptor's claim down and keeps for it what they leave, and when all
//! others of its group have been answered as well: nobody is stopped in vain. What they hold is theirs until they are known
//! to have stopped.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use meridian_api::{
    BindingState, Caller, DeleteOptions, Entry, Failure, Preconditions, Registry, Sub, seconds,
};
use meridian_ledger::ClaimId;
use meridian_ledger::tenant::Phase;
use meridian_proto::v1::DecidedHost;
use meridian_store::Tenant;
use serde_json::{Value, json};

use super::claim::Refusal;
use super::group::Victim;
use super::{Actor, Again, Done};
use crate::bindings::PodName;
use crate::conditions::Said;
use crate::events::About;
use crate::merge::{object_at, set_condition};
use crate::pods::Pending;
use crate::view::PodView;

/// From here on priorities are those of Kubernetes' two classes for what a cluster cannot do without. No user can give them.
const SYSTEM_PRIORITY: i32 = 2_000_000_000;

/// How much longer than their time to end a claim waits for its victims.
const SLACK: Duration = Duration::from_secs(10);

/// The longest that a claim waits, however long its victims may take to end.
const LONGEST: Duration = Duration::from_secs(3600);

/// Pods of a tenant that room is kept for at a time.
const MOST_KEPT: usize = 4;

/// How long until victims that could not be told to stop are told again.
const STOP_AGAIN: Duration = Duration::from_secs(1);

/// Who a pod is where one makes way for another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    tenant: Tenant,
    priority: i32,
    /// Whether others may be stopped for it.
    preempts: bool,
}

/// Whether one pod must make way for another; if not, why. A tenant's priorities say nothing of other tenants' pods, so only
/// what the system cannot do without goes before these.
fn makes_way(victim: &Standing, preemptor: &Standing) -> Result<(), &'static str> {
    if !preemptor.preempts {
        return Err("its preemption policy is Never");
    }
    if victim.priority >= preemptor.priority {
        return Err("a pod that is to make way has no lower priority");
    }
    let is_system = preemptor.tenant.is_system() && preemptor.priority >= SYSTEM_PRIORITY;
    if victim.tenant != preemptor.tenant && !is_system {
        return Err("a pod that is to make way is another tenant's");
    }
    Ok(())
}

impl Actor {
    /// A pod that a replica names to make way for another on a host; the error says why it does not.
    pub(super) fn victim(&self, pod: &Pending, host: &DecidedHost, uid: &str) -> Result<Victim, String> {
        let binding = self.bindings.get(uid).ok_or("a pod that is to make way is bound nowhere")?;
        let record = &binding.record;
        if record.host != host.host || record.host_partition != host.partition {
            return Err(format!("a pod that is to make way is on host {}", record.host));
        }
        let (claim, _) = self.claim_of(record);
        // Deleted by force: it makes way already.
        let Some(entry) = self.pod_entry(&binding.name, uid) else {
            return Ok(Victim { uid: uid.into(), claim, grace: Duration::ZERO });
        };
        let about = &pod.about;
        let name = PodName {
            tenant: about.tenant.clone(),
            namespace: about.namespace.clone(),
            name: about.name.clone(),
        };
        let own = self.pod_entry(&name, &about.uid).ok_or("it is gone")?;
        let ((preemptor, _), (victim, grace)) = (standing(&own)?, standing(&entry)?);
        makes_way(&victim, &preemptor)?;
        Ok(Victim { uid: uid.into(), claim, grace })
    }

    /// How long a host may keep for a pod what others leave; the error says why it may not.
    pub(super) fn keeps(
        &self,
        pod: &Pending,
        is_alone: bool,
        seconds: u32,
    ) -> Result<Duration, &'static str> {
        if !is_alone {
            return Err("room is kept for pods that stand alone and have nobody stopped");
        }
        let kept = self
            .claims
            .iter()
            .filter(|live| live.payload.keeps.is_some() && live.payload.about.tenant == pod.about.tenant);
        if kept.count() >= MOST_KEPT {
            return Err("room is kept for as many of its tenant's pods as may be");
        }
        Ok(Duration::from_secs(seconds.into()).min(LONGEST))
    }

    /// Claims wait for their victims, and all others of their group have been answered: the victims are told to stop.
    pub(super) fn preempt(&mut self, waiting: &[ClaimId]) {
        for id in waiting {
            let Some(live) = self.claims.get(id).filter(|live| live.phase == Phase::Waiting) else {
                continue;
            };
            let attempt = &live.payload;
            let Some(host) = attempt.rest.front().map(|host| host.host.clone()) else { continue };
            let (about, component) = (attempt.about.clone(), attempt.profile.clone());
            let victims: Vec<Arc<str>> = attempt.victims.iter().map(|victim| victim.uid.clone()).collect();
            let grace = attempt.victims.iter().map(|victim| victim.grace).max().unwrap_or_default();
            let (keeps, has_preempted) = (attempt.keeps, attempt.has_preempted);
            let is_new = self.pods.get(&about.uid).is_some_and(|pod| pod.nominated.is_none());
            if is_new {
                self.nominate(&about.uid, &component, &host);
                let longest = keeps.unwrap_or(grace + SLACK);
                self.later(longest.min(LONGEST), Again::Waiting(id.clone()));
            }
            if !has_preempted {
                self.stop_victims(id, &about, &component, &host, &victims);
            }
        }
    }

    /// Victims of a claim are told again, of which some could not be told.
    pub(super) fn preempt_again(&mut self, id: &ClaimId) {
        if let Some(attempt) = self.claims.payload_mut(id) {
            attempt.has_preempted = false;
        }
        self.preempt(std::slice::from_ref(id));
    }

    fn stop_victims(
        &mut self,
        id: &ClaimId,
        preemptor: &About,
        component: &Arc<str>,
        host: &str,
        victims: &[Arc<str>],
    ) {
        let at = self.identity.clock.date();
        if let Some(attempt) = self.claims.payload_mut(id) {
            attempt.has_preempted = true;
        }
        let mut going = Vec::new();
        for uid in victims {
            let Some(binding) = self.bindings.get(uid).filter(|b| b.record.state == BindingState::Bound)
            else {
                continue;
            };
            let PodName { tenant, namespace, name } = &*binding.name;
            let about = About {
                tenant: tenant.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
                uid: uid.clone(),
            };
            // Of other tenants' pods nobody learns more than that.
            let shown = self.registry.host_name(&about.tenant, host);
            let message = match about.tenant == preemptor.tenant {
                true => format!("Preempted by pod {} on node {shown}", preemptor.uid),
                false => format!("Preempted by a pod of the system on node {shown}"),
            };
            self.events.preempted(about.clone(), component.clone(), &message);
            going.push(about);
        }
        if going.is_empty() {
            return;
        }
        let (registry, id, component, now) =
            (self.registry.clone(), id.clone(), component.clone(), seconds(at));
        self.work.spawn(async move {
            let stopped =
                join_all(going.iter().map(|victim| stop(&registry, victim, &component, &now))).await;
            let failed = stopped.iter().filter(|stopped| stopped.is_err()).count();
            if let Some(failure) = stopped.into_iter().find_map(Result::err) {
                tracing::warn!(claim = %id, %failure, "a pod that is to make way could not be told to stop");
            }
            Done::Preempted { claim: id, stopped: going.len() - failed, is_whole: failed == 0 }
        });
    }

    /// Victims have been told to stop, or some could not be.
    pub(super) fn preempted(&mut self, claim: ClaimId, stopped: usize, is_whole: bool) {
        self.metrics.preempted.inc_by(stopped as u64);
        if !is_whole {
            self.later(STOP_AGAIN, Again::Preempt(claim));
        }
    }

    /// The victims of a claim have had their time.
    pub(super) fn waited(&mut self, id: &ClaimId) {
        let Some(live) = self.claims.get(id).filter(|live| live.phase == Phase::Waiting) else { return };
        let uid = live.uid.clone();
        self.metrics.claims.with_label_values(&["waited in vain"]).inc();
        let over = self.claims.withdraw(uid.as_str());
        self.over(over, None, |live| {
            Refusal::unasked(format!(
                "the pods that have its room on {} did not leave in time",
                live.host_partition
            ))
        });
    }

    /// Says in a pod's status where it will run when its victims have left.
    fn nominate(&mut self, uid: &str, component: &Arc<str>, host: &str) {
        let Some(pod) = self.pods.get_mut(uid) else { return };
        pod.nominated = Some(host.into());
        let (about, at) = (pod.about.clone(), self.identity.clock.date());
        let said = Said::nominated(about, component.clone(), host, at);
        self.conditions.push(&said.about.uid.clone(), said, Said::newer);
    }

    /// Takes back what a pod's status says of a host to come.
    pub(super) fn clear_nomination(&mut self, uid: &str) {
        let Some(pod) = self.pods.get_mut(uid) else { return };
        if pod.nominated.take().is_some() {
            let (about, component, at) = (pod.about.clone(), pod.profile.clone(), self.identity.clock.date());
            let said = Said::nominated(about, component, "", at);
            self.conditions.push(&said.about.uid.clone(), said, Said::newer);
        }
    }
}

fn standing(entry: &Entry) -> Result<(Standing, Duration), String> {
    let view = PodView::read(&entry.bytes).map_err(|error| error.to_string())?;
    let spec = view.spec_view().map_err(|error| error.to_string())?;
    let grace = u64::try_from(spec.termination_grace_period_seconds.unwrap_or(30)).unwrap_or(0);
    let standing = Standing {
        tenant: entry.tenant.clone(),
        priority: spec.priority.unwrap_or(0),
        preempts: spec.preemption_policy != "Never",
    };
    Ok((standing, Duration::from_secs(grace)))
}

/// Tells a pod to stop, as whoever deletes it does, and says in its status why. Doing so again does no harm.
async fn stop(registry: &Registry, victim: &About, component: &str, now: &str) -> Result<(), Failure> {
    let About { tenant, namespace, name, uid } = victim;
    let (caller, pod) = (Caller::component(component, tenant), meridian_schema::pod());
    let change = |pod: &mut Value| mark(pod, component, now);
    registry.modify(&caller, pod, namespace, name, Some(uid), Some(Sub::Status), change).await?;
    let preconditions = Preconditions { uid: Some(uid.to_string()), ..Preconditions::default() };
    let options = DeleteOptions { preconditions, ..DeleteOptions::default() };
    match Box::pin(registry.delete(&caller, pod, namespace, name, &options)).await {
        // Gone, or another pod of its name: it has stopped.
        Err(failure) if failure.is_not_found() || failure.is_conflict() => Ok(()),
        other => other.map(drop),
    }
}

/// Says in a pod's status that it is disrupted. The answer is whether that is news.
fn mark(pod: &mut Value, component: &str, now: &str) -> bool {
    let condition = json!({
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": format!("{component}: preempting to accommodate a higher priority pod"),
        "lastTransitionTime": now,
    });
    object_at(pod, "status").is_some_and(|status| set_condition(status, &condition))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(tenant: &str, priority: i32) -> Standing {
        Standing { tenant: Tenant::new(tenant).unwrap(), priority, preempts: true }
    }

    #[test]
    fn who_makes_way_for_whom() {
        let user = standing("blue", 100);
        assert_eq!(makes_way(&standing("blue", 99), &user), Ok(()));
        assert!(makes_way(&standing("blue", 100), &user).is_err(), "equals");
        assert!(makes_way(&standing("red", -5), &user).is_err(), "another tenant");
        assert!(makes_way(&standing("system", -5), &user).is_err());
        // A tenant that gives itself a priority of the system's goes before nobody else.
        assert!(makes_way(&standing("red", 0), &standing("blue", SYSTEM_PRIORITY + 1000)).is_err());
        // The operators' own work goes before tenants' only where the cluster cannot do without it.
        assert!(makes_way(&standing("red", 0), &standing("system", SYSTEM_PRIORITY - 1)).is_err());
        assert_eq!(makes_way(&standing("red", 1_000_000_000), &standing("system", SYSTEM_PRIORITY)), Ok(()));
        let never = Standing { preempts: false, ..user };
        assert!(makes_way(&standing("blue", 0), &never).is_err());
    }

    #[test]
    fn a_victim_is_told_why_once() {
        let mut pod = json!({"status": {"phase": "Running"}});
        assert!(mark(&mut pod, "default-scheduler", "t"));
        let condition = &pod["status"]["conditions"][0];
        assert_eq!(
            condition["message"],
            "default-scheduler: preempting to accommodate a higher priority pod"
        );
        assert!(!mark(&mut pod, "default-scheduler", "later"));
    }
}
