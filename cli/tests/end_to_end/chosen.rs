//! Every policy runs, and those that should place differently do.

use std::collections::BTreeSet;

use crate::folder::{Folder, keys};

#[test]
fn every_policy_runs_a_region() {
    let folder = Folder::new();
    let mut digests = BTreeSet::new();
    for policy in
        ["meridian", "kubernetes", "least-allocated", "most-allocated", "first-fit", "best-fit", "fgd"]
    {
        let arguments = "sim synthetic --hosts 30 --hours 1 --gpu-share 0.2 --no-timings";
        let report = folder.json(&format!("{arguments} --policy {policy}"));
        assert_eq!(report["policy"], policy);
        assert_eq!(report["summary"]["invariant_violations"], 0, "{policy}");
        digests.insert(report["summary"]["placement_digest"].to_string());
    }
    assert_eq!(digests.len(), 7, "each policy has its own mind: {digests:?}");
}

#[test]
fn a_report_has_the_agreed_fields() {
    let report = Folder::new().json("sim synthetic --hosts 10 --hours 1");
    assert_eq!(
        keys(&report),
        [
            "parameters",
            "policy",
            "queue_delay",
            "samples",
            "seed",
            "summary",
            "tenants",
            "timings",
            "title",
            "unplaced"
        ]
    );
    assert_eq!(report["summary"]["simulated_ms"], 3_600_000);
}

#[test]
fn it_stops_where_it_is_told_to() {
    let folder = Folder::new();
    let report = folder.json("sim synthetic --hosts 10 --hours 4 --until 0.5 --no-timings");
    assert_eq!(report["summary"]["simulated_ms"], 1_800_000);
    // To the end of time is not forever: time passes in steps that grow.
    let report = folder.json("sim synthetic --hosts 10 --hours 1 --until 2501999792 --no-timings");
    assert_eq!(report["summary"]["simulated_ms"], 9_007_199_251_200_000_u64);
    assert_eq!(report["summary"]["pods_waiting"], 0);
}

#[test]
fn jobs_that_are_passed_over_are_counted() {
    let folder = crate::folder::Folder::new();
    // The second job ran for no time.
    let log = "1 0 0 60 1 -1 -1 1 -1 -1 1 1 1 -1 1 -1 -1 -1\n2 5 0 0 1 -1 -1 1 -1 -1 1 1 1 -1 1 -1 -1 -1\n";
    folder.write("log.swf", log);
    let ran = folder.runs("sim swf --trace log.swf --hosts 2");
    assert_eq!(ran.err, "note: 1 jobs passed over: 1 that ran for no time\n");
}
