//! What a pod asks for: the input of [`Scheduler::class`](crate::Scheduler::class).
//!
//! Two pods with equal demands belong to one scheduling class. A demand has a part that depends on the load of
//! hosts (resources, devices, ports) and a part that does not ([`Constraints`]); the second is shared between classes.

mod peer;

use std::collections::BTreeMap;

pub use self::peer::{Identity, LabelSelector, PodAffinityTerm, PodTerms, SpreadConstraint, WeightedPodTerm};
use crate::host::{DEVICE_MILLI, MAX_DEVICES, MAX_NUMA_NODES, Taint, TaintEffect};
use crate::resource::{MAX_QUANTITY, Resources};

/// The most that scoring counts beyond a request, so that sums over a host's pods stay in range: 2^40.
const MAX_UNREQUESTED: i64 = 1 << 40;

/// Everything about a pod that decides where it may and should run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Demand {
    /// What the pod takes from its host, by the Kubernetes rules (init and sidecar containers, overhead).
    pub requests: Resources,
    /// What scoring counts for CPU and memory: the requests, or a little for containers that ask for nothing, so that
    /// they spread (kube-scheduler's "non-zero" requests: 100 milli-CPUs and 200 MB a container).
    pub scoring: ScoringRequests,
    /// Shareable accelerators.
    pub devices: Option<DeviceDemand>,
    /// How its devices are linked to each other, where it asks for several.
    pub links: Links,
    /// What runs it.
    pub runtime: Runtime,
    /// How it sits on its host's NUMA nodes; `None`: anyhow.
    pub numa: Option<NumaDemand>,
    /// Ports of the host that the pod binds.
    pub ports: Vec<HostPort>,
    /// Where the pod may and would rather run, whatever the load.
    pub constraints: Constraints,
    /// What other pods' terms can tell the pod by.
    pub identity: Identity,
    /// What the pod wants of the pods around it.
    pub terms: PodTerms,
}

/// Whether a pod's devices are of one group of linked ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Links {
    /// That does not matter.
    #[default]
    Anywhere,
    /// They are where its host has such a group free.
    Preferred,
    /// They must be: other hosts do not take it.
    Required,
}

/// What runs a pod on its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// Containers. They count in full wherever they run.
    #[default]
    Containers,
    /// A virtual machine. Its CPUs and memory count by its host's [`Overcommit`](crate::Overcommit), unless it asks for NUMA
    /// nodes.
    VirtualMachine,
}

/// How a pod sits on its host's NUMA nodes: with an equal share of what it asks for on each of so many, which counts in full
/// there. Its devices are attached to them. Only hosts that describe their nodes take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NumaDemand {
    /// How many nodes, 1 to [`MAX_NUMA_NODES`](crate::MAX_NUMA_NODES).
    pub nodes: u32,
    /// Its CPUs are its own: whole ones, as many on each node.
    pub pinned: bool,
}

/// The CPU and memory that scoring counts for a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScoringRequests {
    /// CPU in thousandths of a core.
    pub cpu_milli: i64,
    /// Memory in bytes.
    pub memory: i64,
}

/// `count` devices with `milli` thousandths of each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceDemand {
    /// How many distinct devices, at least 1.
    pub count: u32,
    /// How much of each, 1 to 1000.
    pub milli: u32,
    /// Acceptable models; empty accepts any.
    pub models: Vec<String>,
}

/// A port of the host that a pod binds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Protocol,
    /// The address bound; empty or `0.0.0.0` is every address and conflicts with each.
    pub ip: String,
    /// 1 to 65535.
    pub port: u16,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// The default.
    #[default]
    Tcp,
    /// User datagrams.
    Udp,
    /// Streams of messages.
    Sctp,
}

impl HostPort {
    /// Whether the port is bound on every address.
    pub fn is_wildcard(&self) -> bool {
        self.ip.is_empty() || self.ip == "0.0.0.0"
    }

    /// Whether both cannot be bound on one host.
    pub fn conflicts(&self, other: &HostPort) -> bool {
        self.protocol == other.protocol
            && self.port == other.port
            && (self.is_wildcard() || other.is_wildcard() || self.ip == other.ip)
    }
}

/// The part of a demand that no load changes: it depends only on names, labels, taints and device models of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Constraints {
    /// The one host that may take the pod.
    pub node_name: Option<String>,
    /// Labels that the host must have.
    pub node_selector: BTreeMap<String, String>,
    /// Required node affinity: one of the terms must match. `Some` of no terms matches nothing.
    pub required: Option<Vec<SelectorTerm>>,
    /// Preferred node affinity.
    pub preferred: Vec<PreferredTerm>,
    /// Taints that the pod bears.
    pub tolerations: Vec<Toleration>,
}

/// A term of node affinity: all of its requirements must hold. A term without any matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SelectorTerm {
    /// On the host's labels.
    pub labels: Vec<Requirement>,
    /// On the host's fields; the one field is `metadata.name`.
    pub fields: Vec<Requirement>,
}

/// One requirement on a label or field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// The label's key or the field's path.
    pub key: String,
    /// What must hold.
    pub operator: Operator,
}

/// What a requirement asks of the value behind its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Present, and one of these.
    In(Vec<String>),
    /// Absent, or none of these.
    NotIn(Vec<String>),
    /// Present.
    Exists,
    /// Absent.
    DoesNotExist,
    /// Present, a whole number, and greater.
    GreaterThan(i64),
    /// Present, a whole number, and less.
    LessThan(i64),
}

/// A term that draws pods to the hosts it matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PreferredTerm {
    /// 1 to 100.
    pub weight: i32,
    /// Matched like a required term.
    pub term: SelectorTerm,
}

/// Bears the taints that it matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Toleration {
    /// Empty matches every key (operator `Exists` only).
    pub key: String,
    /// How the value is matched.
    pub operator: TolerationOperator,
    /// `None` matches every effect.
    pub effect: Option<TaintEffect>,
}

/// How a toleration matches a taint's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TolerationOperator {
    /// The value must be this one.
    Equal(String),
    /// Any value will do.
    Exists,
}

impl Default for TolerationOperator {
    fn default() -> Self {
        TolerationOperator::Equal(String::new())
    }
}

impl Toleration {
    /// Whether the pod bears `taint` because of this toleration.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        if self.effect.is_some_and(|effect| effect != taint.effect) {
            return false;
        }
        match &self.operator {
            TolerationOperator::Exists => self.key.is_empty() || self.key == taint.key,
            TolerationOperator::Equal(value) => {
                (self.key.is_empty() || self.key == taint.key) && *value == taint.value
            }
        }
    }
}

/// Why a demand was refused at the border.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DemandError {
    /// Negative or absurdly large.
    #[error("{field} is {quantity}, want {min} to {max}")]
    OutOfRange {
        /// Which quantity.
        field: String,
        /// What was given.
        quantity: i64,
        /// The least that is allowed.
        min: i64,
        /// The most that is allowed.
        max: i64,
    },
    /// Pinned CPUs that are not whole on each NUMA node.
    #[error(
        "cpu is {cpu_milli} thousandths, want whole CPUs on each of {nodes} NUMA nodes, at least one, since they are pinned"
    )]
    NotWhole {
        /// What was given.
        cpu_milli: i64,
        /// Over how many nodes.
        nodes: u32,
    },
    /// A field requirement on something else than `metadata.name`.
    #[error("field {key} cannot be selected, want metadata.name")]
    UnknownField {
        /// The field's path as given.
        key: String,
    },
    /// A preferred term that neither draws nor keeps away.
    #[error("{field} is 0, want 1 to 100, or -1 to -100 to keep away")]
    NoWeight {
        /// Which weight.
        field: String,
    },
    /// A term without domains.
    #[error("{field} is empty, want the label whose values are the domains")]
    NoTopologyKey {
        /// Which key.
        field: String,
    },
    /// A least number of domains where it says nothing.
    #[error("{field} is given, want none for a constraint that is not required")]
    MinDomains {
        /// Which number.
        field: String,
    },
    /// A comparison of numbers in a selector of pods or namespaces.
    #[error("{field} compares the number in label {key}, want in, not in, exists or does not exist")]
    Comparison {
        /// Which selector.
        field: String,
        /// The label's key.
        key: String,
    },
}

impl Demand {
    /// Checks everything that needs no cell.
    pub fn validate(&self) -> Result<(), DemandError> {
        if let Some((field, quantity)) = self.requests.out_of_range() {
            return Err(out_of_range(&field, quantity, 0, MAX_QUANTITY));
        }
        for (field, quantity, request) in [
            ("scoring cpu", self.scoring.cpu_milli, self.requests.cpu_milli),
            ("scoring memory", self.scoring.memory, self.requests.memory),
        ] {
            let most = request.saturating_add(MAX_UNREQUESTED).min(MAX_QUANTITY);
            if !(0..=most).contains(&quantity) {
                return Err(out_of_range(field, quantity, 0, most));
            }
        }
        if let Some(devices) = &self.devices {
            if !(1..=MAX_DEVICES).contains(&devices.count) {
                return Err(out_of_range("devices.count", devices.count.into(), 1, MAX_DEVICES.into()));
            }
            if !(1..=DEVICE_MILLI).contains(&devices.milli) {
                return Err(out_of_range("devices.milli", devices.milli.into(), 1, DEVICE_MILLI.into()));
            }
        }
        if let Some(NumaDemand { nodes, pinned }) = self.numa {
            if !(1..=MAX_NUMA_NODES).contains(&nodes) {
                return Err(out_of_range("numa.nodes", nodes.into(), 1, MAX_NUMA_NODES.into()));
            }
            let cpu_milli = self.requests.cpu_milli;
            if pinned && (cpu_milli == 0 || cpu_milli % (1_000 * i64::from(nodes)) != 0) {
                return Err(DemandError::NotWhole { cpu_milli, nodes });
            }
        }
        if let Some(port) = self.ports.iter().find(|port| port.port == 0) {
            return Err(out_of_range("port", port.port.into(), 1, 65535));
        }
        self.constraints.validate()?;
        self.terms.validate()
    }
}

impl Constraints {
    fn validate(&self) -> Result<(), DemandError> {
        if let Some(preferred) =
            self.preferred.iter().find(|preferred| !(1..=100).contains(&preferred.weight))
        {
            return Err(out_of_range("preferred weight", preferred.weight.into(), 1, 100));
        }
        let terms =
            self.required.iter().flatten().chain(self.preferred.iter().map(|preferred| &preferred.term));
        for requirement in terms.flat_map(|term| &term.fields) {
            if requirement.key != "metadata.name" {
                return Err(DemandError::UnknownField { key: requirement.key.clone() });
            }
        }
        Ok(())
    }
}

fn out_of_range(field: &str, quantity: i64, min: i64, max: i64) -> DemandError {
    DemandError::OutOfRange { field: field.to_owned(), quantity, min, max }
}
