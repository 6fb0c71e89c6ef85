//! The write-ahead log: frames in preallocated files, one fdatasync a frame.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::frame::{self, HEADER};
use super::layout::{LOG_MAGIC, PREFACE, log_path, preface};
use crate::Error;

/// An open log, at its end.
#[derive(Debug)]
pub(crate) struct Log {
    disk: Disk,
    dir: PathBuf,
    seed: u64,
    segment_bytes: u64,
    segment: Segment,
    /// The number of the next frame.
    next_seq: u64,
    buffer: Vec<u8>,
    spares: u64,
}

/// One file of the log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) salt: u32,
    /// Its size when it was made.
    pub(crate) capacity: u64,
    /// Where its next frame goes.
    pub(crate) end: u64,
}

/// A file of zeros that is ready to become a segment.
#[derive(Debug)]
pub(crate) struct Spare {
    file: File,
    path: PathBuf,
    capacity: u64,
}

impl Spare {
    pub(crate) fn create(disk: &Disk, path: PathBuf, capacity: u64) -> Result<Self, Error> {
        let file = disk.create_zeroed(&path, capacity)?;
        Ok(Self { file, path, capacity })
    }

    /// Makes it the segment that starts with frame `first`.
    pub(crate) fn start(self, disk: &Disk, dir: &Path, first: u64, seed: u64) -> Result<Segment, Error> {
        let salt = salt(seed, first);
        let head = preface(LOG_MAGIC, [first, u64::from(salt), self.capacity, 0, 0]);
        disk.write_at(&self.file, &self.path, 0, &head)?;
        disk.sync(&self.file, &self.path)?;
        let path = log_path(dir, first);
        disk.rename(&self.path, &path)?;
        Ok(Segment { file: self.file, path, salt, capacity: self.capacity, end: PREFACE as u64 })
    }
}

impl Log {
    pub(crate) fn new(
        disk: Disk,
        dir: PathBuf,
        seed: u64,
        segment_bytes: u64,
        segment: Segment,
        next_seq: u64,
    ) -> Self {
        Self { disk, dir, seed, segment_bytes, segment, next_seq, buffer: Vec::new(), spares: 0 }
    }

    /// The number of the last frame written.
    pub(crate) fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Whether it is time to have the next file made.
    pub(crate) fn wants_spare(&self) -> bool {
        self.segment.end > self.segment.capacity / 2
    }

    /// Where the next spare is made, and how large.
    pub(crate) fn next_spare(&mut self) -> (PathBuf, u64) {
        self.spares += 1;
        (self.dir.join(format!("spare-{}.tmp", self.spares)), self.segment_bytes)
    }

    /// Sees to it that a frame with a body of up to `body` bytes has room, before anything is decided by it. An error
    /// leaves the log as it was.
    pub(crate) fn reserve(
        &mut self,
        body: usize,
        spare: impl FnOnce() -> Option<Spare>,
    ) -> Result<(), Error> {
        let need = frame::frame_len(body) as u64;
        if self.segment.end + need <= self.segment.capacity {
            return Ok(());
        }
        let fits = |spare: &Spare| PREFACE as u64 + need <= spare.capacity;
        let spare = match spare().filter(fits) {
            Some(spare) => spare,
            None => {
                let (path, capacity) = self.next_spare();
                Spare::create(&self.disk, path, capacity.max(PREFACE as u64 + need))?
            }
        };
        self.segment = spare.start(&self.disk, &self.dir, self.next_seq, self.seed)?;
        Ok(())
    }

    /// The buffer to write the next body to, empty but for the room its header takes.
    pub(crate) fn body(&mut self) -> &mut Vec<u8> {
        self.buffer.clear();
        self.buffer.shrink_to(8 << 20);
        self.buffer.resize(HEADER, 0);
        &mut self.buffer
    }

    /// Writes what [`Log::body`] was filled with, and returns when it is on the disk. After an error, what is there is
    /// unknown: nothing may be appended any more.
    pub(crate) fn append(&mut self) -> Result<u64, Error> {
        let Segment { file, path, salt, end, .. } = &mut self.segment;
        frame::seal(&mut self.buffer, *salt, self.next_seq, *end);
        self.disk.write_at(file, path, *end, &self.buffer)?;
        self.disk.sync(file, path)?;
        let written = self.buffer.len() as u64;
        *end += written;
        self.next_seq += 1;
        Ok(written)
    }
}

/// Differs from file to file and, by the seed, from partition to partition (splitmix64).
fn salt(seed: u64, first: u64) -> u32 {
    let mut z = seed.wrapping_add(first.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as u32
}
