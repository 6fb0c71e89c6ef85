//! The Node objects of simulated hosts: what follows from the seed and a host's number, and from nothing else.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{HostShape, SimulatedHostsOptions};
use crate::chance::{below, mix, of_text};
use crate::runtime::HostAddresses;

/// What the host keeps for itself: thousandths of a core, MiB of memory, and one part in ten of the disk.
const RESERVED: (u32, u32, u32) = (100, 512, 10);

/// As many as Kubernetes' kubelet runs unless told otherwise.
const PODS: &str = "110";

/// The Node of a host, as JSON.
pub(super) fn node(
    options: &SimulatedHostsOptions,
    number: u32,
    name: &str,
    addresses: HostAddresses,
) -> Bytes {
    node_object(options, number, name, addresses).to_string().into()
}

fn node_object(options: &SimulatedHostsOptions, number: u32, name: &str, addresses: HostAddresses) -> Value {
    let chance = |salt| mix(mix(options.seed, number.into()), salt);
    let shape = draw(&options.shapes, chance(0));
    let region = &options.cell;
    let mut labels = json!({
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": shape.map_or("", |shape| &shape.instance_type),
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": format!("{region}-{}", zone(number % options.zones.max(1))),
    });
    let (mut capacity, mut allocatable) = (json!({"pods": PODS}), json!({"pods": PODS}));
    if let Some(shape) = shape {
        let (cpu, memory, disk) = RESERVED;
        capacity["cpu"] = json!(shape.cores.to_string());
        capacity["memory"] = json!(format!("{}Gi", shape.memory_gib));
        capacity["ephemeral-storage"] = json!(format!("{}Gi", shape.disk_gib));
        allocatable["cpu"] =
            json!(format!("{}m", (u64::from(shape.cores) * 1000).saturating_sub(cpu.into())));
        let memory = (u64::from(shape.memory_gib) << 10).saturating_sub(memory.into());
        allocatable["memory"] = json!(format!("{memory}Mi"));
        let disk = (u64::from(shape.disk_gib) << 10) * u64::from(100 - disk) / 100;
        allocatable["ephemeral-storage"] = json!(format!("{disk}Mi"));
        if shape.gpus > 0 {
            let gpus = json!(shape.gpus.to_string());
            capacity["nvidia.com/gpu"] = gpus.clone();
            allocatable["nvidia.com/gpu"] = gpus;
            labels["nvidia.com/gpu.product"] = json!(shape.gpu_model);
        }
    }
    let id = |salt| format!("{:016x}{:016x}", chance(salt), chance(salt + 1));
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "podCIDR": addresses.range(),
            "podCIDRs": [addresses.range()],
            "providerID": format!("simulated://{region}/{name}"),
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": addresses.host.to_string()},
                {"type": "Hostname", "address": name},
            ],
            "allocatable": allocatable,
            "capacity": capacity,
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": id(1),
                "containerRuntimeVersion": concat!("simulated://", env!("CARGO_PKG_VERSION")),
                "kernelVersion": "6.12.0-simulated",
                "kubeProxyVersion": "",
                "kubeletVersion": concat!("v1.33.0-meridian.", env!("CARGO_PKG_VERSION")),
                "machineID": id(3),
                "operatingSystem": "linux",
                "osImage": "Simulated Linux",
                "systemUUID": id(5 ^ of_text(name)),
            },
        },
    })
}

/// `a` to `z`, then numbers.
fn zone(number: u32) -> String {
    match u8::try_from(number) {
        Ok(number @ 0..26) => char::from(b'a' + number).to_string(),
        _ => number.to_string(),
    }
}

fn draw(shapes: &[HostShape], chance: u64) -> Option<&HostShape> {
    let all = shapes.iter().map(|shape| u64::from(shape.weight)).sum();
    let mut place = below(chance, all);
    shapes.iter().find(|shape| {
        let weight = u64::from(shape.weight);
        let is_here = place < weight;
        place = place.saturating_sub(weight);
        is_here
    })
}
