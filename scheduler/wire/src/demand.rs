//! Demands.

use meridian_engine::{
    Demand, DeviceDemand, HostPort, Identity, Links, NumaDemand, Protocol, Runtime, ScoringRequests,
};
use meridian_proto::v1;

use crate::error::{WireError, limit};
use crate::{constraint, peer, resource};

/// A demand as a message.
#[must_use]
pub fn demand_to_message(demand: &Demand) -> v1::Demand {
    v1::Demand {
        requests: Some(resource::to_message(&demand.requests)),
        scoring_cpu_milli: demand.scoring.cpu_milli,
        scoring_memory: demand.scoring.memory,
        devices: demand.devices.as_ref().map(|devices| v1::DeviceDemand {
            count: devices.count,
            milli: devices.milli,
            models: devices.models.clone(),
        }),
        ports: demand.ports.iter().map(port_to_message).collect(),
        constraints: Some(constraint::to_message(&demand.constraints)),
        identity: (demand.identity != Identity::default())
            .then(|| peer::identity_to_message(&demand.identity)),
        runtime: match demand.runtime {
            Runtime::Containers => v1::Runtime::Containers,
            Runtime::VirtualMachine => v1::Runtime::VirtualMachine,
        }
        .into(),
        links: match demand.links {
            Links::Anywhere => v1::Links::Anywhere,
            Links::Preferred => v1::Links::Preferred,
            Links::Required => v1::Links::Required,
        }
        .into(),
        numa: demand.numa.map(|numa| v1::NumaDemand { nodes: numa.nodes, pinned: numa.pinned }),
        terms: (!demand.terms.is_empty()).then(|| peer::terms_to_message(&demand.terms)),
    }
}

/// The demand that a message describes, valid for the engine.
///
/// # Errors
///
/// [`WireError`] names the field that cannot be read or that the engine refuses.
pub fn demand_from_message(message: v1::Demand) -> Result<Demand, WireError> {
    let runtime = match v1::Runtime::try_from(message.runtime) {
        Ok(v1::Runtime::Containers) => Runtime::Containers,
        Ok(v1::Runtime::VirtualMachine) => Runtime::VirtualMachine,
        Err(_) => {
            return Err(WireError::Unknown {
                field: "demand.runtime".to_owned(),
                number: message.runtime,
                known: "0 (containers), 1 (virtual machine)",
            });
        }
    };
    let links = match v1::Links::try_from(message.links) {
        Ok(v1::Links::Anywhere) => Links::Anywhere,
        Ok(v1::Links::Preferred) => Links::Preferred,
        Ok(v1::Links::Required) => Links::Required,
        Err(_) => {
            return Err(WireError::Unknown {
                field: "demand.links".to_owned(),
                number: message.links,
                known: "0 (anywhere), 1 (preferred), 2 (required)",
            });
        }
    };
    let devices = match message.devices {
        None => None,
        Some(devices) => {
            limit(devices.models.len(), || "demand.devices.models".to_owned())?;
            Some(DeviceDemand { count: devices.count, milli: devices.milli, models: devices.models })
        }
    };
    limit(message.ports.len(), || "demand.ports".to_owned())?;
    let demand = Demand {
        requests: resource::from_message(message.requests, "demand.requests.extended")?,
        scoring: ScoringRequests { cpu_milli: message.scoring_cpu_milli, memory: message.scoring_memory },
        devices,
        runtime,
        links,
        numa: message.numa.map(|numa| NumaDemand { nodes: numa.nodes, pinned: numa.pinned }),
        ports: message.ports.into_iter().enumerate().map(port_from_message).collect::<Result<_, _>>()?,
        constraints: constraint::from_message(message.constraints.unwrap_or_default())?,
        identity: peer::identity_from_message(message.identity.unwrap_or_default())?,
        terms: peer::terms_from_message(message.terms.unwrap_or_default())?,
    };
    demand.validate()?;
    Ok(demand)
}

fn port_to_message(port: &HostPort) -> v1::HostPort {
    let protocol = match port.protocol {
        Protocol::Tcp => v1::Protocol::Tcp,
        Protocol::Udp => v1::Protocol::Udp,
        Protocol::Sctp => v1::Protocol::Sctp,
    };
    v1::HostPort { protocol: protocol.into(), ip: port.ip.clone(), port: port.port.into() }
}

fn port_from_message((position, port): (usize, v1::HostPort)) -> Result<HostPort, WireError> {
    let protocol = match port.protocol() {
        v1::Protocol::Tcp => Protocol::Tcp,
        v1::Protocol::Udp => Protocol::Udp,
        v1::Protocol::Sctp => Protocol::Sctp,
        v1::Protocol::Unspecified => {
            return Err(WireError::Unknown {
                field: format!("demand.ports[{position}].protocol"),
                number: port.protocol,
                known: "1 (TCP), 2 (UDP), 3 (SCTP)",
            });
        }
    };
    match u16::try_from(port.port) {
        Ok(number) if number > 0 => Ok(HostPort { protocol, ip: port.ip, port: number }),
        _ => Err(WireError::NoPort { field: format!("demand.ports[{position}].port"), port: port.port }),
    }
}
