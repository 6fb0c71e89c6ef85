//! Job logs in the Standard Workload Format, version 2 of the Parallel Workloads Archive: 18 numbers a line, one line a
//! job, `-1` for what is unknown, comments behind `;`. Plain or gzip, which is told from the first bytes.
//!
//! A job becomes one pod, so a job of many processors needs one host that has them all:
//!
//! | field of the pod | from the job's fields |
//! | --- | --- |
//! | `name` | `job-` and the job number (1), which must grow from line to line, so names are unique |
//! | `tenant` | `group-N` (13) if known, else `user-N` (12), else `unknown` |
//! | `arrival_ms` | submit time (2), seconds; must not run backwards |
//! | `duration_ms` | run time (4), seconds |
//! | `cpu_milli` | processors requested (8), else allocated (5), times 1000 |
//! | `memory` | memory requested (10), else used (7), KB a processor, else [`SwfOptions::memory_per_processor`]; times the processors |
//! | devices, `priority` | none, 0 |
//!
//! Some lines describe no pod that could be simulated. They are counted by reason ([`Skipped`]) and otherwise passed
//! over: processors unknown or zero; submit time unknown; run time unknown; run time zero; and status (11) 2, 3 or 4,
//! which marks a part of a job that has a line of its own.
//!
//! The reader holds one line at a time. After the first error it ends.

mod job;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use self::job::Job;
pub use self::job::Skipped;
use crate::error::TraceError;
use crate::limits::check_pod;
use crate::lines::Lines;
use crate::row::TracePod;
use crate::source::open;

/// The most bytes of comments before the first job.
const MAX_HEADER_BYTES: usize = 1 << 20;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How jobs become pods where the log leaves a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwfOptions {
    /// The memory of each processor of a job whose log knows neither requested nor used memory, in bytes.
    pub memory_per_processor: i64,
}

impl Default for SwfOptions {
    /// 2 GiB a processor.
    fn default() -> Self {
        Self { memory_per_processor: 2 << 30 }
    }
}

/// A job log, as an iterator over its pods in the order of their arrival.
pub struct Swf {
    lines: Lines<Box<dyn BufRead + Send>>,
    options: SwfOptions,
    header: Vec<(String, String)>,
    skipped: Skipped,
    /// The line in `lines` has been read with the header and is not yet handed out.
    pending: bool,
    ended: bool,
    last_number: i64,
    last_submit: i64,
}

impl Swf {
    /// Opens a job log and reads its header.
    pub fn open(path: &Path, options: SwfOptions) -> Result<Self, TraceError> {
        Self::new::<File>(open(path)?, &path.display().to_string(), options)
    }

    /// Reads the header of a job log; `file` is what errors call it.
    pub fn new<R: Read + Send + 'static>(
        input: R,
        file: &str,
        options: SwfOptions,
    ) -> Result<Self, TraceError> {
        let input = decompressed(input).map_err(|source| TraceError::Read {
            file: file.to_owned(),
            row: 0,
            source,
        })?;
        let mut swf = Self {
            lines: Lines::new(input, file),
            options,
            header: Vec::new(),
            skipped: Skipped::default(),
            pending: false,
            ended: false,
            last_number: 0,
            last_submit: 0,
        };
        swf.read_header()?;
        Ok(swf)
    }

    /// The comments of the form `; Key: value` before the first job, in order. Keys may repeat.
    pub fn header(&self) -> &[(String, String)] {
        &self.header
    }

    /// What was passed over so far, by reason.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    fn read_header(&mut self) -> Result<(), TraceError> {
        let mut bytes = 0;
        while self.lines.advance()? {
            let line = self.lines.line().trim_ascii();
            let Some(comment) = line.strip_prefix(b";") else {
                if line.is_empty() {
                    continue;
                }
                self.pending = true;
                return self.check_version();
            };
            bytes += comment.len();
            if bytes > MAX_HEADER_BYTES {
                let (file, row) = (self.lines.file().to_owned(), self.lines.row());
                return Err(TraceError::TooLong { file, row, what: "header", limit: MAX_HEADER_BYTES });
            }
            // Comments hold names of people and places, in whatever encoding their time used.
            let comment = String::from_utf8_lossy(comment);
            if let Some((key, value)) = comment.split_once(':') {
                self.header.push((key.trim().to_owned(), value.trim().to_owned()));
            }
        }
        Err(TraceError::Empty { file: self.lines.file().to_owned(), header: self.lines.row() > 0 })
    }

    fn check_version(&self) -> Result<(), TraceError> {
        match self.header.iter().find(|(key, _)| key == "Version") {
            Some((_, version)) if version.split('.').next() != Some("2") => {
                Err(TraceError::value(self.lines.file(), 0, "Version", version, "version 2 of the format"))
            }
            _ => Ok(()),
        }
    }

    fn next_pod(&mut self) -> Result<Option<TracePod>, TraceError> {
        loop {
            if !std::mem::take(&mut self.pending) && !self.lines.advance()? {
                return Ok(None);
            }
            let line = self.lines.line().trim_ascii();
            if line.is_empty() || line.starts_with(b";") {
                continue;
            }
            let job = Job::parse(self.lines.file(), self.lines.row(), line)?;
            if let Some(pod) = self.pod(&job)? {
                return Ok(Some(pod));
            }
        }
    }

    /// The pod of a job, `None` if the job is passed over.
    fn pod(&mut self, job: &Job) -> Result<Option<TracePod>, TraceError> {
        let (file, row) = (self.lines.file(), self.lines.row());
        if self.skipped.count(job) {
            return Ok(None);
        }
        if job.submit < self.last_submit {
            let want = format!(
                "{} or later, as the job before: this is a time that runs backwards",
                self.last_submit
            );
            return Err(TraceError::value(file, row, "submit time", &job.submit.to_string(), want));
        }
        if job.number <= self.last_number {
            let want = format!("more than {}, the number of the job before", self.last_number);
            return Err(TraceError::value(file, row, "job number", &job.number.to_string(), want));
        }
        let pod = job.pod(self.options.memory_per_processor);
        check_pod(&pod).map_err(|broken| TraceError::limit(file, row, broken))?;
        (self.last_submit, self.last_number) = (job.submit, job.number);
        Ok(Some(pod))
    }
}

impl Iterator for Swf {
    type Item = Result<TracePod, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_pod().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The input as text, decompressed if it begins as gzip does.
fn decompressed<R: Read + Send + 'static>(mut input: R) -> std::io::Result<Box<dyn BufRead + Send>> {
    let mut start = Vec::with_capacity(GZIP_MAGIC.len());
    input.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
    let gzip = start == GZIP_MAGIC;
    let input = BufReader::with_capacity(64 * 1024, Cursor::new(start).chain(input));
    if gzip {
        // Some archives are several gzip members one after another.
        Ok(Box::new(BufReader::with_capacity(64 * 1024, MultiGzDecoder::new(input))))
    } else {
        Ok(Box::new(input))
    }
}

#[cfg(test)]
mod tests;
