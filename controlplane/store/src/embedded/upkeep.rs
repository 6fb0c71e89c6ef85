//! What is done beside writing, on a thread of its own: snapshots, freeing compacted history, the log's next file.
//!
//! One after the other, so that history a snapshot still needs is not freed under it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};

use super::Shared;
use super::disk::Disk;
use super::layout::Files;
use super::log::Spare;
use super::snapshot;
use super::state::Outline;
use crate::Error;
use crate::error::chain;

/// Something to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Free what the compaction at a revision gave up.
    Purge { until: u64 },
    /// Make the log's next file.
    Spare { path: PathBuf, capacity: u64 },
    /// Write the snapshot of all frames up to `seq`, and remove the logs it stands for.
    Snapshot { seq: u64, outline: Outline },
}

/// Revisions freed under one hold of the lock.
const PURGE_AT_ONCE: usize = 256;

/// Runs until the writer goes.
pub(crate) fn run(
    shared: &Arc<Shared>,
    disk: &Disk,
    dir: &Path,
    tasks: &Receiver<Task>,
    spares: &Sender<Option<Spare>>,
) {
    for task in tasks {
        match task {
            Task::Purge { until } => while super::write(&shared.state).purge(PURGE_AT_ONCE, until) {},
            Task::Spare { path, capacity } => {
                let spare = Spare::create(disk, path, capacity);
                if let Err(error) = &spare {
                    tracing::warn!(error = chain(error), "could not make the log's next file ahead of time");
                }
                // The writer may be gone; then nobody needs it.
                let _ = spares.send(spare.ok());
            }
            Task::Snapshot { seq, outline } => {
                match take(shared, disk, dir, seq, &outline) {
                    Ok(()) => shared.running.snapshots.add(1),
                    Err(error) => {
                        shared.running.snapshot_failures.add(1);
                        tracing::warn!(error = chain(&error), "could not write a snapshot: the log grows on");
                    }
                }
                shared.snapshotting.store(false, Ordering::Release);
            }
        }
    }
}

fn take(shared: &Shared, disk: &Disk, dir: &Path, seq: u64, outline: &Outline) -> Result<(), Error> {
    let size = snapshot::write(disk, dir, seq, outline, &shared.state)?;
    shared.snapshot_size.store(size, Ordering::Release);
    remove_replaced(disk, dir, seq)
}

/// Removes what a snapshot of frames 1 to `seq` stands for.
fn remove_replaced(disk: &Disk, dir: &Path, seq: u64) -> Result<(), Error> {
    let files = Files::list(dir)?;
    for (_, path) in files.snapshots.iter().filter(|(last, _)| *last < seq) {
        disk.remove(path)?;
    }
    // A log is done with when the next one starts at or before the first frame that the snapshot lacks.
    for pair in files.logs.windows(2).filter(|pair| pair[1].0 <= seq + 1) {
        disk.remove(&pair[0].1)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_snapshot_holds_is_removed() {
        // The log that holds the frame behind the snapshot stays, and so does the last.
        for (seq, left) in [
            (3, &["log-3", "log-5", "log-7"][..]),
            (4, &["log-5", "log-7"]),
            (5, &["log-5", "log-7"]),
            (9, &["log-7"]),
        ] {
            let dir = tempfile::TempDir::new().unwrap();
            for name in
                ["log-1", "log-3", "log-5", "log-7", "snapshot-2", "snapshot-4", "snapshot-5", "snapshot-9"]
            {
                std::fs::write(dir.path().join(name), b"").unwrap();
            }
            remove_replaced(&Disk::default(), dir.path(), seq).unwrap();
            let files = Files::list(dir.path()).unwrap();
            let names = files.logs.iter().map(|(first, _)| format!("log-{first}"));
            assert_eq!(names.collect::<Vec<_>>(), left, "snapshot of {seq}");
            assert!(files.snapshots.iter().all(|(last, _)| *last >= seq));
        }
    }
}
