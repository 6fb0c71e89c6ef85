use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::error::TraceError;
use crate::limits::{MAX_HOST_CPU_MILLI, MAX_HOST_MEMORY, MAX_QUANTITY, MAX_TIME_MS};
use crate::row::{TraceHost, TracePod};

fn pod(number: u64) -> TracePod {
    TracePod {
        name: format!("pod-{number}"),
        tenant: format!("tenant-{}", number % 7),
        arrival_ms: number * 3,
        duration_ms: (!number.is_multiple_of(5)).then_some(number),
        cpu_milli: 100,
        memory: 1 << 30,
        ..TracePod::default()
    }
}

fn read(path: &Path) -> Result<Vec<TracePod>, TraceError> {
    PodTable::open(path)?.collect()
}

/// The whole chain of an error, as the edge of a program would print it, with the folder taken off.
fn chain(error: &TraceError, folder: &TempDir) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.replace(&format!("{}/", folder.path().display()), "")
}

/// A table of pods as another program might write it: some columns replaced, taken out or added.
struct Foreign {
    format: &'static str,
    version: &'static str,
    fields: Vec<Field>,
    columns: Vec<ArrayRef>,
}

impl Foreign {
    /// Three good pods.
    fn new() -> Self {
        Self {
            format: PODS_FORMAT,
            version: "1",
            fields: pod_schema().fields().iter().map(|field| field.as_ref().clone()).collect(),
            columns: vec![
                Arc::new(StringArray::from(vec!["a", "b", "c"])),
                Arc::new(StringArray::from(vec!["t"; 3])),
                Arc::new(UInt64Array::from(vec![1, 2, 3])),
                Arc::new(UInt64Array::from(vec![Some(1), None, Some(0)])),
                Arc::new(Int64Array::from(vec![0; 3])),
                Arc::new(Int64Array::from(vec![0; 3])),
                Arc::new(UInt32Array::from(vec![0; 3])),
                Arc::new(UInt32Array::from(vec![0; 3])),
                Arc::new(StringArray::from(vec![""; 3])),
                Arc::new(arrow_array::Int32Array::from(vec![0; 3])),
            ],
        }
    }

    fn with(mut self, name: &str, column: ArrayRef) -> Self {
        let index = self.fields.iter().position(|field| field.name() == name).unwrap();
        self.fields[index] = Field::new(name, column.data_type().clone(), true);
        self.columns[index] = column;
        self
    }

    fn without(mut self, name: &str) -> Self {
        let index = self.fields.iter().position(|field| field.name() == name).unwrap();
        self.fields.remove(index);
        self.columns.remove(index);
        self
    }

    fn and(mut self, name: &str, column: ArrayRef) -> Self {
        self.fields.push(Field::new(name, column.data_type().clone(), true));
        self.columns.push(column);
        self
    }

    fn read(self) -> Result<Vec<TracePod>, String> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("pods.parquet");
        let pair = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
        let metadata = vec![pair(FORMAT_KEY, self.format), pair(VERSION_KEY, self.version)];
        let properties = WriterProperties::builder().set_key_value_metadata(Some(metadata)).build();
        let schema = Arc::new(Schema::new(self.fields));
        let mut writer =
            ArrowWriter::try_new(File::create(&path).unwrap(), schema.clone(), Some(properties)).unwrap();
        writer.write(&RecordBatch::try_new(schema, self.columns).unwrap()).unwrap();
        writer.close().unwrap();
        read(&path).map_err(|error| chain(&error, &folder))
    }

    fn check(self, want: &str) {
        assert_eq!(self.read().unwrap_err(), want);
    }
}

#[test]
fn many_row_groups_and_batches_come_back() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pods.parquet");
    let count = GROUP_ROWS as u64 + BATCH_ROWS as u64 + 17;
    assert_eq!(write_pods(&path, (0..count).map(pod).map(Ok)).unwrap(), count);
    let table = PodTable::open(&path).unwrap();
    assert_eq!(table.rows(), count);
    let mut expected = (0..count).map(pod);
    assert!(table.map(|pod| pod.unwrap()).eq(expected.by_ref()));
}

#[test]
fn a_table_of_pods_may_be_empty_one_of_hosts_not() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.parquet");
    assert_eq!(write_pods(&path, []).unwrap(), 0);
    assert_eq!(read(&path).unwrap(), []);
    let want = "x.parquet: holds no rows, want at least one";
    assert_eq!(chain(&write_hosts(&path, &[]).unwrap_err(), &folder), want);
}

#[test]
fn writers_check_rows() {
    let mut writer = PodWriter::new(Vec::new(), "out").unwrap();
    writer.write(&pod(5)).unwrap();
    let error = writer.write(&pod(4)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "out, row 2, column arrival_ms: \"12\", want 15 or later, as the row before: this is a time that runs backwards"
    );
    let error = writer.write(&TracePod { memory: -1, ..pod(6) }).unwrap_err();
    assert_eq!(error.to_string(), "out, row 2, column memory: \"-1\", want 0 to 9007199254740991");
    writer.write(&pod(6)).unwrap();
    assert_eq!(writer.finish().unwrap(), 2);

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hosts.parquet");
    let host = |name: &str| TraceHost { name: name.into(), cpu_milli: 1, memory: 1, ..TraceHost::default() };
    let error = write_hosts(&path, &[host("a"), host("b"), host("a")]).unwrap_err();
    let want = "hosts.parquet, row 3, column name: \"a\" is already the name of row 1, want unique names";
    assert_eq!(chain(&error, &folder), want);
    let error = write_hosts(&path, &[TraceHost { cpu_milli: 0, ..host("a") }]).unwrap_err();
    assert_eq!(chain(&error, &folder), "hosts.parquet, row 1, column cpu_milli: \"0\", want at least 1");
    let error = write_pods(&folder.path().join("none/pods.parquet"), []).unwrap_err();
    assert!(chain(&error, &folder).starts_with("cannot write none/pods.parquet: "), "{error}");
}

#[test]
fn tables_of_other_programs_are_read() {
    let found = Foreign::new().and("more", Arc::new(StringArray::from(vec!["x"; 3]))).read().unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!((found[1].duration_ms, found[2].duration_ms), (None, Some(0)));
}

#[test]
fn foreign_and_newer_tables_are_refused() {
    let other = |format, version| Foreign { format, version, ..Foreign::new() };
    other(HOSTS_FORMAT, "1")
        .check("pods.parquet: the table is of format \"meridian.trace.hosts\", want \"meridian.trace.pods\"");
    other("", "1").check("pods.parquet: the table is of format \"\", want \"meridian.trace.pods\"");
    for (version, shown) in [("2", "\"2\""), ("0", "\"0\""), ("", "\"\""), ("-1", "\"-1\"")] {
        other(PODS_FORMAT, version).check(&format!(
            "pods.parquet: meridian.trace.pods is of version {shown}, want 1 to 1: a higher version is from a newer Meridian"
        ));
    }
}

#[test]
fn bad_columns_are_refused() {
    Foreign::new().without("priority").check("pods.parquet: no column priority, want it in the header");
    Foreign::new()
        .with("arrival_ms", Arc::new(Int64Array::from(vec![1, 2, 3])))
        .check("pods.parquet: column arrival_ms is of type Int64, want UInt64");
    Foreign::new()
        .with("name", Arc::new(Int64Array::from(vec![1, 2, 3])))
        .check("pods.parquet: column name is of type Int64, want Utf8");
    Foreign::new()
        .and("name", Arc::new(StringArray::from(vec!["x"; 3])))
        .check("pods.parquet: column name appears twice in the header, want it once");
}

#[test]
fn bad_values_are_refused() {
    let numbers = |numbers: [i64; 3]| Arc::new(Int64Array::from(numbers.to_vec())) as ArrayRef;
    let counts = |counts: [u32; 3]| Arc::new(UInt32Array::from(counts.to_vec())) as ArrayRef;
    Foreign::new()
        .with("name", Arc::new(StringArray::from(vec![Some("a"), None, Some("c")])))
        .check("pods.parquet, row 2, column name: \"null\", want a value");
    Foreign::new()
        .with("arrival_ms", Arc::new(UInt64Array::from(vec![Some(1), Some(2), None])))
        .check("pods.parquet, row 3, column arrival_ms: \"null\", want a value");
    Foreign::new().with("arrival_ms", Arc::new(UInt64Array::from(vec![1, 3, 2]))).check(
        "pods.parquet, row 3, column arrival_ms: \"2\", want 3 or later, as the row before: this is a time that runs backwards",
    );
    Foreign::new()
        .with("cpu_milli", numbers([0, -1, 0]))
        .check("pods.parquet, row 2, column cpu_milli: \"-1\", want 0 to 9007199254740991");
    Foreign::new()
        .with("memory", numbers([0, 0, i64::MAX]))
        .check("pods.parquet, row 3, column memory: \"9223372036854775807\", want 0 to 9007199254740991");
    Foreign::new().with("duration_ms", Arc::new(UInt64Array::from(vec![0, u64::MAX, 0]))).check(
        "pods.parquet, row 2, column duration_ms: \"18446744073709551615\", want 0 to 9007199254740991",
    );
    Foreign::new()
        .with("device_count", counts([0, 1, 0]))
        .check("pods.parquet, row 2, column device_milli: \"0\", want 1 to 1000");
    Foreign::new()
        .with("device_models", Arc::new(StringArray::from(vec!["", "T4||A10", ""])))
        .check("pods.parquet, row 2, column device_models: \"\", want no empty model");
    let long = "x".repeat(1_000);
    let shown = "x".repeat(80) + "...";
    Foreign::new()
        .with("tenant", Arc::new(StringArray::from(vec!["t", &long, "t"])))
        .check(&format!("pods.parquet, row 2, column tenant: {shown:?}, want 1 to 253 bytes"));
}

#[test]
fn files_that_are_no_tables_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pods.parquet");
    for bytes in [&b""[..], b"PAR1", b"name,arrival_ms\na,1\n", b"PAR1\xff\xff\xff\x7fPAR1"] {
        fs::write(&path, bytes).unwrap();
        let error = chain(&read(&path).unwrap_err(), &folder);
        assert!(error.starts_with("pods.parquet: not a readable Parquet file after row 0: "), "{error}");
    }
    let error = chain(&read(&folder.path().join("none")).unwrap_err(), &folder);
    assert!(error.starts_with("cannot open none: "), "{error}");
}

#[test]
fn a_table_cut_off_or_spoilt_is_an_error_or_other_rows() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pods.parquet");
    write_pods(&path, (0..30).map(pod).map(Ok)).unwrap();
    let whole = fs::read(&path).unwrap();
    for end in (0..whole.len()).step_by(37) {
        fs::write(&path, &whole[..end]).unwrap();
        assert!(read(&path).is_err(), "cut at {end}");
    }
    for index in 0..whole.len() {
        let mut spoilt = whole.clone();
        spoilt[index] ^= [0x01, 0x80, 0xff][index % 3];
        fs::write(&path, spoilt).unwrap();
        // Either outcome is right, a panic is not.
        let _ = read(&path);
    }
}

#[test]
fn the_tables_of_version_1_are_read() {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let pods = read(&fixtures.join("pods-v1.parquet")).unwrap();
    assert_eq!(pods, fixture_pods());
    let hosts = read_hosts(&fixtures.join("hosts-v1.parquet")).unwrap();
    assert_eq!(hosts, fixture_hosts());
}

fn fixture_pods() -> Vec<TracePod> {
    let devices = TracePod {
        device_count: 2,
        device_milli: 500,
        device_models: vec!["T4".into(), "A10".into()],
        priority: -7,
        ..pod(2)
    };
    vec![pod(0), pod(1), devices]
}

fn fixture_hosts() -> Vec<TraceHost> {
    let plain = || TraceHost {
        name: "h0".into(),
        cpu_milli: 64_000,
        memory: 1 << 38,
        pods: 110,
        ..TraceHost::default()
    };
    let devices = TraceHost {
        name: "h1".into(),
        device_model: Some("T4".into()),
        device_count: 8,
        zone: Some("zone-a".into()),
        ..plain()
    };
    vec![plain(), devices]
}

prop_compose! {
    fn any_host()(
        name in "[^\\x00-\\x1f\\x7f-\\x9f]{1,20}",
        cpu_milli in 1..=MAX_HOST_CPU_MILLI,
        memory in 1..=MAX_HOST_MEMORY,
        pods in 0..=MAX_QUANTITY,
        device_model in "[A-Z0-9]{1,8}",
        device_count in prop_oneof![Just(0_u32), 1..=64_u32],
        zone in proptest::option::of("[a-z]{1,9}"),
    ) -> TraceHost {
        let device_model = (device_count > 0).then_some(device_model);
        TraceHost { name, cpu_milli, memory, pods, device_model, device_count, zone }
    }
}

prop_compose! {
    fn any_pod()(
        (name, tenant) in ("[^\\x00-\\x1f\\x7f-\\x9f]{1,20}", "[a-z]{1,5}"),
        arrival_ms in 0..=MAX_TIME_MS,
        duration_ms in proptest::option::of(0..=MAX_TIME_MS),
        (cpu_milli, memory) in (0..=MAX_QUANTITY, 0..=MAX_QUANTITY),
        (device_count, milli) in (prop_oneof![Just(0_u32), 1..=64_u32], 1..=1000_u32),
        device_models in proptest::collection::hash_set("[A-Z0-9]{1,8}", 0..4),
        priority: i32,
    ) -> TracePod {
        let device_milli = if device_count > 0 { milli } else { 0 };
        let device_models = device_models.into_iter().collect();
        TracePod {
            name, tenant, arrival_ms, duration_ms, cpu_milli, memory, device_count, device_milli, device_models, priority,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pods_come_back_as_they_were(mut pods in proptest::collection::vec(any_pod(), 0..50)) {
        pods.sort_by_key(|pod| pod.arrival_ms);
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("pods.parquet");
        write_pods(&path, pods.iter().cloned().map(Ok)).unwrap();
        prop_assert_eq!(read(&path).unwrap(), pods);
    }

    #[test]
    fn hosts_come_back_as_they_were(mut hosts in proptest::collection::vec(any_host(), 1..50)) {
        for (index, host) in hosts.iter_mut().enumerate() {
            host.name += &index.to_string();
        }
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("hosts.parquet");
        write_hosts(&path, &hosts).unwrap();
        prop_assert_eq!(read_hosts(&path).unwrap(), hosts);
    }
}
