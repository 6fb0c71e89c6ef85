//! A cluster as a dump shows it, in an engine: what runs holds its room.

use std::collections::{BTreeMap, BTreeSet};

use meridian_engine::{ClassId, Host, PlaceError, Placement, ResourceId, Scheduler};
use meridian_kubernetes::{Dump, Pod};
use serde::Serialize;

use crate::SimulationError;
use crate::policy::Policy;

/// A pod on a host.
#[derive(Debug)]
pub(crate) struct Held<'d> {
    pub(crate) pod: &'d Pod,
    pub(crate) class: ClassId,
    pub(crate) placement: Placement,
}

/// The cluster in an engine.
pub(crate) struct Model<'d> {
    pub(crate) scheduler: Scheduler,
    pub(crate) held: Vec<Held<'d>>,
    /// What could not be taken into account, one sentence each.
    pub(crate) caveats: Vec<String>,
    /// The resources beside CPU and memory that hosts offer.
    extended: BTreeSet<String>,
}

/// How much of a resource is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// What pods hold.
    pub used: i64,
    /// What hosts offer.
    pub offered: i64,
}

impl Usage {
    /// The share in use, in percent.
    pub fn percent(&self) -> f64 {
        if self.offered == 0 { 0.0 } else { self.used as f64 * 100.0 / self.offered as f64 }
    }
}

/// How much of a cluster is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Utilization {
    /// All hosts.
    pub hosts: usize,
    /// Those that run something.
    pub busy_hosts: usize,
    /// By resource: CPU in thousandths, memory and storage in bytes, all else as counts.
    pub resources: BTreeMap<String, Usage>,
}

pub(crate) fn class(scheduler: &mut Scheduler, pod: &Pod) -> Result<ClassId, SimulationError> {
    scheduler.class(&pod.demand).map_err(|source| SimulationError::Demand { pod: pod.view.key(), source })
}

impl<'d> Model<'d> {
    /// The hosts and pods of a dump, but for pods that `is_left_out` names.
    pub(crate) fn new(
        dump: &'d Dump,
        policy: &Policy,
        is_left_out: impl Fn(&Pod) -> bool,
    ) -> Result<Model<'d>, SimulationError> {
        if dump.hosts.is_empty() {
            return Err(SimulationError::NoHosts);
        }
        let mut scheduler = Scheduler::new(policy.profile(&[])?)?;
        let mut extended = BTreeSet::new();
        for host in &dump.hosts {
            scheduler.add_host(host)?;
            let offered = host.allocatable.extended.iter().filter(|(_, quantity)| **quantity > 0);
            extended.extend(offered.map(|(name, _)| name.clone()));
        }
        let mut model = Model { scheduler, held: Vec::new(), caveats: Vec::new(), extended };
        for pod in dump.pods.iter().filter(|pod| pod.view.holds_resources() && !is_left_out(pod)) {
            model.hold(pod)?;
        }
        Ok(model)
    }

    fn hold(&mut self, pod: &'d Pod) -> Result<(), SimulationError> {
        let Some(node) = &pod.view.bound_to else { return Ok(()) };
        let Some(host) = self.scheduler.cell().host_named(node) else {
            self.caveats
                .push(format!("pod {} is bound to node {node}, which is not in the dump", pod.view.key()));
            return Ok(());
        };
        let class = class(&mut self.scheduler, pod)?;
        // Nobody says which NUMA nodes it sits on: those that it would get now.
        let seat = self.scheduler.seat_on(class, host);
        match self.scheduler.place(class, host, seat) {
            Ok(placement) => self.held.push(Held { pod, class, placement }),
            Err(
                error @ (PlaceError::Insufficient { .. } | PlaceError::PortTaken | PlaceError::WrongNuma),
            ) => {
                self.caveats.push(format!(
                    "pod {} does not fit on its node {node} beside the others ({error}) and is left out",
                    pod.view.key()
                ));
            }
            Err(error) => self.caveats.push(format!("pod {} is left out: {error}", pod.view.key())),
        }
        Ok(())
    }

    /// Notes what of a pod the engine does not look at.
    pub(crate) fn note_unsupported(&mut self, what: &str, pod: &Pod) {
        for path in &pod.unsupported {
            self.caveats.push(format!("{path} of {what} is not looked at"));
        }
    }

    /// The name of a placement's host.
    pub(crate) fn host_name(&self, placement: &Placement) -> String {
        self.scheduler.cell().name(placement.host()).unwrap_or_default().to_owned()
    }

    /// How much is in use now.
    pub(crate) fn utilization(&self) -> Utilization {
        let cell = self.scheduler.cell();
        let mut utilization = Utilization { hosts: cell.len(), ..Utilization::default() };
        let mut resources = vec![ResourceId::CPU, ResourceId::MEMORY];
        resources.extend(self.extended.iter().filter_map(|name| cell.resource(name)));
        for host in cell.hosts() {
            let in_use = |resource| {
                let offered = cell.allocatable(host, resource).unwrap_or(0);
                (offered - cell.free(host, resource).unwrap_or(0), offered)
            };
            utilization.busy_hosts += usize::from(in_use(ResourceId::PODS).0 > 0);
            for resource in &resources {
                let (used, offered) = in_use(*resource);
                let name = cell.resource_name(*resource).to_owned();
                let sum = utilization.resources.entry(name).or_default();
                sum.used += used;
                sum.offered += offered;
            }
        }
        utilization
    }
}

/// A host like another, under a new name, empty.
pub(crate) fn like(host: &Host, name: String) -> Host {
    let mut labels = host.labels.clone();
    if let Some(label) = labels.get_mut("kubernetes.io/hostname") {
        label.clone_from(&name);
    }
    Host { name, labels, unschedulable: false, ..host.clone() }
}
