//! `Fragmentation`: the least loss of room for the pods that usually come.
//!
//! After the fragmentation gradient descent of Weng et al. (USENIX ATC 2023, see [`fragmentation`](super::fragmentation)),
//! which asks what one typical pod could not use of a host; here a host is worth
//!
//! - what one pod of each usual shape could use of it now, as there, and
//! - how many pods of that shape it would still hold, each next one counting for nine tenths of the one before. So CPU
//!   that the last free devices will need is not given away, which looks harmless as long as one more pod fits.
//!
//! A shape counts by how often it comes over how many pods of it the whole idle cell would hold, so that what few hosts
//! can run (large pods, pods that insist on a rare device model) weighs most there. CPU and memory for pods without
//! devices count in the same way, but little beside devices. The usual shapes are learned as pods are placed
//! ([`Mix`](crate::mix::Mix)).
//!
//! Placing scores by the value that the host loses. All of it is whole numbers, of which none depends on an order.

mod memo;

use std::sync::Mutex;

use self::memo::Memo;
use super::{Points, Score, View, share};
use crate::ask::Ask;
use crate::cell::{Cell, DeviceSet};
use crate::demand::Demand;
use crate::host::DEVICE_MILLI;
use crate::resource::ResourceId;

/// The parts of a thousandth of a device, or a thousandth of a CPU of a pod without devices, that weights count.
const WEIGHT_BITS: u32 = 20;

/// A lone pod in [`HELD`], in bits.
const HELD_BITS: u32 = 10;

/// How many thousandths of a CPU weigh as much as one of a device, in bits.
const DEVICE_BITS: u32 = 11;

/// The loss at which half of the points are gone: a quarter of a device.
const HALF: i64 = 250 << DEVICE_BITS;

/// What one pod can use counts so often beside what pods of its shape would fill.
const USABLE: i128 = 2;

/// More pods of a shape than this on one host are not told apart.
const MAX_HELD: i64 = 1_024;

/// Sums over 256 shapes stay within 64 bits: a pod on devices is held for at most 10 times 2^10 of these, another
/// for at most 2^10, and there are at most 2^16 thousandths to use.
const MAX_DEVICE_WEIGHT: i128 = 1 << 40;
const MAX_OTHER_WEIGHT: i128 = 1 << 44;
const MAX_USABLE_WEIGHT: i128 = 1 << 38;

/// What room for so many pods of one shape is worth, where the first is worth 2^10 and each next one 9/10 of the last.
static HELD: [i64; MAX_HELD as usize + 1] = held();

const fn held() -> [i64; MAX_HELD as usize + 1] {
    let mut sums = [0; MAX_HELD as usize + 1];
    let mut next: i64 = 1 << (2 * HELD_BITS);
    let mut number = 0;
    while number < MAX_HELD as usize {
        sums[number + 1] = sums[number] + (next >> HELD_BITS);
        next = next * 9 / 10;
        number += 1;
    }
    sums
}

/// What pods of one shape have in common: what they ask for of the resources that hosts are valued by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    cpu_milli: i64,
    memory: i64,
    /// 0 for none.
    device_count: u32,
    device_milli: u16,
    /// Acceptable models; empty accepts any.
    models: Vec<String>,
}

impl Shape {
    pub(crate) fn of(demand: &Demand) -> Shape {
        let devices = demand.devices.as_ref();
        Shape {
            cpu_milli: demand.requests.cpu_milli,
            memory: demand.requests.memory,
            device_count: devices.map_or(0, |devices| devices.count),
            device_milli: devices.map_or(0, |devices| devices.milli as u16),
            models: devices.map_or_else(Vec::new, |devices| devices.models.clone()),
        }
    }

    /// How many pods of this shape so much room would hold.
    fn held(&self, room: &Room<'_>) -> i64 {
        let mut held = MAX_HELD;
        for (free, request) in [(room.cpu_milli, self.cpu_milli), (room.memory, self.memory)] {
            if request > 0 {
                held = held.min(free.max(0) / request);
            }
        }
        if self.device_count == 0 {
            return held;
        }
        if !self.models.is_empty() && !self.models.iter().any(|model| model == room.model) {
            return 0;
        }
        let by_devices: i64 = if self.device_count == 1 {
            room.devices.iter().map(|free| i64::from(free / self.device_milli)).sum()
        } else {
            let fitting = room.devices.iter().filter(|free| **free >= self.device_milli).count() as i64;
            fitting / i64::from(self.device_count)
        };
        held.min(by_devices)
    }
}

/// Hosts that are alike when nothing runs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kind<'a> {
    pub(crate) cpu_milli: i64,
    pub(crate) memory: i64,
    /// The model and how many.
    pub(crate) devices: Option<(&'a str, u32)>,
}

/// What is free on a host.
struct Room<'a> {
    cpu_milli: i64,
    memory: i64,
    model: &'a str,
    /// Thousandths per device, most first.
    devices: &'a [u16],
}

/// A usual shape and what room for it is worth.
#[derive(Debug)]
struct Usual {
    shape: Shape,
    /// Of room for one pod.
    held: i64,
    /// Of each thousandth of a device that one pod could use.
    usable: i64,
}

/// What hosts are worth to the pods that usually come: the shares of the cell's supply that they hold.
#[derive(Debug)]
pub(crate) struct Supply {
    usual: Vec<Usual>,
    unit: i32,
    memo: Mutex<Memo>,
}

impl Supply {
    /// The value of a cell's hosts to `shapes`, each with how many of `all` pods had it.
    pub(crate) fn new(shapes: &[(&Shape, u64)], all: u64, kinds: &[(Kind<'_>, u64)], unit: i32) -> Supply {
        let sum = |quantity: fn(&Kind<'_>) -> i64| -> i128 {
            kinds.iter().map(|(kind, hosts)| i128::from(quantity(kind)) * i128::from(*hosts)).sum()
        };
        let devices =
            sum(|kind| kind.devices.map_or(0, |(_, count)| i64::from(count))) * i128::from(DEVICE_MILLI);
        let cpu = sum(|kind| kind.cpu_milli);
        let usual = shapes.iter().filter_map(|(shape, count)| {
            let is_on_devices = shape.device_count > 0;
            if !is_on_devices && shape.cpu_milli == 0 && shape.memory == 0 {
                return None;
            }
            let supply: i128 =
                kinds.iter().map(|(kind, hosts)| i128::from(idle(shape, kind)) * i128::from(*hosts)).sum();
            if supply == 0 {
                return None;
            }
            let (capacity, most) =
                if is_on_devices { (devices, MAX_DEVICE_WEIGHT) } else { (cpu, MAX_OTHER_WEIGHT) };
            let held = ((i128::from(*count) * capacity) << WEIGHT_BITS) / (i128::from(all) * supply);
            let held = held.min(most);
            let size = i128::from(shape.device_count) * i128::from(shape.device_milli);
            let usable = if is_on_devices { ((USABLE * held) << HELD_BITS) / size } else { 0 };
            Some(Usual {
                shape: (*shape).clone(),
                held: held as i64,
                usable: usable.min(MAX_USABLE_WEIGHT) as i64,
            })
        });
        Supply { usual: usual.collect(), unit, memo: Mutex::default() }
    }

    /// What so much room is worth, in 2^-11 thousandths of a device.
    fn value(&self, room: &Room<'_>) -> i64 {
        let (mut on_devices, mut others) = (0, 0);
        for Usual { shape, held, usable } in &self.usual {
            let pods = shape.held(room);
            if pods == 0 {
                continue;
            }
            if shape.device_count == 0 {
                others += held * pods;
                continue;
            }
            let fitting = room.devices.iter().filter(|free| **free >= shape.device_milli);
            let free: i64 = fitting.map(|free| i64::from(*free)).sum();
            on_devices += held * HELD[pods as usize] + usable * free;
        }
        (on_devices >> (WEIGHT_BITS + HELD_BITS - DEVICE_BITS)) + (others >> WEIGHT_BITS)
    }

    /// What a host loses by a class, and the device that a sharing pod should use there.
    /// Only `usable` devices count.
    fn lose(&self, memo: &mut Memo, host: &Free<'_>, ask: &Ask, usable: u64) -> (i64, Option<usize>) {
        let before = memo.value(host, |room| self.value(room));
        let after = host.without(ask);
        let Some(devices) = ask.devices else {
            return ((before - memo.value(&after, |room| self.value(room))).max(0), None);
        };
        let mut free = after.devices.to_vec();
        if !devices.is_shared() {
            for number in crate::mask::bits(tightest(&free, devices.count, devices.milli, usable)) {
                free[number] -= devices.milli;
            }
            let after = Free { devices: &free, ..after };
            return ((before - memo.value(&after, |room| self.value(room))).max(0), None);
        }
        let mut best: Option<(i64, usize)> = None;
        for (number, left) in host.devices.iter().enumerate() {
            // Devices with equally much free are alike; the first stands for all.
            let is_usable = |number: usize| usable >> number & 1 == 1;
            let is_first = (0..number).all(|other| host.devices[other] != *left || !is_usable(other));
            if *left < devices.milli || !is_usable(number) || !is_first {
                continue;
            }
            free[number] = left - devices.milli;
            let loss =
                (before - memo.value(&Free { devices: &free, ..after }, |room| self.value(room))).max(0);
            free[number] = *left;
            if best.is_none_or(|(least, _)| loss < least) {
                best = Some((loss, number));
            }
        }
        best.map_or((i64::MAX, None), |(loss, number)| (loss, Some(number)))
    }

    fn points(&self, memo: &mut Memo, cell: &Cell, ask: &Ask, slot: usize) -> i32 {
        let host = Free::of(cell, slot);
        let usable = cell.usable_devices(ask, slot);
        // What is remembered is of hosts all of whose devices are usable.
        let known = if usable == u64::MAX { memo.loss(&host, ask) } else { None };
        let loss = match known {
            Some(loss) => loss,
            None if usable != u64::MAX => self.lose(memo, &host, ask, usable).0,
            None => {
                let (loss, _) = self.lose(memo, &host, ask, usable);
                memo.keep_loss(&host, ask, loss);
                loss
            }
        };
        (100 * i64::from(self.unit) * HALF / HALF.saturating_add(loss)) as i32
    }

    /// The mask of the devices that a pod should use on a host.
    pub(crate) fn choose_devices(&self, cell: &Cell, ask: &Ask, slot: usize) -> u64 {
        let (Some(devices), Some(set)) = (ask.devices, cell.devices.get(slot)) else { return 0 };
        let usable = cell.usable_devices(ask, slot);
        if !devices.is_shared() {
            return tightest(&set.free, devices.count, devices.milli, usable);
        }
        let number = self.lose(&mut Memo::default(), &Free::of(cell, slot), ask, usable).1;
        number.map_or(0, |number| 1 << number)
    }
}

/// How many pods of a shape a host of this kind holds when nothing else runs there.
fn idle(shape: &Shape, kind: &Kind<'_>) -> i64 {
    let (model, count) = kind.devices.unwrap_or(("", 0));
    let devices = vec![DEVICE_MILLI as u16; count as usize];
    shape.held(&Room { cpu_milli: kind.cpu_milli, memory: kind.memory, model, devices: &devices })
}

/// The `count` usable devices with the least free of those with `milli` free, of equals the lowest-numbered, as a mask; fewer
/// where there are not as many.
fn tightest(free: &[u16], count: u32, milli: u16, usable: u64) -> u64 {
    let fits = |number: &usize| usable >> number & 1 == 1 && free[*number] >= milli;
    let mut fitting: Vec<usize> = (0..free.len()).filter(fits).collect();
    fitting.sort_by_key(|number| free[*number]);
    fitting.into_iter().take(count as usize).fold(0, |mask, number| mask | 1 << number)
}

/// What is free on a host, devices in the order of their numbers.
#[derive(Clone, Copy)]
struct Free<'a> {
    cpu_milli: i64,
    memory: i64,
    model: u32,
    name: &'a str,
    devices: &'a [u16],
}

impl<'a> Free<'a> {
    fn of(cell: &'a Cell, slot: usize) -> Free<'a> {
        let set: Option<&DeviceSet> = cell.devices.get(slot);
        Free {
            cpu_milli: cell.columns.free(ResourceId::CPU, slot),
            memory: cell.columns.free(ResourceId::MEMORY, slot),
            model: set.map_or(u32::MAX, |set| set.model),
            name: set.map_or("", |set| cell.devices.model_name(set.model)),
            devices: set.map_or(&[], |set| &set.free),
        }
    }

    fn without(self, ask: &Ask) -> Free<'a> {
        Free {
            cpu_milli: self.cpu_milli - ask.request(ResourceId::CPU),
            memory: self.memory - ask.request(ResourceId::MEMORY),
            ..self
        }
    }
}

/// The plugin. Before anything has been placed no host is worth anything, and all score alike.
#[derive(Default)]
pub(crate) struct Fragmentation {
    pub(crate) supply: Option<std::sync::Arc<Supply>>,
    pub(crate) unit: i32,
}

impl Score for Fragmentation {
    fn score(&self, view: &View<'_>, block: usize, mask: u64, points: &mut Points) {
        let Some(supply) = &self.supply else {
            points.fill(100 * self.unit);
            return;
        };
        // Another thread that scans at the same time does without what is remembered, rather than wait.
        let mut own = Memo::default();
        let mut shared = supply.memo.try_lock();
        let memo = shared.as_deref_mut().unwrap_or(&mut own);
        share::each(block, mask, points, |slot| supply.points(memo, view.cell, view.ask, slot));
    }
}
