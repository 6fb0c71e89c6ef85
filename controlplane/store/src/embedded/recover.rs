//! Start: the newest snapshot and every frame behind it, or an error that names the byte that is wrong.
//!
//! Looking and mending are apart: [`look`] changes nothing, so a directory that is refused stays as it was found.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::frame::{self, Found};
use super::layout::{Files, LOG_MAGIC, PREFACE, read_preface};
use super::log::{Log, Segment, Spare};
use super::record::{Reader, Record};
use super::snapshot;
use super::state::State;
use crate::Error;

/// What a data directory holds.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) state: State,
    /// The number of the next frame.
    next_seq: u64,
    tail: Option<Tail>,
    /// Files that hold nothing any more.
    stale: Vec<PathBuf>,
}

/// The end of the last log.
#[derive(Debug)]
struct Tail {
    path: PathBuf,
    salt: u32,
    capacity: u64,
    end: u64,
    /// Where the last byte is that is not zero: behind `end`, a torn frame.
    used: u64,
    len: u64,
}

/// Reads a data directory.
pub(crate) fn look(dir: &Path) -> Result<Recovered, Error> {
    let files = Files::list(dir)?;
    let mut stale = files.unfinished;
    let (mut seq, mut state) = (0, State::new());
    if let Some(((last, path), older)) = files.snapshots.split_last() {
        (seq, state) = snapshot::read(path)?;
        if seq != *last {
            return Err(Error::corrupt(path, 0, format!("it says it ends with frame {seq:x}")));
        }
        stale.extend(older.iter().map(|(_, path)| path.clone()));
    }
    // The logs that hold anything behind the snapshot; a log ends where the next one starts.
    let needed = files.logs.partition_point(|(first, _)| *first <= seq + 1).saturating_sub(1);
    let (old, logs) = files.logs.split_at(needed);
    stale.extend(old.iter().map(|(_, path)| path.clone()));
    let mut recovered = Recovered { state, next_seq: seq + 1, tail: None, stale };
    if logs.is_empty() && seq > 0 {
        return Err(Error::corrupt(dir, 0, format!("the log with frame {:x} is missing", seq + 1)));
    }
    for (index, (first, path)) in logs.iter().enumerate() {
        let expected = if index == 0 { (*first).min(seq + 1) } else { recovered.next_seq };
        if *first != expected {
            return Err(Error::corrupt(dir, 0, format!("the log with frame {expected:x} is missing")));
        }
        recovered.read_log(path, *first, logs.get(index + 1).map(|(first, _)| *first))?;
    }
    Ok(recovered)
}

impl Recovered {
    /// Reads one log, which the next one, if there is one, says the end of.
    fn read_log(&mut self, path: &Path, first: u64, next_first: Option<u64>) -> Result<(), Error> {
        let file = fs::read(path).map_err(Error::io("reading", path))?;
        let [says, salt, capacity, ..] = read_preface(path, &file, LOG_MAGIC)?;
        let salt = u32::try_from(salt).unwrap_or(0);
        if says != first {
            return Err(Error::corrupt(path, 0, format!("it says it starts with frame {says:x}")));
        }
        let (mut at, mut seq) = (PREFACE, first);
        loop {
            match frame::read(&file, at, salt, seq) {
                Found::Frame { body, len } => {
                    if seq >= self.next_seq {
                        self.replay(path, at, body)?;
                        self.next_seq = seq + 1;
                    }
                    at += len;
                    seq += 1;
                }
                Found::End { .. } => break,
                Found::Damage(what) => return Err(Error::corrupt(path, at as u64, what)),
            }
        }
        // A later frame was only written once this one was acknowledged.
        let later = frame::find_later(&file, at, salt, seq);
        if let Some((place, later)) = later {
            let what = format!("frame {seq} is missing, and frame {later} is there at offset {place}");
            return Err(Error::corrupt(path, at as u64, what));
        }
        if let Some(next) = next_first.filter(|next| *next != seq) {
            let what = format!("frame {seq} is missing, and the next log starts with frame {next}");
            return Err(Error::corrupt(path, at as u64, what));
        }
        if seq < self.next_seq {
            let what =
                format!("frame {seq} is missing, and the snapshot goes up to frame {}", self.next_seq - 1);
            return Err(Error::corrupt(path, at as u64, what));
        }
        let used = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        let len = file.len() as u64;
        self.tail = Some(Tail { path: path.to_owned(), salt, capacity, end: at as u64, used, len });
        Ok(())
    }

    fn replay(&mut self, path: &Path, at: usize, body: &[u8]) -> Result<(), Error> {
        let mut bytes = Reader(body);
        while !bytes.is_empty() {
            let offset = (at + frame::HEADER + body.len() - bytes.0.len()) as u64;
            let record = Record::decode(&mut bytes)
                .ok_or_else(|| Error::corrupt(path, offset, "a frame does not hold what it should"))?;
            if !self.state.replay(record) {
                let what = format!("a record does not follow revision {}", self.state.head());
                return Err(Error::corrupt(path, offset, what));
            }
        }
        Ok(())
    }

    /// Clears what a crash left, and opens the log at its end.
    pub(crate) fn open(
        self,
        disk: &Disk,
        dir: &Path,
        seed: u64,
        segment_bytes: u64,
    ) -> Result<(State, Log), Error> {
        for path in &self.stale {
            disk.remove(path)?;
        }
        let segment = match self.tail {
            Some(tail) => tail.open(disk)?,
            None => Spare::create(disk, dir.join("spare-0.tmp"), segment_bytes)?.start(disk, dir, 1, seed)?,
        };
        let log = Log::new(disk.clone(), dir.to_owned(), seed, segment_bytes, segment, self.next_seq);
        Ok((self.state, log))
    }
}

impl Tail {
    /// Opens it for appending: zeros in place of a torn frame, and up to the size it was made with.
    fn open(self, disk: &Disk) -> Result<Segment, Error> {
        let Self { path, salt, capacity, end, used, len } = self;
        let file =
            OpenOptions::new().read(true).write(true).open(&path).map_err(Error::io("opening", &path))?;
        let stretches = [(end, used.max(end)), (len.max(end), capacity)];
        for (from, to) in stretches {
            clear(disk, &file, &path, from, to)?;
        }
        // Also what was read above but perhaps never synced: it counts from here on.
        disk.sync(&file, &path)?;
        Ok(Segment { file, path, salt, capacity: capacity.max(len), end })
    }
}

fn clear(disk: &Disk, file: &fs::File, path: &Path, from: u64, to: u64) -> Result<(), Error> {
    let zeros = [0; 1 << 14];
    let mut at = from;
    while at < to {
        let some = usize::try_from(to - at).unwrap_or(zeros.len()).min(zeros.len());
        disk.write_at(file, path, at, &zeros[..some])?;
        at += some as u64;
    }
    Ok(())
}
