//! Snapshots: the whole state as of one frame of the log, so that the log before it can go.
//!
//! Behind the preface come blocks of items, each block with its length and checksum, and an end that counts the blocks.
//! A snapshot is written while the partition goes on: keys are taken from memory a few at a time, as of one revision,
//! and the versions it needs stay since purging waits in the same queue.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;
use std::sync::RwLock;

use bytes::Bytes;
use crc32c::crc32c;

use super::disk::Disk;
use super::layout::{PREFACE, SNAPSHOT_MAGIC, preface, read_preface, snapshot_path};
use super::record::{Reader, put_bytes, put_duration, put_u32, put_u64};
use super::state::{Outline, Restore, State, Version};
use crate::{Epoch, Error, LeaseId};

const BLOCK: usize = 1 << 18;
const KEYS_AT_ONCE: usize = 500;

const TENANT: u8 = 1;
const LEASE: u8 = 2;
const BARE: u8 = 3;
const KEY: u8 = 4;

/// Writes the snapshot of frames 1 to `seq`, and returns its size.
pub(crate) fn write(
    disk: &Disk,
    dir: &Path,
    seq: u64,
    outline: &Outline,
    state: &RwLock<State>,
) -> Result<u64, Error> {
    let path = dir.join("snapshot.tmp");
    let written = write_file(disk, &path, seq, outline, state);
    if written.is_err() {
        // Half a snapshot keeps room from the log.
        let _ = fs::remove_file(&path);
    }
    let size = written?;
    disk.rename(&path, &snapshot_path(dir, seq))?;
    Ok(size)
}

fn write_file(
    disk: &Disk,
    path: &Path,
    seq: u64,
    outline: &Outline,
    state: &RwLock<State>,
) -> Result<u64, Error> {
    let file = disk.create_zeroed(path, 0)?;
    let failed = || Error::io("writing to", path);
    let mut blocks = Blocks { out: BufWriter::new(&file), block: Vec::new(), written: 0, bytes: 0 };
    let numbers = [seq, outline.revision, outline.compacted, outline.epoch.0, 0];
    blocks.out.write_all(&preface(SNAPSHOT_MAGIC, numbers)).map_err(failed())?;
    for (tenant, revision) in &outline.tenants {
        let block = blocks.item(TENANT).map_err(failed())?;
        put_bytes(block, tenant.as_bytes());
        put_u64(block, *revision);
    }
    for (id, tenant, ttl) in &outline.leases {
        let block = blocks.item(LEASE).map_err(failed())?;
        put_u64(block, id.0);
        put_bytes(block, tenant.as_bytes());
        put_duration(block, *ttl);
    }
    for revision in &outline.bare {
        put_u64(blocks.item(BARE).map_err(failed())?, *revision);
    }
    let mut after = None;
    loop {
        let keys = super::read(state).export(after.as_ref(), outline.revision, KEYS_AT_ONCE);
        for (key, versions) in &keys {
            put_key(blocks.item(KEY).map_err(failed())?, key, versions);
        }
        match keys.into_iter().next_back() {
            Some((key, _)) => after = Some(key),
            None => break,
        }
    }
    let bytes = blocks.finish().map_err(failed())?;
    disk.sync(&file, path)?;
    Ok(bytes + PREFACE as u64)
}

fn put_key(block: &mut Vec<u8>, key: &Bytes, versions: &[Version]) {
    put_bytes(block, key);
    put_u32(block, versions.len());
    for version in versions {
        put_u64(block, version.modified);
        put_u64(block, version.created);
        put_u64(block, version.version);
        put_u64(block, version.tenant_revision);
        put_u64(block, version.lease);
        put_bytes(block, &version.value);
    }
}

/// Gathers items into blocks.
struct Blocks<'a> {
    out: BufWriter<&'a File>,
    block: Vec<u8>,
    written: u32,
    bytes: u64,
}

impl Blocks<'_> {
    /// Where the next item goes.
    fn item(&mut self, tag: u8) -> std::io::Result<&mut Vec<u8>> {
        if self.block.len() >= BLOCK {
            self.flush()?;
        }
        self.block.push(tag);
        Ok(&mut self.block)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let len = u32::try_from(self.block.len()).map_err(std::io::Error::other)?;
        self.out.write_all(&len.to_le_bytes())?;
        self.out.write_all(&crc32c(&self.block).to_le_bytes())?;
        self.out.write_all(&self.block)?;
        self.bytes += 8 + u64::from(len);
        self.written += 1;
        self.block.clear();
        Ok(())
    }

    fn finish(mut self) -> std::io::Result<u64> {
        if !self.block.is_empty() {
            self.flush()?;
        }
        self.out.write_all(&0u32.to_le_bytes())?;
        self.out.write_all(&(!self.written).to_le_bytes())?;
        self.out.flush()?;
        Ok(self.bytes + 8)
    }
}

/// Reads a snapshot: the number of the last frame it holds, and the state.
pub(crate) fn read(path: &Path) -> Result<(u64, State), Error> {
    let failed = || Error::io("reading", path);
    let file = File::open(path).map_err(Error::io("opening", path))?;
    let len = file.metadata().map_err(failed())?.len();
    let mut file = BufReader::new(file);
    let mut head = Vec::new();
    file.by_ref().take(PREFACE as u64).read_to_end(&mut head).map_err(failed())?;
    let [seq, revision, compacted, epoch, _] = read_preface(path, &head, SNAPSHOT_MAGIC)?;

    let empty = (Vec::new(), Vec::new(), Vec::new());
    let mut outline = Outline {
        revision,
        compacted,
        epoch: Epoch(epoch),
        tenants: empty.0,
        leases: empty.1,
        bare: empty.2,
    };
    let mut restore = None;
    let mut blocks = 0;
    loop {
        let offset = file.stream_position().map_err(failed())?;
        let corrupt = |what: &str| Error::corrupt(path, offset, what);
        let mut pair = [0; 8];
        file.read_exact(&mut pair).map_err(|_| corrupt("the snapshot ends in the middle"))?;
        let number = |at: usize| pair[at..].first_chunk().copied().map_or(0, u32::from_le_bytes);
        let (size, crc) = (number(0), number(4));
        if size == 0 {
            if crc != !blocks || offset + 8 != len {
                return Err(corrupt("the snapshot's end does not fit its blocks"));
            }
            break;
        }
        if u64::from(size) > len - offset - 8 {
            return Err(corrupt("the snapshot ends in the middle of a block"));
        }
        let mut block = vec![0; size as usize];
        file.read_exact(&mut block).map_err(failed())?;
        if crc32c(&block) != crc {
            return Err(corrupt("a block does not match its checksum"));
        }
        blocks += 1;
        items(&block, &mut outline, &mut restore)
            .ok_or_else(|| corrupt("a block does not hold what it should"))?;
    }
    let state = restore.unwrap_or_else(|| Restore::new(outline)).finish();
    Ok((seq, state.ok_or_else(|| Error::corrupt(path, len, "the history it holds has gaps"))?))
}

/// Takes in a block. The outline comes before the keys.
fn items(block: &[u8], outline: &mut Outline, restore: &mut Option<Restore>) -> Option<()> {
    let mut bytes = Reader(block);
    while !bytes.is_empty() {
        match (bytes.u8()?, &restore) {
            (TENANT, None) => outline.tenants.push((bytes.tenant()?, bytes.u64()?)),
            (LEASE, None) => {
                outline.leases.push((LeaseId(bytes.u64()?), bytes.tenant()?, bytes.duration()?));
            }
            (BARE, None) => outline.bare.push(bytes.u64()?),
            (KEY, _) => {
                let key = bytes.copied()?;
                let versions = versions(&mut bytes)?;
                let restore = restore.get_or_insert_with(|| Restore::new(outline.clone()));
                restore.key(key, versions).then_some(())?;
            }
            _ => return None,
        }
    }
    Some(())
}

fn versions(bytes: &mut Reader<'_>) -> Option<Vec<Version>> {
    let count = bytes.u32()?;
    let mut versions = Vec::new();
    for _ in 0..count {
        versions.push(Version {
            modified: bytes.u64()?,
            created: bytes.u64()?,
            version: bytes.u64()?,
            tenant_revision: bytes.u64()?,
            lease: bytes.u64()?,
            value: bytes.copied()?,
        });
    }
    Some(versions)
}
