//! The files of a data directory and how each begins.
//!
//! `lock` holds the process id of the one that has the directory open. `log-N` holds the frames from number N on, up to
//! the next log's first. `snapshot-N` holds all that frames 1 to N did. `*.tmp` are files in the making, removed at the
//! next start. Every file starts with 64 bytes: magic, version, and its own numbers under a checksum.

use std::fs;
use std::path::{Path, PathBuf};

use crc32c::crc32c;

use crate::Error;

pub(crate) const PREFACE: usize = 64;
/// The version of all formats. A change of any of them makes a new one, and a fixture in the tests.
pub(crate) const VERSION: u32 = 1;
const COVERED: usize = 60;

pub(crate) const LOG_MAGIC: [u8; 8] = *b"MRDNLOG\n";
pub(crate) const SNAPSHOT_MAGIC: [u8; 8] = *b"MRDNSNP\n";

/// The numbers at the beginning of a file. What each is for is its reader's affair.
pub(crate) type Numbers = [u64; 5];

pub(crate) fn preface(magic: [u8; 8], numbers: Numbers) -> [u8; PREFACE] {
    let mut bytes = [0; PREFACE];
    bytes[..8].copy_from_slice(&magic);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    for (slot, number) in bytes[16..56].chunks_exact_mut(8).zip(numbers) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
    let crc = crc32c(&bytes[..COVERED]);
    bytes[COVERED..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The numbers of a file that starts with `magic`. The version is looked at first: a newer one may differ in the rest.
pub(crate) fn read_preface(path: &Path, file: &[u8], magic: [u8; 8]) -> Result<Numbers, Error> {
    if file.len() < PREFACE {
        return Err(Error::corrupt(path, file.len() as u64, "the file ends before its first 64 bytes do"));
    }
    let u32_at = |at: usize| file[at..].first_chunk().copied().map_or(0, u32::from_le_bytes);
    if file[..8] != magic {
        let what = format!("want it to start with {:?}", magic.escape_ascii().to_string());
        return Err(Error::corrupt(path, 0, what));
    }
    let found = u32_at(8);
    let intact = u32_at(COVERED) == crc32c(&file[..COVERED]);
    if found > VERSION && intact {
        return Err(Error::NewerFormat { path: path.to_owned(), found, supported: VERSION });
    }
    if found != VERSION || !intact {
        return Err(Error::corrupt(path, 8, "its first 64 bytes do not match their checksum"));
    }
    let mut numbers = Numbers::default();
    for (number, slot) in numbers.iter_mut().zip(file[16..56].chunks_exact(8)) {
        *number = slot.first_chunk().copied().map_or(0, u64::from_le_bytes);
    }
    Ok(numbers)
}

/// What lies in a data directory.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The logs, by the number of their first frame.
    pub(crate) logs: Vec<(u64, PathBuf)>,
    /// The snapshots, by the number of the last frame they hold.
    pub(crate) snapshots: Vec<(u64, PathBuf)>,
    /// Files in the making that a crash left.
    pub(crate) unfinished: Vec<PathBuf>,
}

impl Files {
    pub(crate) fn list(dir: &Path) -> Result<Self, Error> {
        let mut files = Self::default();
        for entry in fs::read_dir(dir).map_err(Error::io("listing", dir))? {
            let path = entry.map_err(Error::io("listing", dir))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let number = |text: &str| u64::from_str_radix(text, 16).ok();
            if name.ends_with(".tmp") {
                files.unfinished.push(path);
            } else if let Some(first) = name.strip_prefix("log-").and_then(number) {
                files.logs.push((first, path));
            } else if let Some(last) = name.strip_prefix("snapshot-").and_then(number) {
                files.snapshots.push((last, path));
            }
        }
        files.logs.sort_unstable();
        files.snapshots.sort_unstable();
        Ok(files)
    }
}

pub(crate) fn log_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("log-{first:016x}"))
}

pub(crate) fn snapshot_path(dir: &Path, last: u64) -> PathBuf {
    dir.join(format!("snapshot-{last:016x}"))
}
