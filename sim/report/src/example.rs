//! Made-up reports for the tests: a day with a daily wave, and the corners where renderings break.

use crate::{
    Arrived, GlobalEvent, GlobalReport, GlobalStep, GlobalSummary, Histogram, OpenbReport, Sample,
    SimulationReport, StepTimings, Summary, TenantSummary, Timings, Unplaced,
};

/// A name that would do harm on a page or a terminal if it got there as it is.
pub(crate) const HOSTILE: &str = "</td><script>alert('x')</script>&\"\u{1b}[31m\u{202e}";

/// A plain day of a busy region, with everything filled in.
pub(crate) fn report() -> SimulationReport {
    let samples = (0..=288).map(sample).collect::<Vec<_>>();
    let mut random = Random(7);
    let mut queue_delay = Histogram::new();
    let mut decision_nanoseconds = Histogram::new();
    for _ in 0..40_000 {
        let wait = random.log_normal(300.0, 2.2);
        queue_delay.record(if random.share() < 0.35 { 0 } else { wait as u64 });
        decision_nanoseconds.record(random.log_normal(2_600.0, 0.6) as u64);
    }
    let parameters = [("hosts", "2000"), ("arrivals", "40,080 pods over 24 h"), ("trace", "synthetic")];
    SimulationReport {
        title: "Synthetic region, 24 h".into(),
        policy: "least-fragmented".into(),
        seed: 42,
        parameters: parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        summary: Summary {
            hosts: 2_000,
            pods_arrived: 40_080,
            pods_placed: 40_000,
            pods_completed: 34_164,
            pods_running: 5_836,
            pods_waiting: 68,
            pods_impossible: 12,
            events: 112_345,
            simulated_ms: 86_400_000,
            placement_digest: "9f86d081884c7d659a2feaa0c55ad015".into(),
            invariant_violations: 0,
        },
        samples,
        queue_delay,
        tenants: (0..14).map(tenant).collect(),
        unplaced: vec![
            unplaced(
                "0/2000 nodes are available: 1730 Insufficient cpu, 270 Insufficient nvidia.com/gpu.",
                68,
            ),
            unplaced("0/2000 nodes are available: 2000 Insufficient memory.", 12),
        ],
        timings: Some(Timings {
            wall_seconds: 1.27,
            events_per_second: 88_461.0,
            decisions_per_second: 310_077.0,
            decision_nanoseconds,
        }),
    }
}

/// A report in which every string is hostile.
pub(crate) fn hostile() -> SimulationReport {
    let mut report = report();
    report.title = HOSTILE.into();
    report.policy = HOSTILE.into();
    report.parameters.insert(HOSTILE.into(), HOSTILE.into());
    report.summary.placement_digest = HOSTILE.into();
    report.tenants[0].tenant = HOSTILE.into();
    report.unplaced[0].reason = HOSTILE.into();
    report.unplaced[0].example = HOSTILE.into();
    report
}

/// Reports at the edge of what the types allow, each with a name for the failure message.
pub(crate) fn corners() -> Vec<(&'static str, SimulationReport)> {
    let empty = SimulationReport::default();
    let mut one = report();
    one.samples.truncate(1);
    one.tenants.truncate(1);
    one.queue_delay = Histogram::new();
    one.queue_delay.record(0);
    let mut equal = report();
    equal.samples.iter_mut().for_each(|each| *each = Sample { time_ms: each.time_ms, ..sample(3) });
    equal.queue_delay = Histogram::new();
    equal.queue_delay.record_many(500, 1_000);
    let mut unknown = report();
    for each in &mut unknown.samples {
        each.cpu_percent = f64::NAN;
        each.stranded_cpu_percent = f64::NEG_INFINITY;
        each.device_percent = None;
        each.device_fragmentation_percent = Some(f64::INFINITY);
    }
    unknown.tenants[0].cpu_core_hours = f64::NAN;
    unknown.timings = Some(Timings { events_per_second: f64::INFINITY, ..Timings::default() });
    let mut huge = report();
    huge.samples = vec![Sample { cpu_percent: 1e300, memory_percent: -1e300, ..Sample::default() }; 3];
    huge.samples[2].time_ms = u64::MAX;
    huge.samples[2].running = u64::MAX;
    huge.queue_delay.record_many(u64::MAX, u64::MAX);
    huge.summary.pods_arrived = u64::MAX;
    huge.summary.simulated_ms = u64::MAX;
    huge.tenants = (0..5_000).map(tenant).collect();
    let mut same_time = report();
    same_time.samples.iter_mut().for_each(|each| each.time_ms = 5);
    vec![
        ("empty", empty),
        ("one", one),
        ("equal", equal),
        ("unknown", unknown),
        ("huge", huge),
        ("same time", same_time),
        ("hostile", hostile()),
    ]
}

/// A result of the openb experiment.
pub(crate) fn openb() -> OpenbReport {
    let arrived = (1..=13).map(|step| Arrived {
        percent: step * 10,
        allocation_mean: (f64::from(step) * 10.0).min(88.0 + f64::from(step) * 0.4),
        allocation_stdev: 0.2 + f64::from(step) * 0.03,
        fragmentation_mean: f64::from(step) * 0.9,
        fragmentation_stdev: 0.11,
    });
    OpenbReport {
        policy: "least-fragmented".into(),
        seeds: 10,
        decisions_per_second: 310_077.0,
        arrived: arrived.collect(),
    }
}

fn sample(step: u64) -> Sample {
    let hour = step as f64 / 12.0;
    let wave = ((hour - 8.0) / 24.0 * std::f64::consts::TAU).sin();
    let warm = 1.0 - (-hour / 1.5).exp();
    let jitter = (step as f64 * 12.9898).sin();
    let cpu = warm * (74.0 + 16.0 * wave + 1.2 * jitter);
    Sample {
        time_ms: step * 300_000,
        cpu_percent: cpu,
        memory_percent: warm * (58.0 + 9.0 * wave + 0.8 * jitter),
        device_percent: Some(warm * (82.0 + 8.0 * wave - 1.5 * jitter)),
        device_fragmentation_percent: Some(warm * (6.0 + 2.5 * wave + 0.5 * jitter)),
        stranded_cpu_percent: warm * (2.2 - 0.9 * wave + 0.2 * jitter),
        running: (cpu * 96.0) as u64,
        waiting: step * 68 / 288 + ((wave - 0.75).max(0.0) * 900.0) as u64,
    }
}

fn tenant(index: u64) -> TenantSummary {
    let arrived = 12_000 / (index + 1);
    TenantSummary {
        tenant: format!(
            "team-{}",
            ["maps", "search", "ads", "video", "mail", "risk", "labs"][index as usize % 7]
        ) + &format!("-{index}"),
        pods_arrived: arrived,
        pods_placed: arrived - index.min(arrived),
        mean_queue_delay_ms: 900.0 + 130.5 * index as f64,
        max_queue_delay_ms: 600_000 + 61_000 * index,
        cpu_core_hours: 180_000.0 / (index + 1) as f64,
    }
}

fn unplaced(reason: &str, pods: u64) -> Unplaced {
    Unplaced { reason: reason.into(), pods, example: format!("team-ads/train-{pods}") }
}

/// A small generator of its own (splitmix64), so that the examples stay the same for ever.
struct Random(u64);

impl Random {
    /// The next float in 0..1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A value whose logarithm is roughly normal (the sum of twelve uniform values).
    fn log_normal(&mut self, median: f64, spread: f64) -> f64 {
        let normal = (0..12).map(|_| self.share()).sum::<f64>() - 6.0;
        median * (normal * spread).exp()
    }
}

/// Hours of the global scheduler, with a site whose name would do harm.
pub(crate) fn global() -> GlobalReport {
    let steps = (0..=24).map(|hour: u64| GlobalStep {
        time_ms: hour * 3_600_000,
        demand: 800.0 + hour as f64,
        sites_up: 24 - hour % 2,
        replicas: 830 + hour,
        repaired_cost: 111.0,
        cost: 110.0,
        oracle_cost: 100.0,
        bound: 88.0,
        repair_moves: hour % 2,
        improvement_moves: hour % 5,
        oracle_moves: 40,
        timings: (hour > 0).then_some(StepTimings { repair_ms: 1.5, improvement_ms: 40.0, oracle_ms: 80.0 }),
        ..GlobalStep::default()
    });
    GlobalReport {
        title: "A made-up world, 24 h".into(),
        seed: 7,
        parameters: [("least gain".to_owned(), "0.005".to_owned())].into(),
        summary: GlobalSummary {
            sites: 24,
            steps: 24,
            cost: 2_640.0,
            oracle_cost: 2_400.0,
            bound: 2_112.0,
            cost_ratio: 1.1,
            cost_ratio_with_moves: 1.08,
            gap_percent: 20.0,
            failures: 12,
            ..GlobalSummary::default()
        },
        steps: steps.collect(),
        events: vec![GlobalEvent { time_ms: 3_600_000, what: "fails".into(), site: HOSTILE.into() }],
    }
}
