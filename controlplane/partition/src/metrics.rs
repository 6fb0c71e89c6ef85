//! What the partition counts.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The figures of one partition.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Pods that wait for a host.
    pub(crate) pending: IntGauge,
    /// Claims by what became of them.
    pub(crate) claims: IntCounterVec,
    /// From a pod's being seen to its durable binding.
    pub(crate) bind_seconds: Histogram,
    /// Replicas connected.
    pub(crate) replicas: IntGauge,
    /// Host partitions connected.
    pub(crate) host_partitions: IntGauge,
    /// Reports of statuses by what became of them.
    pub(crate) statuses: IntCounterVec,
    /// Events by what became of them.
    pub(crate) events: IntCounterVec,
    /// Pods told to stop to make way for others.
    pub(crate) preempted: IntCounter,
    /// Decisions that came too late or were about nothing known.
    pub(crate) stale_decisions: IntCounter,
    /// Streams ended because the peer did not read or broke the protocol.
    pub(crate) streams_ended: IntCounterVec,
}

impl Metrics {
    /// Makes the figures known to a registry.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, label: &str| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let bind_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "meridian_partition_bind_seconds",
                "Time from the partition's first sight of a pod to its durable binding.",
            )
            .buckets(vec![
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
            ]),
        )?;
        registry.register(Box::new(bind_seconds.clone()))?;
        let stale_decisions = IntCounter::new(
            "meridian_partition_stale_decisions_total",
            "Decisions of replicas that no longer led the pod or named no pending one.",
        )?;
        registry.register(Box::new(stale_decisions.clone()))?;
        let preempted = IntCounter::new(
            "meridian_partition_preempted_pods_total",
            "Pods told to stop to make way for pods of higher priority.",
        )?;
        registry.register(Box::new(preempted.clone()))?;
        Ok(Self {
            pending: gauge("meridian_partition_pending_pods", "Pods without a host.")?,
            claims: counters("meridian_partition_claims_total", "Claims at ledgers by outcome.", "outcome")?,
            bind_seconds,
            replicas: gauge("meridian_partition_live_replicas", "Scheduler replicas connected.")?,
            host_partitions: gauge("meridian_partition_live_host_partitions", "Host partitions connected.")?,
            statuses: counters(
                "meridian_partition_statuses_total",
                "Pod statuses reported by hosts, by outcome.",
                "outcome",
            )?,
            events: counters(
                "meridian_partition_events_total",
                "Events by outcome: written, failed, dropped under load, limited for saying too much of one pod.",
                "outcome",
            )?,
            stale_decisions,
            preempted,
            streams_ended: counters(
                "meridian_partition_streams_ended_total",
                "Streams that the partition ended, by reason.",
                "reason",
            )?,
        })
    }
}
