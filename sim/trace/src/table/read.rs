//! Rows out of a table.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::columns::{Columns, HostColumns, Place, PodColumns};
use super::guard::guarded;
use super::write::check_order;
use super::{BATCH_ROWS, FORMAT_KEY, TABLE_VERSION, VERSION_KEY};
use crate::error::{TraceError, shorten};
use crate::row::{TraceHost, TracePod};
use crate::source::open;

/// The most hosts that [`read_hosts`] takes, since it keeps them all.
pub const MAX_TABLE_HOSTS: usize = 4_000_000;

/// The most bytes that one column of one row group may claim to hold: many times what a row group of ours holds.
const MAX_CHUNK_BYTES: i64 = 1 << 28;

/// Reads a table of hosts, in its order.
pub fn read_hosts(path: &Path) -> Result<Vec<TraceHost>, TraceError> {
    let name = path.display().to_string();
    let mut table = Table::<HostColumns>::new(open(path)?, &name)?;
    let mut hosts = Vec::new();
    while let Some(host) = table.next_row()? {
        if hosts.len() == MAX_TABLE_HOSTS {
            return Err(TraceError::TooManyRows { file: name, row: table.row, limit: MAX_TABLE_HOSTS });
        }
        hosts.push(host);
    }
    if hosts.is_empty() {
        return Err(TraceError::Empty { file: name, header: false });
    }
    check_names(&name, &hosts)?;
    Ok(hosts)
}

/// Names of hosts are unique, when written and when read.
pub(super) fn check_names(file: &str, hosts: &[TraceHost]) -> Result<(), TraceError> {
    let mut seen = HashMap::with_capacity(hosts.len());
    for (row, host) in (1..).zip(hosts) {
        if let Some(first) = seen.insert(host.name.as_str(), row) {
            let (file, name) = (file.to_owned(), shorten(&host.name));
            return Err(TraceError::DuplicateName { file, row, column: "name", name, first });
        }
    }
    Ok(())
}

/// A table of pods, as an iterator over them in the order of their arrival; it may be empty. It holds one batch at a
/// time, so it does not check that names are unique. After the first error it ends.
pub struct PodTable {
    table: Table<PodColumns>,
    rows: u64,
    last_arrival_ms: u64,
    ended: bool,
}

impl PodTable {
    /// Opens a table.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let table = Table::new(open(path)?, &path.display().to_string())?;
        Ok(Self { rows: table.rows, table, last_arrival_ms: 0, ended: false })
    }

    /// How many pods the table says it has, for showing progress.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn next_pod(&mut self) -> Result<Option<TracePod>, TraceError> {
        let Some(pod) = self.table.next_row()? else {
            return Ok(None);
        };
        check_order(&self.table.file, self.table.row, self.last_arrival_ms, pod.arrival_ms)?;
        self.last_arrival_ms = pod.arrival_ms;
        Ok(Some(pod))
    }
}

impl Iterator for PodTable {
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

/// A table being read.
struct Table<C> {
    file: String,
    reader: ParquetRecordBatchReader,
    /// How many rows the file claims.
    rows: u64,
    /// The number of the row handed out last; the first is 1.
    row: u64,
    batch: Option<Batch<C>>,
}

struct Batch<C> {
    columns: C,
    next: usize,
    len: usize,
}

impl<C: Columns> Table<C> {
    fn new(input: File, file: &str) -> Result<Self, TraceError> {
        let refused = |source| TraceError::Parquet { file: file.to_owned(), row: 0, source };
        // The types come from the columns themselves. An Arrow schema that a writer embedded may name other types for
        // the same columns (dictionaries, large texts), which is its own affair.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = guarded(|| ArrowReaderMetadata::load(&input, options.clone())).map_err(refused)?;
        check_format::<C>(file, metadata.metadata())?;
        check_columns(file, metadata.schema(), &C::schema())?;
        let rows = check_groups(metadata.metadata()).map_err(refused)?;
        let options = options.with_schema(Arc::new(with_views(metadata.schema())));
        let metadata = guarded(|| ArrowReaderMetadata::try_new(metadata.metadata().clone(), options))
            .map_err(refused)?;
        let schema = C::schema();
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let mask = ProjectionMask::columns(metadata.parquet_schema(), names);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata);
        let builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
        let reader = guarded(|| builder.build()).map_err(refused)?;
        Ok(Self { file: file.to_owned(), reader, rows, row: 0, batch: None })
    }

    fn next_row(&mut self) -> Result<Option<C::Row>, TraceError> {
        loop {
            if let Some(batch) = &mut self.batch
                && batch.next < batch.len
            {
                self.row += 1;
                let index = batch.next;
                batch.next += 1;
                return batch.columns.row(index, &Place { file: &self.file, row: self.row }).map(Some);
            }
            let batch = guarded(|| self.reader.next().transpose().map_err(ParquetError::from));
            let batch = batch.map_err(|source| TraceError::Parquet {
                file: self.file.clone(),
                row: self.row,
                source,
            });
            let Some(batch) = batch? else {
                return Ok(None);
            };
            let columns = C::new(&batch, &self.file)?;
            self.batch = Some(Batch { columns, next: 0, len: batch.num_rows() });
        }
    }
}

fn check_format<C: Columns>(file: &str, metadata: &ParquetMetaData) -> Result<(), TraceError> {
    let pairs = metadata.file_metadata().key_value_metadata();
    let value = |key: &str| {
        let pair = pairs.into_iter().flatten().find(|pair| pair.key == key);
        pair.and_then(|pair| pair.value.as_deref()).unwrap_or_default()
    };
    let (format, version) = (value(FORMAT_KEY), value(VERSION_KEY));
    if format != C::FORMAT {
        return Err(TraceError::Format { file: file.to_owned(), found: shorten(format), want: C::FORMAT });
    }
    if !version.parse::<u32>().is_ok_and(|version| (1..=TABLE_VERSION).contains(&version)) {
        return Err(TraceError::Version {
            file: file.to_owned(),
            format: C::FORMAT,
            found: shorten(version),
            newest: TABLE_VERSION,
        });
    }
    Ok(())
}

fn check_columns(file: &str, found: &Schema, want: &Schema) -> Result<(), TraceError> {
    for field in want.fields() {
        let mut same = found.fields().iter().filter(|other| other.name() == field.name());
        let column = field.name().clone();
        let Some(first) = same.next() else {
            return Err(TraceError::MissingColumn { file: file.to_owned(), row: 0, column });
        };
        if same.next().is_some() {
            return Err(TraceError::DuplicateColumn { file: file.to_owned(), row: 0, column });
        }
        if first.data_type() != field.data_type() {
            return Err(TraceError::ColumnType {
                file: file.to_owned(),
                column,
                found: shorten(&first.data_type().to_string()),
                want: field.data_type().to_string(),
            });
        }
    }
    Ok(())
}

/// Refuses row groups that claim absurd sizes before anything is set aside for them. Returns the number of rows.
fn check_groups(metadata: &ParquetMetaData) -> Result<u64, ParquetError> {
    let mut rows: u64 = 0;
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let group_rows = u64::try_from(group.num_rows());
        let group_rows = group_rows
            .map_err(|_| ParquetError::General(format!("row group {index} has a negative number of rows")))?;
        rows = rows.saturating_add(group_rows);
        for column in group.columns() {
            let bytes = 0..=MAX_CHUNK_BYTES;
            if !bytes.contains(&column.uncompressed_size()) || !bytes.contains(&column.compressed_size()) {
                let (name, most) = (shorten(&column.column_path().string()), MAX_CHUNK_BYTES);
                let problem = format!("column {name} of row group {index} claims more than {most} bytes");
                return Err(ParquetError::General(problem));
            }
        }
    }
    Ok(rows)
}

/// The schema with texts as views: a view refers to its page or dictionary, so a long text that a small file repeats in
/// every row is in memory once and not once a row.
fn with_views(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Arc::new(Field::new(field.name(), DataType::Utf8View, field.is_nullable())),
        _ => field.clone(),
    });
    Schema::new(fields.collect::<Vec<_>>())
}
