//! One host with the pods that run there, and the sums over them.

use std::borrow::Cow;
use std::rc::Rc;

use meridian_engine::{Demand, Host, Resources, Running, Runtime, Seat};

use super::Refused;

/// Names a pod of the reference for as long as it runs.
pub(crate) type PodId = u64;

/// A host and its pods.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) host: Host,
    /// The model of its devices, which it keeps when an update takes devices away that are in use.
    pub(crate) model: Option<String>,
    pub(crate) pods: Vec<Pod>,
}

/// A pod that runs on a host.
#[derive(Clone)]
pub(crate) struct Pod {
    pub(crate) id: PodId,
    pub(crate) demand: Rc<Demand>,
    /// The devices it has a share of, and its NUMA nodes.
    pub(crate) seat: Seat,
    /// What preemption knows of it.
    pub(crate) running: Option<Running>,
    /// It waits for others to leave.
    pub(crate) waits: bool,
    /// Told to stop, though it has not yet.
    pub(crate) is_terminating: bool,
}

/// How much of the named resource is in the set.
pub(crate) fn quantity(resources: &Resources, name: &str) -> i64 {
    match name {
        "cpu" => resources.cpu_milli,
        "memory" => resources.memory,
        "ephemeral-storage" => resources.ephemeral_storage,
        _ => resources.extended.get(name).copied().unwrap_or(0),
    }
}

/// How much of the named resource scoring counts for the pod.
pub(crate) fn scored_quantity(demand: &Demand, name: &str) -> i64 {
    match name {
        "cpu" => demand.scoring.cpu_milli,
        "memory" => demand.scoring.memory,
        _ => quantity(&demand.requests, name),
    }
}

/// Whether the pod is a virtual machine that shares CPUs and memory with others.
fn shares(demand: &Demand) -> bool {
    demand.runtime == Runtime::VirtualMachine && demand.numa.is_none()
}

/// Whether the resource is one of those that every host has.
pub(crate) fn is_native(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage")
}

impl Machine {
    pub(crate) fn new(host: Host) -> Self {
        let model = host.devices.as_ref().map(|devices| devices.model.clone());
        Machine { host, model, pods: Vec::new() }
    }

    /// Takes another description. The model may not change under pods that use devices; a description without devices
    /// names none, and then takes away the devices but not the model.
    pub(crate) fn replace(&mut self, host: Host) -> Result<(), Refused> {
        let in_use = self.pods.iter().any(|pod| pod.seat.devices != 0);
        match &host.devices {
            Some(devices) if in_use && self.model.as_ref() != Some(&devices.model) => {
                return Err(Refused::DevicesInUse);
            }
            Some(devices) => self.model = Some(devices.model.clone()),
            None if in_use => {}
            None => self.model = None,
        }
        self.host = host;
        Ok(())
    }

    pub(crate) fn start(&mut self, id: PodId, demand: Rc<Demand>, seat: Seat) {
        self.pods.push(Pod { id, demand, seat, running: None, waits: false, is_terminating: false });
    }

    /// The pod, if it runs here.
    pub(crate) fn pod(&self, id: PodId) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.id == id)
    }

    /// Ends the pod, if it runs here.
    pub(crate) fn stop(&mut self, id: PodId) -> bool {
        let before = self.pods.len();
        self.pods.retain(|pod| pod.id != id);
        self.pods.len() < before
    }

    pub(crate) fn allocatable(&self, resource: &str) -> i64 {
        quantity(&self.host.allocatable, resource)
    }

    /// The sum over all pods here.
    pub(crate) fn requested(&self, resource: &str) -> i64 {
        self.sum(resource, |demand| quantity(&demand.requests, resource))
    }

    /// The sum over all pods here of what scoring counts.
    pub(crate) fn scored(&self, resource: &str) -> i64 {
        self.sum(resource, |demand| scored_quantity(demand, resource))
    }

    /// The sum over all pods here, of which virtual machines that share count by the host's ratio.
    fn sum(&self, resource: &str, of: impl Fn(&Demand) -> i64) -> i64 {
        let demands = || self.pods.iter().map(|pod| &*pod.demand);
        let shared = demands().filter(|demand| shares(demand)).map(&of).sum();
        let others: i64 = demands().filter(|demand| !shares(demand)).map(&of).sum();
        others + self.counted(resource, shared)
    }

    /// What virtual machines that ask for so much count for here, rounded up.
    fn counted(&self, resource: &str, asked: i64) -> i64 {
        let percent = match resource {
            "cpu" => self.host.overcommit.cpu_percent,
            "memory" => self.host.overcommit.memory_percent,
            _ => 100,
        };
        let (asked, percent) = (i128::from(asked) * 100, i128::from(percent));
        (asked / percent + i128::from(asked % percent != 0)) as i64
    }

    /// The demand with what it has to find free here.
    pub(crate) fn seen<'a>(&self, demand: &'a Demand) -> Cow<'a, Demand> {
        if !shares(demand) {
            return Cow::Borrowed(demand);
        }
        let mut seen = demand.clone();
        for (name, quantity) in [
            ("cpu", &mut seen.requests.cpu_milli),
            ("memory", &mut seen.requests.memory),
            ("cpu", &mut seen.scoring.cpu_milli),
            ("memory", &mut seen.scoring.memory),
        ] {
            *quantity = self.counted(name, *quantity);
        }
        Cow::Owned(seen)
    }

    /// Negative on a host that has shrunk below what it runs.
    pub(crate) fn free(&self, resource: &str) -> i64 {
        self.allocatable(resource) - self.requested(resource)
    }

    /// The free thousandths of each device that the host has now. A device that an update has taken away has none,
    /// though its pods run on, and has them back as far as they are unused when the device returns. One that pods wait for
    /// beside those that have it has none.
    pub(crate) fn free_devices(&self) -> Vec<i64> {
        let count = self.host.devices.as_ref().map_or(0, |devices| devices.count);
        let mut free = vec![1000; count as usize];
        for pod in &self.pods {
            let Some(devices) = &pod.demand.devices else { continue };
            for (number, share) in free.iter_mut().enumerate() {
                if pod.seat.devices & (1 << number) != 0 {
                    *share -= i64::from(devices.milli);
                }
            }
        }
        free.into_iter().map(|free| free.max(0)).collect()
    }
}
