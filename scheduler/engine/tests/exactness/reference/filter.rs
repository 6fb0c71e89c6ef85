//! Whether a host takes a pod, and in which words it refuses.

use meridian_engine::{
    Constraints, Demand, FilterPlugin, HostPort, Runtime, Seat, Taint, TaintEffect, Toleration,
    TolerationOperator,
};

use super::machine::{Machine, quantity};
use super::{Around, device, numa, selector};

/// The order in which the plugins are asked, whatever the order in the profile.
const ORDER: [FilterPlugin; 11] = [
    FilterPlugin::NodeUnschedulable,
    FilterPlugin::NodeName,
    FilterPlugin::TaintToleration,
    FilterPlugin::NodeAffinity,
    FilterPlugin::RuntimeReady,
    FilterPlugin::NodePorts,
    FilterPlugin::NodeResourcesFit,
    FilterPlugin::DeviceFit,
    FilterPlugin::NumaTopology,
    FilterPlugin::PodTopologySpread,
    FilterPlugin::InterPodAffinity,
];

/// The reasons of the first filter that refuses the host; none when all let it pass.
pub(crate) fn refusals(
    filters: &[FilterPlugin],
    machine: &Machine,
    demand: &Demand,
    around: &Around,
) -> Vec<String> {
    ORDER
        .into_iter()
        .filter(|plugin| filters.contains(plugin))
        .map(|plugin| ask(plugin, machine, demand, around))
        .find(|reasons| !reasons.is_empty())
        .unwrap_or_default()
}

fn ask(plugin: FilterPlugin, machine: &Machine, demand: &Demand, around: &Around) -> Vec<String> {
    let constraints = &demand.constraints;
    let only = |passes: bool, reason: &str| if passes { Vec::new() } else { vec![reason.to_owned()] };
    match plugin {
        FilterPlugin::NodeUnschedulable => {
            only(!machine.host.unschedulable || bears_cordon(constraints), "node(s) were unschedulable")
        }
        FilterPlugin::NodeName => only(
            constraints.node_name.as_ref().is_none_or(|name| *name == machine.host.name),
            "node(s) didn't match the requested node name",
        ),
        FilterPlugin::TaintToleration => untolerated(machine, constraints),
        FilterPlugin::NodeAffinity => only(
            selector::requirements_hold(constraints, &machine.host),
            "node(s) didn't match Pod's node affinity/selector",
        ),
        FilterPlugin::RuntimeReady => match demand.runtime {
            Runtime::Containers => {
                only(machine.host.runtimes.containers, "node(s) had no ready container runtime")
            }
            Runtime::VirtualMachine => {
                only(machine.host.runtimes.virtual_machines, "node(s) had no ready virtual machine runtime")
            }
        },
        FilterPlugin::NodePorts => {
            only(ports_free(machine, demand), "node(s) didn't have free ports for the requested pod ports")
        }
        FilterPlugin::NodeResourcesFit => missing_resources(machine, demand),
        FilterPlugin::DeviceFit => missing_devices(machine, demand),
        FilterPlugin::NumaTopology => match &demand.numa {
            Some(wanted) if machine.host.numa.len() < wanted.nodes as usize => {
                only(false, "node(s) didn't have the requested NUMA nodes")
            }
            _ => only(numa::choose(machine, demand).is_some(), "Insufficient NUMA nodes"),
        },
        FilterPlugin::PodTopologySpread => {
            around.hard.refusal(machine, demand).map(str::to_owned).into_iter().collect()
        }
        FilterPlugin::InterPodAffinity => {
            around.near.refusal(machine, demand).map(str::to_owned).into_iter().collect()
        }
    }
}

/// Whether what changes with the load allows the pod to start here with this seat.
pub(crate) fn fits_now(machine: &Machine, demand: &Demand, seat: Seat) -> bool {
    missing_resources(machine, demand).is_empty()
        && ports_and_devices_free(machine, demand, seat.devices)
        && numa::fits(machine, demand, seat)
        && device::may_have(machine, demand, seat.devices)
}

/// The same but for resources.
pub(crate) fn ports_and_devices_free(machine: &Machine, demand: &Demand, devices: u64) -> bool {
    let (wanted, share) = demand.devices.as_ref().map_or((0, 0), |wanted| (wanted.count, wanted.milli));
    let free = machine.free_devices();
    let all_fit = (0..64)
        .filter(|number| devices & (1 << number) != 0)
        .all(|number: usize| free.get(number).is_some_and(|free| *free >= i64::from(share)));
    ports_free(machine, demand) && devices.count_ones() == wanted && all_fit
}

/// Whether the host offers what the pod asks for of every resource, whoever has it now.
pub(crate) fn offers(machine: &Machine, demand: &Demand) -> bool {
    missing_resources(&Machine { pods: Vec::new(), ..machine.clone() }, demand).is_empty()
}

/// Whether a toleration matches a taint. An empty key, effect `None` and `Exists` match every key, effect and value.
pub(crate) fn matches(toleration: &Toleration, taint: &Taint) -> bool {
    let key = toleration.key.is_empty() || toleration.key == taint.key;
    let effect = toleration.effect.is_none() || toleration.effect == Some(taint.effect);
    let value = match &toleration.operator {
        TolerationOperator::Exists => true,
        TolerationOperator::Equal(value) => *value == taint.value,
    };
    key && effect && value
}

fn bears_cordon(constraints: &Constraints) -> bool {
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        value: String::new(),
        effect: TaintEffect::NoSchedule,
    };
    constraints.tolerations.iter().any(|toleration| matches(toleration, &cordon))
}

fn untolerated(machine: &Machine, constraints: &Constraints) -> Vec<String> {
    let refusing = machine.host.taints.iter().find(|taint| {
        taint.effect != TaintEffect::PreferNoSchedule
            && !constraints.tolerations.iter().any(|toleration| matches(toleration, taint))
    });
    refusing
        .map(|taint| format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value))
        .into_iter()
        .collect()
}

/// Ports conflict with those of other pods; that the ports of one pod conflict is its own affair.
fn ports_free(machine: &Machine, demand: &Demand) -> bool {
    let taken = || machine.pods.iter().flat_map(|pod| &pod.demand.ports);
    demand.ports.iter().all(|wanted| taken().all(|taken| !collide(wanted, taken)))
}

fn collide(one: &HostPort, other: &HostPort) -> bool {
    let every_address = |port: &HostPort| port.ip.is_empty() || port.ip == "0.0.0.0";
    let same_address = every_address(one) || every_address(other) || one.ip == other.ip;
    one.protocol == other.protocol && one.port == other.port && same_address
}

fn missing_resources(machine: &Machine, demand: &Demand) -> Vec<String> {
    let demand = &*machine.seen(demand);
    let mut reasons = Vec::new();
    if machine.pods.len() as i64 + 1 > machine.host.pods {
        reasons.push("Too many pods".to_owned());
    }
    let extended = demand.requests.extended.keys().map(String::as_str);
    for resource in ["cpu", "memory", "ephemeral-storage"].into_iter().chain(extended) {
        let request = quantity(&demand.requests, resource);
        if request > 0 && request > machine.free(resource) {
            reasons.push(format!("Insufficient {resource}"));
        }
    }
    reasons
}

fn missing_devices(machine: &Machine, demand: &Demand) -> Vec<String> {
    let Some(wanted) = &demand.devices else { return Vec::new() };
    let acceptable =
        wanted.models.is_empty() || machine.model.as_ref().is_some_and(|model| wanted.models.contains(model));
    if !acceptable {
        return vec!["node(s) didn't have an acceptable device model".to_owned()];
    }
    let free = machine.free_devices();
    let fitting: Vec<usize> =
        (0..free.len()).filter(|number| free[*number] >= i64::from(wanted.milli)).collect();
    if fitting.len() < wanted.count as usize {
        return vec!["Insufficient devices".to_owned()];
    }
    match device::linked(machine, demand, fitting) {
        Some(_) => Vec::new(),
        None => vec!["Insufficient linked devices".to_owned()],
    }
}
