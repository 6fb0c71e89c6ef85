//! What the controllers count.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

/// Counters by controller.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) passes: IntCounterVec,
    pub(crate) waiting: IntGaugeVec,
    /// Events by what became of them.
    pub(crate) events: IntCounterVec,
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
        let events = IntCounterVec::new(
            Opts::new("meridian_controller_events_total", "Events that controllers recorded, by outcome"),
            &["outcome"],
        )?;
        registry.register(Box::new(passes.clone()))?;
        registry.register(Box::new(waiting.clone()))?;
        registry.register(Box::new(events.clone()))?;
        Ok(Self { passes, waiting, events })
    }
}
