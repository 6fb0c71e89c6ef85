//! What can go wrong while a report is written to disk.

use std::{io, path::PathBuf};

/// A failed write. Rendering to a string cannot fail; only files can.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder for the files could not be made.
    #[error("making the folder {}", path.display())]
    MakeFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The temporary file beside the final one could not be made.
    #[error("making {}", path.display())]
    Create {
        /// The temporary file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The rows could not be encoded or written.
    #[error("writing {}", path.display())]
    Write {
        /// The temporary file.
        path: PathBuf,
        /// What the encoder said; a full disk shows up here too.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// The bytes could not be brought to the disk.
    #[error("syncing {}", path.display())]
    Sync {
        /// The temporary file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The finished temporary file could not take its final name.
    #[error("renaming {} to {}", from.display(), to.display())]
    Rename {
        /// The temporary file.
        from: PathBuf,
        /// The final name.
        to: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
