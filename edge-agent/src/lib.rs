//! The agent of a host: link, local state, runtimes.
//!
//! One [`Agent`] serves one host. It opens the host's one link to its host partition, receives over it what the host should
//! run, runs it, and tells what became of it:
//!
//! - [`duty`] holds the rules that the agent obeys, as a state machine without I/O. What must be durable before something
//!   is done comes out of it in that order, as a [`duty::Step`];
//! - [`LocalStore`] makes it durable: one file for all agents of a process, written by one thread that commits in groups;
//! - a simulated runtime runs the pods: they take time, as [`Delays`] says, and have the statuses that Kubernetes' clients
//!   expect;
//! - [`SimulatedHosts`] runs many agents in one process, as a region without machines, and can make their hosts fail.
//!
//! Cut off from its partition, an agent goes on with what it has. Killed at any point, it loses nothing that it has
//! acknowledged, starts nothing twice and starts nothing again that it has recorded as stopped.

#![forbid(unsafe_code)]

mod agent;
mod chance;
pub mod duty;
mod hosts;
mod outbox;
mod pod;
mod runtime;
mod state;
mod status;

pub use self::agent::{Agent, AgentError, AgentOptions, Condition, HostCondition};
pub use self::hosts::{
    HostFault, HostShape, HostsError, Progress, SimulatedHosts, SimulatedHostsOptions, UnknownHost,
};
pub use self::runtime::{Delays, HostAddresses};
pub use self::state::{LocalState, LocalStore, StateError};
