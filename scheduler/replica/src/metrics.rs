//! What the replica tells about itself.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::core::{Core, Counts};
use crate::tenant_metrics::TenantMetrics;

/// The metrics of one replica.
#[derive(Debug)]
pub(crate) struct Metrics {
    events: IntCounterVec,
    known: IntGaugeVec,
    in_sync: IntGaugeVec,
    waits: Histogram,
    last: Counts,
    tenants: TenantMetrics,
}

impl Metrics {
    /// Registers the metrics. What cannot be registered, since the name is taken, is not shown.
    pub(crate) fn new(registry: &Registry, replica: &str) -> Result<Metrics, prometheus::Error> {
        let named = |name: &str, help: &str| Opts::new(name, help).const_label("replica", replica);
        let events = IntCounterVec::new(
            named(
                "meridian_scheduler_events_total",
                "Decisions made, how many of them have others make way (preempting), their outcomes (bound, refused, gone), assumptions expired, explanations given.",
            ),
            &["event"],
        )?;
        let known = IntGaugeVec::new(
            named("meridian_scheduler_known", "What the replica knows of, by kind."),
            &["kind"],
        )?;
        let in_sync = IntGaugeVec::new(
            named(
                "meridian_scheduler_in_sync",
                "Whether the replica knows all that a host partition has: 1 or 0.",
            ),
            &["partition"],
        )?;
        let waits = Histogram::with_opts(
            HistogramOpts::new(
                "meridian_scheduler_wait_seconds",
                "Time from a pod's arrival at the replica to its decision.",
            )
            .const_label("replica", replica)
            .buckets(vec![0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0]),
        )?;
        let collectors: [Box<dyn Collector>; 4] = [
            Box::new(events.clone()),
            Box::new(known.clone()),
            Box::new(in_sync.clone()),
            Box::new(waits.clone()),
        ];
        for collector in collectors {
            if let Err(error) = registry.register(collector) {
                tracing::warn!(%error, replica, "a metric of the replica is not shown");
            }
        }
        Ok(Metrics {
            events,
            known,
            in_sync,
            waits,
            last: Counts::default(),
            tenants: TenantMetrics::new(registry, replica)?,
        })
    }

    /// Takes over what has happened since the last call.
    pub(crate) fn update(&mut self, core: &mut Core, time: Duration) {
        self.tenants.update(core, time);
        let now = core.counts();
        for (event, last, now) in [
            ("decision", self.last.decisions, now.decisions),
            ("bound", self.last.bound, now.bound),
            ("refused", self.last.refused, now.refused),
            ("gone", self.last.gone, now.gone),
            ("preempting", self.last.preemptions, now.preemptions),
            ("keeping", self.last.kept, now.kept),
            ("expired", self.last.expired, now.expired),
            ("explanation", self.last.explanations, now.explanations),
        ] {
            if now > last {
                self.events.with_label_values(&[event]).inc_by(now - last);
            }
        }
        self.last = now;
        for (kind, number) in core.sizes() {
            self.known.with_label_values(&[kind]).set(i64::try_from(number).unwrap_or(i64::MAX));
        }
        for (partition, is_in_sync) in core.feeds_in_sync() {
            if !partition.is_empty() {
                self.in_sync.with_label_values(&[partition]).set(is_in_sync.into());
            }
        }
        for wait in core.take_waits() {
            self.waits.observe(Duration::as_secs_f64(&wait));
        }
    }
}
