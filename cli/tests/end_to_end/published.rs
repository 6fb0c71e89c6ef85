//! The openb trace itself against what was published for it. Runs where `MERIDIAN_DATA` names the folder with traces.

use std::fs;
use std::path::Path;

use crate::folder::{Folder, data};

/// How far the mean of ten runs may be from the published mean, in points.
const TOLERANCE: f64 = 0.3;

/// The published mean of a policy on the pods of a workload: allocation or fragmentation, when so much had arrived.
///
/// Sections begin with `== analysis_allo_discrete ...` or `== analysis_frag_discrete ...`; in them, `col 100` opens the
/// table for 100 percent: a header `workload|...|05-BestFit|...` and rows of `mean±deviation(nRUNS)`.
fn published(text: &str, workload: &str, section: &str, percent: u64, policy: &str) -> f64 {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.starts_with(&format!("== analysis_{section}_discrete ")))
        .skip(1)
        .take_while(|line| !line.starts_with("== "))
        .skip_while(|line| *line != format!("col {percent}"))
        .skip(1);
    let header = lines.next().unwrap_or_default();
    let column = header
        .split('|')
        .position(|name| name.split_once('-').is_some_and(|(_, name)| name == policy))
        .unwrap_or_else(|| panic!("no column {policy} in {section} {percent}: {header}"));
    let row = lines.find(|line| line.starts_with(&format!("{workload}|"))).expect("a row of the workload");
    let cell = row.split('|').nth(column).and_then(|cell| cell.split('±').next());
    cell.and_then(|mean| mean.parse().ok()).expect("mean±deviation")
}

#[allow(clippy::print_stdout, reason = "the figures themselves, for whoever runs it with --nocapture")]
fn compare(policy: &str, published_as: &str) {
    let Some(data) = data() else { return };
    let openb = data.join("openb");
    let text = fs::read_to_string(openb.join("published.txt")).expect("published.txt");
    let file = |name: &str| openb.join(name).to_str().map(str::to_owned).expect("UTF-8");
    let report = Folder::new().json(&format!(
        "sim openb --nodes {} --pods {} --policy {policy} --arrivals 1.3 --seeds 10",
        file("openb_node_list_gpu_node.csv"),
        file("openb_pod_list_default.csv"),
    ));
    let mut wrong = Vec::new();
    for entry in report["arrived"].as_array().expect("a list") {
        let percent = entry["percent"].as_u64().expect("a percentage");
        for (key, section) in [("allocation_mean", "allo"), ("fragmentation_mean", "frag")] {
            let (found, want) = (
                entry[key].as_f64().unwrap_or(f64::NAN),
                published(&text, "default", section, percent, published_as),
            );
            println!("{policy} at {percent} %: {key} {found:.2}, published {want:.2}");
            // Not a number is not near either.
            if found.is_nan() || (found - want).abs() > TOLERANCE {
                wrong.push(format!("{key} at {percent} %: {found:.2}, published {want:.2}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{policy}:\n{}", wrong.join("\n"));
}

#[test]
fn best_fit_is_as_published() {
    compare("best-fit", "BestFit");
}

#[test]
fn fgd_is_as_published() {
    compare("fgd", "FGD");
}

/// The workloads whose figures are published.
const WORKLOADS: [&str; 5] = ["default", "cpu250", "gpushare40", "gpuspec10", "multigpu20"];

/// The policies whose figures are published.
const POLICIES: [&str; 6] = ["Random", "DotProd", "GpuClustering", "GpuPacking", "BestFit", "FGD"];

#[test]
#[allow(clippy::print_stdout, reason = "the figures themselves, for whoever runs it with --nocapture")]
fn fragmentation_allocates_more_than_all_that_was_published() {
    let Some(data) = data() else { return };
    let openb = data.join("openb");
    let text = fs::read_to_string(openb.join("published.txt")).expect("published.txt");
    let file = |name: &str| openb.join(name).to_str().map(str::to_owned).expect("UTF-8");
    for workload in WORKLOADS {
        let report = Folder::new().json(&format!(
            "sim openb --nodes {} --pods {} --policy fragmentation --arrivals 1.3 --seeds 3",
            file("openb_node_list_gpu_node.csv"),
            file(&format!("openb_pod_list_{workload}.csv")),
        ));
        for entry in report["arrived"].as_array().expect("a list") {
            let percent = entry["percent"].as_u64().expect("a percentage");
            let found = entry["allocation_mean"].as_f64().expect("a percentage");
            for policy in POLICIES {
                let want = published(&text, workload, "allo", percent, policy);
                println!("{workload} at {percent} %: {found:.2}, {policy} {want:.2}");
                assert!(found > want, "{workload} at {percent} %: {found:.2}, {policy} reaches {want:.2}");
            }
        }
    }
}

#[test]
fn the_published_figures_are_found_in_their_file() {
    let text = "== analysis_allo_discrete 1020\ncol 100\nworkload|01-Random|05-BestFit|06-FGD\n\
        cpu250|80.00±0.31(n10)|91.21±0.24(n10)|93.20±0.27(n10)\n\
        default|86.30±0.31(n10)|92.86±0.14(n10)|95.23±0.10(n10)\n\
        col 110\nworkload|01-Random|05-BestFit|06-FGD\ndefault|86.88±0.33(n10)|92.94±0.13(n10)|95.30±0.10(n10)\n\
        == analysis_frag_discrete 1020\ncol 100\nworkload|05-BestFit|06-FGD\ndefault|7.05±0.14(n10)|4.73±0.11(n10)\n";
    assert_eq!(published(text, "default", "allo", 100, "BestFit"), 92.86);
    assert_eq!(published(text, "default", "allo", 110, "FGD"), 95.30);
    assert_eq!(published(text, "default", "frag", 100, "FGD"), 4.73);
    assert_eq!(published(text, "cpu250", "allo", 100, "FGD"), 93.20);
}

/// A real job log from end to end, as an archive hands it out.
#[test]
fn a_real_job_log_runs() {
    let Some(log) = data().map(|data| data.join("swf/LCG.swf.gz")).filter(|log| Path::new(log).is_file())
    else {
        return;
    };
    let report = Folder::new().json(&format!(
        "sim swf --trace {} --hosts 400 --until 48 --no-timings",
        log.to_str().expect("UTF-8")
    ));
    assert!(report["summary"]["pods_placed"].as_u64() > Some(1_000), "{}", report["summary"]);
    assert_eq!(report["summary"]["invariant_violations"], 0);
}
