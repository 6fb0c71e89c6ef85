//! The partition's metrics.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// What the partition counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) hosts: IntGaugeVec,
    pub(crate) entries: IntGaugeVec,
    pub(crate) claims: IntCounterVec,
    pub(crate) audited: IntCounter,
    pub(crate) statuses: IntCounter,
    pub(crate) recovering: IntGauge,
    pub(crate) unanswered: IntGauge,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            hosts: IntGaugeVec::new(Opts::new("meridian_hosts_hosts", "Hosts by how they are."), &["state"])?,
            entries: IntGaugeVec::new(
                Opts::new("meridian_hosts_ledger_entries", "Entries of the ledger by state."),
                &["state"],
            )?,
            claims: IntCounterVec::new(
                Opts::new("meridian_hosts_claims_total", "Claims decided, by what they came to."),
                &["result"],
            )?,
            audited: IntCounter::new("meridian_hosts_audited_claims_total", "Claims that were asked about.")?,
            statuses: IntCounter::new("meridian_hosts_statuses_total", "Statuses of pods passed on.")?,
            recovering: IntGauge::new(
                "meridian_hosts_recovering",
                "1 while claims are refused because not all tenant partitions have listed their bindings.",
            )?,
            unanswered: IntGauge::new(
                "meridian_hosts_unanswered_partitions",
                "Tenant partitions that have not listed their bindings.",
            )?,
        };
        registry.register(Box::new(metrics.hosts.clone()))?;
        registry.register(Box::new(metrics.entries.clone()))?;
        registry.register(Box::new(metrics.claims.clone()))?;
        registry.register(Box::new(metrics.audited.clone()))?;
        registry.register(Box::new(metrics.statuses.clone()))?;
        registry.register(Box::new(metrics.recovering.clone()))?;
        registry.register(Box::new(metrics.unanswered.clone()))?;
        Ok(metrics)
    }
}
