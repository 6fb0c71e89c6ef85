//! `GpuFragmentation`: the least growth of devices that typical pods cannot use.
//!
//! Fragmentation gradient descent (FGD) of "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with
//! Fragmentation Gradient Descent" (Weng et al., USENIX ATC 2023). The fragmentation of a host is the free device
//! capacity, in thousandths, that a pod drawn from the typical ones is expected to be unable to use; placing a pod
//! scores by how little that grows. Points are the paper's: `100 * sigmoid(decrease / 1000)`, rounded down. Equal
//! points go to the first host; the rounding matters, since it is what makes near-equal hosts equal.

use super::{Points, Score, View, share};
use crate::ask::{Ask, DeviceAsk};
use crate::cell::{Cell, DeviceSet};
use crate::host::DEVICE_MILLI;
use crate::profile::TypicalPod;
use crate::resource::ResourceId;

/// The plugin, and the measure of fragmentation by itself.
pub(crate) struct GpuFragmentation {
    typical: Vec<TypicalPod>,
    unit: i32,
}

impl GpuFragmentation {
    pub(crate) fn new(typical: Vec<TypicalPod>, unit: i32) -> GpuFragmentation {
        GpuFragmentation { typical, unit }
    }

    /// The free thousandths of a host's devices that a typical pod is expected to be unable to use.
    pub(crate) fn amount(&self, cell: &Cell, slot: usize) -> f64 {
        match cell.devices.get(slot) {
            Some(set) => self.of(cell, set, cell.columns.free(ResourceId::CPU, slot), &set.free),
            None => 0.0,
        }
    }

    /// Fragmentation of a host with so much CPU and so much of each device free.
    fn of(&self, cell: &Cell, set: &DeviceSet, cpu: i64, free: &[u16]) -> f64 {
        let total: i64 = free.iter().map(|free| i64::from(*free)).sum();
        if total == 0 {
            return 0.0;
        }
        let mut amount = 0.0;
        for pod in &self.typical {
            amount += pod.share * unusable(cell, set, cpu, free, total, pod) as f64;
        }
        amount
    }

    /// The points for a class on a host and the device that a sharing pod should use there.
    fn place(&self, cell: &Cell, ask: &Ask, slot: usize) -> (i32, Option<usize>) {
        let Some(set) = cell.devices.get(slot) else { return (points(0.0), None) };
        let cpu = cell.columns.free(ResourceId::CPU, slot);
        let before = self.of(cell, set, cpu, &set.free);
        let cpu = cpu - ask.request(ResourceId::CPU);
        let usable = cell.usable_devices(ask, slot);
        let is_usable = |number: usize| usable >> number & 1 == 1;
        let mut free = [0; crate::host::MAX_DEVICES as usize];
        let free = &mut free[..set.free.len().min(crate::host::MAX_DEVICES as usize)];
        free.copy_from_slice(&set.free[..free.len()]);
        match ask.devices {
            Some(devices) if devices.is_shared() => {
                let mut best: Option<(i32, usize)> = None;
                for number in 0..free.len() {
                    let left = free[number];
                    // Devices with equally much free are alike; the first stands for all.
                    let is_first = (0..number).all(|other| free[other] != left || !is_usable(other));
                    if left < devices.milli || !is_usable(number) || !is_first {
                        continue;
                    }
                    free[number] = left - devices.milli;
                    let points = points(before - self.of(cell, set, cpu, free));
                    free[number] = left;
                    if best.is_none_or(|(most, _)| points > most) {
                        best = Some((points, number));
                    }
                }
                best.map_or((0, None), |(points, number)| (points, Some(number)))
            }
            devices => {
                if let Some(DeviceAsk { count, milli, .. }) = devices {
                    for number in crate::mask::bits(first_fitting(set, count, milli, usable)) {
                        free[number] -= milli;
                    }
                }
                (points(before - self.of(cell, set, cpu, free)), None)
            }
        }
    }

    /// The device that a sharing pod should use on a host.
    pub(crate) fn choose_device(&self, cell: &Cell, ask: &Ask, slot: usize) -> Option<usize> {
        self.place(cell, ask, slot).1
    }
}

/// The lowest-numbered `count` usable devices with `milli` free, as a mask; fewer where there are not as many.
pub(crate) fn first_fitting(set: &DeviceSet, count: u32, milli: u16, usable: u64) -> u64 {
    set.free
        .iter()
        .enumerate()
        .filter(|(number, free)| usable >> number & 1 == 1 && **free >= milli)
        .take(count as usize)
        .fold(0, |mask, (number, _)| mask | 1 << number)
}

fn points(decrease: f64) -> i32 {
    let sigmoid = 1.0 / (1.0 + (-decrease / f64::from(DEVICE_MILLI)).exp());
    (100.0 * sigmoid) as i32
}

/// How much of the free devices a pod cannot use.
fn unusable(cell: &Cell, set: &DeviceSet, cpu: i64, free: &[u16], total: i64, pod: &TypicalPod) -> i64 {
    let model = cell.devices.model_name(set.model);
    if pod.device_count == 0
        || cpu < pod.cpu_milli
        || (!pod.models.is_empty() && !pod.models.iter().any(|accepted| accepted == model))
    {
        return total;
    }
    let (mut fitting, mut small) = (0, 0);
    for free in free {
        if u32::from(*free) >= pod.device_milli {
            fitting += 1;
        } else {
            small += i64::from(*free);
        }
    }
    if fitting < pod.device_count { total } else { small }
}

impl Score for GpuFragmentation {
    fn score(&self, view: &View<'_>, block: usize, mask: u64, points: &mut Points) {
        share::each(block, mask, points, |slot| self.place(view.cell, view.ask, slot).0 * self.unit);
    }
}
