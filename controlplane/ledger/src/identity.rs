//! Names of things that pass between partitions and hosts.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The name of one attempt to bind a pod: made by a tenant partition, never used again, and recorded in the binding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimId {
    /// The tenant partition.
    pub partition: Arc<str>,
    /// Its epoch, `te`.
    pub epoch: u64,
    /// Grows with each claim of one epoch.
    pub sequence: u64,
}

impl ClaimId {
    /// Where the claim stands among those of its partition.
    pub(crate) fn order(&self) -> (u64, u64) {
        (self.epoch, self.sequence)
    }
}

impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.partition, self.epoch, self.sequence)
    }
}

/// The unique id of a pod. A pod is bound at most once in its life.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(Arc<str>);

impl Uid {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Uid {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Borrow<str> for Uid {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a host: given once by its host partition and kept in the host's durable record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostNumber(pub u32);

impl fmt::Display for HostNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
