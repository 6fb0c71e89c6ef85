//! Instances of the global scheduler: solved, proven, and refused where they are broken.

use std::path::PathBuf;

use serde_json::json;

use crate::folder::Folder;

/// Two sites and three customers. All fit at the second site, which is cheaper to open.
const FACILITIES: &str = "2 3\n10 50\n20 30\n5\n1 2\n5\n3 2\n5\n1 2\n";

/// Two agents and three items.
const ASSIGNMENT: &str = "2 3\n1 2 3\n3 2 1\n2 2 2\n2 2 2\n4 2\n";

#[test]
fn facilities_are_chosen_and_the_bound_is_proven() {
    let folder = Folder::new();
    folder.write("cap", FACILITIES);
    for flag in ["", " --whole"] {
        let solved = folder.json(&format!("global solve -f cap --format orlib-cap --rounds 100{flag}"));
        assert_eq!(solved["objective"], 36.0, "{solved}");
        assert_eq!(solved["feasible"], true);
        assert_eq!(solved["plan"][2], json!([{"site": 1, "share": 1.0}]));
        assert!(solved["bound"].as_f64().is_some_and(|bound| bound <= 36.0), "{solved}");
    }
}

#[test]
fn items_are_assigned() {
    let folder = Folder::new();
    folder.write("gap", ASSIGNMENT);
    let solved = folder.json("global solve -f gap --format gap --time-limit 1");
    assert_eq!(solved["objective"], 4.0, "{solved}");
    assert_eq!(solved["plan"][2], json!([{"site": 1, "share": 1.0}]));
}

#[test]
fn the_same_seed_and_rounds_give_the_same_plan() {
    let folder = Folder::new();
    folder.write("gap", ASSIGNMENT);
    let solve = || folder.json("global solve -f gap --format gap --rounds 2 --seed 5");
    let (mut first, mut second) = (solve(), solve());
    for solved in [&mut first, &mut second] {
        solved["seconds"].take();
    }
    assert_eq!(first, second);
}

#[test]
fn no_time_at_all_still_gives_a_plan_with_its_gap() {
    let folder = Folder::new();
    folder.write("cap", FACILITIES);
    let solved = folder.json("global solve -f cap --format orlib-cap --whole --time-limit 0");
    assert_eq!(solved["feasible"], true, "{solved}");
    assert!(solved["gap"].as_f64().is_some_and(|gap| (0.0..=1.0).contains(&gap)), "{solved}");
}

#[test]
fn more_demand_than_capacity_is_told() {
    let folder = Folder::new();
    folder.write("cap", "1 2\n5 1\n4\n1\n4\n1\n");
    let solved = folder.json("global solve -f cap --format orlib-cap --whole --rounds 5");
    assert_eq!(solved["feasible"], false, "{solved}");
    assert_eq!(solved["unserved"], 1.0);
    let told = folder.runs("global solve -f cap --format orlib-cap --whole --rounds 5").out;
    assert!(told.contains("must be served, and 1 of it is not"), "{told}");
}

#[test]
fn broken_instances_are_refused_with_the_place() {
    let folder = Folder::new();
    folder.write("short", "2 1\n10 5\n10 5\n3\n1\n");
    folder.fails(
        "global solve -f short --format orlib-cap",
        "reading short: line 5: the cost of customer 0 at site 1 is missing: the file ends, want a number from 0 to 1e12",
    );
    folder.write("negative", "1 1\n10 5\n-3\n1\n");
    folder.fails(
        "global solve -f negative --format orlib-cap",
        "reading negative: line 3: the demand of customer 0 is \"-3\", want a number from 0 to 1e12",
    );
    folder.write("huge", "99999999 99999999\n");
    folder.fails(
        "global solve -f huge --format gap",
        "reading huge: line 1: the number of items is \"99999999\", want a whole number from 1 to 2",
    );
    folder.write("word", "1 1\ncapacity 5\n3\n1\n");
    folder.fails(
        "global solve -f word --format orlib-cap",
        "reading word: line 2: the capacity of site 0 is \"capacity\", want a number from 0 to 1e12",
    );
    assert_eq!(folder.json("global solve -f word --format orlib-cap --capacity 3")["objective"], 6.0);
    folder.write("more", "1 1\n1\n1\n1\n7\n");
    folder.fails(
        "global solve -f more --format gap",
        "reading more: line 5: \"7\" follows the last number, want the end of the file",
    );
    folder.fails(
        "global solve -f more --format gap --time-limit -1",
        "--time-limit is -1, want 0 to 1000000 seconds",
    );
}

/// The published optima, where the instances are.
#[test]
fn published_optima_are_reached_and_proven() {
    let Some(data) = std::env::var_os("MERIDIAN_DATA").map(PathBuf::from) else {
        println!("skipped: MERIDIAN_DATA does not name a folder with instances");
        return;
    };
    let optima = std::fs::read_to_string(data.join("orlib-cap/optima.txt")).expect("the optima are there");
    let folder = Folder::new();
    for line in optima.lines() {
        let (name, optimum) = line.split_once(' ').expect("a name and a number");
        let optimum: f64 = optimum.trim().parse().expect("a number");
        let file = data.join(format!("orlib-cap/{name}.txt"));
        let solved =
            folder.json(&format!("global solve -f {} --format orlib-cap --rounds 5000", file.display()));
        let told = |field: &str| solved[field].as_f64().expect("a number");
        assert!(
            (told("objective") - optimum).abs() < 0.01,
            "{name}: {} and not {optimum}",
            told("objective")
        );
        assert!(told("gap") < 1e-5, "{name}: {solved}");
    }
}
