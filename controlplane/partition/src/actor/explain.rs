//! Why a pod waits, or why it is where it is.

use std::sync::Arc;
use std::time::Duration;

use meridian_api::{BindingState, Entry, ExplainRequest as Question, Failure, Registry};
use meridian_environment::Clock;
use meridian_ledger::tenant::Phase;
use meridian_proto::v1::{self, ExplainResponse};
use meridian_store::Tenant;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::ledger::Ledger;
use super::{Actor, Asked};
use crate::assignment::SessionId;
use crate::bindings::PodName;
use crate::classes::{self, Described};
use crate::pods::{Blocked, Stage};
use crate::told;
use crate::view::PodView;

/// How long a replica may take to explain.
const PATIENCE: Duration = Duration::from_secs(5);

/// Questions that wait for a replica at a time.
const MOST_QUESTIONS: usize = 256;

/// Questions that replicas have been asked.
#[derive(Debug, Default)]
pub(super) struct Explaining {
    last: u64,
    asked: FxHashMap<u64, (SessionId, oneshot::Sender<ExplainResponse>)>,
}

impl Actor {
    /// Answers with what the partition knows, and with what the replica that leads the tenant finds.
    pub(super) fn explain(&mut self, question: Question) {
        let Question { tenant, namespace, name, .. } = &question;
        match self.registry.cached(tenant, meridian_schema::pod(), namespace, name) {
            Some(entry) => self.explain_found(question, Some(entry)),
            None => self.look(&tenant.clone(), &namespace.clone(), &name.clone(), Asked::Question(question)),
        }
    }

    /// The pod asked about, if it is there, has been found.
    pub(super) fn explain_found(&mut self, question: Question, entry: Option<Arc<Entry>>) {
        let Question { viewer, tenant, namespace, name, reply } = question;
        let Some(entry) = entry else {
            let name = PodName { tenant, namespace: namespace.into(), name: name.into() };
            let _ = reply.send(Err(self.no_such_pod(&name, &viewer)));
            return;
        };
        let Ok(view) = PodView::read(&entry.bytes) else {
            let _ = reply.send(Err(Failure::internal("the stored pod cannot be read")));
            return;
        };
        let (state, reason) = self.state_of(&entry, &view, &viewer);
        let host =
            self.bindings.get(&entry.uid).map(|binding| binding.record.host.clone()).unwrap_or_default();
        let shown = if host.is_empty() { "".into() } else { self.registry.host_name(&viewer, &host) };
        let mut answer = json!({
            "pod": format!("{namespace}/{name}"),
            "uid": entry.uid,
            "phase": view.phase(),
            "created": view.created(),
            "state": state,
            "reason": reason,
            "host": shown,
            "condition": view.condition("PodScheduled").map(|condition| json!({
                "status": condition.status, "reason": condition.reason, "message": condition.message,
            })),
        });
        if viewer.is_system() {
            answer["hostPartitions"] = self.ledgers.iter().map(Ledger::describe).collect();
        }
        let found = if view.has_ended() { None } else { self.ask_replica(&entry, &view, &host) };
        let (registry, clock) = (self.registry.clone(), self.identity.clock.clone());
        tokio::spawn(async move {
            let _ = reply.send(Ok(complete(answer, found, &registry, &*clock, (&entry, &viewer)).await));
        });
    }

    fn ask_replica(
        &mut self,
        entry: &Entry,
        view: &PodView<'_>,
        host: &str,
    ) -> Option<oneshot::Receiver<ExplainResponse>> {
        self.explaining.asked.retain(|_, (_, reply)| !reply.is_closed());
        if self.explaining.asked.len() >= MOST_QUESTIONS {
            return None;
        }
        let asked = self.registry.asked_spec(&entry.tenant, view.spec);
        let described = Described::new(&entry.tenant, &entry.namespace, view, &asked);
        let asked = classes::Asked::by(&described).ok()?;
        let profile = view.spec_view().ok()?.scheduler_name.into_owned();
        let profile =
            if profile.is_empty() { meridian_kubernetes::DEFAULT_SCHEDULER_NAME.to_owned() } else { profile };
        self.explaining.last += 1;
        let number = self.explaining.last;
        let request =
            v1::ExplainRequest { number, demand: Some(asked.demand.clone()), profile, host: host.to_owned() };
        let session = self.ask_leader(&entry.tenant, request)?;
        let (reply, found) = oneshot::channel();
        self.explaining.asked.insert(number, (session, reply));
        Some(found)
    }

    pub(super) fn explained(&mut self, session: SessionId, response: ExplainResponse) {
        let asked = &mut self.explaining.asked;
        if asked.get(&response.number).is_some_and(|(of, _)| *of == session)
            && let Some((_, reply)) = asked.remove(&response.number)
        {
            let _ = reply.send(response);
        }
    }

    fn no_such_pod(&self, name: &PodName, viewer: &Tenant) -> Failure {
        let failure = Failure::not_found(meridian_schema::pod(), &name.name);
        match self.bindings.holder(name).and_then(|holder| self.bindings.get(holder)) {
            Some(held) if held.record.state == BindingState::Ghost => {
                let message = format!(
                    "{}; its last instance was deleted by force and is not known to have stopped on host {}",
                    failure.message,
                    self.registry.host_name(viewer, &held.record.host)
                );
                Failure { message, ..failure }
            }
            _ => failure,
        }
    }

    /// One word and a sentence on where a pod stands, for one who may see so much.
    fn state_of(&self, entry: &Entry, view: &PodView<'_>, viewer: &Tenant) -> (&'static str, String) {
        let host_name = |host| self.registry.host_name(viewer, host);
        if let Some(binding) = self.bindings.get(&entry.uid) {
            let record = &binding.record;
            let at = match viewer.is_system() {
                true => format!("host {} of host partition {}", record.host, record.host_partition),
                false => format!("node {}", host_name(&record.host)),
            };
            return match record.state {
                BindingState::Bound => ("Bound", format!("bound to {at}")),
                BindingState::Terminating | BindingState::Ghost => {
                    ("Terminating", format!("to be stopped on {at}, which has not reported that it stopped"))
                }
            };
        }
        if view.has_ended() {
            return ("Ended", "all of its containers have ended; it holds nothing any more".to_owned());
        }
        let Some(pod) = self.pods.get(&entry.uid) else {
            let profile = view.spec_view().map(|spec| spec.scheduler_name.into_owned()).unwrap_or_default();
            if !profile.is_empty() && !self.profiles.contains(&*profile) {
                return ("Foreign", format!("it asks for scheduler {profile:?}, which is not served here"));
            }
            return ("Unknown", "the partition has not heard of it yet".to_owned());
        };
        let said = pod.said.as_deref().unwrap_or("nothing yet");
        let replica = |session: &SessionId| {
            let name =
                self.sessions.get(session).filter(|_| viewer.is_system()).map(|session| session.name());
            name.map_or_else(|| "a scheduler replica".to_owned(), |name| format!("scheduler replica {name}"))
        };
        match &pod.stage {
            Stage::Waiting if self.assignment.len() == 0 => {
                ("NoReplica", "no scheduler replica is connected".to_owned())
            }
            Stage::Waiting => (
                "HeldBack",
                format!("refused {} times in a row; it is decided again in a moment", pod.refusals),
            ),
            Stage::Queued { session, .. } => ("Queued", format!("about to be sent to {}", replica(session))),
            Stage::Offered { session, .. } => {
                ("Deciding", format!("with {}, which last said: {said}", replica(session)))
            }
            Stage::Claiming => ("Claiming", self.claim_state(&pod.about.uid, viewer)),
            Stage::Blocked(Blocked::Spec | Blocked::Name) => ("Blocked", said.to_owned()),
            Stage::Blocked(Blocked::Pinned) => (
                "Blocked",
                format!("it names host {} itself, which cannot be claimed now", host_name(&entry.node_name)),
            ),
        }
    }

    fn claim_state(&self, uid: &Arc<str>, viewer: &Tenant) -> String {
        let Some(live) = self.claims.of(uid) else { return "between two claims".to_owned() };
        if !viewer.is_system() {
            return "a node is being claimed".to_owned();
        }
        let host = live.payload.rest.front().map_or("", |host| &host.host);
        match live.phase {
            Phase::Sent => format!("host {host} is being claimed at host partition {}", live.host_partition),
            Phase::Waiting => format!("host {host} is kept for it until the pods that make way have stopped"),
            Phase::Accepted => {
                format!("host {host} has accepted; others of its group have not been answered")
            }
            Phase::Writing => format!("host {host} has accepted; the binding is being written"),
        }
    }
}

/// Adds what the replica found and what events tell.
async fn complete(
    mut answer: Value,
    found: Option<oneshot::Receiver<ExplainResponse>>,
    registry: &Registry,
    clock: &dyn Clock,
    (entry, viewer): (&Entry, &Tenant),
) -> Value {
    let found = match found {
        None => Err("no scheduler replica was asked"),
        Some(found) => tokio::select! {
            found = found => found.map_err(|_| "the scheduler replica left before it answered"),
            () = clock.wait_until(clock.now() + PATIENCE) => Err("the scheduler replica did not answer in time"),
        },
    };
    answer["decision"] = match found {
        // How many hosts there are and how they score tells how full they are, and so what others run.
        Ok(found) if !viewer.is_system() => {
            let message = Some(found.message).filter(|message| !message.is_empty());
            json!({"message": message.map(|message| told::unschedulable(viewer, &message).into_owned())})
        }
        Ok(found) if found.error.is_empty() => decision(found),
        Ok(found) => json!({"error": found.error}),
        Err(error) => json!({"error": error}),
    };
    answer["events"] = events(registry, entry).into();
    answer
}

fn decision(found: ExplainResponse) -> Value {
    json!({
        "hosts": found.hosts,
        "feasible": found.feasible,
        "message": found.message,
        "unit": found.unit,
        "refused": found.refused.into_iter().map(|refused| json!({
            "filter": refused.filter, "reason": refused.reason, "hosts": refused.hosts,
        })).collect::<Vec<_>>(),
        "scored": found.scored.into_iter().map(|scored| json!({
            "host": scored.host,
            "score": scored.score,
            "parts": scored.parts.into_iter().map(|part| json!({
                "plugin": part.plugin, "score": part.score, "weight": part.weight,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

/// The events about a pod, oldest first.
fn events(registry: &Registry, entry: &Entry) -> Vec<Value> {
    let uid = entry.uid.as_bytes();
    let listed = registry.cached_list(Some(&entry.tenant), meridian_schema::event(), &entry.namespace);
    let mut events: Vec<Value> = listed
        .into_iter()
        .filter(|event| event.bytes.windows(uid.len()).any(|window| window == uid))
        .map(|event| event.stored_value())
        .filter(|event| event["involvedObject"]["uid"].as_str() == Some(&entry.uid))
        .map(|event| {
            json!({
                "type": event["type"],
                "reason": event["reason"],
                "message": event["message"],
                "count": event["count"],
                "last": event["lastTimestamp"],
            })
        })
        .collect();
    events.sort_by(|one, other| one["last"].as_str().cmp(&other["last"].as_str()));
    events
}
