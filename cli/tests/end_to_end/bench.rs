//! `bench`: the list, a table, and one JSON object.

use crate::folder::{Folder, keys};

#[test]
fn without_a_name_it_lists_the_benches() {
    let shown = Folder::new().runs("bench").out;
    let names: Vec<&str> = shown.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        names,
        [
            "engine/basic",
            "engine/mixed",
            "engine/distinct",
            "engine/spread",
            "engine/anti-affinity",
            "engine/affinity",
            "engine/namespace-selector",
            "engine/gang",
            "engine/latency",
            "engine/preempt",
            "engine/unschedulable",
            "engine/region",
            "api/create",
            "region/bind",
            "region/deployment",
            "region/memory",
            "replicas",
            "global/orlib",
            "global/divided",
            "global/assignment",
            "global/whole",
            "global/large",
            "global/repair",
            "global/place",
            "global/size",
            "sim/openb",
            "sim/synthetic"
        ]
    );
    assert!(shown.lines().all(|line| line.split_whitespace().count() > 3), "{shown}");
}

#[test]
fn a_figure_is_one_object_with_the_agreed_keys() {
    let folder = Folder::new();
    let text = folder.runs("bench engine/basic --hosts 100 --pods 200 --json").out;
    assert_eq!(text.lines().count(), 1, "{text}");
    let figure: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(keys(&figure), ["goal", "name", "parameters", "peak_rss_bytes", "unit", "value"]);
    assert_eq!(figure["name"], "engine/basic");
    assert_eq!(figure["unit"], "decisions/s");
    assert_eq!(figure["goal"], ">= 1000000");
    assert_eq!(figure["parameters"]["hosts"], 100);
    assert_eq!(figure["parameters"]["pods"], 200);
    assert!(figure["value"].as_f64() > Some(0.0), "{text}");
    assert!(figure["peak_rss_bytes"].as_u64() > Some(1 << 20), "{text}");
}

/// Small, but the whole way: a region starts, serves, is measured and ends.
#[test]
fn a_region_is_measured() {
    let folder = Folder::new();
    for bench in [
        "api/create --pods 50",
        "api/create --pods 50 --tls",
        "region/bind --hosts 5 --pods 40",
        "region/deployment --hosts 5 --pods 40",
        "region/memory --hosts 5 --pods 40",
    ] {
        let text = folder.runs(&format!("bench {bench} --json")).out;
        let figure: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(figure["value"].as_f64() > Some(0.0), "{text}");
    }
}

/// Small, but the whole way: each plan is checked by the bench itself.
#[test]
fn plans_over_sites_are_measured() {
    let folder = Folder::new();
    for bench in ["divided", "whole", "large", "repair", "place"] {
        let asked = format!("bench global/{bench} --sites 12 --workloads 40 --seconds 0.5 --json");
        let text = folder.runs(&asked).out;
        let figure: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(figure["value"].as_f64() >= Some(0.0), "{text}");
        assert_eq!(figure["parameters"]["sites"], 12, "{text}");
    }
    folder.runs("bench global/size --workloads 50 --seconds 5 --plot size.svg");
    let plot = String::from_utf8(folder.read("size.svg")).expect("a plot is text");
    assert!(plot.starts_with("<svg ") && plot.contains("20x50"), "{plot}");
}

#[test]
fn benches_on_published_instances_say_what_they_lack() {
    for bench in ["global/orlib", "global/assignment"] {
        Folder::new().fails_with(&format!("bench {bench}"), &["MERIDIAN_DATA is not set", "want the folder"]);
    }
}

#[test]
fn a_figure_is_a_table_for_people() {
    let shown = Folder::new().runs("bench sim/synthetic --hosts 20 --classes 10").out;
    let first: Vec<&str> = shown.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(first[..2], ["sim/synthetic", "goal"], "{shown}");
    assert!(shown.contains("events/s") && shown.contains("peak memory"), "{shown}");
}

/// Few hosts make odd cells, in which pods may find no host or none is left to stop: an outcome, and soon.
#[test]
fn benches_of_one_host_come_to_an_end() {
    let folder = Folder::new();
    for seed in 1..=5 {
        for bench in ["engine/mixed", "engine/distinct", "engine/latency"] {
            let ran = folder.run(&format!("bench {bench} --hosts 1 --pods 200 --seed {seed}"));
            let told =
                if ran.code == Some(0) { ran.out.starts_with(bench) } else { ran.err.contains("cell") };
            assert!(told, "{bench}: {ran:?}");
        }
    }
}
