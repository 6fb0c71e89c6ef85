//! What can go wrong, and what would be right.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Epoch, LeaseId, Revision, TenantRevision};

/// An error of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation on a file failed.
    #[error("{action} {path}")]
    Io {
        /// What was being done: "opening", "syncing".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Another process holds the data directory.
    #[error(
        "data directory {path} is in use by process {process}: stop that process or choose another directory"
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// The process id that the other one left.
        process: String,
    },
    /// A file does not hold what was acknowledged as written to it. Nothing was changed.
    #[error("{path} is corrupt at offset {offset}: {what}; restore the data directory from a backup")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What was found, and what would be right.
        what: String,
    },
    /// A file was written by a newer program.
    #[error(
        "{path} has format version {found}, and this program reads up to version {supported}: run a newer one"
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        supported: u32,
    },
    /// No room for the transaction in the log. It was not written; once there is room, writing goes on.
    #[error("no room for the log at {path}: free space on its disk")]
    DiskFull {
        /// The file that could not be made.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An earlier write failed, so what the disk holds is unknown. Nothing is acknowledged until the store is reopened.
    #[error("the store stopped writing after a failure ({cause}): mend the disk and restart")]
    Poisoned {
        /// The failure.
        cause: String,
    },
    /// The revision asked for is no longer kept.
    #[error("revision is compacted: history is kept after revision {compacted}")]
    Compacted {
        /// Reads are possible at this revision and later, watches after it.
        compacted: Revision,
    },
    /// The revision asked for is not reached yet.
    #[error("revision {asked} is in the future: the partition stands at {current}")]
    FutureRevision {
        /// The revision asked for.
        asked: Revision,
        /// Where the partition stands.
        current: Revision,
    },
    /// The tenant's revision asked for is no longer kept.
    #[error("revision is compacted: history is kept after revision {compacted}")]
    TenantCompacted {
        /// As in [`Error::Compacted`], in the tenant's own numbers.
        compacted: TenantRevision,
    },
    /// The tenant's revision asked for is not reached yet.
    #[error("revision {asked} is in the future: the tenant stands at {current}")]
    TenantFuture {
        /// The revision asked for.
        asked: TenantRevision,
        /// Where the tenant stands.
        current: TenantRevision,
    },
    /// Another writer has taken the partition over.
    #[error("writer epoch {epoch} is over: the partition is written to under epoch {current}")]
    Fenced {
        /// The epoch of this writer.
        epoch: Epoch,
        /// The epoch that counts.
        current: Epoch,
    },
    /// No such lease, or no longer, or of another tenant.
    #[error("lease {id} does not exist: grant a new one")]
    LeaseNotFound {
        /// The lease.
        id: LeaseId,
    },
    /// Something is larger than the store takes.
    #[error("{what} is {size}, more than the limit of {limit}")]
    TooLarge {
        /// What: "a key", "a value".
        what: &'static str,
        /// Its size.
        size: usize,
        /// The most that is taken.
        limit: usize,
    },
    /// A request that makes no sense.
    #[error("{what}")]
    Invalid {
        /// What is wrong with it, and what would be right.
        what: String,
    },
    /// A transaction of one tenant that touches another's keys.
    #[error("a transaction of tenant {tenant} may not touch {key}")]
    ForeignTenant {
        /// The transaction's tenant.
        tenant: String,
        /// The key or range.
        key: String,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// etcd did not answer as it should. For a write: it may or may not have happened.
    #[error("etcd: {what}")]
    Etcd {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), offset, what: what.into() }
    }
}

/// An error with all of its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line = format!("{line}: {cause}");
        next = cause.source();
    }
    line
}
