//! Samples over time: evenly spaced, and never more than a page can show, however long the trace.

use meridian_report::{Sample, SimulationReport};
use meridian_simulation::Options;

use crate::cell::{host, lasting, options, pod, run, run_with};

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// Samples that are kept at the most, and one at the end.
const MOST: usize = 1_441;

/// All samples but the last are equally far apart; the last is the end.
#[track_caller]
fn check_spacing(report: &SimulationReport) {
    let times: Vec<u64> = report.samples.iter().map(|sample| sample.time_ms).collect();
    assert!(times.len() <= MOST, "{} samples", times.len());
    assert_eq!((times.first(), times.last()), (Some(&0), Some(&report.summary.simulated_ms)));
    let Some((end, grid)) = times.split_last() else { return };
    let Some(interval) = grid.get(1) else { return };
    for (number, time) in (0..).zip(grid) {
        assert_eq!(*time, number * interval, "sample {number} of {}", times.len());
    }
    assert!(*end > grid[grid.len() - 1] && end - grid[grid.len() - 1] <= *interval, "{times:?}");
}

#[test]
fn short_runs_are_sampled_every_minute() {
    let report = run(&[host("a", 1_000, 1_024)], &[lasting(pod("p", 0, 500), 10 * MINUTE)]);
    check_spacing(&report);
    assert_eq!(report.samples.len(), 11);
    let running: Vec<u64> = report.samples.iter().map(|sample| sample.running).collect();
    assert_eq!(running, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
}

#[test]
fn long_runs_are_sampled_less_often() {
    for length in [DAY - 1, DAY, DAY + 1, 2 * DAY, 10 * DAY + 12_345, 366 * DAY, 100_000 * DAY] {
        let pods =
            [lasting(pod("p", 0, 500), 3 * MINUTE), lasting(pod("q", length / 2, 500), length - length / 2)];
        let report = run(&[host("a", 1_000, 1_024)], &pods);
        assert_eq!(report.summary.simulated_ms, length);
        check_spacing(&report);
        assert!(report.samples.len() > 700, "{} samples of {length} ms", report.samples.len());
    }
}

#[test]
fn a_run_is_sampled_to_the_end_it_was_given() {
    let pods = [lasting(pod("p", 0, 500), MINUTE)];
    for until_ms in [1, MINUTE, DAY, 30 * DAY, u64::MAX] {
        let options = Options { until_ms: Some(until_ms), ..options("meridian", &pods) };
        let (report, _) = run_with(&[host("a", 1_000, 1_024)], &pods, &options);
        assert_eq!(report.summary.simulated_ms, until_ms);
        check_spacing(&report);
    }
}

/// The figures of a sample, by hand: a host of 1 core and 1 GiB and a host of 3 cores and 1 GiB.
#[test]
fn samples_hold_what_is_allocated_and_what_is_stranded() {
    let hosts = [host("a", 1_000, 1_024), host("b", 3_000, 1_024)];
    let mut fills = pod("fills", 0, 800);
    fills.memory = 512 << 20;
    let waits = pod("waits", 0, 3_000);
    let also_waits = pod("also-waits", 0, 2_999);
    let report = crate::cell::run_with(&hosts, &[fills, waits, also_waits], &options("best-fit", &[])).0;
    let Some(Sample { cpu_percent, memory_percent, device_percent, running, waiting, .. }) =
        report.samples.last()
    else {
        panic!("no sample");
    };
    assert_eq!((*running, *waiting, *device_percent), (2, 1, None));
    assert_eq!(*cpu_percent, 100.0 * 3_800.0 / 4_000.0);
    assert_eq!(*memory_percent, 25.0);
    // The mean pod asks for 2266 milli-CPUs, which the 200 that are left cannot serve.
    assert_eq!(report.samples[report.samples.len() - 1].stranded_cpu_percent, 5.0);
}
