//! What the server counts about requests, by the names that Kubernetes' dashboards know. Tenants are not told apart.

use http::StatusCode;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use std::time::Duration;

/// The counters of one server.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    in_flight: IntGauge,
    long_running: IntGaugeVec,
    pub(super) connections: IntGauge,
    pub(super) sent: IntCounter,
    pub(super) received: IntCounter,
    pub(super) panics: IntCounter,
}

impl Metrics {
    /// # Errors
    ///
    /// When the registry has a metric of one of these names already.
    pub(super) fn new(registry: Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new("apiserver_request_total", "Requests answered, by verb, resource and code."),
            &["verb", "resource", "code"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "apiserver_request_duration_seconds",
                "Time from a request's headers to the first byte of its answer; watches are not counted.",
            )
            .buckets(vec![
                0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
            ]),
            &["verb", "resource"],
        )?;
        let in_flight =
            IntGauge::new("apiserver_current_inflight_requests", "Requests that are being worked on.")?;
        let long_running = IntGaugeVec::new(
            Opts::new("apiserver_longrunning_requests", "Watches that are open."),
            &["verb", "resource"],
        )?;
        let connections = IntGauge::new("apiserver_connections", "Connections that are open.")?;
        let sent = IntCounter::new("apiserver_sent_bytes_total", "Bytes of answers' bodies, as sent.")?;
        let received = IntCounter::new("apiserver_received_bytes_total", "Bytes of requests' bodies.")?;
        let panics = IntCounter::new("apiserver_request_panics_total", "Requests that ended in a panic.")?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        registry.register(Box::new(long_running.clone()))?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(sent.clone()))?;
        registry.register(Box::new(received.clone()))?;
        registry.register(Box::new(panics.clone()))?;
        Ok(Self {
            registry,
            requests,
            durations,
            in_flight,
            long_running,
            connections,
            sent,
            received,
            panics,
        })
    }

    /// Counts a request that was answered with its headers after `took`.
    pub(super) fn answered(&self, verb: &str, resource: &str, code: StatusCode, took: Duration) {
        self.requests.with_label_values(&[verb, resource, code.as_str()]).inc();
        if verb != "WATCH" {
            self.durations.with_label_values(&[verb, resource]).observe(took.as_secs_f64());
        }
    }

    /// One more request in flight, until what is returned is dropped.
    pub(super) fn in_flight(&self) -> Held {
        Held::new(self.in_flight.clone())
    }

    /// One more watch of a resource, until what is returned is dropped.
    pub(super) fn watching(&self, resource: &str) -> Held {
        Held::new(self.long_running.with_label_values(&["WATCH", resource]))
    }

    /// One more connection, until what is returned is dropped.
    pub(super) fn connected(&self) -> Held {
        Held::new(self.connections.clone())
    }

    /// All metrics of the process, as Prometheus reads them.
    pub(super) fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// One that a gauge counts while it is held.
#[derive(Debug)]
pub(super) struct Held {
    gauge: IntGauge,
}

impl Held {
    fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self { gauge }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}
