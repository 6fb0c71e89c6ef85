//! Traces at the edges: pods that take no time or nothing at all, times and quantities as large as they may be.

use meridian_trace::limits::{MAX_HOST_CPU_MILLI, MAX_HOST_MEMORY, MAX_QUANTITY, MAX_TIME_MS};
use meridian_trace::{TraceHost, TracePod};

use crate::cell::{delays, host, lasting, on_devices, pod, run, with_devices};

#[test]
fn pods_that_end_when_they_start_take_turns() {
    let pods: Vec<TracePod> =
        (0..1_000).map(|number| lasting(pod(&format!("p-{number}"), 5, 1_000), 0)).collect();
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    assert_eq!((report.summary.pods_completed, report.summary.pods_waiting), (1_000, 0));
    assert_eq!(report.queue_delay.max(), 0);
    assert_eq!(report.summary.simulated_ms, 5);
}

#[test]
fn a_pod_that_ends_when_it_starts_lets_the_next_one_in() {
    let pods = [
        lasting(pod("running", 0, 1_000), 100),
        lasting(pod("blink", 10, 1_000), 0),
        lasting(pod("after", 20, 1_000), 50),
    ];
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    assert_eq!(delays(&report)["blink"].1, 90);
    assert_eq!(delays(&report)["after"].1, 80);
}

#[test]
fn pods_that_ask_for_nothing_are_placed_as_long_as_there_are_places() {
    let pods: Vec<TracePod> = (0..5).map(|number| pod(&format!("p-{number}"), number, 0)).collect();
    let hosts = [TraceHost { pods: 3, ..host("only", 1_000, 1_024) }];
    let report = run(&hosts, &pods);
    assert_eq!((report.summary.pods_placed, report.summary.pods_waiting), (3, 2));
    assert_eq!(report.unplaced[0].reason, "0/1 nodes are available: 1 Too many pods.");
}

#[test]
fn a_host_for_no_pods_takes_none() {
    let hosts = [TraceHost { pods: 0, ..host("none", 1_000, 1_024) }];
    let report = run(&hosts, &[pod("p", 0, 0)]);
    assert_eq!(report.summary.pods_impossible, 1);
}

/// More memory than 63 bits can count, in hosts and in what is asked for.
#[test]
fn the_largest_quantities_do_not_overflow() {
    let largest = TraceHost {
        cpu_milli: MAX_HOST_CPU_MILLI,
        memory: MAX_HOST_MEMORY,
        pods: MAX_QUANTITY,
        ..with_devices(host("", 1, 1), 64, "T4")
    };
    let hosts: Vec<TraceHost> =
        (0..8_200).map(|number| TraceHost { name: format!("h-{number}"), ..largest.clone() }).collect();
    let full = TracePod {
        memory: MAX_HOST_MEMORY,
        ..on_devices(lasting(pod("full", 0, MAX_HOST_CPU_MILLI), 1_000), 64, 1_000)
    };
    let giant = TracePod { memory: MAX_QUANTITY, ..pod("giant", 0, MAX_QUANTITY) };
    let mut pods = vec![full];
    pods.extend((0..2_000).map(|_| giant.clone()));
    let report = run(&hosts, &pods);
    assert_eq!((report.summary.pods_completed, report.summary.pods_impossible), (1, 2_000));
}

#[test]
fn the_latest_arrival_and_the_longest_duration_do_not_overflow() {
    let report = run(&[host("only", 1_000, 1_024)], &[lasting(pod("p", MAX_TIME_MS, 1_000), MAX_TIME_MS)]);
    assert_eq!((report.summary.pods_completed, report.summary.simulated_ms), (1, 2 * MAX_TIME_MS));
}

/// Pods that follow one another, each as long as a pod may be, outlast the clock: it stops at its end.
#[test]
fn time_has_an_end() {
    let pods: Vec<TracePod> =
        (0..2_100).map(|number| lasting(pod(&format!("p-{number}"), 0, 1_000), MAX_TIME_MS)).collect();
    let report = run(&[host("only", 1_000, 1_024)], &pods);
    assert_eq!(report.summary.pods_completed, 2_100);
    assert_eq!(report.summary.simulated_ms, u64::MAX);
    assert!(report.samples.len() <= 1_441);
}
