//! Benches of the engine.

mod basic;
mod distinct;
mod gang;
mod latency;
mod mixed;
mod preempt;
mod region;
mod terms;
mod unschedulable;

pub(crate) use self::basic::basic;
pub(crate) use self::distinct::distinct;
pub(crate) use self::gang::gang;
pub(crate) use self::latency::latency;
pub(crate) use self::mixed::mixed;
pub(crate) use self::preempt::preempt;
pub(crate) use self::region::region;
pub(crate) use self::terms::{affinity, anti_affinity, namespace_selector, spread};
pub(crate) use self::unschedulable::unschedulable;

use meridian_engine::{ClassId, Placement, Scheduler};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::cell::{Shape, class, filled_cell, scheduler_with};
use crate::parameters::{BenchError, Parameters};

/// Shapes of the hosts of a mixed cell: general, compute-heavy and memory-heavy machines.
pub(crate) const HOSTS: [Shape; 3] = [Shape::new(64, 256), Shape::new(96, 192), Shape::new(32, 256)];

/// Classes of the pods that half fill a cell whose own classes do not matter.
const FILLING: usize = 64;

/// A half full cell.
struct HalfFull {
    scheduler: Scheduler,
    /// A class of the pods that fill it.
    known: ClassId,
    running: Vec<Placement>,
}

fn half_full(parameters: &Parameters, hosts: u32, random: &mut ChaCha8Rng) -> Result<HalfFull, BenchError> {
    let mut scheduler = scheduler_with(parameters.profile.profile(), hosts, &HOSTS)?;
    let mut classes = Vec::new();
    for _ in 0..FILLING {
        let shape = draw_shape(random);
        classes.push((class(&mut scheduler, shape)?, shape));
    }
    let running = filled_cell(&mut scheduler, parameters.fill, random, |random| {
        classes[random.random_range(0..classes.len())]
    })?;
    Ok(HalfFull { scheduler, known: classes[0].0, running })
}

/// Decisions a second.
pub(crate) fn rate(decisions: u64, nanoseconds: u64) -> f64 {
    if nanoseconds == 0 { 0.0 } else { decisions as f64 * 1e9 / nanoseconds as f64 }
}

/// A pod's shape drawn at random: 0.1 to 8 cores in tenths, 128 MiB to 32 GiB in steps of 128 MiB, small ones more often.
pub(crate) fn draw_shape(random: &mut (impl rand::Rng + ?Sized)) -> Shape {
    let small = |random: &mut _, most: f64| {
        let uniform: f64 = RngExt::random::<f64>(random);
        1.0 + (most - 1.0) * uniform * uniform * uniform
    };
    Shape { cpu_milli: small(random, 80.0) as i64 * 100, memory: (small(random, 256.0) as i64) << 27 }
}
