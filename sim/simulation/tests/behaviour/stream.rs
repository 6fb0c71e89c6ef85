//! The stream of pods: read one by one, and its errors are not swallowed.

use std::cell::Cell;

use meridian_simulation::{Options, Policy, SimulationError, simulate};
use meridian_trace::TraceError;

use crate::cell::{host, lasting, options, pod};

#[test]
fn an_error_midway_ends_the_run() {
    let mut pods = (0..10).map(|number| {
        if number == 6 {
            Err(TraceError::Truncated { file: "trace".to_owned(), row: number })
        } else {
            Ok(pod(&format!("pod-{number}"), number, 1))
        }
    });
    let error =
        simulate(&[host("a", 1_000, 1_024)], &mut pods, &options("meridian", &[]), &mut |_| {}).unwrap_err();
    assert!(matches!(error, SimulationError::Trace(TraceError::Truncated { row: 6, .. })), "{error}");
    // And nothing behind it was asked for.
    assert_eq!(pods.count(), 3);
}

#[test]
fn a_stream_without_end_is_read_no_further_than_needed() {
    let read = Cell::new(0_u64);
    let pods = (0..).map(|number| {
        read.set(read.get() + 1);
        Ok(lasting(pod("p", number * 1_000, 1), 500))
    });
    let options = Options { until_ms: Some(60_000), ..options("meridian", &[]) };
    let (report, _) = simulate(&[host("a", 1_000, 1_024)], pods, &options, &mut |_| {}).unwrap();
    assert_eq!(report.summary.pods_arrived, 61);
    assert_eq!(read.get(), 62);
    assert_eq!(report.summary.pods_running, 1);
}

#[test]
fn a_stream_without_pods_is_a_report_of_nothing() {
    let (report, story) =
        simulate(&[host("a", 1_000, 1_024)], std::iter::empty(), &options("meridian", &[]), &mut |_| {})
            .unwrap();
    assert!(story.is_none());
    assert_eq!((report.summary.hosts, report.summary.pods_arrived, report.summary.events), (1, 0, 0));
    assert_eq!(report.samples.len(), 1);
    assert_eq!(report.samples[0].cpu_percent, 0.0);
    assert!(report.tenants.is_empty() && report.unplaced.is_empty() && report.queue_delay.is_empty());
}

#[test]
fn without_hosts_there_is_nothing_to_simulate() {
    let error = simulate(&[], std::iter::empty(), &options("meridian", &[]), &mut |_| {}).unwrap_err();
    assert!(matches!(error, SimulationError::NoHosts));
    assert_eq!(error.to_string(), "the trace has no hosts, want at least one");
}

#[test]
fn a_policy_that_weighs_what_to_expect_wants_to_know_it() {
    let options = Options { policy: Policy::Fgd, ..options("meridian", &[]) };
    let error = simulate(&[host("a", 1_000, 1_024)], std::iter::empty(), &options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, SimulationError::NothingTypical { .. }), "{error}");
}

#[test]
fn progress_is_told_at_the_end_at_the_least() {
    let mut told = Vec::new();
    let pods = (0..3).map(|number| Ok(lasting(pod("p", number, 1), 500)));
    simulate(&[host("a", 1_000, 1_024)], pods, &options("meridian", &[]), &mut |progress| {
        told.push((progress.now_ms, progress.events, progress.running, progress.waiting));
    })
    .unwrap();
    assert_eq!(told.last(), Some(&(502, 6, 0, 0)));
}
