//! What the controllers count.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

/// Counters by controller.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) passes: IntCounterVec,
    pub(crate) waiting: IntGaugeVec,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let passes = IntCounterVec::new(
            Opts::new("meridian_controller_passes_total", "Passes of controllers over a key, by outcome"),
            &["controller", "outcome"],
        )?;
        let waiting = IntGaugeVec::new(
            Opts::new("meridian_controller_keys_waiting", "Keys that wait for a controller"),
            &["controller"],
        )?;
        registry.register(Box::new(passes.clone()))?;
        registry.register(Box::new(waiting.clone()))?;
        Ok(Self { passes, waiting })
    }
}
