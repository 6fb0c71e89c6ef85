//! `sim openb` on a trace of a handful of rows.

use crate::folder::keys;
use crate::trace::{OPENB_HOSTS, OPENB_PODS, openb};

const RUN: &str = "sim openb --nodes nodes.csv --pods pods.csv --policy fgd --seeds 3";

#[test]
fn it_prints_one_object_with_the_agreed_keys_in_the_agreed_order() {
    let folder = openb(OPENB_HOSTS, OPENB_PODS);
    let text = folder.runs(&format!("{RUN} --arrivals 1.3 --json")).out;
    assert_eq!(text.lines().count(), 1, "{text}");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(keys(&report), ["arrived", "decisions_per_second", "policy", "seeds"]);
    assert_eq!((&report["policy"], &report["seeds"]), (&"fgd".into(), &3.into()));
    assert!(report["decisions_per_second"].as_f64() > Some(0.0));
    let arrived = report["arrived"].as_array().expect("a list");
    let percents: Vec<u64> = arrived.iter().filter_map(|entry| entry["percent"].as_u64()).collect();
    assert_eq!(percents, [100, 110, 120, 130]);
    for entry in arrived {
        assert_eq!(
            keys(entry),
            ["allocation_mean", "allocation_stdev", "fragmentation_mean", "fragmentation_stdev", "percent"]
        );
        let share = |key: &str| entry[key].as_f64().unwrap_or(f64::NAN);
        assert!((0.0..=100.0).contains(&share("allocation_mean")), "{entry}");
        // What is allocated cannot be fragmented.
        assert!(share("allocation_mean") + share("fragmentation_mean") <= 100.0 + 1e-9, "{entry}");
    }
    let order = [
        "{\"policy\":",
        "\"seeds\":",
        "\"decisions_per_second\":",
        "\"arrived\":[{\"percent\":",
        "\"allocation_mean\":",
        "\"allocation_stdev\":",
        "\"fragmentation_mean\":",
        "\"fragmentation_stdev\":",
    ];
    let places: Vec<Option<usize>> = order.iter().map(|key| text.find(key)).collect();
    assert!(places.is_sorted() && places[0] == Some(0), "{places:?} {text}");
}

#[test]
fn equal_seeds_give_equal_figures() {
    let folder = openb(OPENB_HOSTS, OPENB_PODS);
    let figures = |seed: u64| folder.json(&format!("{RUN} --seed {seed}"))["arrived"].clone();
    assert_eq!(figures(5), figures(5));
}

#[test]
fn the_table_says_the_same() {
    let folder = openb(OPENB_HOSTS, OPENB_PODS);
    let shown = folder.runs(RUN).out;
    assert!(shown.starts_with("GPU allocation on the openb trace\npolicy fgd, mean of 3 seeds, "), "{shown}");
    for percent in ["100 %", "110 %", "120 %", "130 %"] {
        assert!(shown.contains(percent), "{shown}");
    }
}
