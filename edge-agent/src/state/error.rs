//! What can be wrong with local state.

use std::io;
use std::sync::Arc;

use redb::{DatabaseError, StorageError};

/// Why local state could not be opened, read or written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another process has the file.
    #[error("local state {path} is in use by another process: stop that one, or name another file")]
    InUse {
        /// The file.
        path: String,
    },
    /// The file cannot be opened.
    #[error("opening local state {path}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        source: Arc<redb::Error>,
    },
    /// A newer version wrote it.
    #[error(
        "local state {path} was written in format {found}, and this version knows formats up to {known}: \
         run the version that wrote it, or a newer one"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its format.
        found: u8,
        /// The newest known here.
        known: u8,
    },
    /// A record is not what was written.
    #[error(
        "local state {path} is damaged: {record} {problem}. Without it nobody can say what ran here: put back the file, or \
         remove it, and the host comes anew"
    )]
    Corrupt {
        /// The file.
        path: String,
        /// Which record.
        record: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file cannot be read or written.
    #[error("{operation} local state {path}")]
    Storage {
        /// `reading` or `writing`.
        operation: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: Arc<redb::Error>,
    },
    /// The thread that writes could not be started.
    #[error("starting the thread that writes local state {path}")]
    Thread {
        /// The file.
        path: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The thread that writes is gone.
    #[error("local state {path} is closed: its writer has ended")]
    Closed {
        /// The file.
        path: String,
    },
}

impl StateError {
    pub(super) fn opening(path: &str, error: DatabaseError) -> Self {
        let path = path.to_owned();
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse { path },
            DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                Self::Corrupt {
                    path,
                    record: "the file".to_owned(),
                    problem: "is no database of local state",
                }
            }
            error => Self::Open { path, source: Arc::new(error.into()) },
        }
    }
}
