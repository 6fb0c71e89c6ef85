//! The Parquet tables that traces are kept in.
//!
//! Each file is one table. Its metadata name the format (`meridian.trace.hosts` or `meridian.trace.pods`, under the
//! key `meridian.format`) and its version (`meridian.version`). A newer version is refused. Columns are found by name;
//! columns that are not part of the format are skipped. The models of a pod are one text, separated by `|`, as in the
//! CSV tables: a flat table keeps the memory of a batch bounded whatever a file claims.
//!
//! Tables are written in row groups of 131,072 rows, compressed with Snappy, and read in batches of 8,192 rows, so
//! neither side holds more than that, however long the trace.

mod columns;
mod guard;
mod read;
mod write;

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

pub use self::read::{MAX_TABLE_HOSTS, PodTable, read_hosts};
pub use self::write::{PodWriter, write_hosts, write_pods};

/// The version of the tables that this program writes, and the newest that it reads.
pub const TABLE_VERSION: u32 = 1;

/// How many rows are encoded or decoded at once.
const BATCH_ROWS: usize = 8 * 1024;

/// How many rows a row group holds.
const GROUP_ROWS: usize = 16 * BATCH_ROWS;

const FORMAT_KEY: &str = "meridian.format";
const VERSION_KEY: &str = "meridian.version";
const HOSTS_FORMAT: &str = "meridian.trace.hosts";
const PODS_FORMAT: &str = "meridian.trace.pods";

/// The columns of a table of hosts, named like the fields of [`TraceHost`](crate::TraceHost).
pub fn host_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("cpu_milli", DataType::Int64, false),
        Field::new("memory", DataType::Int64, false),
        Field::new("pods", DataType::Int64, false),
        Field::new("device_model", DataType::Utf8, true),
        Field::new("device_count", DataType::UInt32, false),
        Field::new("zone", DataType::Utf8, true),
    ]))
}

/// The columns of a table of pods, named like the fields of [`TracePod`](crate::TracePod). Rows are in the order of
/// `arrival_ms`; `device_models` are separated by `|`, empty for any.
pub fn pod_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("tenant", DataType::Utf8, false),
        Field::new("arrival_ms", DataType::UInt64, false),
        Field::new("duration_ms", DataType::UInt64, true),
        Field::new("cpu_milli", DataType::Int64, false),
        Field::new("memory", DataType::Int64, false),
        Field::new("device_count", DataType::UInt32, false),
        Field::new("device_milli", DataType::UInt32, false),
        Field::new("device_models", DataType::Utf8, false),
        Field::new("priority", DataType::Int32, false),
    ]))
}

#[cfg(test)]
mod tests;
