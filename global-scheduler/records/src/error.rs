//! Why something was not stored or not read.

use std::fmt;

use meridian_global_world::{Problem, Violation};
use meridian_store::Revision;

/// What has versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The world that is planned for.
    World,
    /// The plan that was committed last.
    Plan,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::World => "world",
            Self::Plan => "plan",
        })
    }
}

/// An error of the records. Where it is not [`Error::Store`], nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody else wrote in between.
    #[error("{kind} has version {present}, not {expected}: read it again and decide anew")]
    Conflict {
        /// What has another version.
        kind: Kind,
        /// The version that the caller knew; 0: none.
        expected: u64,
        /// The version it has; 0: none.
        present: u64,
    },
    /// The world or the event means nothing.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The plan breaks rules of the world it is for.
    #[error("the plan breaks {} rules of its world, first: {}", .0.len(), First(.0))]
    Infeasible(Vec<Violation>),
    /// There is no world to plan for.
    #[error("there is no world: put one first")]
    NoWorld,
    /// World or plan is larger than the store takes.
    #[error("{kind} takes {size} bytes {form}, want at most {limit}")]
    TooLarge {
        /// What is too large.
        kind: Kind,
        /// As what: compressed, or as JSON.
        form: &'static str,
        /// Its size.
        size: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// What is stored is not what this program writes.
    #[error(
        "the stored {kind} cannot be read ({what}): restore the data directory, or run the program that wrote it"
    )]
    Unreadable {
        /// What it should be.
        kind: Kind,
        /// What was found.
        what: String,
    },
    /// A watch cannot go on from there: plans after it are no longer kept. Read the state and watch from its revision.
    #[error(
        "history is kept after revision {compacted}: read the present plan and watch from its state's revision"
    )]
    Compacted {
        /// Watches are possible after this revision.
        compacted: Revision,
    },
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopping,
    /// The store failed. For a write: see [`meridian_store::Store::txn`] for when it may have happened.
    #[error(transparent)]
    Store(meridian_store::Error),
}

impl From<meridian_store::Error> for Error {
    fn from(error: meridian_store::Error) -> Self {
        match error {
            meridian_store::Error::Compacted { compacted } => Self::Compacted { compacted },
            error => Self::Store(error),
        }
    }
}

struct First<'a>(&'a [Violation]);

impl fmt::Display for First<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.first().map_or(Ok(()), |violation| violation.fmt(f))
    }
}
