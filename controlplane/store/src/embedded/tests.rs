//! The embedded engine against bad disks: cut, flipped, torn, full and failing.

mod damage;
mod faults;
mod snapshots;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;

use super::disk::Disk;
use super::layout::Files;
use super::recover::{self, Recovered};
use super::{Embedded, EmbeddedOptions};
use crate::txn::{Op, RangeRequest, Txn, TxnResult};
use crate::{Error, Key, KeyRange, KeyValue, Revision, Tenant};
use meridian_environment::ManualClock;

fn options(dir: &Path) -> EmbeddedOptions {
    EmbeddedOptions { segment_bytes: 8 << 10, seed: 7, ..EmbeddedOptions::new(dir) }
}

async fn open(options: EmbeddedOptions) -> Result<Embedded, Error> {
    open_on(&Disk::default(), options).await
}

async fn open_on(disk: &Disk, options: EmbeddedOptions) -> Result<Embedded, Error> {
    Embedded::open_on(disk.clone(), options, Arc::new(ManualClock::new())).await
}

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

fn put(tenant: &Tenant, path: &str, value: impl Into<Bytes>) -> Txn {
    Txn::new(tenant).then(Op::put(&Key::new(tenant, path), value))
}

async fn put_ok(store: &Embedded, path: &str, value: impl Into<Bytes>) -> TxnResult {
    store.txn(put(&tenant("t"), path, value)).await.unwrap()
}

fn everything() -> RangeRequest {
    RangeRequest::new(KeyRange::every_tenant())
}

/// What each revision of a store looks like.
fn history(store: &Embedded) -> Vec<Vec<KeyValue>> {
    (0..=store.revision().0)
        .map(|at| store.range(&everything().at(Revision(at))).map(|range| range.kvs).unwrap_or_default())
        .collect()
}

impl Recovered {
    fn head(&self) -> usize {
        self.state.head() as usize
    }

    fn at(&self, revision: usize) -> Vec<KeyValue> {
        self.state.read_all(&everything(), revision as u64).kvs
    }
}

/// A data directory in memory, to write out with changes.
struct Image {
    files: Vec<(PathBuf, Vec<u8>)>,
    dir: TempDir,
}

impl Image {
    fn of(dir: &Path) -> Self {
        let files = Files::list(dir).unwrap();
        let named = files.snapshots.into_iter().chain(files.logs).map(|(_, path)| path);
        let read = |path: PathBuf| (PathBuf::from(path.file_name().unwrap()), fs::read(&path).unwrap());
        Self { files: named.map(read).collect(), dir: TempDir::new().unwrap() }
    }

    /// The last log, and where its last byte that is not zero is.
    fn last(&self) -> (usize, usize) {
        let last = self.files.len() - 1;
        (last, self.files[last].1.iter().rposition(|byte| *byte != 0).unwrap() + 1)
    }

    /// Looks at the directory with one file replaced.
    fn look_with(&self, index: usize, content: &[u8]) -> Result<Recovered, Error> {
        for (at, (name, original)) in self.files.iter().enumerate() {
            let content = if at == index { content } else { original };
            let path = self.dir.path().join(name);
            // Most files are as they were. A file made anew is not flushed when closed, one cut short before is.
            if at == index || !path.exists() {
                let _ = fs::remove_file(&path);
                fs::write(path, content).unwrap();
            }
        }
        recover::look(self.dir.path())
    }
}
