//! The hosts of a made-up region.

use rand::RngExt;

use super::{Purpose, Synthetic};
use crate::limits::DEVICE_MILLI;
use crate::row::TraceHost;

const GIB: i64 = 1 << 30;
const PODS: i64 = 256;
const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
const DEVICE_MODEL: &str = "A100";
const DEVICES: u32 = 8;

/// Processors and memory in GiB.
const WITH_DEVICES: (i64, i64) = (96, 768);

/// Processors, memory in GiB, and how many of ten hosts are like this.
const SHAPES: [(i64, i64, u32); 3] = [(64, 256, 5), (96, 384, 3), (128, 512, 2)];

/// What all hosts have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Capacity {
    pub(super) cpu_milli: f64,
    pub(super) memory: f64,
    pub(super) device_milli: f64,
}

/// The hosts, one by one.
pub(super) fn hosts(parameters: &Synthetic) -> impl Iterator<Item = TraceHost> {
    let mut chance = parameters.chance(Purpose::Hosts);
    let share = parameters.gpu_share;
    (0..parameters.hosts).map(move |index| {
        // Drawn for every host, so that another share of devices leaves the other hosts as they are.
        let draw = chance.random_range(0..SHAPES.iter().map(|(_, _, weight)| weight).sum());
        let devices = has_devices(index, share);
        let (processors, gib) = if devices { WITH_DEVICES } else { shape(draw) };
        TraceHost {
            name: format!("host-{index:06}"),
            cpu_milli: processors * 1000,
            memory: gib * GIB,
            pods: PODS,
            device_model: devices.then(|| DEVICE_MODEL.to_owned()),
            device_count: if devices { DEVICES } else { 0 },
            zone: Some(ZONES[index as usize % ZONES.len()].to_owned()),
        }
    })
}

/// What all hosts of the region have, without keeping them.
pub(super) fn capacity(parameters: &Synthetic) -> Capacity {
    hosts(parameters).fold(Capacity::default(), |sum, host| Capacity {
        cpu_milli: sum.cpu_milli + host.cpu_milli as f64,
        memory: sum.memory + host.memory as f64,
        device_milli: sum.device_milli + f64::from(host.device_count * DEVICE_MILLI),
    })
}

/// Spreads the share evenly: host by host, one more whenever the running share passes a whole number.
fn has_devices(index: u32, share: f64) -> bool {
    let upto = |count: u32| (f64::from(count) * share).round();
    upto(index + 1) > upto(index)
}

fn shape(mut draw: u32) -> (i64, i64) {
    for (processors, gib, weight) in SHAPES {
        if draw < weight {
            return (processors, gib);
        }
        draw -= weight;
    }
    (SHAPES[0].0, SHAPES[0].1)
}
