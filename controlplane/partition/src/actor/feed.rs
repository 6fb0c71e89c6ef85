//! What replicas are told and what they answer.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use meridian_proto::v1::{
    ClassDefinition, Decision, ExplainRequest, ForgetClasses, Goodbye, Namespaces as ToldNamespaces, Outcome,
    Outcomes, PartitionMessage, PendingPod, PendingPods, TenantClaims, UnschedulablePod, Victims, Withdraw,
    outcome, partition_message, replica_message,
};
use meridian_store::Tenant;
use rustc_hash::FxHashSet;

use super::claim::Attempt;
use super::{Actor, Again, drain_front};
use crate::assignment::{Assignment, SessionId};
use crate::classes::Classes;
use crate::groups::Groups;
use crate::namespaces::Namespaces;
use crate::pods::{Blocked, Pending, Pods, Stage};
use crate::replicas::message;
use crate::stream::Outlet;
use crate::told;

/// Pods, outcomes and the like in one message.
const PODS_A_MESSAGE: usize = 512;

/// Hosts taken from a decision; the rest is not tried.
const HOSTS_A_DECISION: usize = 8;

/// The most that may wait for a replica beyond what there is to decide.
const MOST_QUEUED: usize = 100_000;

/// How long a pod is held back after it was refused for the second time in a row; it doubles from then on.
const FIRST_HOLD: Duration = Duration::from_millis(20);
const LONGEST_HOLD: Duration = Duration::from_secs(2);

/// A replica's stream.
pub(super) struct Session {
    name: String,
    pub(super) outlet: Outlet<PartitionMessage>,
    /// What is to be told, in order.
    queue: VecDeque<Item>,
    /// Messages made from the head of the queue.
    ready: VecDeque<PartitionMessage>,
    /// Classes that the replica has been told.
    classes: FxHashSet<u32>,
    /// Tenants of whose namespaces it has been told.
    tenants: HashSet<Tenant>,
}

/// Something to tell a replica.
enum Item {
    Pod { uid: Arc<str>, offer: u64 },
    Withdraw(Arc<str>),
    Outcome(Outcome),
    Forget(u32),
    Explain(Box<ExplainRequest>),
    Victims(Box<Victims>),
    Namespace(Tenant, String),
    Claims(Box<TenantClaims>),
}

/// What is told of pods beside them.
struct About<'a> {
    classes: &'a Classes,
    groups: &'a Groups,
    namespaces: &'a Namespaces,
}

impl Actor {
    pub(super) fn replica_joined(
        &mut self,
        session: SessionId,
        name: String,
        outlet: Outlet<PartitionMessage>,
    ) {
        let earlier = self.sessions.iter().find(|(_, earlier)| earlier.name == name).map(|(id, _)| *id);
        if let Some(earlier) = earlier {
            self.end_session(earlier, "replaced");
        }
        self.assignment.join(session, &name);
        let queue = VecDeque::new();
        let classes = FxHashSet::default();
        let (ready, tenants) = (VecDeque::new(), HashSet::new());
        self.sessions.insert(session, Session { name, outlet, queue, ready, classes, tenants });
        self.reassign();
    }

    pub(super) fn replica_left(&mut self, session: SessionId) {
        self.sessions.remove(&session);
        if self.assignment.leave(session) {
            self.reassign();
        }
    }

    fn end_session(&mut self, session: SessionId, reason: &'static str) {
        if let Some(ended) = self.sessions.get(&session) {
            tracing::info!(replica = %ended.name, reason, "stream of a replica ended");
            self.metrics.streams_ended.with_label_values(&[reason]).inc();
            self.replica_left(session);
        }
    }

    /// The live replicas have changed: pods go to those that lead their tenants now.
    fn reassign(&mut self) {
        self.metrics.replicas.set(i64::try_from(self.assignment.len()).unwrap_or(i64::MAX));
        let mut moving = Vec::new();
        for tenant in self.pods.tenants() {
            let leader = self.assignment.leader(tenant);
            let moves = |uid: &&Arc<str>| match self.pods.get(uid).map(|pod| &pod.stage) {
                Some(Stage::Waiting) => true,
                Some(Stage::Queued { session, .. } | Stage::Offered { session, .. }) => {
                    Some(*session) != leader
                }
                _ => false,
            };
            moving.extend(self.pods.of_tenant(tenant).filter(moves).cloned());
        }
        for uid in moving {
            self.take_back(&uid);
            self.offer(&uid);
        }
    }

    /// A pod is no longer its replica's to decide. It is Waiting then, if it was with one.
    pub(super) fn take_back(&mut self, uid: &str) {
        let Some(pod) = self.pods.get_mut(uid) else { return };
        match pod.stage {
            Stage::Queued { .. } => pod.stage = Stage::Waiting,
            Stage::Offered { session, .. } => {
                pod.stage = Stage::Waiting;
                let uid = pod.about.uid.clone();
                self.tell(session, Item::Withdraw(uid));
            }
            Stage::Waiting | Stage::Claiming | Stage::Blocked(_) => {}
        }
    }

    /// Puts a waiting pod into the queue of the replica that leads its tenant, if one does.
    pub(super) fn offer(&mut self, uid: &str) {
        if !self.in_sync {
            return;
        }
        let Some(pod) = self.pods.get(uid) else { return };
        if pod.stage != Stage::Waiting || pod.class.is_none() || !self.may_be_offered(uid) {
            return;
        }
        let Some(tenant) = self.pods.get(uid).map(|pod| pod.about.tenant.clone()) else { return };
        let Some(leader) = self.assignment.leader(&tenant) else { return };
        if !self.leader_knows(&tenant, leader) {
            return;
        }
        let Some(pod) = self.pods.get_mut(uid) else { return };
        self.last_offer += 1;
        let offer = self.last_offer;
        pod.stage = Stage::Queued { session: leader, offer };
        let uid = pod.about.uid.clone();
        self.tell(leader, Item::Pod { uid, offer });
    }

    fn tell(&mut self, session: SessionId, item: Item) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.queue.push_back(item);
        }
    }

    /// Tells a replica what became of its decision.
    pub(super) fn tell_outcome(
        &mut self,
        session: Option<SessionId>,
        uid: &str,
        result: outcome::Result,
        host: &str,
    ) {
        if let Some(session) = session {
            let outcome = Outcome { uid: uid.to_owned(), result: result.into(), host: host.to_owned() };
            self.tell(session, Item::Outcome(outcome));
        }
    }

    /// A pod comes back from a claim that no host took.
    pub(super) fn come_back(&mut self, uid: &Arc<str>, session: Option<SessionId>) {
        let Some(refusals) = self.comes_back(uid, session) else { return };
        if refusals < 2 {
            return self.offer(uid);
        }
        let hold = FIRST_HOLD.saturating_mul(1 << (refusals - 2).min(16)).min(LONGEST_HOLD);
        self.later(hold, Again::Offer(vec![uid.clone()]));
    }

    /// A pod is with no replica any more after a decision that came to nothing. The answer is how many did in a row.
    pub(super) fn comes_back(&mut self, uid: &Arc<str>, session: Option<SessionId>) -> Option<u32> {
        let Some(pod) = self.pods.get_mut(uid) else {
            self.tell_outcome(session, uid, outcome::Result::Gone, "");
            return None;
        };
        pod.stage = if pod.class.is_some() { Stage::Waiting } else { Stage::Blocked(Blocked::Spec) };
        pod.refusals = pod.refusals.saturating_add(1);
        let refusals = pod.refusals;
        let leader = self.assignment.leader(&pod.about.tenant);
        match session {
            // It does not come again to one that no longer leads its tenant.
            Some(session) if Some(session) != leader => self.tell(session, Item::Withdraw(uid.clone())),
            session => self.tell_outcome(session, uid, outcome::Result::Refused, ""),
        }
        Some(refusals)
    }

    /// Asks the replica that leads a tenant, if one does. The answer is whether somebody was asked.
    pub(super) fn ask_leader(&mut self, tenant: &str, request: ExplainRequest) -> Option<SessionId> {
        let leader = self.assignment.leader(tenant)?;
        self.tell(leader, Item::Explain(Box::new(request)));
        Some(leader)
    }

    /// Tells a replica what a tenant's pods are bound under.
    pub(super) fn tell_claims(&mut self, session: SessionId, parts: Vec<TenantClaims>) {
        parts.into_iter().for_each(|part| self.tell(session, Item::Claims(Box::new(part))));
    }

    /// Tells the replicas that know a tenant's namespaces how one is now.
    pub(super) fn tell_namespace(&mut self, tenant: &Tenant, name: &str) {
        for session in self.sessions.values_mut().filter(|session| session.tenants.contains(tenant)) {
            session.queue.push_back(Item::Namespace(tenant.clone(), name.to_owned()));
        }
    }

    /// Tells a replica who could make way.
    pub(super) fn tell_victims(&mut self, session: SessionId, parts: Vec<Victims>) {
        parts.into_iter().for_each(|part| self.tell(session, Item::Victims(Box::new(part))));
    }

    pub(super) fn replica_message(&mut self, session: SessionId, message: replica_message::Message) {
        if !self.sessions.contains_key(&session) {
            return;
        }
        match message {
            replica_message::Message::Decisions(decisions) => {
                decisions.decisions.into_iter().for_each(|decision| self.decided(session, decision));
            }
            replica_message::Message::Groups(groups) => {
                groups.groups.into_iter().for_each(|group| self.group_decided(session, group));
            }
            replica_message::Message::Unschedulable(unschedulable) => {
                unschedulable.pods.into_iter().for_each(|pod| self.fits_nowhere(session, pod));
            }
            replica_message::Message::Explanation(explanation) => self.explained(session, explanation),
            replica_message::Message::Victims(request) => self.victims_wanted(session, request),
            replica_message::Message::Seen(seen) => self.claims_seen(session, seen.number),
            replica_message::Message::Hello(_) => self.end_session(session, "second hello"),
            replica_message::Message::Goodbye(_) => self.end_session(session, "goodbye"),
        }
    }

    fn decided(&mut self, session: SessionId, decision: Decision) {
        let offered = Stage::Offered { session, assignment: decision.assignment };
        let pod = self.pods.get_mut(&decision.uid).filter(|pod| pod.stage == offered);
        let class = pod.as_ref().and_then(|pod| self.classes.get(pod.class?));
        let (Some(pod), Some(class)) = (pod, class) else {
            self.metrics.stale_decisions.inc();
            return;
        };
        pod.stage = Stage::Claiming;
        let attempt = Attempt {
            about: pod.about.clone(),
            asked: class.asked.clone(),
            profile: pod.profile.clone(),
            seen: pod.seen,
            rest: decision.hosts.into_iter().take(HOSTS_A_DECISION).collect(),
            session: Some(session),
            pinned: false,
            reply: None,
            refusal: None,
            victims: Vec::new(),
            keeps: None,
            has_preempted: false,
            has_fallen: false,
        };
        self.attempt(attempt);
    }

    fn fits_nowhere(&mut self, session: SessionId, said: UnschedulablePod) {
        let offered = Stage::Offered { session, assignment: said.assignment };
        match self.pods.get(&said.uid).filter(|pod| pod.stage == offered) {
            Some(pod) => {
                let message = told::unschedulable(&pod.about.tenant, &said.message);
                self.say_unschedulable(&said.uid, "Unschedulable", &message);
            }
            None => self.metrics.stale_decisions.inc(),
        }
    }

    /// Classes that nobody needs any more.
    pub(super) fn forget_classes(&mut self) {
        for number in self.classes.forget_idle() {
            for session in self.sessions.values_mut() {
                if session.classes.remove(&number) {
                    session.queue.push_back(Item::Forget(number));
                }
            }
        }
    }

    /// Sends each replica what it takes.
    pub(super) fn fill_sessions(&mut self) {
        let now = self.now();
        let Self { sessions, pods, classes, groups, namespaces, assignment, .. } = self;
        let about = About { classes, groups, namespaces };
        for (id, session) in sessions.iter_mut() {
            while session.outlet.has_room() {
                if let Some(message) = session.ready.pop_front() {
                    session.outlet.send(message, now);
                } else if !session.gather(*id, pods, &about, assignment) {
                    break;
                }
            }
        }
    }

    /// Ends the streams of peers that take nothing for long, or for whom too much waits.
    pub(super) fn close_stalled(&mut self, now: Duration) {
        let most = MOST_QUEUED + 4 * self.pods.len();
        let stalled = |session: &Session| {
            session.outlet.stalls_at().is_some_and(|at| at <= now) || session.queue.len() > most
        };
        let stalled: Vec<SessionId> =
            self.sessions.iter().filter(|(_, session)| stalled(session)).map(|(id, _)| *id).collect();
        for session in stalled {
            self.end_session(session, "stalled");
        }
        self.close_stalled_ledgers(now);
    }

    /// Ends all streams with a reason.
    pub(super) fn say_goodbye(&mut self, reason: &str) {
        let now = self.now();
        self.fill_sessions();
        self.fill_ledgers();
        let goodbye = Goodbye::later(reason);
        for (_, mut session) in self.sessions.drain() {
            session.outlet.send(message(partition_message::Message::Goodbye(goodbye.clone())), now);
        }
        self.dismiss_ledgers(&goodbye);
    }
}

impl Session {
    /// The replica's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes messages of the head of the queue. Says whether there was anything.
    fn gather(&mut self, id: SessionId, pods: &mut Pods, about: &About<'_>, assignment: &Assignment) -> bool {
        let Some(first) = self.queue.front() else { return false };
        let kind = std::mem::discriminant(first);
        let same = |item: &&Item| std::mem::discriminant(*item) == kind;
        let run = self.queue.iter().take(PODS_A_MESSAGE).take_while(same).count();
        let run = drain_front(&mut self.queue, run);
        let (mut offered, mut withdrawn, mut outcomes, mut forgotten) = (vec![], vec![], vec![], vec![]);
        for item in run {
            match item {
                Item::Pod { uid, offer } => {
                    let in_queue = Stage::Queued { session: id, offer };
                    // One that is gone or somewhere else by now is passed over.
                    if let Some(pod) = pods.get_mut(&uid).filter(|pod| pod.stage == in_queue) {
                        offered.extend(self.offer(id, pod, about, assignment.epoch()));
                    }
                }
                Item::Withdraw(uid) => withdrawn.push(uid.as_ref().to_owned()),
                Item::Outcome(outcome) => outcomes.push(outcome),
                Item::Forget(number) => forgotten.push(number),
                Item::Explain(request) => {
                    self.ready.push_back(message(partition_message::Message::Explain(*request)));
                }
                Item::Victims(victims) => {
                    self.ready.push_back(message(partition_message::Message::Victims(*victims)));
                }
                Item::Claims(claims) => {
                    self.ready.push_back(message(partition_message::Message::Claims(*claims)));
                }
                Item::Namespace(tenant, name) => {
                    let namespaces = vec![about.namespaces.one(&tenant, &name)];
                    let told = ToldNamespaces { namespaces };
                    self.ready.push_back(message(partition_message::Message::Namespaces(told)));
                }
            }
        }
        if !offered.is_empty() {
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let pods = PendingPods {
                assignment: assignment.epoch(),
                pods: offered,
                replicas: number(assignment.len()),
                replica: number(assignment.position(id).unwrap_or(0)),
            };
            self.ready.push_back(message(partition_message::Message::Pods(pods)));
        }
        if !withdrawn.is_empty() {
            let withdraw = Withdraw { uids: withdrawn };
            self.ready.push_back(message(partition_message::Message::Withdraw(withdraw)));
        }
        if !outcomes.is_empty() {
            self.ready.push_back(message(partition_message::Message::Outcomes(Outcomes { outcomes })));
        }
        if !forgotten.is_empty() {
            let forget = ForgetClasses { numbers: forgotten };
            self.ready.push_back(message(partition_message::Message::ForgetClasses(forget)));
        }
        true
    }

    /// A pod as it is told, after its class.
    fn offer(
        &mut self,
        id: SessionId,
        pod: &mut Pending,
        about: &About<'_>,
        assignment: u64,
    ) -> Option<PendingPod> {
        let number = pod.class?;
        if !self.tenants.contains(&pod.about.tenant) {
            self.tenants.insert(pod.about.tenant.clone());
            let namespaces = about.namespaces.of(&pod.about.tenant);
            let told = ToldNamespaces { namespaces };
            self.ready.push_back(message(partition_message::Message::Namespaces(told)));
        }
        if self.classes.insert(number) {
            let class = about.classes.get(number)?;
            let definition = ClassDefinition {
                number,
                demand: Some(class.asked.demand.clone()),
                profile: class.profile.to_string(),
            };
            self.ready.push_back(message(partition_message::Message::Class(definition)));
        }
        pod.stage = Stage::Offered { session: id, assignment };
        Some(PendingPod {
            uid: pod.about.uid.to_string(),
            tenant: pod.about.tenant.to_string(),
            key: format!("{}/{}", pod.about.namespace, pod.about.name),
            class: number,
            priority: pod.priority,
            first: pod.refusals > 0,
            group: pod.group.as_ref().and_then(|group| about.groups.message(group)),
            never_preempts: !pod.preempts,
        })
    }
}
