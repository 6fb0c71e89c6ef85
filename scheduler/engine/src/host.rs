//! What a host offers: the input of [`Cell::add_host`](crate::Cell::add_host).

use std::collections::BTreeMap;

use crate::resource::{MAX_QUANTITY, Resources};

/// The largest number of shareable devices on one host: a pod's devices are a 64-bit mask.
pub const MAX_DEVICES: u32 = 64;

/// The capacity of one device, in thousandths.
pub const DEVICE_MILLI: u32 = 1000;

/// The largest number of NUMA nodes of one host.
pub const MAX_NUMA_NODES: u32 = 8;

/// The most that a host may be overcommitted, in percent.
pub const MAX_OVERCOMMIT: u32 = 6_400;

/// A host as its operator describes it. Names appear only here; the cell keeps columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Unique in the cell.
    pub name: String,
    /// What pods may use.
    pub allocatable: Resources,
    /// How many pods may run at once.
    pub pods: i64,
    /// Labels, as selectors see them.
    pub labels: BTreeMap<String, String>,
    /// Taints, as tolerations see them.
    pub taints: Vec<Taint>,
    /// Cordoned: takes no new pods but those that tolerate it.
    pub unschedulable: bool,
    /// Shareable accelerators, all of one model.
    pub devices: Option<Devices>,
    /// The groups of devices that are linked to each other, as masks of their numbers.
    pub links: Vec<u64>,
    /// Which kinds of pods it can start now.
    pub runtimes: Runtimes,
    /// How far virtual machines may ask for more than it has.
    pub overcommit: Overcommit,
    /// The NUMA nodes that it is made of, at most [`MAX_NUMA_NODES`]; none where it does not say.
    pub numa: Vec<NumaNode>,
}

/// A NUMA node of a host: what is near to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumaNode {
    /// CPU, memory, and what else there is of by node, such as huge pages. What no node of a host names is not told apart by
    /// node there.
    pub resources: Resources,
    /// The mask of the device numbers that are attached to it.
    pub devices: u64,
}

/// Which runtimes of a host are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Runtimes {
    /// It starts containers.
    pub containers: bool,
    /// It starts virtual machines.
    pub virtual_machines: bool,
}

impl Default for Runtimes {
    fn default() -> Self {
        Runtimes { containers: true, virtual_machines: false }
    }
}

/// How far virtual machines that share CPUs and memory may ask for more than a host has, in percent of it: with 400, four
/// vCPUs count as one CPU. Containers always count in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Overcommit {
    /// Of CPU: 100 to [`MAX_OVERCOMMIT`].
    pub cpu_percent: u32,
    /// Of memory: 100 to [`MAX_OVERCOMMIT`].
    pub memory_percent: u32,
}

impl Default for Overcommit {
    fn default() -> Self {
        Overcommit { cpu_percent: 100, memory_percent: 100 }
    }
}

/// The accelerators of one host: `count` devices of one `model`, each divisible into thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Devices {
    /// The model's name, such as `V100M32`.
    pub model: String,
    /// How many, at most [`MAX_DEVICES`].
    pub count: u32,
}

/// Keeps pods away that do not tolerate it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Taint {
    /// Key, matched by tolerations.
    pub key: String,
    /// Value, matched by tolerations with operator `Equal`.
    pub value: String,
    /// What the taint does to pods that do not tolerate it.
    pub effect: TaintEffect,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaintEffect {
    /// Not placed here.
    NoSchedule,
    /// Placed here only when nothing better is left.
    PreferNoSchedule,
    /// Not placed here, and evicted when already running.
    NoExecute,
}

/// Why a host was refused at the cell's border. The cell is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A host needs a name.
    #[error("a host has an empty name")]
    EmptyName,
    /// Names are unique in a cell.
    #[error("host {name}: another host has this name")]
    DuplicateName {
        /// The name in question.
        name: String,
    },
    /// Negative or absurdly large.
    #[error("host {name}: {resource} is {quantity}, want 0 to {MAX_QUANTITY}")]
    QuantityOutOfRange {
        /// The host's name.
        name: String,
        /// The resource's name.
        resource: String,
        /// What was given.
        quantity: i64,
    },
    /// A taint is there or not; twice is a mistake.
    #[error("host {name}: taint {key} with the same value and effect is given twice")]
    DuplicateTaint {
        /// The host's name.
        name: String,
        /// The taint's key.
        key: String,
    },
    /// More devices than a placement can name.
    #[error("host {name}: {count} devices, want at most {MAX_DEVICES}")]
    TooManyDevices {
        /// The host's name.
        name: String,
        /// What was given.
        count: u32,
    },
    /// A host keeps its device model for as long as devices are in use.
    #[error("host {name}: devices of model {old} are in use, they cannot become {new}")]
    DevicesInUse {
        /// The host's name.
        name: String,
        /// The model in use.
        old: String,
        /// The model given.
        new: String,
    },
    /// More kinds of resources than the cell keeps columns for.
    #[error("host {name}: the cell already knows {limit} kinds of resources", limit = crate::resource::MAX_RESOURCES)]
    TooManyResources {
        /// The host's name.
        name: String,
    },
    /// More NUMA nodes than a placement can name.
    #[error("host {name}: {count} NUMA nodes, want at most {MAX_NUMA_NODES}")]
    TooManyNumaNodes {
        /// The host's name.
        name: String,
        /// What was given.
        count: usize,
    },
    /// A device is in one group of linked devices, and there are no groups of none.
    #[error("host {name}: group {group} of linked devices is empty or shares a device with another")]
    Links {
        /// The host's name.
        name: String,
        /// The group's place.
        group: usize,
    },
    /// A device is attached to one node.
    #[error("host {name}: NUMA node {node} has a device of another node")]
    SharedNumaDevice {
        /// The host's name.
        name: String,
        /// The node's number.
        node: usize,
    },
    /// A ratio below one, or absurdly large.
    #[error("host {name}: overcommit of {resource} is {percent} %, want 100 to {MAX_OVERCOMMIT}")]
    Overcommit {
        /// The host's name.
        name: String,
        /// `cpu` or `memory`.
        resource: &'static str,
        /// What was given.
        percent: u32,
    },
    /// More ratios than the cell tells apart.
    #[error("host {name}: the cell already knows {limit} overcommit ratios", limit = crate::cell::MAX_POOLS)]
    TooManyPools {
        /// The host's name.
        name: String,
    },
    /// The id names no host, or one that has been removed.
    #[error("no such host: it has been removed")]
    Gone,
}

impl Host {
    /// Checks everything that needs no cell.
    pub fn validate(&self) -> Result<(), HostError> {
        if self.name.is_empty() {
            return Err(HostError::EmptyName);
        }
        if let Some((resource, quantity)) = self.allocatable.out_of_range() {
            return Err(HostError::QuantityOutOfRange { name: self.name.clone(), resource, quantity });
        }
        if !(0..=MAX_QUANTITY).contains(&self.pods) {
            return Err(HostError::QuantityOutOfRange {
                name: self.name.clone(),
                resource: "pods".to_owned(),
                quantity: self.pods,
            });
        }
        self.validate_numa()?;
        let mut linked = 0;
        for (group, devices) in self.links.iter().enumerate() {
            if *devices == 0 || linked & devices != 0 {
                return Err(HostError::Links { name: self.name.clone(), group });
            }
            linked |= devices;
        }
        let Overcommit { cpu_percent, memory_percent } = self.overcommit;
        for (resource, percent) in [("cpu", cpu_percent), ("memory", memory_percent)] {
            if !(100..=MAX_OVERCOMMIT).contains(&percent) {
                return Err(HostError::Overcommit { name: self.name.clone(), resource, percent });
            }
        }
        for (position, taint) in self.taints.iter().enumerate() {
            if self.taints[..position].contains(taint) {
                return Err(HostError::DuplicateTaint { name: self.name.clone(), key: taint.key.clone() });
            }
        }
        match &self.devices {
            Some(devices) if devices.count > MAX_DEVICES => {
                Err(HostError::TooManyDevices { name: self.name.clone(), count: devices.count })
            }
            _ => Ok(()),
        }
    }
    fn validate_numa(&self) -> Result<(), HostError> {
        if self.numa.len() > MAX_NUMA_NODES as usize {
            return Err(HostError::TooManyNumaNodes { name: self.name.clone(), count: self.numa.len() });
        }
        let mut devices = 0;
        for (number, node) in self.numa.iter().enumerate() {
            if let Some((resource, quantity)) = node.resources.out_of_range() {
                let resource = format!("{resource} of NUMA node {number}");
                return Err(HostError::QuantityOutOfRange { name: self.name.clone(), resource, quantity });
            }
            if devices & node.devices != 0 {
                return Err(HostError::SharedNumaDevice { name: self.name.clone(), node: number });
            }
            devices |= node.devices;
        }
        Ok(())
    }
}
