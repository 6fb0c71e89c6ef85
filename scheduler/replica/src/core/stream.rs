//! What tenant partitions say, and what waits to be said to them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use meridian_engine::{ClassId, Membership, Pending};
use meridian_proto::v1;
use meridian_wire::{demand_from_message, group_from_message};
use rustc_hash::FxHashMap;

use super::pods::{Pod, PodKey, State};
use super::share::Share;
use super::uid::Uid;
use super::{Core, Violation};

/// The most classes of one stream, pods of all, and questions that wait for an answer.
const MAX_CLASSES: usize = 1 << 20;
const MAX_PODS: usize = 1 << 25;
const MAX_QUESTIONS: usize = 256;

/// Decisions in one message.
const BATCH: usize = 256;

/// A class of a stream.
#[derive(Clone, Debug)]
enum StreamClass {
    Served(ClassId),
    /// Pods of it cannot be decided: why.
    Refused(Arc<str>),
}

/// A tenant partition's stream.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    is_connected: bool,
    classes: FxHashMap<u32, StreamClass>,
    /// Which of the replicas that the partition has this one is.
    pub(super) share: Share,
    pub(crate) outbox: Outbox,
}

/// What is to be sent on a stream.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) decisions: VecDeque<v1::Decision>,
    pub(crate) groups: VecDeque<v1::GroupDecision>,
    pub(crate) unschedulable: VecDeque<v1::UnschedulablePod>,
    pub(crate) explanations: VecDeque<v1::ExplainResponse>,
    pub(crate) victims: VecDeque<v1::VictimsRequest>,
    /// Numbers of `TenantClaims` of which everything has been heard.
    pub(crate) seen: VecDeque<u64>,
}

impl Outbox {
    /// How many decisions and answers there are.
    pub(crate) fn len(&self) -> usize {
        self.decisions.len()
            + self.groups.len()
            + self.unschedulable.len()
            + self.explanations.len()
            + self.victims.len()
            + self.seen.len()
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> Option<v1::ReplicaMessage> {
        use v1::replica_message::Message;
        let message = if !self.decisions.is_empty() {
            let decisions = self.decisions.drain(..self.decisions.len().min(BATCH)).collect();
            Message::Decisions(v1::Decisions { decisions })
        } else if let Some(group) = self.groups.pop_front() {
            // One alone may be as large as many decisions.
            Message::Groups(v1::GroupDecisions { groups: vec![group] })
        } else if let Some(request) = self.victims.pop_front() {
            Message::Victims(request)
        } else if let Some(number) = self.seen.pop_front() {
            Message::Seen(v1::ClaimsSeen { number })
        } else if !self.unschedulable.is_empty() {
            let pods = self.unschedulable.drain(..self.unschedulable.len().min(BATCH)).collect();
            Message::Unschedulable(v1::Unschedulable { pods })
        } else {
            Message::Explanation(self.explanations.pop_front()?)
        };
        Some(v1::ReplicaMessage { message: Some(message) })
    }
}

impl Core {
    /// A tenant partition's stream begins: it will say everything anew.
    pub fn open_stream(&mut self, stream: usize, now: Duration) {
        self.close_stream(stream, now);
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.is_connected = true;
        }
    }

    /// A tenant partition's stream has ended. Decisions under way may hold or not: what they assume stays for a while.
    pub(crate) fn close_stream(&mut self, stream: usize, now: Duration) {
        let Some(state) = self.streams.get_mut(stream) else { return };
        let Stream { classes, .. } = std::mem::take(state);
        for class in classes.into_values() {
            if let StreamClass::Served(class) = class {
                self.classes.give_up(class, &mut self.scheduler);
            }
        }
        self.questions.retain(|(asked, _)| *asked != stream);
        self.forget_questions(stream);
        self.awaited.forget(stream);
        for key in self.pods.of_stream(stream) {
            match self.pods.get(key).map(|pod| &pod.state) {
                Some(State::Waiting | State::Confirmed) => self.forget(key),
                Some(State::Decided(_)) => self.orphan(key, now),
                Some(State::Bound(_) | State::Orphaned(_)) | None => {}
            }
        }
    }

    fn orphan(&mut self, key: PodKey, now: Duration) {
        // Confirmed only for as long as it takes to put the placement back.
        if let Some(State::Decided(placement)) = self.pods.change(key, State::Confirmed) {
            self.pods.change(key, State::Orphaned(placement));
            self.expect_entry(key, now);
        }
    }

    pub(crate) fn outbox(&mut self, stream: usize) -> Option<&mut Outbox> {
        self.streams.get_mut(stream).filter(|stream| stream.is_connected).map(|stream| &mut stream.outbox)
    }

    /// The next thing to say to a tenant partition, if there is any.
    pub fn take_message(&mut self, stream: usize) -> Option<v1::ReplicaMessage> {
        self.outbox(stream)?.next()
    }

    /// Takes a message of a tenant partition in.
    ///
    /// # Errors
    ///
    /// [`Violation`]: what must not be said, after which the stream is of no use.
    pub fn stream_message(
        &mut self,
        stream: usize,
        message: v1::PartitionMessage,
        now: Duration,
    ) -> Result<(), Violation> {
        use v1::partition_message::Message;
        if self.outbox(stream).is_none() {
            return Ok(());
        }
        match message.message.ok_or(Violation::Empty)? {
            Message::Hello(_) => Err(Violation::Hello),
            // The stream ends by itself.
            Message::Goodbye(_) => Ok(()),
            Message::Class(definition) => self.define(stream, definition),
            Message::ForgetClasses(classes) => {
                for number in classes.numbers {
                    let former = self.streams.get_mut(stream).and_then(|state| state.classes.remove(&number));
                    if let Some(StreamClass::Served(class)) = former {
                        self.classes.give_up(class, &mut self.scheduler);
                    }
                }
                Ok(())
            }
            Message::Pods(pods) => {
                if let Some(state) = self.streams.get_mut(stream) {
                    state.share = Share::new(pods.replicas, pods.replica);
                }
                pods.pods.into_iter().try_for_each(|pod| self.pending(stream, pods.assignment, pod, now))
            }
            Message::Withdraw(withdraw) => {
                for uid in withdraw.uids {
                    self.withdraw(stream, &uid);
                }
                Ok(())
            }
            Message::Outcomes(outcomes) => {
                for outcome in outcomes.outcomes {
                    self.outcome(stream, &outcome, now);
                }
                Ok(())
            }
            Message::Explain(request) => {
                self.ask(stream, request);
                Ok(())
            }
            Message::Victims(victims) => self.victims(stream, victims, now),
            Message::Claims(claims) => self.tenant_claims(stream, claims),
            Message::Namespaces(namespaces) => {
                self.namespaces(namespaces);
                Ok(())
            }
        }
    }

    fn define(&mut self, stream: usize, definition: v1::ClassDefinition) -> Result<(), Violation> {
        let v1::ClassDefinition { number, demand, profile } = definition;
        let class = match self.profile_problem(&profile) {
            Some(problem) => StreamClass::Refused(problem.into()),
            None => match demand_from_message(demand.ok_or(Violation::Empty)?)
                .map_err(|error| error.to_string())
                .and_then(|demand| {
                    self.classes.intern(&demand, &mut self.scheduler).map_err(|error| error.to_string())
                }) {
                Ok(class) => StreamClass::Served(class),
                Err(problem) => {
                    let problem = format!("the pod cannot be scheduled: {problem}");
                    tracing::warn!(number, problem, "a class is refused");
                    StreamClass::Refused(problem.into())
                }
            },
        };
        let Some(state) = self.streams.get_mut(stream) else { return Ok(()) };
        let is_full = state.classes.len() >= MAX_CLASSES;
        if let Some(StreamClass::Served(former)) = state.classes.insert(number, class) {
            self.classes.give_up(former, &mut self.scheduler);
        }
        if is_full { Err(Violation::TooMany { what: "classes", limit: MAX_CLASSES }) } else { Ok(()) }
    }

    /// What is wrong with a profile's name.
    pub(crate) fn profile_problem(&self, name: &str) -> Option<String> {
        if self.names.iter().any(|served| served == name) {
            return None;
        }
        Some(format!("no scheduler is named {name:?}; spec.schedulerName can be {}", self.names.join(", ")))
    }

    fn pending(
        &mut self,
        stream: usize,
        assignment: u64,
        pod: v1::PendingPod,
        now: Duration,
    ) -> Result<(), Violation> {
        let v1::PendingPod {
            uid,
            tenant: tenant_name,
            key: _,
            class: number,
            priority,
            first,
            group,
            never_preempts,
        } = pod;
        let Some(state) = self.streams.get_mut(stream) else { return Ok(()) };
        let class = match state.classes.get(&number) {
            Some(StreamClass::Served(class)) => *class,
            Some(StreamClass::Refused(problem)) => {
                let message = problem.to_string();
                self.refuse(stream, v1::UnschedulablePod { uid, assignment, message });
                return Ok(());
            }
            None => return Err(Violation::UnknownClass { uid, number }),
        };
        let group = match group.map(group_from_message).transpose() {
            Ok(group) => group,
            Err(error) => {
                let message = format!("the pod cannot be scheduled: {error}");
                self.refuse(stream, v1::UnschedulablePod { uid, assignment, message });
                return Ok(());
            }
        };
        let uid = Uid::new(&uid);
        let tenant = self.tenants.intern(&tenant_name, &mut self.queue);
        if let Some(key) = self.pods.find(&uid) {
            if let Some(known) = self.pods.waiting_mut(key)
                && (known.stream, known.tenant, known.class, known.priority, known.first)
                    == (stream, tenant, class, priority, first)
                && self.gangs.is_of(known.gang, group.as_ref())
            {
                // Said again under a new assignment: it keeps its place.
                known.assignment = assignment;
                known.told = 0;
                self.wait(key, now);
                return Ok(());
            }
            self.forget(key);
        }
        if self.pods.len() >= MAX_PODS {
            return Err(Violation::TooMany { what: "pods", limit: MAX_PODS });
        }
        let failures = if first { self.tenants.failures(&uid) } else { 0 };
        self.classes.hold(class);
        let gang = group.map(|group| self.gangs.join(stream, &tenant_name, group));
        let pod = Pod {
            uid,
            stream,
            tenant,
            class,
            gang,
            failures,
            priority,
            preempts_in: if never_preempts { None } else { self.preemptions.tenant(stream, &tenant_name) },
            first,
            assignment,
            arrived: now,
            told: 0,
            expires: now,
            state: State::Waiting,
        };
        if let Some(key) = self.pods.insert(pod) {
            let group = gang.map(|group| Membership { group, least: self.gangs.least(group) });
            let pending =
                Pending { tenant, priority, first, failures, group, ..Pending::new(key.number(), class) };
            if let Err(error) = self.queue.push_failed(pending) {
                // Keys are never used again: the group has too many pods that wait.
                tracing::warn!(%error, "a pod cannot be queued");
                let uid = self.pods.get(key).map_or_else(String::new, |pod| pod.uid.to_string());
                let message = format!("the pod cannot be scheduled: {error}");
                self.refuse(stream, v1::UnschedulablePod { uid, assignment, message });
                return Ok(());
            }
            self.wait(key, now);
        }
        Ok(())
    }

    /// A pod cannot be decided as it is.
    fn refuse(&mut self, stream: usize, said: v1::UnschedulablePod) {
        if let Some(key) = self.pods.find(&Uid::new(&said.uid)) {
            self.forget(key);
        }
        if let Some(state) = self.streams.get_mut(stream) {
            state.outbox.unschedulable.push_back(said);
        }
    }

    /// Notes that a pod waits, and tells it why where its class fits nowhere.
    fn wait(&mut self, key: PodKey, now: Duration) {
        let Some(Pod { class, gang, .. }) = self.pods.get(key) else { return };
        let class = *class;
        if let Some(gang) = *gang {
            return self.gangs.wait(gang, key, now);
        }
        let has_message = self.classes.get_mut(class).is_some_and(|class| class.arrive(key, &self.pods));
        if self.queue.is_parked(class) {
            self.want_room(key);
            if has_message {
                self.tell(class);
            }
        }
    }

    fn withdraw(&mut self, stream: usize, uid: &str) {
        let Some((key, pod)) = self.pod_of(stream, uid) else { return };
        // What is bound takes its room whatever becomes of the pod.
        if !matches!(pod.state, State::Bound(_)) {
            self.forget(key);
        }
    }

    fn pod_of(&self, stream: usize, uid: &str) -> Option<(PodKey, &Pod)> {
        let key = self.pods.find(&Uid::new(uid))?;
        let pod = self.pods.get(key).filter(|pod| pod.stream == stream)?;
        Some((key, pod))
    }

    fn outcome(&mut self, stream: usize, outcome: &v1::Outcome, now: Duration) {
        use v1::outcome::Result;
        match outcome.result() {
            Result::Unspecified => {
                tracing::warn!(
                    uid = outcome.uid,
                    result = outcome.result,
                    "an outcome that is not known is ignored"
                );
                return;
            }
            Result::Bound => self.counts.bound += 1,
            Result::Refused => self.counts.refused += 1,
            Result::Gone => self.counts.gone += 1,
        }
        let Some((key, pod)) = self.pod_of(stream, &outcome.uid) else { return };
        let is_bound = outcome.result() == Result::Bound;
        match &pod.state {
            State::Bound(_) => {}
            // About a decision that the pod has been sent again for.
            State::Waiting if outcome.result() == Result::Refused => {}
            State::Decided(placement) | State::Orphaned(placement) if is_bound => {
                let here = self.scheduler.cell().name(placement.host()) == Some(&*outcome.host);
                if !here {
                    self.forget(key);
                    return;
                }
                if let Some(State::Decided(placement) | State::Orphaned(placement)) =
                    self.pods.change(key, State::Confirmed)
                {
                    self.pods.change(key, State::Bound(placement));
                    self.expect_entry(key, now);
                }
            }
            State::Waiting | State::Decided(_) | State::Orphaned(_) | State::Confirmed => {
                if outcome.result() == Result::Refused {
                    let (uid, failures) = (pod.uid.clone(), pod.failures.saturating_add(1));
                    self.tenants.refuse(uid, failures, now);
                }
                self.forget(key);
            }
        }
    }

    fn ask(&mut self, stream: usize, request: v1::ExplainRequest) {
        if self.questions.len() < MAX_QUESTIONS {
            self.questions.push_back((stream, request));
            return;
        }
        let error = format!("{MAX_QUESTIONS} questions wait for an answer already; ask again later");
        let answer = v1::ExplainResponse { number: request.number, error, ..Default::default() };
        if let Some(outbox) = self.outbox(stream) {
            outbox.explanations.push_back(answer);
        }
    }
}
