//! Ports of the host that a pod binds.

use meridian_engine::{HostPort, Protocol};

use super::spec::{ContainerPort, PodSpec};
use crate::error::{ObjectError, invalid, invalid_number};
use crate::tree::Path;

/// The ports of all containers that run for as long as the pod does, each once and in order, so that equal pods have
/// equal demands. On the host's network every port of a container is a port of the host.
pub(super) fn host_ports(spec: &PodSpec<'_>, path: &Path<'_>) -> Result<Vec<HostPort>, ObjectError> {
    let mut ports = Vec::new();
    let kinds = [("containers", &spec.containers, false), ("initContainers", &spec.init_containers, true)];
    for (field, containers, init) in kinds {
        let path = path.field(field);
        for (index, container) in containers.iter().enumerate() {
            let path = path.item(index);
            let path = path.field("ports");
            let held = !init || container.is_restartable();
            for (index, port) in container.ports.iter().enumerate() {
                let port = host_port(port, spec.host_network, &path.item(index))?;
                ports.extend(port.filter(|_| held));
            }
        }
    }
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

fn host_port(
    port: &ContainerPort<'_>,
    host_network: bool,
    path: &Path<'_>,
) -> Result<Option<HostPort>, ObjectError> {
    let protocol = match port.protocol {
        "" | "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        other => return Err(invalid(path.field("protocol"), other, "TCP, UDP or SCTP")),
    };
    let (number, field) = match port.host_port {
        0 if host_network => (port.container_port, "containerPort"),
        number => (number, "hostPort"),
    };
    if number == 0 && !host_network {
        return Ok(None);
    }
    let number = u16::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| invalid_number(path.field(field), number, "1 to 65535"))?;
    // Both mean every address; one spelling keeps equal demands equal.
    let ip = if port.host_ip == "0.0.0.0" { "" } else { port.host_ip };
    Ok(Some(HostPort { protocol, ip: ip.to_owned(), port: number }))
}
