//! The openb tables: hosts with shared GPUs and the pods placed on them, as published for a production cluster
//! (`openb_node_list_*.csv` and `openb_pod_list_*.csv`).
//!
//! | host column | field | |
//! | --- | --- | --- |
//! | `sn` | `name` | |
//! | `cpu_milli` | `cpu_milli` | |
//! | `memory_mib` | `memory` | MiB |
//! | `gpu`, `model` | `device_count`, `device_model` | |
//! | none | `pods` | [`OPENB_HOST_PODS`]: the table names no limit |
//!
//! | pod column | field | |
//! | --- | --- | --- |
//! | `name`, `cpu_milli` | `name`, `cpu_milli` | |
//! | `memory_mib` | `memory` | MiB |
//! | `num_gpu`, `gpu_milli` | `device_count`, `device_milli` | |
//! | `gpu_spec` | `device_models` | separated by `\|`; missing or empty: any |
//! | `creation_time` | `arrival_ms` | seconds; missing: 0 |
//! | `deletion_time` | `duration_ms` | seconds, less the creation; missing or empty: stays |
//! | none | `tenant`, `priority` | [`OPENB_TENANT`], 0: the table names none |
//!
//! Other columns are skipped. The duration is the pod's whole life, the time it waited included, since the table's
//! pods that were never scheduled have no other.

use std::io::BufRead;
use std::path::Path;

use crate::error::TraceError;
use crate::limits::{
    MAX_DEVICES, MAX_HOST_CPU_MILLI, MAX_HOST_MEMORY, MAX_QUANTITY, MAX_TIME_MS, check_host, check_pod,
};
use crate::models::split_models;
use crate::row::{TraceHost, TracePod};
use crate::sheet::{Columns, Row, Sheet};
use crate::source::{PodOrder, buffered};

/// How many pods an openb host takes: as many as fit by their other demands.
pub const OPENB_HOST_PODS: i64 = 1_000_000;

/// The tenant of all openb pods.
pub const OPENB_TENANT: &str = "openb";

const MIB: i64 = 1 << 20;
const MAX_SECONDS: i64 = (MAX_TIME_MS / 1000) as i64;

const HOSTS: Columns = Columns {
    required: &["sn", "cpu_milli", "memory_mib", "gpu", "model"],
    optional: &[],
    skip_others: true,
};
const HOST_FIELDS: &[(&str, &str)] =
    &[("name", "sn"), ("memory", "memory_mib"), ("device_count", "gpu"), ("device_model", "model")];

const PODS: Columns = Columns {
    required: &["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"],
    optional: &["gpu_spec", "creation_time", "deletion_time"],
    skip_others: true,
};
const POD_FIELDS: &[(&str, &str)] = &[
    ("memory", "memory_mib"),
    ("device_count", "num_gpu"),
    ("device_milli", "gpu_milli"),
    ("device_models", "gpu_spec"),
    ("arrival_ms", "creation_time"),
    ("duration_ms", "deletion_time"),
];

/// Reads an openb table of hosts, in the order of the file.
pub fn read_openb_hosts(path: &Path) -> Result<Vec<TraceHost>, TraceError> {
    parse_openb_hosts(buffered(path)?, &path.display().to_string())
}

/// Reads an openb table of hosts; `file` is what errors call it.
pub fn parse_openb_hosts(input: impl BufRead, file: &str) -> Result<Vec<TraceHost>, TraceError> {
    Sheet::new(input, file, &HOSTS)?.collect(host)
}

/// Reads an openb table of pods.
pub fn read_openb_pods(path: &Path, order: PodOrder) -> Result<Vec<TracePod>, TraceError> {
    parse_openb_pods(buffered(path)?, &path.display().to_string(), order)
}

/// Reads an openb table of pods; `file` is what errors call it.
pub fn parse_openb_pods(
    input: impl BufRead,
    file: &str,
    order: PodOrder,
) -> Result<Vec<TracePod>, TraceError> {
    let mut pods = Sheet::new(input, file, &PODS)?.collect(pod)?;
    order.apply(&mut pods);
    Ok(pods)
}

fn host(row: &mut Row<'_>) -> Result<TraceHost, TraceError> {
    let host = TraceHost {
        name: row.unique_name("sn")?,
        cpu_milli: row.number("cpu_milli", 1..=MAX_HOST_CPU_MILLI)?,
        memory: row.number::<i64>("memory_mib", 1..=MAX_HOST_MEMORY / MIB)? * MIB,
        pods: OPENB_HOST_PODS,
        device_model: row.text_if_any("model"),
        device_count: row.number("gpu", 0..=MAX_DEVICES.into())?,
        zone: None,
    };
    check_host(&host).map_err(|broken| row.broken(broken, HOST_FIELDS))?;
    Ok(host)
}

fn pod(row: &mut Row<'_>) -> Result<TracePod, TraceError> {
    let created: i64 = row.number_if_any("creation_time", 0..=MAX_SECONDS)?.unwrap_or(0);
    let deleted: Option<i64> = row.number_if_any("deletion_time", 0..=MAX_SECONDS)?;
    if deleted.is_some_and(|deleted| deleted < created) {
        let want = format!("{created} (creation_time) or later: this is a time that runs backwards");
        return Err(row.wrong("deletion_time", want));
    }
    let pod = TracePod {
        name: row.unique_name("name")?,
        tenant: OPENB_TENANT.to_owned(),
        arrival_ms: created.unsigned_abs() * 1000,
        duration_ms: deleted.map(|deleted| (deleted - created).unsigned_abs() * 1000),
        cpu_milli: row.number("cpu_milli", 0..=MAX_QUANTITY)?,
        memory: row.number::<i64>("memory_mib", 0..=MAX_QUANTITY / MIB)? * MIB,
        device_count: row.number("num_gpu", 0..=MAX_DEVICES.into())?,
        device_milli: row.number("gpu_milli", 0..=u32::MAX.into())?,
        device_models: split_models(row.text("gpu_spec")),
        priority: 0,
    };
    check_pod(&pod).map_err(|broken| row.broken(broken, POD_FIELDS))?;
    Ok(pod)
}

#[cfg(test)]
mod tests;
