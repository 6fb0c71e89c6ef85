//! What a pod takes from its host.
//!
//! Containers run together, so they add up. Init containers run one after the other before them, so the largest
//! counts, except for sidecars: they are init containers that keep running, so each adds to everything that starts
//! after it. Requests of the pod as a whole stand in for the sum; the overhead of the runtime comes on top.
//!
//! Two steps of an API server come first, so that a manifest gives the same demand as the stored object: a limit
//! without a request is the request as well, and limits of the pod as a whole give it requests.

use meridian_engine::{Resources, ScoringRequests};

use super::numa::check_pages;
use super::spec::{Container, ContainerStatus, PodSpec, PodStatus, ResourceRequirements};
use crate::error::{ObjectError, invalid};
use crate::quantity::Quantity;
use crate::resources::{Listed, ResourceList, is_askable, is_pod_level};
use crate::tree::Path;

/// What scoring counts for a container that asks for no CPU.
const DEFAULT_CPU: Quantity = Quantity::from_milli(100);

/// What scoring counts for a container that asks for no memory.
const DEFAULT_MEMORY: Quantity = Quantity::from_whole(200 * 1024 * 1024);

/// What a pod takes, and what scoring counts for it.
pub(super) struct Requested {
    pub(super) requests: Resources,
    pub(super) scoring: ScoringRequests,
}

/// One container's requests.
#[derive(Clone)]
struct Asked<'a> {
    requests: ResourceList<'a>,
    restartable: bool,
}

/// All containers of a pod.
#[derive(Clone)]
struct Containers<'a> {
    regular: Vec<Asked<'a>>,
    init: Vec<Asked<'a>>,
}

/// The requests of a pod at `path`. `status` is that of a pod that is bound.
pub(super) fn requested(
    spec: &PodSpec<'_>,
    status: Option<&PodStatus<'_>>,
    path: &Path<'_>,
) -> Result<Requested, ObjectError> {
    let specified = Containers {
        regular: match &spec.virtual_machine {
            Some(machine) => {
                let path = path.field("virtualMachine");
                vec![Asked { requests: of_one(&machine.resources, &path)?, restartable: false }]
            }
            None => asked(&spec.containers, &path.field("containers"))?,
        },
        init: asked(&spec.init_containers, &path.field("initContainers"))?,
    };
    let pod_level = pod_level(&spec.resources, &specified, &path.field("resources"))?;
    let overhead = ResourceList::from_listed(&spec.overhead, &path.field("overhead"))?;
    let counted = match status {
        Some(status) => with_status(&specified, spec, status)?,
        None => specified,
    };
    let total = |defaults| {
        let mut total: ResourceList<'_> = counted.total(defaults);
        for (name, quantity) in pod_level.iter() {
            total.set(name, quantity);
        }
        total.add(&overhead);
        total
    };
    let (nothing, mut defaults) = (ResourceList::default(), ResourceList::default());
    let requests = total(&nothing);
    for (name, quantity) in [("cpu", DEFAULT_CPU), ("memory", DEFAULT_MEMORY)] {
        // A pod with requests of its own for one of the two has said what it wants; only the other is made up.
        if pod_level.is_empty() || !requests.contains(name) {
            defaults.set(name, quantity);
        }
    }
    let scoring = total(&defaults);
    let sum = path.field("requests");
    let mut resources = requests.to_resources(&sum)?;
    // Asking for none of something is not asking.
    resources.extended.retain(|_, quantity| *quantity > 0);
    Ok(Requested {
        requests: resources,
        scoring: ScoringRequests {
            cpu_milli: scoring.cpu_milli(&sum)?,
            memory: scoring.whole("memory", &sum)?,
        },
    })
}

impl<'a> Containers<'a> {
    /// What all containers need at the worst moment. What a container does not ask for counts as in `defaults`.
    fn total(&self, defaults: &ResourceList<'a>) -> ResourceList<'a> {
        let filled = |asked: &Asked<'a>| {
            let mut requests = asked.requests.clone();
            requests.fill(defaults);
            requests
        };
        let mut running = ResourceList::default();
        for container in &self.regular {
            running.add(&filled(container));
        }
        let mut starting = ResourceList::default();
        let mut sidecars = ResourceList::default();
        for container in &self.init {
            let mut requests = filled(container);
            if container.restartable {
                running.add(&requests);
                sidecars.add(&requests);
                starting.raise(&sidecars);
            } else {
                requests.add(&sidecars);
                starting.raise(&requests);
            }
        }
        running.raise(&starting);
        running
    }
}

fn asked<'a>(containers: &[Container<'a>], path: &Path<'_>) -> Result<Vec<Asked<'a>>, ObjectError> {
    let mut all = Vec::with_capacity(containers.len());
    for (index, container) in containers.iter().enumerate() {
        let requests = of_one(&container.resources, &path.item(index))?;
        all.push(Asked { requests, restartable: container.is_restartable() });
    }
    Ok(all)
}

/// What one container or virtual machine at `path` asks for.
fn of_one<'a>(given: &ResourceRequirements<'a>, path: &Path<'_>) -> Result<ResourceList<'a>, ObjectError> {
    let path = path.field("resources");
    let want = "cpu, memory, ephemeral-storage, hugepages-<size> or a name with a domain";
    let mut requests = checked(&given.requests, &path.field("requests"), is_askable, want)?;
    requests.fill(&checked(&given.limits, &path.field("limits"), is_askable, want)?);
    Ok(requests)
}

/// The list at `path`, each name of which must be `allowed`.
fn checked<'a>(
    listed: &Listed<'a>,
    path: &Path<'_>,
    allowed: fn(&str) -> bool,
    want: &str,
) -> Result<ResourceList<'a>, ObjectError> {
    match listed.keys().find(|name| !allowed(name)) {
        Some(name) => Err(invalid(format!("{path}: a resource"), name, want)),
        None => {
            listed.iter().try_for_each(|(name, quantity)| check_pages(name, *quantity, path))?;
            ResourceList::from_listed(listed, path)
        }
    }
}

/// The requests of the pod as a whole, where it has any.
fn pod_level<'a>(
    given: &ResourceRequirements<'a>,
    containers: &Containers<'a>,
    path: &Path<'_>,
) -> Result<ResourceList<'a>, ObjectError> {
    let want = "cpu, memory or hugepages-<size>";
    let mut requests = checked(&given.requests, &path.field("requests"), is_pod_level, want)?;
    let limits = checked(&given.limits, &path.field("limits"), is_pod_level, want)?;
    if limits.is_empty() {
        return Ok(requests);
    }
    // What containers ask for comes before the pod's limit: the limit may be higher on purpose.
    let mut defaults = ResourceList::default();
    for (name, quantity) in containers.total(&ResourceList::default()).iter() {
        if is_pod_level(name) {
            defaults.set(name, quantity);
        }
    }
    requests.fill(&defaults);
    requests.fill(&limits);
    Ok(requests)
}

/// The containers of a bound pod, each with the largest of what it asks for, what its host has set aside and what
/// it has been given: until a resize is done, any of them may be in use. One that the host has refused for good does
/// not count.
fn with_status<'a>(
    specified: &Containers<'a>,
    spec: &PodSpec<'a>,
    status: &PodStatus<'a>,
) -> Result<Containers<'a>, ObjectError> {
    let infeasible = status
        .conditions
        .iter()
        .find(|condition| condition.kind == "PodResizePending")
        .is_some_and(|condition| condition.reason == "Infeasible");
    let mut counted = specified.clone();
    let root = Path::Root;
    let path = root.field("status");
    let regular = counted.regular.iter_mut().zip(&spec.containers).map(|(asked, container)| {
        (asked, container, &status.container_statuses, path.field("containerStatuses"))
    });
    // Init containers that have ended are never resized.
    let init = counted
        .init
        .iter_mut()
        .zip(&spec.init_containers)
        .filter(|(_, container)| container.is_restartable())
        .map(|(asked, container)| {
            (asked, container, &status.init_container_statuses, path.field("initContainerStatuses"))
        });
    for (asked, container, statuses, path) in regular.chain(init) {
        let Some((index, status)) = find(statuses, container.name) else { continue };
        let Some(actual) = &status.resources else { continue };
        let path = path.item(index);
        let resources = path.field("resources");
        let mut given = ResourceList::from_listed(&actual.requests, &resources.field("requests"))?;
        given.raise(&ResourceList::from_listed(
            &status.allocated_resources,
            &path.field("allocatedResources"),
        )?);
        if infeasible {
            asked.requests = given;
        } else {
            asked.requests.raise(&given);
        }
    }
    Ok(counted)
}

fn find<'s, 'a>(statuses: &'s [ContainerStatus<'a>], name: &str) -> Option<(usize, &'s ContainerStatus<'a>)> {
    statuses.iter().enumerate().find(|(_, status)| status.name == name)
}
