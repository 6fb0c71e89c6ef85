//! What a bench can be asked to do differently, and what can go wrong.

use meridian_engine::Profile;
use meridian_simulation::SimulationError;
use meridian_trace::TraceError;

/// Parameters; what is `None` is the bench's own default.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// Number of hosts.
    pub hosts: Option<u32>,
    /// Number of pods, or of decisions.
    pub pods: Option<u32>,
    /// Number of classes.
    pub classes: Option<u32>,
    /// The seed of everything random.
    pub seed: u64,
    /// The profile.
    pub profile: ProfileName,
    /// Whether the pod of `engine/latency` is of a class never seen.
    pub new_class: bool,
    /// How cells are half filled.
    pub fill: Fill,
    /// Whether `api/create` speaks TLS.
    pub tls: bool,
    /// Number of sites of the global benches.
    pub sites: Option<u32>,
    /// Number of workloads of the global benches.
    pub workloads: Option<u32>,
    /// How many times the demand all sites of the global benches could serve.
    pub ratio: Option<f64>,
    /// Seconds that a plan of the global benches may take.
    pub seconds: Option<f64>,
    /// The back end of the global benches.
    pub backend: meridian_global_engine::Backend,
    /// Where `global/size` writes its plot.
    pub plot: Option<std::path::PathBuf>,
    /// The policy of `sim/openb`.
    pub policy: Option<String>,
    /// The folder with traces (`MERIDIAN_DATA`).
    pub data: Option<std::path::PathBuf>,
}

/// How a cell is filled before a bench.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fill {
    /// Pods on random hosts.
    #[default]
    Scattered,
    /// Pods where the scheduler puts them: under a profile that spreads, all hosts are loaded alike.
    Scheduled,
}

impl Fill {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Fill::Scattered => "scattered",
            Fill::Scheduled => "scheduled",
        }
    }
}

/// The two profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProfileName {
    /// Our default.
    #[default]
    Meridian,
    /// kube-scheduler's arithmetic.
    Kubernetes,
}

impl ProfileName {
    /// The profile.
    pub fn profile(self) -> Profile {
        match self {
            ProfileName::Meridian => Profile::meridian(),
            ProfileName::Kubernetes => Profile::kubernetes(),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            ProfileName::Meridian => "meridian",
            ProfileName::Kubernetes => "kubernetes",
        }
    }
}

/// Why a bench has no figure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The name means nothing.
    #[error("bench {name:?} is unknown, want one of {want}")]
    Unknown {
        /// The name given.
        name: String,
        /// The names there are.
        want: String,
    },
    /// A number that is out of range.
    #[error("{field} is {value}, want {want}")]
    OutOfRange {
        /// Which number.
        field: &'static str,
        /// What was given.
        value: u64,
        /// What would be right.
        want: &'static str,
    },
    /// The bench runs on real traces.
    #[error("MERIDIAN_DATA is not set, want the folder that holds {want}")]
    NoData {
        /// What is looked for there.
        want: &'static str,
    },
    /// The trace could not be read.
    #[error("reading the trace")]
    Trace(#[from] TraceError),
    /// The simulation failed.
    #[error("simulating")]
    Simulation(#[from] SimulationError),
    /// The engine refused what the bench gave it.
    #[error("setting up the cell: {0}")]
    Setup(String),
}

/// A count from the parameters, or the default.
pub(crate) fn count(field: &'static str, given: Option<u32>, default: u32) -> Result<u32, BenchError> {
    match given.unwrap_or(default) {
        0 => Err(BenchError::OutOfRange { field, value: 0, want: "1 to 10000000" }),
        value if value > 10_000_000 => {
            Err(BenchError::OutOfRange { field, value: value.into(), want: "1 to 10000000" })
        }
        value => Ok(value),
    }
}
