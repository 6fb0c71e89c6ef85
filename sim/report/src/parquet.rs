//! A report as Parquet files, for notebooks and databases.
//!
//! `samples.parquet` and `tenants.parquet` have the columns of [`Sample`] and [`TenantSummary`];
//! `histograms.parquet` has one row a bucket, with the histogram's name and unit in the first column. Floats that
//! are not finite are null. Each file is written under a temporary name beside its final one and renamed when it is
//! whole, so a reader never meets half a file.

use std::{
    fs::{self, File},
    iter,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::ArrowError;
use parquet::{
    arrow::ArrowWriter,
    basic::Compression,
    errors::ParquetError,
    file::{metadata::KeyValue, properties::WriterProperties},
};

use crate::{Bucket, Error, Histogram, Sample, SimulationReport, TenantSummary};

#[cfg(test)]
mod tests;

type Columns = Result<RecordBatch, ArrowError>;

impl SimulationReport {
    /// Writes `samples.parquet`, `tenants.parquet` and `histograms.parquet` into a folder, which is made if it is
    /// missing, and replaces those that are there. Title, policy and seed are in each file's metadata.
    ///
    /// Returns the paths of the files.
    pub fn write_parquet(&self, folder: &Path) -> Result<Vec<PathBuf>, Error> {
        fs::create_dir_all(folder).map_err(|source| Error::MakeFolder { path: folder.into(), source })?;
        let files = [
            ("samples", samples(&self.samples)),
            ("tenants", tenants(&self.tenants)),
            ("histograms", histograms(self)),
        ];
        let mut written = Vec::with_capacity(files.len());
        for (name, columns) in files {
            let path = folder.join(format!("{name}.parquet"));
            let temporary = folder.join(format!(".{name}.parquet.partial"));
            if let Err(error) = write(&temporary, columns, self).and_then(|()| rename(&temporary, &path)) {
                // The first error is the one to tell; a leftover is overwritten by the next attempt.
                let _ = fs::remove_file(&temporary);
                return Err(error);
            }
            written.push(path);
        }
        Ok(written)
    }
}

fn samples(rows: &[Sample]) -> Columns {
    RecordBatch::try_from_iter_with_nullable([
        ("time_ms", whole(rows, |row| row.time_ms), false),
        ("cpu_percent", float(rows, |row| Some(row.cpu_percent)), true),
        ("memory_percent", float(rows, |row| Some(row.memory_percent)), true),
        ("device_percent", float(rows, |row| row.device_percent), true),
        ("device_fragmentation_percent", float(rows, |row| row.device_fragmentation_percent), true),
        ("stranded_cpu_percent", float(rows, |row| Some(row.stranded_cpu_percent)), true),
        ("running", whole(rows, |row| row.running), false),
        ("waiting", whole(rows, |row| row.waiting), false),
    ])
}

fn tenants(rows: &[TenantSummary]) -> Columns {
    let names = StringArray::from_iter_values(rows.iter().map(|row| &row.tenant));
    RecordBatch::try_from_iter_with_nullable([
        ("tenant", Arc::new(names) as ArrayRef, false),
        ("pods_arrived", whole(rows, |row| row.pods_arrived), false),
        ("pods_placed", whole(rows, |row| row.pods_placed), false),
        ("mean_queue_delay_ms", float(rows, |row| Some(row.mean_queue_delay_ms)), true),
        ("max_queue_delay_ms", whole(rows, |row| row.max_queue_delay_ms), false),
        ("cpu_core_hours", float(rows, |row| Some(row.cpu_core_hours)), true),
    ])
}

fn histograms(report: &SimulationReport) -> Columns {
    fn named<'a>(name: &'a str, from: &'a Histogram) -> impl Iterator<Item = (&'a str, Bucket)> {
        iter::repeat(name).zip(from.buckets())
    }
    let decisions = report.timings.iter().map(|timings| &timings.decision_nanoseconds);
    let rows = named("queue_delay_milliseconds", &report.queue_delay)
        .chain(decisions.flat_map(|histogram| named("decision_nanoseconds", histogram)))
        .collect::<Vec<_>>();
    let names = StringArray::from_iter_values(rows.iter().map(|(name, _)| name));
    RecordBatch::try_from_iter_with_nullable([
        ("histogram", Arc::new(names) as ArrayRef, false),
        ("low", whole(&rows, |(_, bucket)| bucket.low), false),
        ("high", whole(&rows, |(_, bucket)| bucket.high), false),
        ("count", whole(&rows, |(_, bucket)| bucket.count), false),
    ])
}

fn whole<T>(rows: &[T], value: impl Fn(&T) -> u64) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(rows.iter().map(value)))
}

fn float<T>(rows: &[T], value: impl Fn(&T) -> Option<f64>) -> ArrayRef {
    let known = rows.iter().map(|row| value(row).filter(|value| value.is_finite()));
    Arc::new(Float64Array::from_iter(known))
}

fn write(path: &Path, columns: Columns, report: &SimulationReport) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.into(), source };
    let columns = columns.map_err(|source| failed(source.into()))?;
    let file = File::create(path).map_err(|source| Error::Create { path: path.into(), source })?;
    let file = encode(file, &columns, report).map_err(failed)?;
    // Without this a crash soon after could leave the final name on an empty file.
    file.sync_all().map_err(|source| Error::Sync { path: path.into(), source })
}

fn encode(file: File, columns: &RecordBatch, report: &SimulationReport) -> Result<File, ParquetError> {
    let about = [
        ("meridian.title", report.title.clone()),
        ("meridian.policy", report.policy.clone()),
        ("meridian.seed", report.seed.to_string()),
    ];
    let about = about.map(|(key, value)| KeyValue::new(key.to_owned(), value));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(about.into()))
        .build();
    let mut writer = ArrowWriter::try_new(file, columns.schema(), Some(properties))?;
    writer.write(columns)?;
    writer.into_inner()
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|source| Error::Rename { from: from.into(), to: to.into(), source })
}
