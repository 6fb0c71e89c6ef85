//! What the adapter tells about itself, under the names that kube-scheduler's users have on their dashboards.
//!
//! A name means what it means there (Kubernetes' reference of metrics, release 1.34). Metrics of parts that are not here,
//! such as those of its Go runtime or of single plugins, are left out.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    exponential_buckets,
};

/// Why a pod came into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    PodAdd,
    PodUpdate,
    BackoffComplete,
    ScheduleAttemptFailure,
    HostChanged,
}

impl Event {
    fn label(self) -> &'static str {
        match self {
            Event::PodAdd => "PodAdd",
            Event::PodUpdate => "PodUpdate",
            Event::BackoffComplete => "BackoffComplete",
            Event::ScheduleAttemptFailure => "ScheduleAttemptFailure",
            Event::HostChanged => "NodeUpdate",
        }
    }
}

/// The metrics of one adapter. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pending: IntGaugeVec,
    cache: IntGaugeVec,
    attempts: IntCounterVec,
    attempt_duration: HistogramVec,
    algorithm_duration: Histogram,
    sli_duration: HistogramVec,
    pod_attempts: Histogram,
    incoming: IntCounterVec,
    preemption_attempts: IntCounter,
    preemption_victims: Histogram,
    leader: IntGaugeVec,
    requests: IntCounterVec,
    untold: IntCounter,
}

impl Metrics {
    /// Makes and registers the metrics. What cannot be registered, since the name is taken, is not shown.
    pub(crate) fn new(registry: &Registry) -> Result<Metrics, prometheus::Error> {
        let counters =
            |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let gauges =
            |name: &str, help: &str, labels: &[&str]| IntGaugeVec::new(Opts::new(name, help), labels);
        let histogram =
            |name: &str, help: &str, buckets: Vec<f64>| HistogramOpts::new(name, help).buckets(buckets);
        let metrics = Metrics {
            pending: gauges(
                "scheduler_pending_pods",
                "Pending pods, by the queue that they are in.",
                &["queue"],
            )?,
            cache: gauges(
                "scheduler_scheduler_cache_size",
                "Nodes, pods and assumed pods known.",
                &["type"],
            )?,
            attempts: counters(
                "scheduler_schedule_attempts_total",
                "Attempts to schedule pods, by their result.",
                &["profile", "result"],
            )?,
            attempt_duration: HistogramVec::new(
                histogram(
                    "scheduler_scheduling_attempt_duration_seconds",
                    "Time of an attempt: the decision and the binding.",
                    exponential_buckets(0.001, 2.0, 15)?,
                ),
                &["profile", "result"],
            )?,
            algorithm_duration: Histogram::with_opts(histogram(
                "scheduler_scheduling_algorithm_duration_seconds",
                "Time of a decision, the mean of those made together.",
                exponential_buckets(0.000_001, 4.0, 12)?,
            ))?,
            sli_duration: HistogramVec::new(
                histogram(
                    "scheduler_pod_scheduling_sli_duration_seconds",
                    "Time from when a pod could first be scheduled until it was bound.",
                    exponential_buckets(0.01, 2.0, 20)?,
                ),
                &["attempts"],
            )?,
            pod_attempts: Histogram::with_opts(histogram(
                "scheduler_pod_scheduling_attempts",
                "Attempts that it took to schedule a pod.",
                exponential_buckets(1.0, 2.0, 5)?,
            ))?,
            incoming: counters(
                "scheduler_queue_incoming_pods_total",
                "Pods that came into a queue, by queue and reason.",
                &["event", "queue"],
            )?,
            preemption_attempts: IntCounter::new(
                "scheduler_preemption_attempts_total",
                "Attempts to make room by preemption.",
            )?,
            preemption_victims: Histogram::with_opts(histogram(
                "scheduler_preemption_victims",
                "Pods that made way for one.",
                exponential_buckets(1.0, 2.0, 7)?,
            ))?,
            leader: gauges(
                "leader_election_master_status",
                "Whether this process leads: 1 or 0.",
                &["name"],
            )?,
            requests: counters(
                "rest_client_requests_total",
                "Requests to the API server, by what they are for and their status.",
                &["code", "verb"],
            )?,
            untold: IntCounter::new(
                "meridian_adapter_events_discarded_total",
                "Events that were not written since too many waited.",
            )?,
        };
        for collector in metrics.collectors() {
            if let Err(error) = registry.register(collector) {
                tracing::warn!(%error, "a metric of the scheduler is not shown");
            }
        }
        Ok(metrics)
    }

    fn collectors(&self) -> [Box<dyn Collector>; 13] {
        [
            Box::new(self.pending.clone()),
            Box::new(self.cache.clone()),
            Box::new(self.attempts.clone()),
            Box::new(self.attempt_duration.clone()),
            Box::new(self.algorithm_duration.clone()),
            Box::new(self.sli_duration.clone()),
            Box::new(self.pod_attempts.clone()),
            Box::new(self.incoming.clone()),
            Box::new(self.preemption_attempts.clone()),
            Box::new(self.preemption_victims.clone()),
            Box::new(self.leader.clone()),
            Box::new(self.requests.clone()),
            Box::new(self.untold.clone()),
        ]
    }

    pub(crate) fn set_pending(&self, active: usize, backoff: usize, unschedulable: usize, gated: usize) {
        for (queue, count) in
            [("active", active), ("backoff", backoff), ("unschedulable", unschedulable), ("gated", gated)]
        {
            self.pending.with_label_values(&[queue]).set(count as i64);
        }
    }

    pub(crate) fn set_cache(&self, hosts: usize, pods: usize, assumed: usize) {
        for (kind, count) in [("nodes", hosts), ("pods", pods), ("assumed_pods", assumed)] {
            self.cache.with_label_values(&[kind]).set(count as i64);
        }
    }

    /// A pod came into a queue.
    pub(crate) fn incoming(&self, queue: &str, event: Event) {
        self.incoming.with_label_values(&[event.label(), queue]).inc();
    }

    /// A pod has been bound after so many attempts.
    pub(crate) fn scheduled(&self, profile: &str, took: Duration, waited: Duration, attempts: u32) {
        self.attempts.with_label_values(&[profile, "scheduled"]).inc();
        self.attempt_duration.with_label_values(&[profile, "scheduled"]).observe(took.as_secs_f64());
        let label = if attempts < 16 { attempts.to_string() } else { "16+".to_owned() };
        self.sli_duration.with_label_values(&[&label]).observe(waited.as_secs_f64());
        self.pod_attempts.observe(attempts.into());
    }

    /// A pod was not bound though there was room.
    pub(crate) fn failed(&self, profile: &str, took: Duration) {
        self.attempts.with_label_values(&[profile, "error"]).inc();
        self.attempt_duration.with_label_values(&[profile, "error"]).observe(took.as_secs_f64());
    }

    /// There was no room for a pod.
    pub(crate) fn unschedulable(&self, profile: &str) {
        self.attempts.with_label_values(&[profile, "unschedulable"]).inc();
    }

    /// So many decisions took so long together.
    pub(crate) fn decided(&self, took: Duration, count: usize) {
        if count > 0 {
            let each = took.as_secs_f64() / count as f64;
            for _ in 0..count {
                self.algorithm_duration.observe(each);
            }
        }
    }

    /// Others have to make way for a pod.
    pub(crate) fn preempted(&self, victims: usize) {
        self.preemption_attempts.inc();
        if victims > 0 {
            self.preemption_victims.observe(victims as f64);
        }
    }

    pub(crate) fn set_leader(&self, name: &str, leads: bool) {
        self.leader.with_label_values(&[name]).set(leads.into());
    }

    /// A request to the API server has been answered, or has failed without a status.
    pub(crate) fn requested(&self, verb: &str, code: Option<u16>) {
        let code = code.map_or_else(|| "<error>".to_owned(), |code| code.to_string());
        self.requests.with_label_values(&[code.as_str(), verb]).inc();
    }

    pub(crate) fn discarded(&self) {
        self.untold.inc();
    }
}
