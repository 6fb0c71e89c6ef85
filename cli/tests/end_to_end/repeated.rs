//! One seed, one result: the same placements and the same bytes, timings apart.

use crate::folder::Folder;

const RUN: &str = "sim synthetic --hosts 50 --hours 2 --gpu-share 0.1";

fn digest(report: &serde_json::Value) -> &str {
    report["summary"]["placement_digest"].as_str().expect("a digest")
}

#[test]
fn equal_seeds_write_equal_bytes() {
    let folder = Folder::new();
    let run = |name: &str| {
        let report = format!("--no-timings --report {name}.html --parquet {name}");
        let json = folder.runs(&format!("{RUN} --seed 7 {report} --json")).out;
        let shown = folder.runs(&format!("{RUN} --seed 7 --no-timings")).out;
        (json, shown, folder.read(&format!("{name}.html")), folder.read(&format!("{name}/samples.parquet")))
    };
    let (first, second) = (run("first"), run("second"));
    assert_eq!(first.0, second.0);
    assert_eq!(first.1, second.1);
    assert!(first.2 == second.2, "the pages differ");
    assert!(first.3 == second.3, "the tables differ");
    let report: serde_json::Value = serde_json::from_str(&first.0).expect("JSON");
    assert!(report["summary"]["pods_placed"].as_u64() > Some(500), "{}", report["summary"]);
    assert_eq!(report["summary"]["invariant_violations"], 0);
    assert!(report["timings"].is_null());
}

#[test]
fn another_seed_makes_another_region() {
    let folder = Folder::new();
    let report = |seed: u64| folder.json(&format!("{RUN} --seed {seed} --no-timings"));
    let (one, other) = (report(7), report(8));
    assert_ne!(digest(&one), digest(&other));
    assert_ne!(one["summary"]["pods_arrived"], other["summary"]["pods_arrived"]);
}

#[test]
fn measuring_changes_no_placement() {
    let folder = Folder::new();
    let plain = folder.json(&format!("{RUN} --no-timings"));
    let mut measured = folder.json(RUN);
    assert_eq!(digest(&plain), digest(&measured));
    assert!(measured["timings"]["wall_seconds"].as_f64() > Some(0.0));
    // All but the timings is the same.
    measured["timings"] = serde_json::Value::Null;
    assert_eq!(plain, measured);
}

#[test]
fn the_number_of_threads_changes_no_placement() {
    let folder = Folder::new();
    let run = |threads: &str| {
        let mut command = folder.command(&format!("{RUN} --no-timings --json"));
        let output = command.env("RAYON_NUM_THREADS", threads).output().expect("the program starts");
        assert!(output.status.success());
        output.stdout
    };
    assert!(run("1") == run("3"), "the reports differ");
}

#[test]
fn rolling_simulations_repeat_to_the_byte_on_any_number_of_threads() {
    let folder = Folder::new();
    let world = "--regions 2 --edge-sites 3 --locations 6 --workloads 8";
    let changes = "--hours 4 --failure-hours 6 --price-hours 4 --new-sites 1 --rounds 4";
    let run = |threads: &str, name: &str| {
        let mut command =
            folder.command(&format!("sim global {world} {changes} --no-timings --json --report {name}.html"));
        let output = command.env("RAYON_NUM_THREADS", threads).output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.stdout, folder.read(&format!("{name}.html")))
    };
    let (one, other) = (run("1", "one"), run("3", "other"));
    assert!(one == other, "the reports differ");
    let report: serde_json::Value = serde_json::from_slice(&one.0).expect("JSON");
    assert_eq!(report["summary"]["violations"], 0);
    assert_eq!(report["summary"]["oracle_violations"], 0);
    assert_eq!(report["summary"]["sites_built"], 1);
    assert_eq!(report["steps"].as_array().map(Vec::len), Some(5));
    assert!(report["steps"][1]["timings"].is_null());
}

#[test]
fn rolling_simulations_take_worlds_and_refuse_what_cannot_be() {
    let folder = Folder::new();
    folder.write("world.yaml", include_str!("../../../examples/global-world.yaml"));
    let report = folder.json("sim global -f world.yaml --hours 2 --rounds 4");
    assert_eq!(report["summary"]["sites"], 7);
    assert_eq!(report["summary"]["violations"], 0);
    assert!(report["steps"][1]["timings"]["repair_ms"].as_f64() > Some(0.0), "{report}");
    let ran = folder.run("sim global -f world.yaml --regions 3");
    assert!(ran.code == Some(2) && ran.err.contains("cannot be used with"), "{}", ran.err);
    let ran = folder.run("sim global --hours 0");
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), "error: hours is 0, want 0.1 to 87600\n"));
}
