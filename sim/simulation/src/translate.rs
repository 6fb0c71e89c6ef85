//! Rows of a trace as the engine's hosts and demands.

use std::collections::BTreeMap;

use meridian_engine::{Demand, DeviceDemand, Devices, Host, Resources, ScoringRequests};
use meridian_trace::{TraceHost, TracePod};

/// The label under which Kubernetes keeps a host's zone.
const ZONE: &str = "topology.kubernetes.io/zone";

/// What scoring counts for a pod that asks for no CPU, as kube-scheduler does.
const SCORING_CPU_MILLI: i64 = 100;

/// What scoring counts for a pod that asks for no memory, as kube-scheduler does.
const SCORING_MEMORY: i64 = 200 << 20;

/// The engine's host for a row.
pub fn host(row: &TraceHost) -> Host {
    let mut labels = BTreeMap::from([("kubernetes.io/hostname".to_owned(), row.name.clone())]);
    if let Some(zone) = &row.zone {
        labels.insert(ZONE.to_owned(), zone.clone());
    }
    Host {
        name: row.name.clone(),
        allocatable: Resources { cpu_milli: row.cpu_milli, memory: row.memory, ..Resources::default() },
        pods: row.pods,
        labels,
        devices: (row.device_count > 0).then(|| Devices {
            model: row.device_model.clone().unwrap_or_default(),
            count: row.device_count,
        }),
        ..Host::default()
    }
}

/// The engine's demand for a row.
pub fn demand(row: &TracePod) -> Demand {
    let or_default = |quantity: i64, default| if quantity == 0 { default } else { quantity };
    Demand {
        requests: Resources { cpu_milli: row.cpu_milli, memory: row.memory, ..Resources::default() },
        scoring: ScoringRequests {
            cpu_milli: or_default(row.cpu_milli, SCORING_CPU_MILLI),
            memory: or_default(row.memory, SCORING_MEMORY),
        },
        devices: (row.device_count > 0).then(|| DeviceDemand {
            count: row.device_count,
            milli: row.device_milli,
            models: row.device_models.clone(),
        }),
        ..Demand::default()
    }
}
