//! Random hosts: a cell has a few shapes, as real ones do, and hosts of one shape often tie.

use std::collections::BTreeMap;

use meridian_engine::{
    Devices, Host, MAX_QUANTITY, NumaNode, Overcommit, Resources, Runtimes, Taint, TaintEffect,
};

use super::Random;

pub(crate) const EXTENDED: [&str; 3] = ["example.com/fpga", "example.com/nic", "hugepages-2Mi"];
pub(crate) const MODELS: [&str; 3] = ["A10", "G2", "V100M32"];
pub(crate) const KEYS: [&str; 5] =
    ["zone", "disk", "generation", "kubernetes.io/hostname", "topology.kubernetes.io/zone"];
pub(crate) const TAINT_KEYS: [&str; 4] = ["dedicated", "spot", "gpu", "node.kubernetes.io/unschedulable"];
pub(crate) const TAINT_VALUES: [&str; 3] = ["", "a", "b"];
pub(crate) const EFFECTS: [TaintEffect; 3] =
    [TaintEffect::NoSchedule, TaintEffect::PreferNoSchedule, TaintEffect::NoExecute];

const GIB: i64 = 1 << 30;

/// The name of the host with this number.
pub(crate) fn name(number: usize) -> String {
    format!("host-{number}")
}

/// What hosts of one cell look like.
pub(crate) struct Shapes {
    shapes: Vec<Shape>,
    /// Percent of hosts with labels, taints, and a cordon.
    labelled: usize,
    tainted: usize,
    cordoned: usize,
    /// Percent of hosts that start virtual machines, and of those that start no containers.
    machines: usize,
    no_containers: usize,
    /// Percent of hosts that offer a little less than their shape, as hosts do that report what they have to the byte.
    uneven: usize,
}

#[derive(Clone)]
struct Shape {
    allocatable: Resources,
    pods: i64,
    devices: Option<Devices>,
    overcommit: Overcommit,
    numa: Vec<NumaNode>,
    links: Vec<u64>,
}

impl Shapes {
    /// With `uneven`, hosts of one shape offer a little less or more than each other.
    pub(crate) fn draw(random: &mut Random, uneven: bool) -> Self {
        let with_devices = *random.pick(&[0, 0, 50, 90]);
        let with_numa = *random.pick(&[0, 0, 50, 90]);
        Shapes {
            shapes: random.several(1..=4, |random| Shape::draw(random, with_devices, with_numa)),
            labelled: *random.pick(&[0, 50, 95]),
            tainted: *random.pick(&[0, 0, 10, 60]),
            cordoned: *random.pick(&[0, 0, 5, 30]),
            machines: *random.pick(&[0, 0, 60, 95]),
            no_containers: *random.pick(&[0, 0, 0, 15]),
            uneven: if uneven { *random.pick(&[0, 50, 100]) } else { 0 },
        }
    }

    pub(crate) fn host(&self, random: &mut Random, number: usize) -> Host {
        let mut shape = random.pick(&self.shapes).clone();
        if random.percent(self.uneven) {
            shape.allocatable.cpu_milli -= random.below(3) as i64;
            shape.allocatable.memory -= random.below(1 << 24) as i64;
        }
        let name = name(number);
        Host {
            allocatable: shape.allocatable,
            pods: shape.pods,
            labels: if random.percent(self.labelled) { labels(random, &name) } else { BTreeMap::new() },
            taints: if random.percent(self.tainted) { taints(random) } else { Vec::new() },
            unschedulable: random.percent(self.cordoned),
            devices: shape.devices,
            runtimes: self.some_runtimes(random),
            overcommit: shape.overcommit,
            numa: shape.numa,
            links: shape.links,
            name,
        }
    }

    /// The NUMA nodes of one of the shapes, or none, or fewer, or with less on one of them.
    pub(crate) fn some_numa(&self, random: &mut Random) -> Vec<NumaNode> {
        let mut numa = random.pick(&self.shapes).numa.clone();
        match (random.below(4), numa.last_mut()) {
            (0, _) => numa.clear(),
            (1, _) => drop(numa.pop()),
            (2, Some(last)) => last.resources.cpu_milli /= 2,
            _ => {}
        }
        numa
    }

    /// Whether some host describes NUMA nodes.
    pub(crate) fn has_numa(&self) -> bool {
        self.shapes.iter().any(|shape| !shape.numa.is_empty())
    }

    pub(crate) fn some_runtimes(&self, random: &mut Random) -> Runtimes {
        Runtimes {
            containers: !random.percent(self.no_containers),
            virtual_machines: random.percent(self.machines),
        }
    }

    /// How many of a hundred pods are virtual machines: none where no host starts any.
    pub(crate) fn machines(&self) -> usize {
        self.machines / 2
    }

    /// The CPU of one of the shapes, to make demands of a fitting size.
    pub(crate) fn some_cpu(&self, random: &mut Random) -> i64 {
        random.pick(&self.shapes).allocatable.cpu_milli
    }

    pub(crate) fn some_memory(&self, random: &mut Random) -> i64 {
        random.pick(&self.shapes).allocatable.memory
    }

    /// Another capacity for a host: grown, shrunk, or that of some shape.
    pub(crate) fn some_allocatable(&self, random: &mut Random) -> Resources {
        let mut allocatable = random.pick(&self.shapes).allocatable.clone();
        match random.below(5) {
            0 => allocatable = Resources::default(),
            1 => allocatable.cpu_milli /= 2,
            2 => allocatable.memory /= 4,
            3 => allocatable.cpu_milli = (allocatable.cpu_milli + 1_500).min(MAX_QUANTITY),
            _ => allocatable.extended = extended(random),
        }
        allocatable
    }

    pub(crate) fn some_devices(&self, random: &mut Random) -> Option<Devices> {
        let known = random.pick(&self.shapes).devices.clone();
        match (random.below(4), known) {
            (0, _) => devices(random, 70),
            (1, _) => None,
            // Few or none of the same model, or all of them again.
            (2, Some(devices)) => Some(Devices { count: random.below(5) as u32, ..devices }),
            (_, known) => known,
        }
    }
}

impl Shape {
    fn draw(random: &mut Random, with_devices: usize, with_numa: usize) -> Self {
        let mut shape = Shape {
            allocatable: Resources {
                cpu_milli: *random.pick(&[
                    1_000,
                    2_000,
                    3_900,
                    8_000,
                    15_890,
                    16_000,
                    64_000,
                    96_000,
                    MAX_QUANTITY,
                ]),
                memory: *random.pick(&[
                    GIB,
                    4 * GIB,
                    7_654_321_000,
                    32 * GIB,
                    32 * GIB + 1,
                    256 * GIB,
                    MAX_QUANTITY,
                ]),
                ephemeral_storage: *random.pick(&[0, 0, 50 * GIB, 107_374_182_399]),
                extended: extended(random),
            },
            pods: *random.pick(&[1, 3, 8, 8, 32, 110, 110]),
            devices: devices(random, with_devices),
            overcommit: overcommit(random),
            numa: Vec::new(),
            links: links(random),
        };
        if random.percent(with_numa) {
            shape.numa = numa(random, &shape);
        }
        shape
    }
}

/// Groups of devices that are linked, of which the host may not have all.
pub(crate) fn links(random: &mut Random) -> Vec<u64> {
    random
        .pick(&[&[][..], &[0b11, 0b1100], &[0b1111, 0b1111_0000], &[0b101, 0b1010, 0b1111_0000], &[u64::MAX]])
        .to_vec()
}

/// Nodes that have about as much as the host together; devices are divided between them, some to none.
fn numa(random: &mut Random, shape: &Shape) -> Vec<NumaNode> {
    let count = *random.pick(&[1, 2, 2, 2, 4, 8]);
    let names: Vec<&String> = shape.allocatable.extended.keys().filter(|_| random.percent(70)).collect();
    let devices = shape.devices.as_ref().map_or(0, |devices| u64::from(devices.count));
    let each = devices / count;
    (0..count)
        .map(|number| {
            let share = |quantity: i64| quantity / count as i64;
            let extended = names
                .iter()
                .map(|name| ((*name).clone(), share(shape.allocatable.extended[*name])))
                .collect();
            let low = ((1_u128 << each) - 1) as u64;
            NumaNode {
                resources: Resources {
                    cpu_milli: share(shape.allocatable.cpu_milli),
                    memory: share(shape.allocatable.memory),
                    ephemeral_storage: 0,
                    extended,
                },
                devices: if each == 0 { 0 } else { low << (number * each) },
            }
        })
        .collect()
}

pub(crate) fn overcommit(random: &mut Random) -> Overcommit {
    Overcommit {
        cpu_percent: *random.pick(&[100, 100, 133, 150, 400, 1_600, 6_400]),
        memory_percent: *random.pick(&[100, 100, 100, 101, 150]),
    }
}

fn extended(random: &mut Random) -> BTreeMap<String, i64> {
    let mut extended = BTreeMap::new();
    for resource in EXTENDED {
        if random.percent(25) {
            extended.insert(resource.to_owned(), *random.pick(&[0, 1, 2, 8, 1_000_000]));
        }
    }
    extended
}

fn devices(random: &mut Random, chance: usize) -> Option<Devices> {
    let count = *random.pick(&[0, 1, 2, 4, 8, 8, 64]);
    random.percent(chance).then(|| Devices { model: random.word(&MODELS), count })
}

pub(crate) fn labels(random: &mut Random, name: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for key in KEYS {
        if random.percent(70) {
            let value = if key == KEYS[3] { name.to_owned() } else { label_value(random, key) };
            labels.insert(key.to_owned(), value);
        }
    }
    labels
}

/// A value such as hosts have and selectors ask for.
pub(crate) fn label_value(random: &mut Random, key: &str) -> String {
    match key {
        "zone" | "topology.kubernetes.io/zone" => random.word(&["a", "b", "c", ""]),
        "disk" => random.word(&["ssd", "hdd"]),
        "generation" => random.word(&["-3", "0", "4", "5", "+6", "10", "007", "old", "99999999999999999999"]),
        _ => name(random.below(8)),
    }
}

pub(crate) fn taints(random: &mut Random) -> Vec<Taint> {
    let mut taints = random.several(0..=3, |random| Taint {
        key: random.word(&TAINT_KEYS),
        value: random.word(&TAINT_VALUES),
        effect: *random.pick(&EFFECTS),
    });
    // The same taint twice is refused.
    taints.sort();
    taints.dedup();
    if random.percent(50) {
        taints.reverse();
    }
    taints
}
