//! The answer to a watch.

use std::sync::Arc;

use crate::{Entry, Failure};

impl WatchEvent {
    /// As operators see it who look at all tenants.
    pub(crate) fn across(self) -> Self {
        let seen = |entry: Arc<Entry>| Arc::new(entry.across_tenants());
        match self {
            Self::Added(entry) => Self::Added(seen(entry)),
            Self::Modified(entry) => Self::Modified(seen(entry)),
            Self::Deleted(entry) => Self::Deleted(seen(entry)),
            other => other,
        }
    }
}

/// What a watch tells.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// An object appeared, or begins to match.
    Added(Arc<Entry>),
    /// An object changed.
    Modified(Arc<Entry>),
    /// An object is gone, or no longer matches. Its last state, with the resource version of its going.
    Deleted(Arc<Entry>),
    /// Everything up to and with this resource version has been told.
    Bookmark {
        /// The resource version.
        resource_version: u64,
        /// Whether this ends the objects that there were at the start.
        initial_events_end: bool,
    },
    /// The watch ends, for this reason. Nothing follows.
    Error(Failure),
}
