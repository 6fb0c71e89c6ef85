//! The agent of one host: one task, which owns everything.
//!
//! It waits for whichever comes first: a message, room on the link for something to tell, the next thing due in the
//! runtime, or a change of the host's condition. What the rules of [`crate::duty`] answer is carried out at once: their
//! writes are committed, and while that lasts nothing else happens; other agents of the process share the commit.

mod carry;
mod link;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use meridian_environment::Clock;
use meridian_proto::v1::{AgentMessage, LinkMessage};
use meridian_proto::{Backoff, Connector};
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use self::link::{Link, MOST_WAIT};
use self::wait::Woken;
use crate::chance::mix;
use crate::duty::{Duty, PodState, PodUid, Saved, Step};
use crate::outbox::Outbox;
use crate::runtime::{Delays, HostAddresses, SimulatedRuntime};
use crate::state::{Change, LocalState, StateError};

/// What an agent is given.
#[derive(Debug)]
pub struct AgentOptions {
    /// The host's name, which is its Node's.
    pub name: String,
    /// The cell that the host belongs to.
    pub cell: String,
    /// The Node object, as JSON.
    pub node: Bytes,
    /// The host's address and its pods'.
    pub addresses: HostAddresses,
    /// How long simulated pods take.
    pub delays: Delays,
    /// To the host partition.
    pub link: Connector<AgentMessage, LinkMessage>,
    /// What the agent keeps.
    pub state: LocalState,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Chance: of the delays of pods and of waits between attempts to connect.
    pub seed: u64,
    /// What befalls the host; it is well while nobody says otherwise.
    pub condition: watch::Receiver<HostCondition>,
    /// How many agents of the process are registered now, which this one counts itself in.
    pub registered: Arc<watch::Sender<usize>>,
    /// The agent shuts down when this becomes true, or its sender is gone.
    pub shutdown: watch::Receiver<bool>,
}

/// How a simulated host is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Well.
    #[default]
    Healthy,
    /// Without power: nothing runs, and nobody is told. Its containers are gone when it comes back.
    Crashed,
    /// Cut off from its partition. Its pods go on.
    Unlinked,
    /// Slow: whatever is begun takes ten times as long, and a second at least.
    Slow,
}

/// What befalls a simulated host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCondition {
    /// How it is.
    pub condition: Condition,
    /// How often its disk has been wiped and everything on it ended.
    pub wipes: u64,
}

/// Why an agent has given up. Its pods are as they were; a new agent on the same state goes on with them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Without its local state an agent can promise nothing.
    #[error("the agent of host {host} cannot go on")]
    State {
        /// The host.
        host: String,
        /// Why.
        source: StateError,
    },
}

/// What an agent knows of a pod beside the rules and the runtime.
#[derive(Debug)]
struct Known {
    tenant: Box<str>,
    /// The Pod object, until it is stored.
    object: Option<Bytes>,
}

/// The agent of one host.
#[derive(Debug)]
pub struct Agent {
    options: AgentOptions,
    duty: Duty,
    runtime: SimulatedRuntime,
    outbox: Outbox,
    pods: FxHashMap<PodUid, Known>,
    link: Link,
    backoff: Backoff,
    /// Numbers drawn.
    draws: u64,
    /// How often an agent has started on this state.
    starts: u64,
    /// What befell the host last.
    condition: HostCondition,
    /// When the host lost its power, in the runtime's time.
    crashed_at: Option<i64>,
    /// The runtime's time when the clock stood at zero.
    epoch: i64,
}

impl Agent {
    /// An agent that has not begun.
    #[must_use]
    pub fn new(options: AgentOptions) -> Self {
        let runtime = SimulatedRuntime::new(options.addresses, options.delays, options.seed);
        let now = i64::try_from(options.clock.now().as_millis()).unwrap_or(i64::MAX);
        // Read once: a date that is set while the agent runs moves nothing.
        let epoch = options.clock.date().as_millisecond().saturating_sub(now);
        Self {
            duty: Duty::new(Saved::default()),
            runtime,
            outbox: Outbox::default(),
            pods: FxHashMap::default(),
            link: Link::offline(options.clock.now()),
            backoff: Backoff::new(MOST_WAIT),
            draws: 0,
            starts: 0,
            condition: HostCondition::default(),
            crashed_at: None,
            epoch,
            options,
        }
    }

    /// Runs until it is shut down.
    ///
    /// # Errors
    ///
    /// [`AgentError`], when local state cannot be read or written.
    pub async fn run(mut self) -> Result<(), AgentError> {
        let outcome = self.serve().await;
        self.unlink();
        outcome.map_err(|source| AgentError::State { host: self.options.name, source })
    }

    async fn serve(&mut self) -> Result<(), StateError> {
        self.begin().await?;
        self.observe_condition().await?;
        loop {
            let now = self.options.clock.now();
            self.run_due(now).await?;
            match self.wait(now).await {
                Woken::Shutdown => {
                    self.say_goodbye("the agent is shutting down").await;
                    return Ok(());
                }
                Woken::Condition => self.observe_condition().await?,
                Woken::Opened(opened) => self.opened(opened),
                Woken::Message(Some(message)) => self.receive(message).await?,
                Woken::Message(None) | Woken::LinkGone => self.lost("the host partition ended the link"),
                Woken::Room => self.send(),
                Woken::Due => {}
            }
        }
    }

    /// Takes up what was kept.
    async fn begin(&mut self) -> Result<(), StateError> {
        let loaded = self.options.state.load().await?;
        let now = self.time();
        let mut saved = Saved { host: loaded.host.record, ..Saved::default() };
        for pod in loaded.pods {
            if !pod.record.runtime.is_empty() {
                self.runtime.restore(&pod.uid, &pod.object, &pod.record.runtime, now);
            }
            self.pods.insert(pod.uid.clone(), Known { tenant: pod.record.tenant.into(), object: None });
            saved.pods.insert(pod.uid, pod.record.state);
        }
        self.starts = loaded.host.starts.saturating_add(1);
        self.outbox = Outbox::new(self.starts);
        self.duty = Duty::new(saved);
        // Recorded before anything is numbered.
        self.options.state.commit(vec![Change::Host(self.host_state())]).await?;
        let found = self.runtime.started().cloned().collect();
        let step = self.duty.begin(&found);
        self.carry_out(step).await?;
        // What ended while nobody looked.
        let ended = self.runtime.started().filter(|uid| self.runtime.has_ended(uid)).cloned();
        let ended: Vec<PodUid> = ended.collect();
        let mut step = Step::default();
        for uid in ended {
            step.append(self.duty.ended(&uid));
        }
        self.carry_out(step).await
    }

    /// Lets everything happen that is due.
    async fn run_due(&mut self, now: Duration) -> Result<(), StateError> {
        if self.crashed_at.is_none() {
            let time = self.time();
            if self.runtime.next().is_some_and(|at| at <= time) {
                let events = self.runtime.run_due(time);
                self.happened(events).await?;
            }
        }
        self.tend_link(now);
        Ok(())
    }

    /// Notes what became of the host.
    async fn observe_condition(&mut self) -> Result<(), StateError> {
        let new = *self.options.condition.borrow_and_update();
        let old = std::mem::replace(&mut self.condition, new);
        if new.wipes != old.wipes {
            self.unlink();
            self.runtime.wipe();
            self.pods.clear();
            self.crashed_at = None;
            self.options.state.commit(vec![Change::Clear]).await?;
            self.begin().await?;
        }
        self.runtime.set_slow(new.condition == Condition::Slow);
        match new.condition {
            Condition::Crashed if self.crashed_at.is_none() => {
                let time = self.time();
                let events = self.runtime.run_due(time);
                self.happened(events).await?;
                self.crashed_at = Some(time);
                self.unlink();
            }
            Condition::Unlinked => self.unlink(),
            _ => {}
        }
        if new.condition != Condition::Crashed
            && let Some(lost) = self.crashed_at.take()
        {
            let events = self.runtime.reboot(self.time(), lost);
            self.happened(events).await?;
            self.store_accounts().await?;
        }
        if matches!(old.condition, Condition::Crashed | Condition::Unlinked) {
            self.backoff.succeeded();
        }
        Ok(())
    }

    /// Whether the host can reach its partition.
    fn may_link(&self) -> bool {
        !matches!(self.condition.condition, Condition::Crashed | Condition::Unlinked)
            && self.duty.may_register()
    }

    /// A number drawn by chance.
    fn draw(&mut self) -> u64 {
        self.draws += 1;
        mix(self.options.seed, self.draws)
    }

    /// The runtime's time: milliseconds since 1970.
    fn time(&self) -> i64 {
        let now = i64::try_from(self.options.clock.now().as_millis()).unwrap_or(i64::MAX);
        self.epoch.saturating_add(now)
    }

    /// When the clock will have reached a time of the runtime's.
    fn reached(&self, time: i64) -> Duration {
        Duration::from_millis(u64::try_from(time.saturating_sub(self.epoch)).unwrap_or_default())
    }

    fn is_stopped(&self, uid: &PodUid) -> bool {
        self.duty.saved().pods.get(uid) == Some(&PodState::Stopped)
    }
}
