//! What an agent keeps durably, as values, and the changes to it.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The unique id of a pod.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodUid(Arc<str>);

impl PodUid {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PodUid {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Borrow<str> for PodUid {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is recorded of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PodState {
    /// It is to run, or has run; its end is not known.
    Running,
    /// It has been told to stop; its end is not known.
    Stopping {
        /// How many seconds it was given.
        grace_seconds: u32,
    },
    /// Its last process is gone and none will be started: for ever.
    Stopped,
}

/// How far an agent has followed a host partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The partition.
    pub partition: Arc<str>,
    /// Its epoch, which its numbers belong to.
    pub epoch: u64,
    /// The number of the last change that is durable.
    pub number: u64,
}

/// What is recorded of the host itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostRecord {
    /// The highest epoch of a host partition that was ever obeyed.
    pub highest_epoch: u64,
    /// How often the host has come with an empty store, as its partition counts; 0: it has not been told yet.
    pub incarnation: u64,
    /// How far desired state has been followed; none: all of it is to be said again.
    pub position: Option<Position>,
}

/// All that is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Saved {
    /// Of the host.
    pub host: HostRecord,
    /// Of each pod that is not forgotten.
    pub pods: BTreeMap<PodUid, PodState>,
}

impl Saved {
    /// Carries out a change.
    pub fn apply(&mut self, write: &Write) {
        match write {
            Write::Host(record) => self.host = record.clone(),
            Write::Pod { uid, state } => {
                self.pods.insert(uid.clone(), *state);
            }
            Write::Forget { uid } => {
                self.pods.remove(uid);
            }
            Write::Clear => *self = Self::default(),
        }
    }
}

/// A change to what is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Record this of the host.
    Host(HostRecord),
    /// Record this of a pod.
    Pod {
        /// Which.
        uid: PodUid,
        /// What.
        state: PodState,
    },
    /// Keep nothing of a pod.
    Forget {
        /// Which.
        uid: PodUid,
    },
    /// Keep nothing at all.
    Clear,
}
