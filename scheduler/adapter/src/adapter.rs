//! The adapter put together: who runs, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::Client;
use meridian_engine::ProfileError;
use meridian_environment::{Clock, Ids};
use meridian_kubernetes::SchedulerConfiguration;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::bind::{self, Writer};
use crate::core::{Core, Limits};
use crate::election::Elector;
use crate::evict;
use crate::follow::{Followed, follow};
use crate::metrics::Metrics;
use crate::news::{BindOrder, Change, EvictOrder, Kind, Told};
use crate::pace::Pace;
use crate::serve::{Readiness, serve};
use crate::tell::Teller;

/// How many decisions are made before what has come in meanwhile is looked at.
const BATCH: usize = 64;

/// How many changes may wait to be taken in.
const CHANGES: usize = 4_096;

/// How many preemptions may wait to be carried out, and how many are at a time.
const EVICTIONS: (usize, usize) = (256, 8);

/// How many things may wait to be told. Beyond that, scheduled pods are not told of.
const TOLD: usize = 4_096;

/// What an adapter needs.
pub struct AdapterOptions {
    /// How the API server is reached.
    pub client: Client,
    /// The profiles, each for the pods that name it, and how the process behaves.
    pub configuration: SchedulerConfiguration,
    /// This process' name, unique among those that compete for the lease.
    pub identity: String,
    /// Where metrics and health are served; nowhere without.
    pub listener: Option<TcpListener>,
    /// Where metrics are registered.
    pub metrics: Registry,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of chance.
    pub ids: Arc<Ids>,
}

impl std::fmt::Debug for AdapterOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdapterOptions").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Why an adapter did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// There is no profile.
    #[error("the configuration has no profile, want at least one")]
    NoProfile,
    /// A profile makes no sense.
    #[error("using the configuration")]
    Profile(#[source] ProfileError),
    /// The metrics could not be made.
    #[error("making the metrics")]
    Metrics(#[source] prometheus::Error),
    /// Another scheduler leads now.
    #[error("the lease was lost: another scheduler may lead now, so this one ends")]
    LostLease,
    /// A part ended that should not.
    #[error("a part of the scheduler ended by itself")]
    Ended,
}

/// A scheduler of a Kubernetes cluster, at work.
#[derive(Debug)]
pub struct Adapter {
    end: watch::Sender<bool>,
    scheduling: JoinHandle<()>,
    leading: JoinHandle<()>,
    is_leading: watch::Receiver<Leading>,
    others: Vec<JoinHandle<()>>,
    address: Option<SocketAddr>,
}

/// Where this process stands in the election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leading {
    Waiting,
    Leads,
    Lost,
}

impl Adapter {
    /// Starts an adapter on the current runtime. It follows the cluster at once, and schedules when it leads.
    ///
    /// # Errors
    ///
    /// A configuration that makes no sense.
    pub fn start(options: AdapterOptions) -> Result<Adapter, AdapterError> {
        let AdapterOptions { client, configuration, identity, listener, metrics: registry, clock, ids } =
            options;
        let metrics = Metrics::new(&registry).map_err(AdapterError::Metrics)?;
        let process = configuration.process;
        let (first, others) = configuration.profiles.split_first().ok_or(AdapterError::NoProfile)?;
        let at_once = process.parallelism as usize;
        let limits = Limits {
            initial_backoff: process.initial_backoff,
            max_backoff: process.max_backoff,
            // So many are decided ahead that those who bind never wait for a decision.
            binding: at_once.saturating_mul(4).max(BATCH),
        };
        let core = Core::new(first, others, &configuration.without_preemption, limits, metrics.clone())
            .map_err(AdapterError::Profile)?;
        let connection = &process.client_connection;
        let pace = Pace::new(connection.qps, connection.burst, clock.clone());
        let writer = Writer { client: client.clone(), pace: Arc::new(pace), metrics: metrics.clone() };

        let (end, ended) = watch::channel(false);
        let (leads, is_leading) = watch::channel(Leading::Waiting);
        let followed = Arc::new(Followed::default());
        let is_synced = Arc::new(AtomicBool::new(false));
        let (changes, incoming) = mpsc::channel(CHANGES);
        let (orders, to_bind) = mpsc::channel(limits.binding);
        let (told, to_tell) = mpsc::channel(TOLD);

        let mut tasks = Vec::new();
        for kind in [Kind::Hosts, Kind::Pods, Kind::Budgets] {
            let (changes, followed) = (changes.clone(), followed.clone());
            tasks.push(tokio::spawn(follow(client.clone(), kind, changes, followed, metrics.clone())));
        }
        let (evictions, to_evict) = mpsc::channel(EVICTIONS.0);
        let evicting = evict::carry_out(writer.clone(), to_evict, changes.clone(), EVICTIONS.1);
        tasks.push(tokio::spawn(evicting));
        tasks.push(tokio::spawn(bind::carry_out(writer.clone(), to_bind, changes, at_once)));
        let teller = Teller::new(writer.clone(), clock.clone(), identity.clone());
        tasks.push(tokio::spawn(teller.run(to_tell, at_once)));
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        if let Some(listener) = listener {
            let readiness = readiness(followed, is_synced.clone());
            tasks.push(tokio::spawn(serve(listener, registry, readiness, ended.clone())));
        }
        let scheduling = Scheduling {
            core,
            clock: clock.clone(),
            metrics: metrics.clone(),
            is_synced,
            orders,
            evictions,
            told,
        };
        let scheduling = tokio::spawn(scheduling.run(incoming, is_leading.clone(), ended.clone()));
        let elector = process
            .leader_election
            .leader_elect
            .then(|| Elector::new(writer, process.leader_election, identity, clock, ids));
        let leading = tokio::spawn(lead(elector, leads, metrics, ended));
        Ok(Adapter { end, scheduling, leading, is_leading, others: tasks, address })
    }

    /// Where metrics and health are served.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns when this process leads.
    ///
    /// # Errors
    ///
    /// Why it ended before that.
    pub async fn leads(&mut self) -> Result<(), AdapterError> {
        match self.is_leading.wait_for(|leading| *leading != Leading::Waiting).await {
            Ok(leading) if *leading == Leading::Leads => Ok(()),
            Ok(_) => Err(AdapterError::LostLease),
            Err(_) => Err(AdapterError::Ended),
        }
    }

    /// Returns when the adapter ends by itself; the process should end then.
    ///
    /// # Errors
    ///
    /// Always: why it ended.
    pub async fn ended(&mut self) -> Result<(), AdapterError> {
        tokio::select! {
            lost = self.is_leading.wait_for(|leading| *leading == Leading::Lost) => match lost {
                Ok(_) => Err(AdapterError::LostLease),
                Err(_) => Err(AdapterError::Ended),
            },
            _ = &mut self.scheduling => Err(AdapterError::Ended),
        }
    }

    /// Ends in order: no more decisions, then bindings under way, then the lease is given up.
    pub async fn shutdown(mut self) {
        self.end.send_replace(true);
        if !self.scheduling.is_finished() {
            // It ends well or has panicked, which has been reported.
            let _ = (&mut self.scheduling).await;
        }
        let _ = self.leading.await;
        for task in self.others {
            task.abort();
        }
    }

    /// Ends at once, as if the process had been killed: nothing is finished and nothing given up.
    pub fn kill(self) {
        self.scheduling.abort();
        self.leading.abort();
        for task in self.others {
            task.abort();
        }
    }
}

fn readiness(followed: Arc<Followed>, is_synced: Arc<AtomicBool>) -> Readiness {
    Arc::new(move || match (is_synced.load(Ordering::Relaxed), followed.is_up()) {
        (false, _) => Some("not all nodes and pods have been heard of yet"),
        (true, false) => Some("the API server is not heard of now"),
        (true, true) => None,
    })
}

/// Takes part in the election, if there is one, to the end.
async fn lead(
    elector: Option<Elector>,
    leads: watch::Sender<Leading>,
    metrics: Metrics,
    mut ended: watch::Receiver<bool>,
) {
    const NAME: &str = "kube-scheduler";
    let Some(mut elector) = elector else {
        metrics.set_leader(NAME, true);
        leads.send_replace(Leading::Leads);
        is_over(&mut ended).await;
        return;
    };
    metrics.set_leader(NAME, false);
    tokio::select! {
        () = elector.acquire() => {}
        () = is_over(&mut ended) => return,
    }
    metrics.set_leader(NAME, true);
    leads.send_replace(Leading::Leads);
    let is_lost = tokio::select! {
        () = elector.renew() => true,
        () = is_over(&mut ended) => false,
    };
    metrics.set_leader(NAME, false);
    if is_lost {
        leads.send_replace(Leading::Lost);
    } else {
        elector.release().await;
    }
}

/// The task that owns the core.
struct Scheduling {
    core: Core,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    is_synced: Arc<AtomicBool>,
    orders: mpsc::Sender<BindOrder>,
    evictions: mpsc::Sender<EvictOrder>,
    told: mpsc::Sender<Told>,
}

impl Scheduling {
    async fn run(
        mut self,
        mut incoming: mpsc::Receiver<Change>,
        leading: watch::Receiver<Leading>,
        mut ended: watch::Receiver<bool>,
    ) {
        let mut leads = leading.clone();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let now = self.clock.now();
            let may_decide = *leading.borrow() == Leading::Leads && self.core.is_synced();
            if may_decide {
                let tried = self.core.decide(BATCH, now);
                self.metrics.decided(self.clock.now().saturating_sub(now), tried);
                self.send(now);
            }
            self.core.update_gauges();
            let next = self.core.next_time().filter(|_| may_decide).unwrap_or(Duration::MAX);
            if may_decide && self.core.has_work(now) {
                // What has come in meanwhile is taken in without waiting for more.
                tokio::task::yield_now().await;
                while batch.len() < CHANGES
                    && let Ok(change) = incoming.try_recv()
                {
                    batch.push(change);
                }
                if *ended.borrow() {
                    return self.finish(incoming).await;
                }
            } else {
                tokio::select! {
                    count = incoming.recv_many(&mut batch, CHANGES) => if count == 0 { return },
                    () = wait(&*self.clock, next) => {}
                    _ = leads.changed() => {}
                    () = is_over(&mut ended) => return self.finish(incoming).await,
                }
            }
            let now = self.clock.now();
            for change in batch.drain(..) {
                self.core.take(change, now);
            }
            self.is_synced.store(self.core.is_synced(), Ordering::Relaxed);
        }
    }

    fn send(&mut self, now: Duration) {
        while let Ok(permit) = self.orders.try_reserve() {
            let Some(order) = self.core.next_order() else { break };
            permit.send(order);
        }
        while let Ok(permit) = self.evictions.try_reserve() {
            let Some(order) = self.core.next_eviction() else { break };
            permit.send(order);
        }
        while let Ok(permit) = self.told.try_reserve() {
            let Some(told) = self.core.next_told(now) else { break };
            permit.send(told);
        }
    }

    /// Decides no more, and waits for the bindings that are under way.
    async fn finish(mut self, mut incoming: mpsc::Receiver<Change>) {
        while self.core.is_binding() {
            let Some(change) = incoming.recv().await else { return };
            let now = self.clock.now();
            self.core.take(change, now);
            self.send(now);
        }
    }
}

/// Returns when the adapter is asked to end.
async fn is_over(ended: &mut watch::Receiver<bool>) {
    // The sender is dropped only at the end.
    let _ = ended.wait_for(|ended| *ended).await;
}

async fn wait(clock: &dyn Clock, until: Duration) {
    if until == Duration::MAX {
        std::future::pending::<()>().await;
    }
    clock.wait_until(until).await;
}
