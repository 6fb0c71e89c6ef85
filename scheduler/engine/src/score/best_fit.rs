//! `BestFit`: the least CPU and devices left after placing, as shares of the largest host's.
//!
//! The policy that "Beware of Fragmentation" (Weng et al., USENIX ATC 2023) compares with under this name, in its whole
//! points.

use super::{Points, Score, View, share};
use crate::ask::DeviceAsk;
use crate::resource::ResourceId;

pub(super) struct BestFit {
    pub(super) unit: i32,
}

impl Score for BestFit {
    fn score(&self, view: &View<'_>, block: usize, mask: u64, points: &mut Points) {
        let cell = view.cell;
        let request = view.ask.request(ResourceId::CPU);
        let devices =
            view.ask.devices.map_or(0, |DeviceAsk { count, milli, .. }| i64::from(count) * i64::from(milli));
        let share = |left: i64, largest: i64| {
            if largest == 0 { 0.0 } else { 0.5 * left as f64 / largest as f64 }
        };
        share::each(block, mask, points, |slot| {
            let cpu_left = cell.columns.free(ResourceId::CPU, slot) - request;
            let devices_left = cell.devices.get(slot).map_or(0, |set| set.total_free()) - devices;
            let left = share(cpu_left, cell.largest_cpu()) + share(devices_left, cell.largest_devices());
            // A host that shrank below what it runs has less than nothing left.
            (100.0 * (1.0 - left)).clamp(0.0, 100.0) as i32 * self.unit
        });
    }
}
