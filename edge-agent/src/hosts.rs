//! Hosts without machines: many agents in one process, and faults for them.

mod node;
mod shape;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use meridian_environment::{Clock, Ids};
use meridian_proto::Connector;
use meridian_proto::v1::{AgentMessage, LinkMessage};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::shape::HostShape;

use crate::agent::{Agent, AgentOptions, Condition, HostCondition};
use crate::chance::mix;
use crate::runtime::{Delays, HostAddresses};
use crate::state::LocalStore;

/// What simulated hosts are made of.
#[derive(Debug)]
pub struct SimulatedHostsOptions {
    /// How many.
    pub count: u32,
    /// What their names begin with; a number follows.
    pub name_prefix: String,
    /// The region, and the cell that the hosts belong to.
    pub cell: String,
    /// How many zones they are spread over.
    pub zones: u32,
    /// Kinds of machines.
    pub shapes: Vec<HostShape>,
    /// How long their pods take.
    pub delays: Delays,
    /// To the host partition.
    pub link: Connector<AgentMessage, LinkMessage>,
    /// Where the agents keep their state.
    pub store: LocalStore,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Chance of what may differ from run to run: waits and delays.
    pub ids: Arc<Ids>,
    /// What the hosts follow from: the same seed makes the same hosts, and the first of many are those of few.
    pub seed: u64,
}

/// Why there are no such hosts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostsError {
    /// More than can be told apart.
    #[error(
        "{count} simulated hosts are too many: want at most {most}, which is how many address ranges there are"
    )]
    TooMany {
        /// How many were asked for.
        count: u32,
        /// How many there can be.
        most: u32,
    },
    /// Nothing to make hosts like.
    #[error("there is no kind of machine with a weight above 0 to make hosts of: want one at least")]
    NoShapes,
    /// Hosts stand in zones.
    #[error("hosts cannot be spread over 0 zones: want 1 or more")]
    NoZones,
    /// The name of the first host is none.
    #[error(
        "{name:?} is no name for a host: want at most 63 of a-z, 0-9 and -, which begin and end with a letter or digit"
    )]
    Name {
        /// The name.
        name: String,
    },
}

/// There is no such host.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no simulated host {name:?}")]
pub struct UnknownHost {
    /// The name asked for.
    pub name: String,
}

/// What can befall a simulated host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostFault {
    /// It loses its power until it recovers; its containers are gone then, and made again.
    Crash,
    /// It loses its link until it recovers. Its pods go on.
    LinkDown,
    /// It is slow until it recovers: what is begun takes ten times as long, and a second at least.
    Slow,
    /// It comes anew, with an empty disk, at once.
    Wipe,
}

/// How many hosts there are, and how many are registered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// With a link on which the partition has taken them in.
    pub registered: usize,
    /// In all.
    pub hosts: usize,
}

/// Agents of hosts without machines. Dropped, they end as in a crash; [`SimulatedHosts::shutdown`] lets them say goodbye.
#[derive(Debug)]
pub struct SimulatedHosts {
    name_prefix: String,
    conditions: Vec<watch::Sender<HostCondition>>,
    registered: Arc<watch::Sender<usize>>,
    shutdown: watch::Sender<bool>,
    agents: JoinSet<()>,
}

impl SimulatedHosts {
    /// Starts the hosts' agents. They connect by themselves; see [`SimulatedHosts::registered`].
    ///
    /// # Errors
    ///
    /// [`HostsError`].
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn start(options: SimulatedHostsOptions) -> Result<Self, HostsError> {
        check(&options)?;
        let registered = Arc::new(watch::Sender::new(0));
        let (shutdown, shutting_down) = watch::channel(false);
        let mut agents = JoinSet::new();
        let mut conditions = Vec::with_capacity(options.count as usize);
        // One draw: what follows for a host does not depend on how many others there are.
        let chance = options.ids.seed();
        for number in 0..options.count {
            let (condition, observed) = watch::channel(HostCondition::default());
            let name = name(&options.name_prefix, number);
            let addresses = HostAddresses::of(number);
            let agent = Agent::new(AgentOptions {
                cell: options.cell.clone(),
                node: node::node(&options, number, &name, addresses),
                addresses,
                delays: options.delays,
                link: options.link.clone(),
                state: options.store.host(&name),
                clock: options.clock.clone(),
                seed: mix(chance, number.into()),
                condition: observed,
                registered: registered.clone(),
                shutdown: shutting_down.clone(),
                name,
            });
            agents.spawn(async move {
                if let Err(error) = agent.run().await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a simulated host's agent has ended"
                    );
                }
            });
            conditions.push(condition);
        }
        Ok(Self { name_prefix: options.name_prefix, conditions, registered, shutdown, agents })
    }

    /// The hosts' names, in order.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        (0..).take(self.conditions.len()).map(|number| name(&self.name_prefix, number))
    }

    /// How many hosts are registered now.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { registered: *self.registered.borrow(), hosts: self.conditions.len() }
    }

    /// How many hosts are registered, as it changes.
    #[must_use]
    pub fn registered(&self) -> watch::Receiver<usize> {
        self.registered.subscribe()
    }

    /// Makes a host fail.
    ///
    /// # Errors
    ///
    /// [`UnknownHost`].
    pub fn fail(&self, host: &str, fault: HostFault) -> Result<(), UnknownHost> {
        self.condition(host)?.send_modify(|condition| match fault {
            HostFault::Crash => condition.condition = Condition::Crashed,
            HostFault::LinkDown => condition.condition = Condition::Unlinked,
            HostFault::Slow => condition.condition = Condition::Slow,
            HostFault::Wipe => {
                condition.wipes += 1;
                condition.condition = Condition::Healthy;
            }
        });
        Ok(())
    }

    /// Makes a host well.
    ///
    /// # Errors
    ///
    /// [`UnknownHost`].
    pub fn recover(&self, host: &str) -> Result<(), UnknownHost> {
        self.condition(host)?.send_modify(|condition| condition.condition = Condition::Healthy);
        Ok(())
    }

    /// Ends all agents, each with a goodbye. What ran goes on when they are started again.
    pub async fn shutdown(mut self) {
        self.shutdown.send_replace(true);
        while let Some(ended) = self.agents.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a simulated host's agent panicked");
            }
        }
    }

    fn condition(&self, host: &str) -> Result<&watch::Sender<HostCondition>, UnknownHost> {
        let number = host.strip_prefix(&self.name_prefix).and_then(|rest| rest.strip_prefix('-'));
        let number: Option<u32> = number.and_then(|number| number.parse().ok());
        number
            .filter(|number| name(&self.name_prefix, *number) == host)
            .and_then(|number| self.conditions.get(number as usize))
            .ok_or_else(|| UnknownHost { name: host.to_owned() })
    }
}

fn name(prefix: &str, number: u32) -> String {
    format!("{prefix}-{number:05}")
}

fn check(options: &SimulatedHostsOptions) -> Result<(), HostsError> {
    if options.count > HostAddresses::HOSTS {
        return Err(HostsError::TooMany { count: options.count, most: HostAddresses::HOSTS });
    }
    if options.shapes.iter().all(|shape| shape.weight == 0) {
        return Err(HostsError::NoShapes);
    }
    if options.zones == 0 {
        return Err(HostsError::NoZones);
    }
    let name = name(&options.name_prefix, HostAddresses::HOSTS);
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_name = name.len() <= 63
        && name.bytes().next().is_some_and(is_plain)
        && name.bytes().all(|byte| is_plain(byte) || byte == b'-');
    if is_name { Ok(()) } else { Err(HostsError::Name { name: self::name(&options.name_prefix, 0) }) }
}
