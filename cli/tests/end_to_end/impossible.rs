//! Pods at the edges of what can be asked for: a clear outcome in every kind of report, and nobody else is held up.

use crate::folder::Folder;
use crate::trace::{HOSTS, tables};

/// The first pod asks for nothing; the second and third for more processors and more memory than any host has; the fourth
/// is an ordinary one that comes after them.
const PODS: &str = "name,arrival_ms,duration_ms,cpu_milli,memory,priority\n\
    nothing,0,60000,0,0,0\n\
    giant,1000,60000,9007199254740991,1024,1000\n\
    hoarder,2000,60000,100,9007199254740991,1000\n\
    ordinary,3000,60000,1000,1073741824,0\n";

const RUN: &str = "sim tables --nodes hosts.csv --pods pods.csv --no-timings";

fn folder() -> Folder {
    tables(HOSTS, PODS)
}

#[test]
fn json_counts_them_and_gives_the_reason() {
    let report = folder().json(RUN);
    let summary = &report["summary"];
    for (count, want) in [
        ("pods_arrived", 4),
        ("pods_placed", 2),
        ("pods_completed", 2),
        ("pods_impossible", 2),
        ("pods_waiting", 0),
        ("pods_running", 0),
        ("invariant_violations", 0),
    ] {
        assert_eq!(summary[count], want, "{count}: {summary}");
    }
    let unplaced = report["unplaced"].as_array().expect("a list");
    let told: Vec<(&str, &str, u64)> = unplaced
        .iter()
        .map(|group| {
            let text = |key: &str| group[key].as_str().unwrap_or_default();
            (text("example"), text("reason"), group["pods"].as_u64().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("giant", "0/2 nodes are available: 2 Insufficient cpu.", 1),
            ("hoarder", "0/2 nodes are available: 2 Insufficient memory.", 1),
        ]
    );
    // The ordinary pod came last and still went at once.
    assert_eq!(report["queue_delay"]["max"], 0);
}

#[test]
fn the_terminal_shows_them_with_the_reason() {
    let shown = folder().runs(RUN).out;
    let line =
        |part: &str| shown.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{shown}"));
    assert!(line("impossible").ends_with("2 │"), "{shown}");
    assert!(line("giant").contains("0/2 nodes are available: 2 Insufficient cpu."), "{shown}");
    assert!(line("hoarder").contains("0/2 nodes are available: 2 Insufficient memory."), "{shown}");
}

#[test]
fn the_page_shows_them_with_the_reason() {
    let folder = folder();
    let ran = folder.runs(&format!("{RUN} --report page.html"));
    assert_eq!(ran.err, "report: page.html\n");
    let page = String::from_utf8(folder.read("page.html")).expect("UTF-8");
    assert!(page.contains("2 would fit no host even if empty"));
    assert!(
        page.contains(
            "0/2 nodes are available: 2 Insufficient cpu.</td><td class=\"name\"><code>giant</code>"
        )
    );
    assert!(page.contains("2 Insufficient memory.</td><td class=\"name\"><code>hoarder</code>"));
}

/// Sums over thousands of the largest pods that a table can name are beyond 64 bits.
#[test]
fn thousands_of_giants_are_only_counted() {
    let mut pods = "name,arrival_ms,cpu_milli,memory\n".to_owned();
    for number in 0..3_000 {
        pods += &format!("giant-{number},{number},9007199254740991,9007199254740991\n");
    }
    let report = tables(HOSTS, &pods).json(RUN);
    assert_eq!(report["summary"]["pods_impossible"], 3_000);
    assert_eq!(report["unplaced"][0]["pods"], 3_000);
    let reason = "0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory.";
    assert_eq!(report["unplaced"][0]["reason"], reason);
    assert_eq!(report["samples"][0]["stranded_cpu_percent"], 100.0);
}

/// A device of a model that no host has is as impossible as too many of them.
#[test]
fn devices_that_no_host_has() {
    let hosts = "name,cpu_milli,memory,device_count,device_model\n\
        plain,4000,8589934592,0,\n\
        gpus,4000,8589934592,2,T4\n";
    let pods = "name,arrival_ms,cpu_milli,memory,device_count,device_models\n\
        fits,0,100,1024,1,T4|A10\n\
        many,1,100,1024,3,\n\
        rare,2,100,1024,1,H100\n";
    let report = tables(hosts, pods).json(RUN);
    assert_eq!(report["summary"]["pods_placed"], 1);
    assert_eq!(report["summary"]["pods_impossible"], 2);
    let reasons: Vec<&str> = report["unplaced"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|group| group["reason"].as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "0/2 nodes are available: 2 Insufficient devices.",
            "0/2 nodes are available: 2 node(s) didn't have an acceptable device model.",
        ]
    );
}

/// A table of pods may be empty where it is converted from a log that held none: a report of nothing, not an error.
#[test]
fn a_trace_in_which_nothing_happens() {
    let folder = tables(HOSTS, PODS);
    let log = "; Version: 2.2\n1 0 -1 -1 4 -1 -1 4 -1 -1 0 7 1 -1 -1 -1 -1 -1\n";
    folder.write("log.swf", log).runs("sim convert swf --trace log.swf --hosts 2 --to kept");
    let run = "sim tables --nodes kept/hosts.parquet --pods kept/pods.parquet --no-timings";
    let report = folder.json(run);
    assert_eq!(report["summary"]["pods_arrived"], 0);
    let shown = folder.runs(&format!("{run} --report page.html")).out;
    assert!(!shown.contains("NaN"), "{shown}");
    assert!(!String::from_utf8_lossy(&folder.read("page.html")).contains("NaN"));
}
