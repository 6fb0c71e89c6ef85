//! Families of pods, their classes and how popular these are.

use std::collections::HashSet;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::weighted::WeightedAliasIndex;

use super::duration::Duration;
use super::host::Capacity;
use super::{HOUR_MS, Purpose, Synthetic};
use crate::limits::DEVICE_MILLI;

const MIB: i64 = 1 << 20;
const GIB: f64 = (1_u64 << 30) as f64;
const CPU_STEP: f64 = 10.0;
const MEMORY_STEP: i64 = 16 * MIB;
const DEVICE_HOURS: f64 = 8.0;

/// The fractional part of the golden ratio: its multiples fill an interval more evenly than chance would.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Devices, thousandths of each, and which share of the device classes is like this.
const DEVICE_SHAPES: [(u32, u32, f64); 6] =
    [(1, 250, 0.15), (1, 500, 0.15), (1, 1000, 0.4), (2, 1000, 0.15), (4, 1000, 0.1), (8, 1000, 0.05)];

/// A shape of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Class {
    pub(super) cpu_milli: i64,
    pub(super) memory: i64,
    pub(super) device_count: u32,
    pub(super) device_milli: u32,
    pub(super) priority: i32,
}

/// Classes with one distribution of durations.
pub(super) struct Family {
    pub(super) classes: Vec<Class>,
    pub(super) popularity: WeightedAliasIndex<f64>,
    pub(super) duration: Duration,
    /// Mean arrivals in a millisecond.
    pub(super) rate: f64,
}

/// The families with rates that bring the load.
pub(super) fn families(parameters: &Synthetic, capacity: Capacity) -> Vec<Family> {
    let mut chance = parameters.chance(Purpose::Classes);
    let with_devices = if capacity.device_milli > 0.0 { (parameters.classes / 10).max(1) } else { 0 };
    let services = (parameters.classes - with_devices).div_ceil(2);
    let batch = parameters.classes - with_devices - services;

    let mut service =
        Family::new(ordinary(services, 100, &mut chance), Duration::pareto(ms(parameters.service_hours)));
    let mut batch =
        Family::new(ordinary(batch, 0, &mut chance), Duration::log_normal(ms(parameters.batch_hours)));
    let mut left = capacity.scaled(parameters.load);
    let mut families = Vec::new();
    if with_devices > 0 {
        let mut device =
            Family::new(devices(with_devices, &mut chance), Duration::log_normal(ms(DEVICE_HOURS)));
        let mean = device.mean_demand();
        let present = left.device_milli / mean.device_milli;
        device.set_present(present);
        left.cpu_milli -= present * mean.cpu_milli;
        left.memory -= present * mean.memory;
        families.push(device);
    }

    // Processors are shared between services and batch as asked, until processors or memory are at the load.
    let (service_mean, batch_mean) = (service.mean_demand(), batch.mean_demand());
    let share = parameters.service_share;
    let memory_a_cpu = share * service_mean.memory / service_mean.cpu_milli
        + (1.0 - share) * batch_mean.memory / batch_mean.cpu_milli;
    let cpu_milli = left.cpu_milli.min(left.memory / memory_a_cpu).max(0.0);
    service.set_present(share * cpu_milli / service_mean.cpu_milli);
    batch.set_present((1.0 - share) * cpu_milli / batch_mean.cpu_milli);
    families.push(service);
    families.push(batch);
    families
}

impl Family {
    fn new(classes: Vec<Class>, duration: Duration) -> Self {
        Self { popularity: zipf(classes.len()), classes, duration, rate: 0.0 }
    }

    /// How many pods are present on average.
    pub(super) fn present(&self) -> f64 {
        self.rate * self.duration.mean()
    }

    fn set_present(&mut self, present: f64) {
        self.rate = present / self.duration.mean();
    }

    fn mean_demand(&self) -> Capacity {
        let total: f64 = (1..=self.classes.len()).map(|rank| 1.0 / rank as f64).sum();
        (1..).zip(&self.classes).fold(Capacity::default(), |sum, (rank, class): (u32, _)| {
            let weight = 1.0 / f64::from(rank) / total;
            Capacity {
                cpu_milli: sum.cpu_milli + weight * class.cpu_milli as f64,
                memory: sum.memory + weight * class.memory as f64,
                device_milli: sum.device_milli + weight * f64::from(class.device_count * class.device_milli),
            }
        })
    }
}

impl Capacity {
    fn scaled(self, by: f64) -> Self {
        Self {
            cpu_milli: self.cpu_milli * by,
            memory: self.memory * by,
            device_milli: self.device_milli * by,
        }
    }
}

/// Draws one of `count` by Zipf's law with exponent 1; the first is the most popular.
pub(super) fn zipf(count: usize) -> WeightedAliasIndex<f64> {
    let weights = (1..=count).map(|rank| 1.0 / rank as f64).collect();
    WeightedAliasIndex::new(weights).expect("at least one weight, all positive and finite")
}

/// Classes without devices, the most popular first.
fn ordinary(count: u32, priority: i32, chance: &mut ChaCha8Rng) -> Vec<Class> {
    distinct(count, chance, |size, chance| {
        let processors = log_uniform(0.25, 16.0, size);
        let memory = processors * log_uniform(1.0, 8.0, chance.random());
        class(processors, memory, (0, 0), priority)
    })
}

/// Classes with devices, the most popular first.
fn devices(count: u32, chance: &mut ChaCha8Rng) -> Vec<Class> {
    distinct(count, chance, |size, chance| {
        let (count, milli) = device_shape(size);
        let whole = f64::from(count * milli) / f64::from(DEVICE_MILLI);
        let processors = whole * log_uniform(2.0, 8.0, chance.random());
        let memory = whole * log_uniform(8.0, 64.0, chance.random());
        class(processors, memory, (count, milli), 50)
    })
}

/// Makes classes from sizes in 0..1 that are evenly spread, however few, the first of them near the middle.
fn distinct(count: u32, chance: &mut ChaCha8Rng, make: impl Fn(f64, &mut ChaCha8Rng) -> Class) -> Vec<Class> {
    let mut seen = HashSet::new();
    let classes = (0..count).map(|rank| {
        let jitter = chance.random_range(-0.05..0.05);
        let size = (0.5 + f64::from(rank) * GOLDEN + jitter).rem_euclid(1.0);
        let mut class = make(size, chance);
        while !seen.insert(class) {
            class.memory += MEMORY_STEP;
        }
        class
    });
    classes.collect()
}

fn class(processors: f64, gib: f64, (device_count, device_milli): (u32, u32), priority: i32) -> Class {
    let cpu_milli = (processors * 1000.0 / CPU_STEP).round() * CPU_STEP;
    let steps = (gib * GIB / MEMORY_STEP as f64).round();
    Class {
        cpu_milli: cpu_milli as i64,
        memory: steps as i64 * MEMORY_STEP,
        device_count,
        device_milli,
        priority,
    }
}

fn device_shape(size: f64) -> (u32, u32) {
    let mut upto = 0.0;
    for (count, milli, share) in DEVICE_SHAPES {
        upto += share;
        if size < upto {
            return (count, milli);
        }
    }
    (1, DEVICE_MILLI)
}

/// The value below which `size` of a log-uniform distribution lies.
fn log_uniform(least: f64, most: f64, size: f64) -> f64 {
    least * (most / least).powf(size)
}

fn ms(hours: f64) -> f64 {
    hours * HOUR_MS
}
