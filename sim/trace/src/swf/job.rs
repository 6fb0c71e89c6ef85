//! One line of a job log, and the pod it becomes.

use crate::error::TraceError;
use crate::limits::MAX_QUANTITY;
use crate::row::TracePod;

/// The fields of a line, by their names in the format's definition.
const FIELDS: [&str; 18] = [
    "job number",
    "submit time",
    "wait time",
    "run time",
    "allocated processors",
    "average CPU time used",
    "used memory",
    "requested processors",
    "requested time",
    "requested memory",
    "status",
    "user",
    "group",
    "executable",
    "queue",
    "partition",
    "preceding job",
    "think time",
];

const KIB: i64 = 1024;

/// How many jobs were passed over, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Neither requested nor allocated processors are known, or they are zero.
    pub processors: u64,
    /// The submit time is unknown.
    pub submit_time: u64,
    /// The run time is unknown.
    pub run_time: u64,
    /// The run time is zero: the job was cancelled, failed at once or ran for less than half a second.
    pub zero_run_time: u64,
    /// The line describes a part of a job that has a line of its own.
    pub partial: u64,
}

impl Skipped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.processors + self.submit_time + self.run_time + self.zero_run_time + self.partial
    }

    /// Whether the job is passed over; if so, counts it, by the first reason that holds.
    pub(super) fn count(&mut self, job: &Job) -> bool {
        let reason = if matches!(job.status, 2..=4) {
            &mut self.partial
        } else if job.submit < 0 {
            &mut self.submit_time
        } else if job.processors() < 1 {
            &mut self.processors
        } else if job.run < 0 {
            &mut self.run_time
        } else if job.run == 0 {
            &mut self.zero_run_time
        } else {
            return false;
        };
        *reason += 1;
        true
    }
}

/// The fields that matter here; -1 is unknown.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) number: i64,
    pub(super) submit: i64,
    run: i64,
    allocated: i64,
    used_memory: i64,
    requested: i64,
    requested_memory: i64,
    status: i64,
    user: i64,
    group: i64,
}

impl Job {
    pub(super) fn parse(file: &str, row: u64, line: &[u8]) -> Result<Self, TraceError> {
        let mut fields: [&[u8]; 18] = [b""; 18];
        let mut found = 0;
        for field in line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()) {
            if let Some(place) = fields.get_mut(found) {
                *place = field;
            }
            found += 1;
        }
        if found != fields.len() {
            return Err(TraceError::FieldCount { file: file.to_owned(), row, found, want: fields.len() });
        }
        let mut whole = [0; 18];
        for (index, field) in fields.iter().enumerate() {
            let text = std::str::from_utf8(field);
            let text = text.map_err(|_| TraceError::NotUtf8 {
                file: file.to_owned(),
                row,
                column: FIELDS[index].into(),
            })?;
            whole[index] = match index {
                // Fields that do not matter here; in some logs they have fractions.
                2 | 5 | 8 | 13..=17 => number(text).map(|_| 0),
                _ => text.parse().ok().filter(|number| (-1..=MAX_QUANTITY).contains(number)),
            }
            .ok_or_else(|| {
                let want = match index {
                    2 | 5 | 8 | 13..=17 => "a number".to_owned(),
                    _ => format!("a whole number from 0 to {MAX_QUANTITY}, or -1 for unknown"),
                };
                TraceError::value(file, row, FIELDS[index], text, want)
            })?;
        }
        let [
            number,
            submit,
            _,
            run,
            allocated,
            _,
            used_memory,
            requested,
            _,
            requested_memory,
            status,
            user,
            group,
            ..,
        ] = whole;
        Ok(Self {
            number,
            submit,
            run,
            allocated,
            used_memory,
            requested,
            requested_memory,
            status,
            user,
            group,
        })
    }

    /// The processors: what a scheduler is asked for counts more than what one once gave.
    fn processors(&self) -> i64 {
        if self.requested > 0 { self.requested } else { self.allocated }
    }

    /// The pod. Quantities that would overflow become larger than any limit allows, so the check refuses them.
    pub(super) fn pod(&self, memory_per_processor: i64) -> TracePod {
        let processors = self.processors();
        let memory = match (self.requested_memory, self.used_memory) {
            (1.., _) => self.requested_memory.saturating_mul(KIB),
            (_, 1..) => self.used_memory.saturating_mul(KIB),
            _ => memory_per_processor,
        };
        let tenant = match (self.group, self.user) {
            (0.., _) => format!("group-{}", self.group),
            (_, 0..) => format!("user-{}", self.user),
            _ => "unknown".to_owned(),
        };
        TracePod {
            name: format!("job-{}", self.number),
            tenant,
            arrival_ms: self.submit.unsigned_abs().saturating_mul(1000),
            duration_ms: Some(self.run.unsigned_abs().saturating_mul(1000)),
            cpu_milli: processors.saturating_mul(1000),
            memory: memory.saturating_mul(processors),
            ..TracePod::default()
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}
