//! Rows into a table.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, Int64Builder, StringBuilder, UInt32Builder, UInt64Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::{
    BATCH_ROWS, FORMAT_KEY, GROUP_ROWS, HOSTS_FORMAT, PODS_FORMAT, TABLE_VERSION, VERSION_KEY, host_schema,
    pod_schema,
};
use crate::error::TraceError;
use crate::limits::{check_host, check_pod};
use crate::models::join_models;
use crate::row::{TraceHost, TracePod};

/// Writes a table of hosts. Names must be unique.
pub fn write_hosts(path: &Path, hosts: &[TraceHost]) -> Result<(), TraceError> {
    let name = path.display().to_string();
    if hosts.is_empty() {
        return Err(TraceError::Empty { file: name, header: false });
    }
    let mut output = Output::new(create(path)?, &name, host_schema(), HOSTS_FORMAT)?;
    for (index, host) in hosts.iter().enumerate() {
        check_host(host).map_err(|broken| TraceError::limit(&name, index as u64 + 1, broken))?;
    }
    super::read::check_names(&name, hosts)?;
    for batch in hosts.chunks(BATCH_ROWS) {
        output.write(host_arrays(batch))?;
    }
    output.finish()
}

/// Writes a table of pods from a stream of them, and says how many there were. The first error ends it.
pub fn write_pods(
    path: &Path,
    pods: impl IntoIterator<Item = Result<TracePod, TraceError>>,
) -> Result<u64, TraceError> {
    let mut writer = PodWriter::create(path)?;
    for pod in pods {
        writer.write(&pod?)?;
    }
    writer.finish()
}

/// Writes a table of pods, pod by pod in the order of their arrival. Names are taken to be unique: to check it would
/// take all of them in memory.
///
/// Without [`finish`](Self::finish) the file has no end, and readers refuse it.
pub struct PodWriter<W: Write + Send = File> {
    output: Output<W>,
    columns: PodBuilders,
    pending: usize,
    rows: u64,
    last_arrival_ms: u64,
}

impl PodWriter {
    /// Creates the file, or empties it if it is there.
    pub fn create(path: &Path) -> Result<Self, TraceError> {
        Self::new(create(path)?, &path.display().to_string())
    }
}

impl<W: Write + Send> PodWriter<W> {
    /// Writes to any output; `file` is what errors call it.
    pub fn new(output: W, file: &str) -> Result<Self, TraceError> {
        Ok(Self {
            output: Output::new(output, file, pod_schema(), PODS_FORMAT)?,
            columns: PodBuilders::default(),
            pending: 0,
            rows: 0,
            last_arrival_ms: 0,
        })
    }

    /// Checks and writes a pod. After an error the pod is not in the table, and the next may follow.
    pub fn write(&mut self, pod: &TracePod) -> Result<(), TraceError> {
        let row = self.rows + 1;
        check_pod(pod).map_err(|broken| TraceError::limit(&self.output.file, row, broken))?;
        check_order(&self.output.file, row, self.last_arrival_ms, pod.arrival_ms)?;
        self.columns.append(pod);
        self.last_arrival_ms = pod.arrival_ms;
        self.rows = row;
        self.pending += 1;
        if self.pending == BATCH_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the table, and says how many pods are in it.
    pub fn finish(mut self) -> Result<u64, TraceError> {
        if self.pending > 0 {
            self.flush()?;
        }
        self.output.finish()?;
        Ok(self.rows)
    }

    fn flush(&mut self) -> Result<(), TraceError> {
        self.pending = 0;
        self.output.write(self.columns.finish())
    }
}

/// Pods arrive in order, when written and when read.
pub(super) fn check_order(file: &str, row: u64, last_ms: u64, arrival_ms: u64) -> Result<(), TraceError> {
    if arrival_ms < last_ms {
        let want = format!("{last_ms} or later, as the row before: this is a time that runs backwards");
        return Err(TraceError::value(file, row, "arrival_ms", &arrival_ms.to_string(), want));
    }
    Ok(())
}

fn create(path: &Path) -> Result<File, TraceError> {
    File::create(path).map_err(|source| TraceError::Write { file: path.display().to_string(), source })
}

/// A Parquet file being written.
struct Output<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: SchemaRef,
    file: String,
}

impl<W: Write + Send> Output<W> {
    fn new(output: W, file: &str, schema: SchemaRef, format: &str) -> Result<Self, TraceError> {
        let metadata = vec![
            KeyValue::new(FORMAT_KEY.to_owned(), format.to_owned()),
            KeyValue::new(VERSION_KEY.to_owned(), TABLE_VERSION.to_string()),
        ];
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_key_value_metadata(Some(metadata))
            // Names are all different, so a dictionary of them is only in the way.
            .set_column_dictionary_enabled("name".into(), false)
            .build();
        let writer = ArrowWriter::try_new(output, schema.clone(), Some(properties));
        let writer = writer.map_err(|error| failed(file, io::Error::other(error)))?;
        Ok(Self { writer, schema, file: file.to_owned() })
    }

    fn write(&mut self, columns: Vec<ArrayRef>) -> Result<(), TraceError> {
        let batch = RecordBatch::try_new(self.schema.clone(), columns);
        let batch = batch.map_err(|error: ArrowError| failed(&self.file, io::Error::other(error)))?;
        self.writer.write(&batch).map_err(|error| failed(&self.file, io::Error::other(error)))
    }

    fn finish(self) -> Result<(), TraceError> {
        let Self { writer, file, .. } = self;
        writer.close().map(|_| ()).map_err(|error| failed(&file, io::Error::other(error)))
    }
}

fn failed(file: &str, source: io::Error) -> TraceError {
    TraceError::Write { file: file.to_owned(), source }
}

fn host_arrays(hosts: &[TraceHost]) -> Vec<ArrayRef> {
    use arrow_array::{Int64Array, StringArray, UInt32Array};
    vec![
        Arc::new(StringArray::from_iter_values(hosts.iter().map(|host| &host.name))),
        Arc::new(Int64Array::from_iter_values(hosts.iter().map(|host| host.cpu_milli))),
        Arc::new(Int64Array::from_iter_values(hosts.iter().map(|host| host.memory))),
        Arc::new(Int64Array::from_iter_values(hosts.iter().map(|host| host.pods))),
        Arc::new(hosts.iter().map(|host| host.device_model.as_deref()).collect::<StringArray>()),
        Arc::new(UInt32Array::from_iter_values(hosts.iter().map(|host| host.device_count))),
        Arc::new(hosts.iter().map(|host| host.zone.as_deref()).collect::<StringArray>()),
    ]
}

/// The columns of a batch of pods, in the order of the schema.
#[derive(Default)]
struct PodBuilders {
    name: StringBuilder,
    tenant: StringBuilder,
    arrival_ms: UInt64Builder,
    duration_ms: UInt64Builder,
    cpu_milli: Int64Builder,
    memory: Int64Builder,
    device_count: UInt32Builder,
    device_milli: UInt32Builder,
    device_models: StringBuilder,
    priority: Int32Builder,
}

impl PodBuilders {
    fn append(&mut self, pod: &TracePod) {
        self.name.append_value(&pod.name);
        self.tenant.append_value(&pod.tenant);
        self.arrival_ms.append_value(pod.arrival_ms);
        self.duration_ms.append_option(pod.duration_ms);
        self.cpu_milli.append_value(pod.cpu_milli);
        self.memory.append_value(pod.memory);
        self.device_count.append_value(pod.device_count);
        self.device_milli.append_value(pod.device_milli);
        self.device_models.append_value(join_models(&pod.device_models));
        self.priority.append_value(pod.priority);
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.name.finish()),
            Arc::new(self.tenant.finish()),
            Arc::new(self.arrival_ms.finish()),
            Arc::new(self.duration_ms.finish()),
            Arc::new(self.cpu_milli.finish()),
            Arc::new(self.memory.finish()),
            Arc::new(self.device_count.finish()),
            Arc::new(self.device_milli.finish()),
            Arc::new(self.device_models.finish()),
            Arc::new(self.priority.finish()),
        ]
    }
}
