//! One process at a time in a data directory, by a lock that the system lets go when the process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::Error;

/// Holds the data directory until dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    file: File,
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that was just forked holds it too, until it has become another program.
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the data directory could not be unlocked");
        }
    }
}

impl DirLock {
    pub(crate) fn acquire(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("opening", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                // Whatever cannot be read of it, the directory is in use all the same.
                let _ = file.take(20).read_to_string(&mut process);
                let process = if process.is_empty() { "(unknown)".into() } else { process.trim().into() };
                return Err(Error::InUse { path: dir.to_owned(), process });
            }
            Err(TryLockError::Error(source)) => return Err(Error::io("locking", &path)(source)),
        }
        let id = std::process::id().to_string();
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(id.as_bytes())
        };
        write(&mut file).map_err(Error::io("writing to", &path))?;
        Ok(Self { file })
    }
}
