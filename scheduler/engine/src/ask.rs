//! The load-dependent part of a demand, compiled: what a pod takes from the host it is placed on.

use crate::cell::{Amounts, Cell, shareable};
use crate::demand::{Demand, HostPort, Links, Runtime};
use crate::host::Overcommit;
use crate::resource::ResourceId;
use crate::topology;

/// What is taken from a host. Shared by all placements of a class.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Quantities that are not zero, pods (one) first since that column is the one most often full.
    pub(crate) requests: Vec<(ResourceId, i64)>,
    /// CPU and memory as scoring counts them.
    pub(crate) scoring: [i64; 2],
    pub(crate) devices: Option<DeviceAsk>,
    pub(crate) ports: Vec<HostPort>,
    /// Resources that are asked for and that no host of the cell has ever offered: nothing fits.
    pub(crate) unknown: Vec<String>,
    /// What terms between pods can tell of the pod.
    pub(crate) member: topology::Id,
    /// What it takes of NUMA nodes; `None` where it is not placed by node.
    pub(crate) numa: Option<NumaAsk>,
    /// What it comes to on the hosts of each pool; none where it is the same on all hosts.
    pub(crate) by_pool: Vec<Ask>,
}

/// All of an ask but for what terms between pods can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AskKey {
    requests: Vec<(ResourceId, i64)>,
    scoring: [i64; 2],
    devices: Option<DeviceAsk>,
    ports: Vec<HostPort>,
    unknown: Vec<String>,
    shares: bool,
    numa: Option<NumaAsk>,
}

/// An equal share of what is asked for on each of some NUMA nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NumaAsk {
    /// How many nodes.
    pub(crate) nodes: u32,
    /// What is taken of each, rounded up.
    pub(crate) shares: Vec<(ResourceId, i64)>,
}

impl NumaAsk {
    fn new(nodes: u32, requests: &[(ResourceId, i64)]) -> NumaAsk {
        let by_node = requests.iter().filter(|(resource, _)| *resource != ResourceId::PODS);
        let count = i64::from(nodes.max(1));
        let share = |(resource, request): &(ResourceId, i64)| (*resource, (request + count - 1) / count);
        NumaAsk { nodes, shares: by_node.map(share).collect() }
    }
}

/// `count` devices with `milli` thousandths of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DeviceAsk {
    pub(crate) count: u32,
    pub(crate) milli: u16,
    /// What it makes of groups of linked devices; nothing where it is one device.
    pub(crate) links: Links,
}

impl DeviceAsk {
    /// Whether the pod shares one device with others.
    pub(crate) fn is_shared(self) -> bool {
        self.count == 1 && u32::from(self.milli) < crate::host::DEVICE_MILLI
    }
}

impl Ask {
    /// Compiles a valid demand. What pods ask for makes no columns: only what hosts offer does.
    pub(crate) fn new(demand: &Demand, cell: &Cell, member: topology::Id) -> Ask {
        let mut requests = vec![(ResourceId::PODS, 1)];
        let mut unknown = Vec::new();
        for (name, quantity) in demand.requests.named().filter(|(_, quantity)| *quantity > 0) {
            match cell.resource(name) {
                Some(resource) => requests.push((resource, quantity)),
                None => unknown.push(name.to_owned()),
            }
        }
        let ask = Ask {
            numa: demand.numa.map(|numa| NumaAsk::new(numa.nodes, &requests)),
            requests,
            scoring: [demand.scoring.cpu_milli, demand.scoring.memory],
            devices: demand.devices.as_ref().map(|devices| DeviceAsk {
                count: devices.count,
                milli: devices.milli as u16,
                links: if devices.count > 1 { demand.links } else { Links::Anywhere },
            }),
            ports: demand.ports.clone(),
            unknown,
            member,
            by_pool: Vec::new(),
        };
        match demand.runtime {
            Runtime::VirtualMachine if ask.numa.is_none() => ask.sharing(cell),
            _ => ask,
        }
    }

    /// The same for a pod that shares CPUs and memory with others by its host's ratio.
    fn sharing(mut self, cell: &Cell) -> Ask {
        self.by_pool = cell.pools.ratios().iter().map(|ratio| self.counted(*ratio)).collect();
        self
    }

    /// What the pod must find free on a host of a ratio, and what scoring counts there.
    fn counted(&self, ratio: Overcommit) -> Ask {
        let counted = |(resource, quantity): &(ResourceId, i64)| match shareable(*resource) {
            Some(number) => (*resource, ratio.counted(number, *quantity)),
            None => (*resource, *quantity),
        };
        Ask {
            requests: self.requests.iter().map(counted).collect(),
            scoring: [ratio.counted(0, self.scoring[0]), ratio.counted(1, self.scoring[1])],
            devices: self.devices,
            ports: self.ports.clone(),
            unknown: self.unknown.clone(),
            member: self.member,
            numa: None,
            by_pool: Vec::new(),
        }
    }

    /// Whether the pod shares CPUs and memory with others, so that it comes to less on some hosts.
    #[inline]
    pub(crate) fn shares(&self) -> bool {
        !self.by_pool.is_empty()
    }

    /// What the pod comes to on a host.
    #[inline]
    pub(crate) fn at(&self, cell: &Cell, slot: usize) -> &Ask {
        if self.shares() { &self.by_pool[cell.pools.of(slot)] } else { self }
    }

    /// What it adds to what the machines that share on a host ask for.
    pub(crate) fn amounts(&self) -> Amounts {
        [self.request(ResourceId::CPU), self.request(ResourceId::MEMORY), self.scoring[0], self.scoring[1]]
    }

    /// Whether the cell has learned of resources or ratios since.
    pub(crate) fn is_stale(&self, cell: &Cell) -> bool {
        self.unknown.iter().any(|name| cell.resource(name).is_some())
            || (self.shares() && self.by_pool.len() != cell.pools.len())
    }

    /// What tells classes apart that ask for different things.
    pub(crate) fn key(&self) -> AskKey {
        AskKey {
            requests: self.requests.clone(),
            scoring: self.scoring,
            devices: self.devices,
            ports: self.ports.clone(),
            unknown: self.unknown.clone(),
            shares: self.shares(),
            numa: self.numa.clone(),
        }
    }

    /// Whether scoring counts something else than what is asked for.
    pub(crate) fn is_padded(&self) -> bool {
        self.scoring != [self.request(ResourceId::CPU), self.request(ResourceId::MEMORY)]
    }

    /// How much of a resource is asked for.
    pub(crate) fn request(&self, resource: ResourceId) -> i64 {
        self.requests.iter().find(|(asked, _)| *asked == resource).map_or(0, |(_, quantity)| *quantity)
    }

    /// How much of a resource scoring counts.
    pub(crate) fn scoring_request(&self, resource: ResourceId) -> i64 {
        match resource {
            ResourceId::CPU => self.scoring[0],
            ResourceId::MEMORY => self.scoring[1],
            other => self.request(other),
        }
    }
}
