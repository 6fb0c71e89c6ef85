//! What hosts are worth to the pods that usually come, and what is lost of that by placing one.

use std::collections::BTreeMap;

use meridian_engine::{Arithmetic, Demand};

use super::machine::Machine;

/// CPU, memory, devices, thousandths of each, acceptable models.
type Shape = (i64, i64, u32, u32, Vec<String>);

/// The pods placed so far, and what was learned from them.
#[derive(Default)]
pub(crate) struct Learned {
    counts: BTreeMap<Shape, i128>,
    placed: u64,
    next: u64,
    /// Per shape, what room for one pod is worth, and each thousandth of a device that one can use.
    worth: Option<Vec<(Shape, i128, i128)>>,
}

fn shape(demand: &Demand) -> Shape {
    let (count, milli, models) = match &demand.devices {
        Some(devices) => (devices.count, devices.milli, devices.models.clone()),
        None => (0, 0, Vec::new()),
    };
    (demand.requests.cpu_milli, demand.requests.memory, count, milli, models)
}

/// What is free somewhere.
struct Room<'a> {
    cpu: i64,
    memory: i64,
    model: Option<&'a str>,
    devices: Vec<i64>,
}

impl Room<'_> {
    fn of(machine: &Machine) -> Room<'_> {
        Room {
            cpu: machine.free("cpu"),
            memory: machine.free("memory"),
            model: machine.model.as_deref(),
            devices: machine.free_devices(),
        }
    }

    /// How many pods of the shape fit, up to 1,024.
    fn holds(&self, (cpu, memory, count, milli, models): &Shape) -> i128 {
        let mut pods = 1_024;
        if *cpu > 0 {
            pods = pods.min(self.cpu / cpu);
        }
        if *memory > 0 {
            pods = pods.min(self.memory / memory);
        }
        if *count > 0 && !models.is_empty() && !models.iter().any(|model| Some(model.as_str()) == self.model)
        {
            return 0;
        }
        let milli = i64::from(*milli);
        match count {
            0 => {}
            1 => pods = pods.min(self.devices.iter().map(|free| free / milli).sum()),
            _ => {
                let fitting = self.devices.iter().filter(|free| **free >= milli).count();
                pods = pods.min((fitting / *count as usize) as i64);
            }
        }
        pods.max(0).into()
    }
}

impl Learned {
    pub(crate) fn place(&mut self, demand: &Demand) {
        self.placed += 1;
        *self.counts.entry(shape(demand)).or_default() += 1;
    }

    /// Learns anew after 1, 2, 4, 8, ... placements. Tests place too few for more.
    pub(crate) fn learn<'a>(&mut self, machines: impl Iterator<Item = &'a Machine>) {
        if self.placed < self.next.max(1) {
            return;
        }
        self.next = self.placed * 2;
        let idle: Vec<Machine> = machines.map(|machine| Machine::new(machine.host.clone())).collect();
        let all: i128 = self.counts.values().sum();
        let cpu: i128 = idle.iter().map(|machine| i128::from(machine.allocatable("cpu"))).sum();
        let devices: i128 =
            1_000 * idle.iter().map(|machine| machine.free_devices().len() as i128).sum::<i128>();
        assert!(self.counts.len() <= 256, "a test with more shapes has to choose the most frequent ones");
        let mut worth = Vec::new();
        for (shape, count) in &self.counts {
            let supply: i128 = idle.iter().map(|machine| Room::of(machine).holds(shape)).sum();
            let (cpu_milli, memory, device_count, milli, _) = shape;
            if supply == 0 || (*device_count == 0 && *cpu_milli == 0 && *memory == 0) {
                continue;
            }
            if *device_count == 0 {
                let pod = (count * cpu * (1 << 20) / (all * supply)).min(1 << 44);
                worth.push((shape.clone(), pod, 0));
            } else {
                let pod = (count * devices * (1 << 20) / (all * supply)).min(1 << 40);
                let size = i128::from(*device_count) * i128::from(*milli);
                worth.push((shape.clone(), pod, (2 * pod * 1_024 / size).min(1 << 38)));
            }
        }
        self.worth = Some(worth);
    }

    fn value(&self, room: &Room<'_>) -> i128 {
        let (mut on_devices, mut others) = (0, 0);
        for (shape, pod, thousandth) in self.worth.iter().flatten() {
            let pods = room.holds(shape);
            if shape.2 == 0 {
                others += pod * pods;
            } else if pods > 0 {
                let mut next: i128 = 1 << 20;
                for _ in 0..pods {
                    on_devices += pod * (next >> 10);
                    next = next * 9 / 10;
                }
                let usable: i64 = room.devices.iter().filter(|free| **free >= i64::from(shape.3)).sum();
                on_devices += thousandth * i128::from(usable);
            }
        }
        (on_devices >> 19) + (others >> 20)
    }

    fn loss(&self, machine: &Machine, demand: &Demand, devices: u64) -> i128 {
        let before = Room::of(machine);
        let mut after = Room::of(machine);
        let seen = machine.seen(demand);
        after.cpu -= seen.requests.cpu_milli;
        after.memory -= seen.requests.memory;
        if let Some(wanted) = &demand.devices {
            for (number, free) in after.devices.iter_mut().enumerate() {
                if devices & (1 << number) != 0 {
                    *free -= i64::from(wanted.milli);
                }
            }
        }
        (self.value(&before) - self.value(&after)).max(0)
    }

    /// The devices the pod gets of those that fit: the tightest, or the one whose use costs least; of equals the first.
    /// `None` before anything is learned.
    pub(crate) fn choose(&self, machine: &Machine, demand: &Demand, fitting: &[usize]) -> Option<u64> {
        self.worth.as_ref()?;
        let wanted = demand.devices.as_ref()?;
        let free = machine.free_devices();
        let mut by_choice = fitting.to_vec();
        if wanted.count == 1 && wanted.milli < 1_000 {
            by_choice.sort_by_key(|number| self.loss(machine, demand, 1 << number));
        } else {
            by_choice.sort_by_key(|number| free[*number]);
        }
        Some(by_choice.iter().take(wanted.count as usize).map(|number| 1 << number).sum())
    }

    /// Of 100 points, in the arithmetic's unit.
    pub(crate) fn score(
        &self,
        machine: &Machine,
        demand: &Demand,
        devices: u64,
        arithmetic: Arithmetic,
    ) -> i64 {
        let full = match arithmetic {
            Arithmetic::Kubernetes => 100,
            Arithmetic::Meridian => 100 * 4_096,
        };
        if self.worth.is_none() {
            return full;
        }
        let half = 250 * 2_048;
        (i128::from(full) * half / (half + self.loss(machine, demand, devices))) as i64
    }
}
