//! The few things done to files, each naming what it did when it fails. Tests make them fail here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Error;

const ZEROS: usize = 1 << 18;

/// The disk. A handle, so that a test can give one that fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    #[cfg(test)]
    pub(crate) faults: std::sync::Arc<faults::Faults>,
}

impl Disk {
    /// Makes a file of zeros that are really on the disk, so that writing over them later changes no metadata.
    pub(crate) fn create_zeroed(&self, path: &Path, len: u64) -> Result<File, Error> {
        let full = |source| Error::DiskFull { path: path.to_owned(), source };
        let make = || {
            self.check(Act::Create)?;
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
            let zeros = vec![0; ZEROS];
            let mut left = len;
            while left > 0 {
                let some = usize::try_from(left).unwrap_or(ZEROS).min(ZEROS);
                file.write_all(&zeros[..some])?;
                left -= some as u64;
            }
            file.sync_all()?;
            Ok(file)
        };
        make().map_err(|source: io::Error| {
            // Half a file keeps room from others that could use it.
            let _ = fs::remove_file(path);
            match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => full(source),
                _ => Error::io("creating", path)(source),
            }
        })
    }

    pub(crate) fn write_at(&self, file: &File, path: &Path, at: u64, bytes: &[u8]) -> Result<(), Error> {
        self.check(Act::Write)
            .and_then(|()| file.write_all_at(bytes, at))
            .map_err(Error::io("writing to", path))
    }

    /// Waits until what was written is on the disk.
    pub(crate) fn sync(&self, file: &File, path: &Path) -> Result<(), Error> {
        self.check(Act::Sync).and_then(|()| file.sync_data()).map_err(Error::io("syncing", path))
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::rename(from, to).map_err(Error::io("renaming", from))?;
        self.sync_parent(to)
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<(), Error> {
        fs::remove_file(path).map_err(Error::io("removing", path))
    }

    /// Waits until the names in the directory of `path` are on the disk.
    pub(crate) fn sync_parent(&self, path: &Path) -> Result<(), Error> {
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(Error::io("syncing", parent))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests let it fail")]
    fn check(&self, _act: Act) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn check(&self, act: Act) -> io::Result<()> {
        self.faults.check(act)
    }
}

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Create,
    Write,
    Sync,
}

#[cfg(test)]
pub(crate) mod faults {
    use std::io;
    use std::sync::Mutex;

    use super::Act;

    /// What fails from now on.
    #[derive(Debug, Default)]
    pub(crate) struct Faults(Mutex<Vec<(Act, io::ErrorKind)>>);

    impl Faults {
        pub(crate) fn fail(&self, act: Act, kind: io::ErrorKind) {
            self.0.lock().unwrap().push((act, kind));
        }

        pub(crate) fn mend(&self) {
            self.0.lock().unwrap().clear();
        }

        pub(super) fn check(&self, act: Act) -> io::Result<()> {
            match self.0.lock().unwrap().iter().find(|fault| fault.0 == act) {
                Some((_, kind)) => Err((*kind).into()),
                None => Ok(()),
            }
        }
    }
}
