//! The columns of one batch as their types, and rows out of them.

use arrow_array::types::{Int32Type, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray, RecordBatch, StringViewArray};
use arrow_schema::SchemaRef;

use super::{HOSTS_FORMAT, PODS_FORMAT, host_schema, pod_schema};
use crate::error::TraceError;
use crate::limits::{check_host, check_pod};
use crate::models::split_models;
use crate::row::{TraceHost, TracePod};

/// Where a row is, for errors.
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) row: u64,
}

/// What the tables of hosts and of pods differ in.
pub(super) trait Columns: Sized {
    type Row;
    const FORMAT: &'static str;

    fn schema() -> SchemaRef;
    fn new(batch: &RecordBatch, file: &str) -> Result<Self, TraceError>;
    /// The row at an index within the batch, checked.
    fn row(&self, index: usize, place: &Place<'_>) -> Result<Self::Row, TraceError>;
}

pub(super) struct HostColumns {
    name: StringViewArray,
    cpu_milli: PrimitiveArray<Int64Type>,
    memory: PrimitiveArray<Int64Type>,
    pods: PrimitiveArray<Int64Type>,
    device_model: StringViewArray,
    device_count: PrimitiveArray<UInt32Type>,
    zone: StringViewArray,
}

impl Columns for HostColumns {
    type Row = TraceHost;
    const FORMAT: &'static str = HOSTS_FORMAT;

    fn schema() -> SchemaRef {
        host_schema()
    }

    fn new(batch: &RecordBatch, file: &str) -> Result<Self, TraceError> {
        Ok(Self {
            name: column(batch, file, "name")?,
            cpu_milli: column(batch, file, "cpu_milli")?,
            memory: column(batch, file, "memory")?,
            pods: column(batch, file, "pods")?,
            device_model: column(batch, file, "device_model")?,
            device_count: column(batch, file, "device_count")?,
            zone: column(batch, file, "zone")?,
        })
    }

    fn row(&self, index: usize, place: &Place<'_>) -> Result<TraceHost, TraceError> {
        let host = TraceHost {
            name: place.text(&self.name, index, "name")?,
            cpu_milli: place.number(&self.cpu_milli, index, "cpu_milli")?,
            memory: place.number(&self.memory, index, "memory")?,
            pods: place.number(&self.pods, index, "pods")?,
            device_model: text_if_any(&self.device_model, index),
            device_count: place.number(&self.device_count, index, "device_count")?,
            zone: text_if_any(&self.zone, index),
        };
        check_host(&host).map_err(|broken| TraceError::limit(place.file, place.row, broken))?;
        Ok(host)
    }
}

pub(super) struct PodColumns {
    name: StringViewArray,
    tenant: StringViewArray,
    arrival_ms: PrimitiveArray<UInt64Type>,
    duration_ms: PrimitiveArray<UInt64Type>,
    cpu_milli: PrimitiveArray<Int64Type>,
    memory: PrimitiveArray<Int64Type>,
    device_count: PrimitiveArray<UInt32Type>,
    device_milli: PrimitiveArray<UInt32Type>,
    device_models: StringViewArray,
    priority: PrimitiveArray<Int32Type>,
}

impl Columns for PodColumns {
    type Row = TracePod;
    const FORMAT: &'static str = PODS_FORMAT;

    fn schema() -> SchemaRef {
        pod_schema()
    }

    fn new(batch: &RecordBatch, file: &str) -> Result<Self, TraceError> {
        Ok(Self {
            name: column(batch, file, "name")?,
            tenant: column(batch, file, "tenant")?,
            arrival_ms: column(batch, file, "arrival_ms")?,
            duration_ms: column(batch, file, "duration_ms")?,
            cpu_milli: column(batch, file, "cpu_milli")?,
            memory: column(batch, file, "memory")?,
            device_count: column(batch, file, "device_count")?,
            device_milli: column(batch, file, "device_milli")?,
            device_models: column(batch, file, "device_models")?,
            priority: column(batch, file, "priority")?,
        })
    }

    fn row(&self, index: usize, place: &Place<'_>) -> Result<TracePod, TraceError> {
        let pod = TracePod {
            name: place.text(&self.name, index, "name")?,
            tenant: place.text(&self.tenant, index, "tenant")?,
            arrival_ms: place.number(&self.arrival_ms, index, "arrival_ms")?,
            duration_ms: self.duration_ms.is_valid(index).then(|| self.duration_ms.value(index)),
            cpu_milli: place.number(&self.cpu_milli, index, "cpu_milli")?,
            memory: place.number(&self.memory, index, "memory")?,
            device_count: place.number(&self.device_count, index, "device_count")?,
            device_milli: place.number(&self.device_milli, index, "device_milli")?,
            device_models: split_models(&place.text(&self.device_models, index, "device_models")?),
            priority: place.number(&self.priority, index, "priority")?,
        };
        check_pod(&pod).map_err(|broken| TraceError::limit(place.file, place.row, broken))?;
        Ok(pod)
    }
}

impl Place<'_> {
    fn text(&self, array: &StringViewArray, index: usize, name: &'static str) -> Result<String, TraceError> {
        text_if_any(array, index).ok_or_else(|| self.null(name))
    }

    fn number<T: ArrowPrimitiveType>(
        &self,
        array: &PrimitiveArray<T>,
        index: usize,
        name: &'static str,
    ) -> Result<T::Native, TraceError> {
        if array.is_valid(index) { Ok(array.value(index)) } else { Err(self.null(name)) }
    }

    fn null(&self, column: &'static str) -> TraceError {
        TraceError::value(self.file, self.row, column, "null", "a value")
    }
}

fn text_if_any(array: &StringViewArray, index: usize) -> Option<String> {
    array.is_valid(index).then(|| array.value(index).to_owned())
}

fn column<A: Array + Clone + 'static>(
    batch: &RecordBatch,
    file: &str,
    name: &'static str,
) -> Result<A, TraceError> {
    let Some(array) = batch.column_by_name(name) else {
        return Err(TraceError::MissingColumn { file: file.to_owned(), row: 0, column: name.to_owned() });
    };
    // The types of the file were checked when it was opened, so a mismatch here means that it changed under us.
    array.as_any().downcast_ref::<A>().cloned().ok_or_else(|| TraceError::ColumnType {
        file: file.to_owned(),
        column: name.to_owned(),
        found: array.data_type().to_string(),
        want: std::any::type_name::<A>().to_owned(),
    })
}
