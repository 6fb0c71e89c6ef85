//! Pods that find no room wait, and start as soon as there is some.

use crate::cell::{delays, host, lasting, pod, run};

/// One host for one pod at a time:
///
/// ```text
/// time      0         3    4         10        15
/// first     [==================================)           0 to 10, no delay
/// second              arrives ......[=========)            placed at 10: delay 7
/// third                    arrives ...........[======      placed at 15: delay 11
/// ```
#[test]
fn a_pod_starts_when_room_appears_and_its_delay_is_exact() {
    let pods = [
        lasting(pod("first", 0, 600), 10_000),
        lasting(pod("second", 3_000, 600), 5_000),
        lasting(pod("third", 4_000, 600), 2_500),
    ];
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    let delays = delays(&report);
    assert_eq!(delays["first"], (0.0, 0));
    assert_eq!(delays["second"], (7_000.0, 7_000));
    assert_eq!(delays["third"], (11_000.0, 11_000));
    assert_eq!(report.queue_delay.mean(), 6_000.0);
    assert_eq!((report.queue_delay.min(), report.queue_delay.max()), (0, 11_000));
    assert_eq!(report.summary.simulated_ms, 17_500);
    assert_eq!(report.summary.pods_completed, 3);
    assert_eq!(report.summary.events, 6);
    // 0.6 cores for 10, 5 and 2.5 seconds.
    let hours: Vec<(&str, f64)> =
        report.tenants.iter().map(|each| (each.tenant.as_str(), each.cpu_core_hours * 3_600.0)).collect();
    for ((tenant, seconds), (want, want_seconds)) in
        hours.iter().zip([("first", 6.0), ("second", 3.0), ("third", 1.5)])
    {
        assert_eq!(*tenant, want);
        assert!((seconds - want_seconds).abs() < 1e-9, "{tenant}: {seconds} core seconds");
    }
}

#[test]
fn a_small_pod_does_not_wait_behind_a_large_one() {
    let pods = [
        lasting(pod("running", 0, 600), 10_000),
        lasting(pod("large", 1_000, 900), 1_000),
        lasting(pod("small", 2_000, 300), 1_000),
    ];
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    let delays = delays(&report);
    assert_eq!(delays["small"], (0.0, 0));
    assert_eq!(delays["large"], (9_000.0, 9_000));
}

#[test]
fn room_on_any_host_will_do() {
    let pods = [
        lasting(pod("long", 0, 800), 100_000),
        lasting(pod("short", 0, 800), 4_000),
        lasting(pod("late", 1_000, 800), 1_000),
    ];
    let report = run(&[host("one", 1_000, 1_024), host("two", 1_000, 1_024)], &pods);
    assert_eq!(delays(&report)["late"], (3_000.0, 3_000));
}

#[test]
fn many_small_departures_make_room_for_a_large_pod() {
    let mut pods: Vec<_> = (0..5).map(|number| lasting(pod("small", 0, 200), 1_000 * (number + 1))).collect();
    for (number, pod) in pods.iter_mut().enumerate() {
        pod.name = format!("small-{number}");
    }
    pods.push(pod("large", 500, 700));
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    // 700 are free once four of the five have gone.
    assert_eq!(delays(&report)["large"], (3_500.0, 3_500));
}

#[test]
fn pods_that_never_found_room_are_counted_with_the_reason() {
    let pods = [pod("stays", 0, 800), pod("waits", 1_000, 800), pod("waits-too", 2_000, 800)];
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    assert_eq!((report.summary.pods_placed, report.summary.pods_waiting), (1, 2));
    assert_eq!(report.summary.pods_impossible, 0);
    assert_eq!(report.unplaced.len(), 1);
    assert_eq!(report.unplaced[0].reason, "0/1 nodes are available: 1 Insufficient cpu.");
    assert_eq!((report.unplaced[0].pods, report.unplaced[0].example.as_str()), (2, "waits"));
}

/// A pod that could never start must not stand in the way, however urgent it is.
#[test]
fn impossible_pods_hold_up_nobody() {
    let mut pods = vec![crate::cell::urgent(pod("giant", 0, 1_001), 1_000)];
    pods.extend((0..4).map(|number| lasting(pod("fits", number, 1_000), 10)));
    for (number, pod) in pods.iter_mut().enumerate() {
        pod.name = format!("{}-{number}", pod.name);
    }
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    assert_eq!((report.summary.pods_impossible, report.summary.pods_completed), (1, 4));
    assert_eq!(report.summary.simulated_ms, 40);
}
