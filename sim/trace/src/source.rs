//! Files, and the order of what is read from them.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::error::TraceError;
use crate::row::TracePod;

/// In which order a reader that holds all pods hands them out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodOrder {
    /// As in the file, for experiments that place pods one after another without a clock.
    File,
    /// By arrival, and as in the file among those that arrive together: what a simulation wants.
    #[default]
    Arrival,
}

impl PodOrder {
    /// Brings pods that are in the order of the file into this order.
    pub(crate) fn apply(self, pods: &mut [TracePod]) {
        match self {
            Self::File => {}
            Self::Arrival => pods.sort_by_key(|pod| pod.arrival_ms),
        }
    }
}

pub(crate) fn open(path: &Path) -> Result<File, TraceError> {
    File::open(path).map_err(|source| TraceError::Open { file: path.display().to_string(), source })
}

pub(crate) fn buffered(path: &Path) -> Result<BufReader<File>, TraceError> {
    open(path).map(|file| BufReader::with_capacity(64 * 1024, file))
}
