//! The one task that owns the partition's state. Everything that happens comes to it as an [`Input`] or as the end of work
//! that it gave away; it never waits for anything but the next of these.

mod bind;
mod binder;
mod claim;
mod explain;
mod feed;
mod follow;
mod group;
mod grouping;
mod ledger;
mod preempt;
mod report;
mod ties;
mod victims;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use meridian_api::{
    BindOrder, BindResult, Change, Entry, ExplainRequest, Failure, Fenced, RecorderOptions, Registry,
};
use meridian_environment::{Clock, Ids};
use meridian_ledger::ClaimId;
use meridian_ledger::tenant::Claims;
use meridian_proto::v1::{PartitionMessage, TenantPartitionMessage, host_partition_message, replica_message};
use meridian_schema::Home;
use meridian_store::Tenant;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use self::claim::Attempt;
use self::explain::Explaining;
use self::feed::Session;
use self::ledger::Ledger;
use crate::assignment::{Assignment, SessionId};
use crate::bindings::Bindings;
use crate::classes::Classes;
use crate::conditions::Said;
use crate::events::Events;
use crate::groups::{GroupName, Groups};
use crate::metrics::Metrics;
use crate::namespaces::Namespaces;
use crate::pods::Pods;
use crate::replicas::Identity;
use crate::statuses::Report;
use crate::stream::Outlet;
use crate::ties::Ties;
use crate::writes::Writes;

/// Inputs handled before what follows from them is sent.
const BATCH: usize = 256;

/// Statuses and conditions being written at a time, and waiting.
const STATUSES_UNDER_WAY: usize = 1024;
const STATUSES_WAITING: usize = 200_000;
const CONDITIONS_UNDER_WAY: usize = 64;
const CONDITIONS_WAITING: usize = 100_000;

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// The store's history goes on.
    Changes(Vec<Change>),
    /// The store's history will be told from the beginning, once this is answered.
    Restart(oneshot::Sender<()>),
    /// A replica has said hello.
    ReplicaJoined { session: SessionId, name: String, outlet: Outlet<PartitionMessage> },
    /// A replica speaks.
    Replica { session: SessionId, message: replica_message::Message },
    /// A replica's stream has taken a message.
    ReplicaTook { session: SessionId },
    /// A replica's stream has ended.
    ReplicaLeft { session: SessionId },
    /// A host partition has said hello.
    LedgerUp { ledger: usize, link: u64, epoch: u64, outlet: Outlet<TenantPartitionMessage> },
    /// A host partition speaks.
    Ledger { ledger: usize, link: u64, message: host_partition_message::Message },
    /// A host partition's stream has taken a message.
    LedgerTook { ledger: usize, link: u64 },
    /// A host partition's stream has ended.
    LedgerDown { ledger: usize, link: u64 },
}

/// Work that was given away is over.
#[derive(Debug)]
enum Done {
    /// Appends of bindings have been tried.
    Appended(Vec<(ClaimId, BindResult)>),
    /// The one append of a group has been tried.
    GroupAppended(Vec<(ClaimId, BindResult)>),
    /// So many victims of a claim have been told to stop; whether all have.
    Preempted { claim: ClaimId, stopped: usize, is_whole: bool },
    /// Who could make way for a replica's pods has been looked up.
    Victims(SessionId, Vec<meridian_proto::v1::Victims>),
    /// An append of a fence has been tried.
    Fenced { ledger: usize, link: u64, epoch: u64, result: Result<Fenced, Failure> },
    /// Statuses have been written, or need not be.
    Reported(Vec<(Arc<str>, Report, crate::statuses::Stored)>),
    /// A group's status has been written, or cannot be.
    GroupTold(Arc<GroupName>),
    /// Conditions have been written, or cannot be.
    Told(Vec<Arc<str>>),
    /// A pod that somebody asked about has been looked for in the store.
    Found(Asked, Option<Arc<Entry>>),
}

/// What somebody asks about a pod that the cache does not know: it may have been created a moment ago.
#[derive(Debug)]
enum Asked {
    /// To bind it.
    Order(BindOrder),
    /// Why it is where it is.
    Question(ExplainRequest),
}

/// What is to be tried again at some time.
#[derive(Debug)]
enum Again {
    /// Offer pods to their replica, together.
    Offer(Vec<Arc<str>>),
    /// See who can decide on a pod now.
    Examine(Arc<str>),
    /// Claim the host that a pod names itself.
    Pinned(Arc<str>),
    /// Append bindings whose append could not be done, or whose outcome is unknown.
    Append(Vec<ClaimId>),
    /// Tell a claim's victims to stop, of which some could not be told.
    Preempt(ClaimId),
    /// See whether a claim still waits for its victims.
    Waiting(ClaimId),
}

/// What the actor is made of.
pub(crate) struct Parts {
    pub(crate) identity: Identity,
    pub(crate) registry: Registry,
    pub(crate) ids: Arc<Ids>,
    pub(crate) metrics: Metrics,
    pub(crate) schedulers: Vec<String>,
    pub(crate) ledgers: Vec<Arc<str>>,
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) binder: mpsc::Receiver<BindOrder>,
    pub(crate) explainer: mpsc::Receiver<ExplainRequest>,
}

/// The partition's state.
pub(crate) struct Actor {
    identity: Identity,
    registry: Registry,
    ids: Arc<Ids>,
    metrics: Metrics,
    profiles: FxHashSet<Arc<str>>,
    inputs: mpsc::Receiver<Input>,
    binder: mpsc::Receiver<BindOrder>,
    explainer: mpsc::Receiver<ExplainRequest>,

    /// Whether the store's history has been told to the end once.
    in_sync: bool,
    /// While it is told anew: pods that it has not told of yet.
    unseen: FxHashSet<Arc<str>>,
    pods: Pods,
    groups: Groups,
    classes: Classes,
    bindings: Bindings,
    namespaces: Namespaces,

    assignment: Assignment,
    ties: Ties,
    sessions: FxHashMap<SessionId, Session>,
    last_offer: u64,

    ledgers: Vec<Ledger>,
    claims: Claims<Attempt>,
    /// Accepted claims to be appended, together where they belong together.
    appends: HashMap<Tenant, Vec<ClaimId>>,
    /// The same of groups, each by one append.
    group_appends: Vec<Vec<ClaimId>>,
    /// Whether the last append could not be done.
    appends_fail: bool,
    again: BTreeMap<(Duration, u64), Again>,
    last_again: u64,

    statuses: Writes<Report>,
    conditions: Writes<Said>,
    events: Events,
    explaining: Explaining,
    work: JoinSet<Done>,
}

impl Actor {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { identity, registry, metrics, schedulers, ledgers, ids, inputs, binder, explainer } =
            parts;
        let claims = Claims::new(identity.name.clone(), identity.epoch);
        let ledgers = ledgers.into_iter().map(|name| Ledger::new(name, &registry)).collect();
        let events = Events::new(RecorderOptions {
            registry: registry.clone(),
            clock: identity.clock.clone(),
            ids: ids.clone(),
            instance: Some(identity.name.clone()),
            counts: metrics.events.clone(),
        });
        Self {
            identity,
            registry,
            ids,
            metrics,
            profiles: schedulers.into_iter().map(Into::into).collect(),
            inputs,
            binder,
            explainer,
            in_sync: false,
            unseen: FxHashSet::default(),
            pods: Pods::default(),
            groups: Groups::default(),
            classes: Classes::default(),
            bindings: Bindings::default(),
            namespaces: Namespaces::default(),
            assignment: Assignment::default(),
            ties: Ties::default(),
            sessions: FxHashMap::default(),
            last_offer: 0,
            ledgers,
            claims,
            appends: HashMap::new(),
            group_appends: Vec::new(),
            appends_fail: false,
            again: BTreeMap::new(),
            last_again: 0,
            statuses: Writes::new(STATUSES_UNDER_WAY, STATUSES_WAITING),
            conditions: Writes::new(CONDITIONS_UNDER_WAY, CONDITIONS_WAITING),
            events,
            explaining: Explaining::default(),
            work: JoinSet::new(),
        }
    }

    /// Runs until told to stop, until nobody is left to tell it anything, or until another process has taken the partition
    /// over. What is being written then is finished.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let (clock, registry) = (self.identity.clock.clone(), self.registry.clone());
        let mut deposed = pin!(registry.deposed(Home::Tenants));
        loop {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                _ = &mut stop => break,
                error = &mut deposed => {
                    tracing::error!(%error, "this tenant partition has been taken over or closed: ending");
                    break;
                }
                Some(done) = self.work.join_next() => self.done(done),
                input = self.inputs.recv() => match input {
                    Some(input) => self.input(input),
                    None => break,
                },
                Some(order) = self.binder.recv(), if self.in_sync => self.bind_order(order),
                Some(question) = self.explainer.recv() => self.explain(question),
                () = sleep(&*clock, wake) => {}
            }
            self.take_more();
            self.tick();
            self.flush();
        }
        self.finish().await;
    }

    /// Takes in what else is there already, so that what follows from it is sent and written together. People get their
    /// turn whatever else goes on.
    fn take_more(&mut self) {
        for _ in 0..BATCH {
            if let Some(done) = self.work.try_join_next() {
                self.done(done);
            } else if let Ok(input) = self.inputs.try_recv() {
                self.input(input);
            } else {
                break;
            }
        }
        if self.in_sync
            && let Ok(order) = self.binder.try_recv()
        {
            self.bind_order(order);
        }
        if let Ok(question) = self.explainer.try_recv() {
            self.explain(question);
        }
    }

    /// Ends: appends under way are waited for, since they decide, and what they decided is told.
    async fn finish(mut self) {
        while let Some(done) = self.work.join_next().await {
            self.done(done);
        }
        self.events.finish().await;
        self.say_goodbye("the partition is shutting down");
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Changes(changes) => self.changes(changes),
            Input::Restart(answer) => self.restart(answer),
            Input::ReplicaJoined { session, name, outlet } => self.replica_joined(session, name, outlet),
            Input::Replica { session, message } => self.replica_message(session, message),
            Input::ReplicaTook { session } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.outlet.taken(self.identity.clock.now());
                }
            }
            Input::ReplicaLeft { session } => self.replica_left(session),
            Input::LedgerUp { ledger, link, epoch, outlet } => self.ledger_up(ledger, link, epoch, outlet),
            Input::Ledger { ledger, link, message } => self.ledger_message(ledger, link, message),
            Input::LedgerTook { ledger, link } => self.ledger_took(ledger, link),
            Input::LedgerDown { ledger, link } => self.ledger_down(ledger, link),
        }
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Appended(results)) => self.appended(results),
            Ok(Done::GroupAppended(results)) => self.group_appended(results),
            Ok(Done::Preempted { claim, stopped, is_whole }) => self.preempted(claim, stopped, is_whole),
            Ok(Done::Victims(session, parts)) => self.tell_victims(session, parts),
            Ok(Done::Fenced { ledger, link, epoch, result }) => self.fenced(ledger, link, epoch, result),
            Ok(Done::Reported(reports)) => self.reported(reports),
            Ok(Done::GroupTold(group)) => self.groups.written(group),
            Ok(Done::Told(pods)) => pods.iter().for_each(|pod| self.conditions.done(pod)),
            Ok(Done::Found(Asked::Order(order), entry)) => self.bind_found(order, entry),
            Ok(Done::Found(Asked::Question(question), entry)) => self.explain_found(question, entry),
            // Whatever it was about stays as it is: a claim in Writing keeps its room, a status is reported again.
            Err(error) => tracing::error!(%error, "work of the tenant partition died"),
        }
    }

    /// Looks for a pod in the store.
    fn look(&mut self, tenant: &Tenant, namespace: &str, name: &str, asked: Asked) {
        let (registry, tenant) = (self.registry.clone(), tenant.clone());
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.work.spawn(async move {
            let found = registry.stored(&tenant, meridian_schema::pod(), &namespace, &name).await;
            Done::Found(asked, found.ok())
        });
    }

    fn now(&self) -> Duration {
        self.identity.clock.now()
    }

    fn later(&mut self, wait: Duration, what: Again) {
        self.last_again += 1;
        self.again.insert((self.now() + wait, self.last_again), what);
    }

    /// When something is due if nothing happens before.
    fn next_wake(&self) -> Option<Duration> {
        let again = self.again.first_key_value().map(|((at, _), _)| *at);
        let stalls = self.sessions.values().filter_map(|session| session.outlet.stalls_at());
        let stalls = stalls.chain(self.ledgers.iter().filter_map(Ledger::stalls_at)).min();
        [self.claims.next_deadline(), again, stalls].into_iter().flatten().min()
    }

    fn tick(&mut self) {
        let now = self.now();
        self.expire_claims(now);
        while let Some(entry) = self.again.first_entry() {
            if entry.key().0 > now {
                break;
            }
            match entry.remove() {
                Again::Offer(uids) => uids.iter().for_each(|uid| self.offer(uid)),
                Again::Examine(uid) => self.examine(&uid),
                Again::Pinned(uid) => self.claim_pinned(&uid),
                Again::Append(claims) => self.append_together(claims),
                Again::Preempt(claim) => self.preempt_again(&claim),
                Again::Waiting(claim) => self.waited(&claim),
            }
        }
        self.close_stalled(now);
    }

    /// Gives away the work and sends the messages that came together.
    fn flush(&mut self) {
        self.submit_appends();
        self.submit_statuses();
        self.submit_conditions();
        self.forget_classes();
        self.regroup();
        self.ask_leaders();
        self.fill_sessions();
        self.fill_ledgers();
        self.metrics.pending.set(i64::try_from(self.pods.len()).unwrap_or(i64::MAX));
    }
}

async fn sleep(clock: &dyn Clock, until: Option<Duration>) {
    match until {
        Some(until) => clock.wait_until(until).await,
        None => std::future::pending().await,
    }
}

/// The first `most` of what waits in a queue.
fn drain_front<T>(queue: &mut VecDeque<T>, most: usize) -> Vec<T> {
    let size = queue.len().min(most);
    queue.drain(..size).collect()
}
