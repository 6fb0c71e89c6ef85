//! Hosts.

use meridian_engine::{Devices, Host, NumaNode, Overcommit, Runtimes, Taint};
use meridian_proto::v1;

use crate::constraint::{effect_from_message, effect_to_message};
use crate::error::{WireError, limit};
use crate::resource;

/// A host as a message.
#[must_use]
pub fn host_to_message(host: &Host) -> v1::Host {
    v1::Host {
        name: host.name.clone(),
        allocatable: Some(resource::to_message(&host.allocatable)),
        pods: host.pods,
        labels: host.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        taints: host
            .taints
            .iter()
            .map(|taint| v1::Taint {
                key: taint.key.clone(),
                value: taint.value.clone(),
                effect: effect_to_message(taint.effect).into(),
            })
            .collect(),
        unschedulable: host.unschedulable,
        devices: host
            .devices
            .as_ref()
            .map(|devices| v1::Devices { model: devices.model.clone(), count: devices.count }),
        without_containers: !host.runtimes.containers,
        virtual_machines: host.runtimes.virtual_machines,
        links: host.links.clone(),
        numa: host
            .numa
            .iter()
            .map(|node| v1::NumaNode {
                resources: Some(resource::to_message(&node.resources)),
                devices: node.devices,
            })
            .collect(),
        overcommit: (host.overcommit != Overcommit::default()).then_some(v1::Overcommit {
            cpu_percent: host.overcommit.cpu_percent,
            memory_percent: host.overcommit.memory_percent,
        }),
    }
}

/// The host that a message describes, valid for the engine.
///
/// # Errors
///
/// [`WireError`] names the field that cannot be read or that the engine refuses.
pub fn host_from_message(message: v1::Host) -> Result<Host, WireError> {
    let v1::Host {
        name,
        allocatable,
        pods,
        labels,
        taints,
        unschedulable,
        devices,
        without_containers,
        virtual_machines,
        overcommit,
        numa,
        links,
    } = message;
    limit(labels.len(), || format!("labels of host {name}"))?;
    limit(taints.len(), || format!("taints of host {name}"))?;
    let taints = taints
        .into_iter()
        .enumerate()
        .map(|(position, v1::Taint { key, value, effect })| {
            let effect =
                effect_from_message(effect, || format!("the effect of taints[{position}] of host {name}"))?;
            Ok(Taint { key, value, effect })
        })
        .collect::<Result<_, WireError>>()?;
    limit(numa.len(), || format!("numa of host {name}"))?;
    let numa = numa
        .into_iter()
        .map(|v1::NumaNode { resources, devices }| {
            let resources = resource::from_message(resources, "host.numa.resources.extended")?;
            Ok(NumaNode { resources, devices })
        })
        .collect::<Result<_, WireError>>()?;
    limit(links.len(), || format!("links of host {name}"))?;
    let host = Host {
        numa,
        links,
        allocatable: resource::from_message(allocatable, "host.allocatable.extended")?,
        pods,
        labels: labels.into_iter().collect(),
        taints,
        unschedulable,
        devices: devices.map(|v1::Devices { model, count }| Devices { model, count }),
        runtimes: Runtimes { containers: !without_containers, virtual_machines },
        overcommit: overcommit.map_or_else(Overcommit::default, |overcommit| Overcommit {
            cpu_percent: overcommit.cpu_percent,
            memory_percent: overcommit.memory_percent,
        }),
        name,
    };
    host.validate()?;
    Ok(host)
}
