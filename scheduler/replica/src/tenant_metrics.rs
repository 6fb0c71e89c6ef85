//! What the replica tells about tenants: a bounded number of them by name, and all others together.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use meridian_engine::TenantStatus;
use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry};

use crate::core::Core;

/// Tenants told of by name: those with the most pods that wait, then those with the largest share.
const MAX_NAMED: usize = 50;

/// All other tenants. No namespace or tenant is called so.
const OTHERS: &str = "(others)";

/// How often this is told: it looks at every line of the queue.
const PERIOD: Duration = Duration::from_secs(1);

/// Metrics by tenant.
#[derive(Debug)]
pub(crate) struct TenantMetrics {
    waiting: IntGaugeVec,
    age: GaugeVec,
    share: GaugeVec,
    shown: BTreeSet<String>,
    next: Duration,
}

/// What is shown of a tenant, or of several.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    waiting: usize,
    oldest: Option<Duration>,
    share_millionths: u64,
}

impl Shown {
    fn add(&mut self, status: &TenantStatus) {
        self.waiting += status.waiting;
        self.oldest = self.oldest.into_iter().chain(status.oldest).min();
        self.share_millionths = self.share_millionths.max(status.share_millionths);
    }
}

impl TenantMetrics {
    /// Registers the metrics. What cannot be registered, since the name is taken, is not shown.
    pub(crate) fn new(registry: &Registry, replica: &str) -> Result<TenantMetrics, prometheus::Error> {
        let named = |name: &str, help: &str| Opts::new(name, help).const_label("replica", replica);
        let waiting = IntGaugeVec::new(
            named("meridian_scheduler_queue_pods", "Pods that wait, by tenant."),
            &["tenant"],
        )?;
        let age = GaugeVec::new(
            named(
                "meridian_scheduler_queue_age_seconds",
                "How long the pod has waited that has waited for the longest time, by tenant.",
            ),
            &["tenant"],
        )?;
        let share = GaugeVec::new(
            named(
                "meridian_scheduler_dominant_share_ratio",
                "The largest share that a tenant holds of any resource of the cell; of several tenants the largest.",
            ),
            &["tenant"],
        )?;
        for collector in [
            Box::new(waiting.clone()) as Box<dyn prometheus::core::Collector>,
            Box::new(age.clone()),
            Box::new(share.clone()),
        ] {
            if let Err(error) = registry.register(collector) {
                tracing::warn!(%error, replica, "a metric of the replica's tenants is not shown");
            }
        }
        Ok(TenantMetrics { waiting, age, share, shown: BTreeSet::new(), next: Duration::ZERO })
    }

    /// Takes over how tenants stand, once in a while.
    pub(crate) fn update(&mut self, core: &Core, now: Duration) {
        if now < self.next {
            return;
        }
        self.next = now + PERIOD;
        let mut all: Vec<(&str, TenantStatus)> = core.tenants().collect();
        all.sort_by_key(|(_, status)| (Reverse((status.waiting, status.share_millionths)), status.tenant));
        let mut shown = BTreeSet::new();
        let rest = all.split_off(all.len().min(MAX_NAMED));
        for (name, status) in all {
            let mut one = Shown::default();
            one.add(&status);
            self.show(if name.is_empty() { OTHERS } else { name }, one, now, &mut shown);
        }
        if !rest.is_empty() {
            let mut others = Shown::default();
            rest.iter().for_each(|(_, status)| others.add(status));
            self.show(OTHERS, others, now, &mut shown);
        }
        for gone in self.shown.difference(&shown) {
            // There is nothing to remove where it was never shown.
            let _ = self.waiting.remove_label_values(&[gone]);
            let _ = self.age.remove_label_values(&[gone]);
            let _ = self.share.remove_label_values(&[gone]);
        }
        self.shown = shown;
    }

    fn show(&self, name: &str, what: Shown, now: Duration, shown: &mut BTreeSet<String>) {
        self.waiting.with_label_values(&[name]).set(i64::try_from(what.waiting).unwrap_or(i64::MAX));
        let age = what.oldest.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        self.age.with_label_values(&[name]).set(age.as_secs_f64());
        self.share.with_label_values(&[name]).set(what.share_millionths as f64 / 1e6);
        shown.insert(name.to_owned());
    }
}
