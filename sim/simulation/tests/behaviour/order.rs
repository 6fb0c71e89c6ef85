//! Who goes first.

use crate::cell::{delays, host, lasting, pod, run, urgent};

#[test]
fn higher_priority_goes_first_and_then_the_oldest() {
    let waiting =
        |name: &str, arrival_ms, priority| urgent(lasting(pod(name, arrival_ms, 900), 1_000), priority);
    let pods = [
        lasting(pod("running", 0, 900), 10_000),
        waiting("old", 1_000, 0),
        waiting("negative", 1_500, -5),
        waiting("young", 2_000, 0),
        waiting("urgent", 3_000, 7),
    ];
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    let delays = delays(&report);
    // They start at 10, 11, 12 and 13 seconds: urgent, old, young, negative.
    assert_eq!(delays["urgent"].1, 7_000);
    assert_eq!(delays["old"].1, 10_000);
    assert_eq!(delays["young"].1, 10_000);
    assert_eq!(delays["negative"].1, 11_500);
}

/// Across shapes too: classes are how the queue is kept, not how it is ordered.
#[test]
fn priority_counts_among_pods_of_different_shapes() {
    let waiting =
        |name: &str, cpu_milli, priority| urgent(lasting(pod(name, 1_000, cpu_milli), 1_000), priority);
    let pods = [
        lasting(pod("running", 0, 1_000), 10_000),
        waiting("low", 901, 1),
        waiting("high", 902, 3),
        waiting("middle", 903, 2),
    ];
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    let delays = delays(&report);
    assert_eq!(delays["high"].1, 9_000);
    assert_eq!(delays["middle"].1, 10_000);
    assert_eq!(delays["low"].1, 11_000);
}

#[test]
fn what_stops_makes_room_for_what_arrives_at_the_same_time() {
    let pods = [lasting(pod("leaves", 0, 900), 10_000), lasting(pod("comes", 10_000, 900), 1_000)];
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    assert_eq!(delays(&report)["comes"], (0.0, 0));
    // Nobody ever waited.
    assert!(report.samples.iter().all(|sample| sample.waiting == 0));
}

/// Who waits already goes before who arrives at the moment when room appears.
#[test]
fn who_waits_goes_before_who_arrives() {
    let pods = [
        lasting(pod("leaves", 0, 900), 10_000),
        lasting(pod("waits", 1_000, 900), 1_000),
        lasting(pod("comes", 10_000, 900), 1_000),
    ];
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    let delays = delays(&report);
    assert_eq!(delays["waits"].1, 9_000);
    assert_eq!(delays["comes"].1, 1_000);
}
