use std::error::Error as _;

use arrow_array::{Array, cast::AsArray, types::Float64Type, types::UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::example;

/// All rows of a file as one batch.
fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let mut batches = builder.with_batch_size(1 << 20).build().unwrap();
    let batch = batches.next().map_or_else(|| RecordBatch::new_empty(schema), Result::unwrap);
    assert!(batches.next().is_none());
    batch
}

fn whole_column(batch: &RecordBatch, name: &str) -> Vec<u64> {
    batch[name].as_primitive::<UInt64Type>().values().to_vec()
}

fn float_column(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    batch[name].as_primitive::<Float64Type>().iter().collect()
}

#[test]
fn what_was_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let report = example::report();
    let written = report.write_parquet(&folder.path().join("new/folder")).unwrap();
    let names = written.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(names, ["samples.parquet", "tenants.parquet", "histograms.parquet"]);

    let samples = read(&written[0]);
    assert_eq!(whole_column(&samples, "time_ms"), whole_of(&report.samples, |sample| sample.time_ms));
    assert_eq!(whole_column(&samples, "running"), whole_of(&report.samples, |sample| sample.running));
    let devices = report.samples.iter().map(|sample| sample.device_percent).collect::<Vec<_>>();
    assert_eq!(float_column(&samples, "device_percent"), devices);
    let cpu = report.samples.iter().map(|sample| Some(sample.cpu_percent)).collect::<Vec<_>>();
    assert_eq!(float_column(&samples, "cpu_percent"), cpu);

    let tenants = read(&written[1]);
    let names = tenants["tenant"].as_string::<i32>().iter().flatten().collect::<Vec<_>>();
    assert_eq!(names, report.tenants.iter().map(|tenant| &tenant.tenant).collect::<Vec<_>>());
    assert_eq!(whole_column(&tenants, "pods_placed"), whole_of(&report.tenants, |tenant| tenant.pods_placed));

    let histograms = read(&written[2]);
    let decisions = &report.timings.as_ref().unwrap().decision_nanoseconds;
    let buckets = report.queue_delay.buckets().chain(decisions.buckets()).collect::<Vec<_>>();
    assert_eq!(whole_column(&histograms, "low"), whole_of(&buckets, |bucket| bucket.low));
    assert_eq!(whole_column(&histograms, "count"), whole_of(&buckets, |bucket| bucket.count));
    let names = histograms["histogram"].as_string::<i32>();
    assert_eq!(names.value(0), "queue_delay_milliseconds");
    assert_eq!(names.value(names.len() - 1), "decision_nanoseconds");
}

#[test]
fn corners_are_written_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    for (name, report) in example::corners() {
        let written = report.write_parquet(folder.path()).unwrap();
        assert_eq!(read(&written[0]).num_rows(), report.samples.len(), "{name}");
        assert_eq!(read(&written[1]).num_rows(), report.tenants.len(), "{name}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), written.len(), "{name}");
    }
}

#[test]
fn floats_that_are_not_known_are_null() {
    let folder = tempfile::tempdir().unwrap();
    let (_, report) = example::corners().into_iter().find(|(name, _)| *name == "unknown").unwrap();
    let samples = read(&report.write_parquet(folder.path()).unwrap()[0]);
    for name in ["cpu_percent", "device_percent", "device_fragmentation_percent", "stranded_cpu_percent"] {
        assert_eq!(samples[name].null_count(), samples.num_rows(), "{name}");
    }
}

#[test]
fn equal_reports_are_equal_files() {
    let (left, right) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let left = example::report().write_parquet(left.path()).map(bytes).unwrap();
    let right = example::report().write_parquet(right.path()).map(bytes).unwrap();
    assert_eq!(left, right);
}

#[test]
fn errors_name_the_path_and_leave_no_partial_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = example::report().write_parquet(&file).unwrap_err();
    assert!(matches!(&error, Error::MakeFolder { path, .. } if *path == file));
    assert!(error.to_string().contains("file") && error.source().is_some());

    let taken = folder.path().join("taken");
    fs::create_dir_all(taken.join("samples.parquet/full")).unwrap();
    let error = example::report().write_parquet(&taken).unwrap_err();
    assert!(matches!(&error, Error::Rename { to, .. } if to.ends_with("samples.parquet")));
    assert_eq!(fs::read_dir(&taken).unwrap().count(), 1);
}

fn whole_of<T>(rows: &[T], value: impl Fn(&T) -> u64) -> Vec<u64> {
    rows.iter().map(value).collect()
}

fn bytes(paths: Vec<PathBuf>) -> Vec<Vec<u8>> {
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}
