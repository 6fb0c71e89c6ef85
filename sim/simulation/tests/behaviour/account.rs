//! What must be true of every run: no pod is lost or counted twice, no invariant breaks, and a second run is the same.

use meridian_report::SimulationReport;
use meridian_simulation::Options;
use meridian_trace::{TraceHost, TracePod};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::cell::{host, options, run_with, with_devices};

const POLICIES: [&str; 7] =
    ["meridian", "kubernetes", "least-allocated", "most-allocated", "first-fit", "best-fit", "fgd"];

prop_compose! {
    fn any_host()(
        cpu_milli in 1..8_000_i64,
        mebibytes in 1..4_000_i64,
        pods in prop_oneof![4 => Just(110), 1 => 0..4_i64],
        devices in prop_oneof![2 => Just(0_u32), 3 => 1..5_u32],
        model in prop_oneof![Just("T4"), Just("A10")],
    ) -> TraceHost {
        let host = TraceHost { pods, ..host("", cpu_milli, mebibytes) };
        if devices > 0 { with_devices(host, devices, model) } else { host }
    }
}

prop_compose! {
    fn any_pod()(
        tenant in "[a-c]",
        // Few distinct times and sizes, so that much happens at once and classes have many pods.
        arrival_ms in (0..40_u64).prop_map(|time| time * 50_000),
        duration_ms in prop_oneof![
            Just(None), Just(Some(0)), Just(Some(50_000)), (0..1_000_000_u64).prop_map(Some)
        ],
        cpu_milli in prop_oneof![Just(0), Just(1_000), 0..3_000_i64, Just(7_999)],
        memory in prop_oneof![Just(0), Just(1_i64 << 29), 0..(2_i64 << 30)],
        (device_count, milli) in prop_oneof![
            3 => Just((0, 0)), 2 => (Just(1), 1..=1_000_u32), 1 => (1..5_u32, Just(1_000_u32))
        ],
        models in prop_oneof![3 => Just(vec![]), 1 => Just(vec!["T4"]), 1 => Just(vec!["H100"])],
        priority in -2..3_i32,
    ) -> TracePod {
        TracePod {
            name: String::new(),
            tenant,
            arrival_ms,
            duration_ms,
            cpu_milli,
            memory,
            device_count,
            device_milli: milli,
            device_models: models.into_iter().map(str::to_owned).collect(),
            priority,
        }
    }
}

prop_compose! {
    fn any_trace()(
        mut hosts in proptest::collection::vec(any_host(), 1..12),
        mut pods in proptest::collection::vec(any_pod(), 1..120),
    ) -> (Vec<TraceHost>, Vec<TracePod>) {
        pods.sort_by_key(|pod| pod.arrival_ms);
        hosts.iter_mut().enumerate().for_each(|(number, host)| host.name = format!("host-{number}"));
        pods.iter_mut().enumerate().for_each(|(number, pod)| pod.name = format!("pod-{number}"));
        (hosts, pods)
    }
}

/// Every count against those that it is made of.
fn check(report: &SimulationReport, arrived: u64) -> Result<(), TestCaseError> {
    let summary = &report.summary;
    prop_assert_eq!(summary.pods_arrived, arrived);
    prop_assert_eq!(
        summary.pods_arrived,
        summary.pods_placed + summary.pods_waiting + summary.pods_impossible
    );
    prop_assert_eq!(summary.pods_placed, summary.pods_completed + summary.pods_running);
    prop_assert_eq!(summary.events, summary.pods_arrived + summary.pods_completed);
    prop_assert_eq!(summary.invariant_violations, 0);
    prop_assert_eq!(report.queue_delay.count(), summary.pods_placed);
    let tenants =
        |count: fn(&meridian_report::TenantSummary) -> u64| report.tenants.iter().map(count).sum::<u64>();
    prop_assert_eq!(tenants(|tenant| tenant.pods_arrived), summary.pods_arrived);
    prop_assert_eq!(tenants(|tenant| tenant.pods_placed), summary.pods_placed);
    let unplaced: u64 = report.unplaced.iter().map(|group| group.pods).sum();
    prop_assert_eq!(unplaced, summary.pods_waiting + summary.pods_impossible);
    for (number, group) in report.unplaced.iter().enumerate() {
        // Beyond fifty classes the rest are told of together, at the end.
        let rest = number + 1 == report.unplaced.len() && group.reason.ends_with(" more classes of pods");
        prop_assert!(rest || group.reason.starts_with("0/"), "{:?}", group);
        prop_assert!(group.example.starts_with("pod-"), "{:?}", group);
    }
    let last = report.samples.last().expect("there is a sample at the end");
    prop_assert_eq!((last.running, last.waiting), (summary.pods_running, summary.pods_waiting));
    prop_assert_eq!(last.time_ms, summary.simulated_ms);
    for sample in &report.samples {
        let shares = [
            Some(sample.cpu_percent),
            Some(sample.memory_percent),
            Some(sample.stranded_cpu_percent),
            sample.device_percent,
            sample.device_fragmentation_percent,
        ];
        for share in shares.into_iter().flatten() {
            prop_assert!((-1e-9..=100.0 + 1e-9).contains(&share), "{:?}", sample);
        }
    }
    Ok(())
}

proptest! {
    // The same traces every time; PROPTEST_CASES asks for more of them.
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(20_231_107),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_pod_is_lost_and_a_second_run_is_the_same(
        (hosts, pods) in any_trace(),
        policy in 0..POLICIES.len(),
    ) {
        let options = options(POLICIES[policy], &pods);
        let (report, _) = run_with(&hosts, &pods, &options);
        check(&report, pods.len() as u64)?;
        prop_assert_eq!(&run_with(&hosts, &pods, &options).0, &report);
        // Nothing that could start is left when nothing can happen any more, nor does anything end too late.
        prop_assert!(report.summary.pods_running == 0 || pods.iter().any(|pod| pod.duration_ms.is_none()));
    }

    #[test]
    fn stopped_at_any_time_the_accounts_are_right(
        (hosts, pods) in any_trace(),
        until_ms in 0..3_000_000_u64,
    ) {
        let options = Options { until_ms: Some(until_ms), ..options("meridian", &pods) };
        let (report, _) = run_with(&hosts, &pods, &options);
        let arrived = pods.iter().filter(|pod| pod.arrival_ms <= until_ms).count();
        check(&report, arrived as u64)?;
        prop_assert_eq!(report.summary.simulated_ms, until_ms);
    }

    /// Whom we look at does not change where anybody goes, and the story ends as the report says.
    #[test]
    fn watching_changes_nothing((hosts, pods) in any_trace(), watched in any::<prop::sample::Index>()) {
        let plain = options("meridian", &pods);
        let name = watched.get(&pods).name.clone();
        let watching = Options { watch: Some(name.clone()), ..plain.clone() };
        let (report, story) = run_with(&hosts, &pods, &watching);
        prop_assert_eq!(&report, &run_with(&hosts, &pods, &plain).0);
        let story = story.expect("a pod is watched");
        prop_assert_eq!(&story.pod, &name);
        prop_assert!((1..=2).contains(&story.attempts.len()), "{}", story);
        prop_assert_eq!(story.attempts[0].time, watched.get(&pods).arrival_ms);
        for attempt in &story.attempts {
            // A pod goes to the host that is ranked first, and nowhere only where no host is left.
            let best = attempt.explanation.ranked.first().map(|candidate| candidate.name.as_str());
            prop_assert_eq!(attempt.placed.as_ref().map(|(host, _)| host.as_str()), best, "{}", story);
        }
    }
}
