//! CSV tables whose columns are named like the fields of the rows, for traces written by hand or by a spreadsheet.
//!
//! Hosts need `name`, `cpu_milli` and `memory`; an absent or empty `pods` is [`DEFAULT_HOST_PODS`], `device_count` 0,
//! and `device_model` and `zone` none. Pods need `name`, `arrival_ms`, `cpu_milli` and `memory`; an absent or empty
//! `tenant` is [`DEFAULT_TENANT`], `duration_ms` none (the pod stays), `device_count` 0, `device_milli` a whole device
//! where devices are asked for, `device_models` any (several are separated by `|`) and `priority` 0. Other columns are
//! refused: they are most likely misspelt.

use std::io::BufRead;
use std::path::Path;

use crate::error::TraceError;
use crate::limits::{
    DEVICE_MILLI, MAX_DEVICES, MAX_HOST_CPU_MILLI, MAX_HOST_MEMORY, MAX_QUANTITY, MAX_TIME_MS, check_host,
    check_pod,
};
use crate::models::split_models;
use crate::row::{TraceHost, TracePod};
use crate::sheet::{Columns, Row, Sheet};
use crate::source::{PodOrder, buffered};

/// How many pods a host takes whose row does not say: as Kubernetes' own nodes.
pub const DEFAULT_HOST_PODS: i64 = 110;

/// The tenant of pods whose row names none.
pub const DEFAULT_TENANT: &str = "default";

const MAX_TIME: i64 = MAX_TIME_MS as i64;

const HOSTS: Columns = Columns {
    required: &["name", "cpu_milli", "memory"],
    optional: &["pods", "device_model", "device_count", "zone"],
    skip_others: false,
};

const PODS: Columns = Columns {
    required: &["name", "arrival_ms", "cpu_milli", "memory"],
    optional: &["tenant", "duration_ms", "device_count", "device_milli", "device_models", "priority"],
    skip_others: false,
};

/// Reads a CSV table of hosts, in the order of the file.
pub fn read_csv_hosts(path: &Path) -> Result<Vec<TraceHost>, TraceError> {
    parse_csv_hosts(buffered(path)?, &path.display().to_string())
}

/// Reads a CSV table of hosts; `file` is what errors call it.
pub fn parse_csv_hosts(input: impl BufRead, file: &str) -> Result<Vec<TraceHost>, TraceError> {
    Sheet::new(input, file, &HOSTS)?.collect(host)
}

/// Reads a CSV table of pods.
pub fn read_csv_pods(path: &Path, order: PodOrder) -> Result<Vec<TracePod>, TraceError> {
    parse_csv_pods(buffered(path)?, &path.display().to_string(), order)
}

/// Reads a CSV table of pods; `file` is what errors call it.
pub fn parse_csv_pods(input: impl BufRead, file: &str, order: PodOrder) -> Result<Vec<TracePod>, TraceError> {
    let mut pods = Sheet::new(input, file, &PODS)?.collect(pod)?;
    order.apply(&mut pods);
    Ok(pods)
}

fn host(row: &mut Row<'_>) -> Result<TraceHost, TraceError> {
    let host = TraceHost {
        name: row.unique_name("name")?,
        cpu_milli: row.number("cpu_milli", 1..=MAX_HOST_CPU_MILLI)?,
        memory: row.number("memory", 1..=MAX_HOST_MEMORY)?,
        pods: row.number_if_any("pods", 0..=MAX_QUANTITY)?.unwrap_or(DEFAULT_HOST_PODS),
        device_model: row.text_if_any("device_model"),
        device_count: row.number_if_any("device_count", 0..=MAX_DEVICES.into())?.unwrap_or(0),
        zone: row.text_if_any("zone"),
    };
    check_host(&host).map_err(|broken| row.broken(broken, &[]))?;
    Ok(host)
}

fn pod(row: &mut Row<'_>) -> Result<TracePod, TraceError> {
    let device_count = row.number_if_any("device_count", 0..=MAX_DEVICES.into())?.unwrap_or(0);
    let whole = if device_count > 0 { DEVICE_MILLI } else { 0 };
    let pod = TracePod {
        name: row.unique_name("name")?,
        tenant: row.text_if_any("tenant").unwrap_or_else(|| DEFAULT_TENANT.to_owned()),
        arrival_ms: row.number("arrival_ms", 0..=MAX_TIME)?,
        duration_ms: row.number_if_any("duration_ms", 0..=MAX_TIME)?,
        cpu_milli: row.number("cpu_milli", 0..=MAX_QUANTITY)?,
        memory: row.number("memory", 0..=MAX_QUANTITY)?,
        device_count,
        device_milli: row.number_if_any("device_milli", 0..=u32::MAX.into())?.unwrap_or(whole),
        device_models: split_models(row.text("device_models")),
        priority: row.number_if_any("priority", i32::MIN.into()..=i32::MAX.into())?.unwrap_or(0),
    };
    check_pod(&pod).map_err(|broken| row.broken(broken, &[]))?;
    Ok(pod)
}

#[cfg(test)]
mod tests;
