//! A trace that was converted to Parquet is the same trace: the same pods go to the same hosts at the same times.

use serde_json::Value;

use crate::folder::Folder;
use crate::trace::{HOSTS, LOG, OPENB_HOSTS, OPENB_PODS, PODS, gzip, log, openb, tables};

const KEPT: &str = "sim tables --nodes kept/hosts.parquet --pods kept/pods.parquet";

fn digest(folder: &Folder, arguments: &str) -> Value {
    let report = folder.json(&format!("{arguments} --no-timings"));
    assert!(report["summary"]["pods_placed"].as_u64() > Some(0), "{arguments}: {}", report["summary"]);
    report["summary"]["placement_digest"].clone()
}

#[test]
fn a_made_up_region() {
    let folder = Folder::new();
    let region = "synthetic --hosts 40 --hours 2 --seed 3 --gpu-share 0.2";
    let converted = folder.runs(&format!("sim convert {region} --to kept"));
    assert!(converted.err.starts_with("kept: 40 hosts, "), "{}", converted.err);
    // A table does not say when its region ends.
    let direct = digest(&folder, &format!("sim {region}"));
    assert_eq!(digest(&folder, &format!("{KEPT} --until 2")), direct);
}

#[test]
fn a_job_log() {
    let folder = log(LOG);
    folder.write("log.swf.gz", gzip(LOG));
    let hosts = "--hosts 3 --host-cpus 8";
    let ran = folder.runs(&format!("sim convert swf --trace log.swf {hosts} --to kept"));
    assert_eq!(ran.err, "kept: 3 hosts, 3 pods\n");
    let direct = digest(&folder, &format!("sim swf --trace log.swf {hosts}"));
    assert_eq!(digest(&folder, KEPT), direct);
    assert_eq!(digest(&folder, &format!("sim swf --trace log.swf.gz {hosts}")), direct);
}

#[test]
fn tables_written_by_hand() {
    let folder = tables(HOSTS, PODS);
    folder.runs("sim convert tables --nodes hosts.csv --pods pods.csv --to kept");
    let direct = digest(&folder, "sim tables --nodes hosts.csv --pods pods.csv");
    assert_eq!(digest(&folder, KEPT), direct);
    assert_eq!(digest(&folder, "sim tables --nodes hosts.csv --pods kept/pods.parquet"), direct);
}

/// The experiment has no clock; converted, the trace is replayed in its own time.
#[test]
fn the_openb_tables() {
    let folder = openb(OPENB_HOSTS, OPENB_PODS);
    let ran = folder.runs("sim convert openb --nodes nodes.csv --pods pods.csv --to kept");
    assert_eq!(ran.err, "kept: 2 hosts, 4 pods\n");
    let report = folder.json(&format!("{KEPT} --policy fgd"));
    assert_eq!(report["summary"]["pods_placed"], 4);
    // One pod has no end in the trace.
    assert_eq!(report["summary"]["pods_completed"], 3);
    assert_eq!(report["summary"]["simulated_ms"], 200_000);
}

/// Converted once more, into the folder it comes from: a table must not be cut off while it is still being read.
#[test]
fn tables_into_their_own_folder() {
    let folder = Folder::new();
    folder.runs("sim convert synthetic --hosts 40 --hours 2 --to kept");
    let (hosts, pods) = (folder.read("kept/hosts.parquet"), folder.read("kept/pods.parquet"));
    let kept = "--nodes kept/hosts.parquet --pods kept/pods.parquet";
    folder.runs(&format!("sim convert tables {kept} --to kept"));
    assert!(folder.read("kept/hosts.parquet") == hosts);
    assert!(folder.read("kept/pods.parquet") == pods);
}

/// Half a table would look like a short trace, or hide that there is none.
#[test]
fn what_could_not_be_converted_leaves_no_table() {
    let folder = log(&LOG.replace("3 90 ", "3 30 "));
    folder.fails_with("sim convert swf --trace log.swf --to kept", &["log.swf, row 5, column submit time"]);
    assert!(!folder.path("kept/pods.parquet").exists());
    let left: Vec<_> = std::fs::read_dir(folder.path("kept"))
        .expect("a folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains("part"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}
