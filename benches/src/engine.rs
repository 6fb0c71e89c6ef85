//! Benches of the engine.

mod basic;
mod distinct;
mod latency;
mod mixed;

pub(crate) use self::basic::basic;
pub(crate) use self::distinct::distinct;
pub(crate) use self::latency::latency;
pub(crate) use self::mixed::mixed;

use crate::cell::Shape;

/// Shapes of the hosts of a mixed cell: general, compute-heavy and memory-heavy machines.
const HOSTS: [Shape; 3] = [Shape::new(64, 256), Shape::new(96, 192), Shape::new(32, 256)];

/// Decisions a second.
fn rate(decisions: u64, nanoseconds: u64) -> f64 {
    if nanoseconds == 0 { 0.0 } else { decisions as f64 * 1e9 / nanoseconds as f64 }
}

/// A pod's shape drawn at random: 0.1 to 8 cores in tenths, 128 MiB to 32 GiB in steps of 128 MiB, small ones more often.
fn draw_shape(random: &mut (impl rand::Rng + ?Sized)) -> Shape {
    use rand::RngExt;
    let small = |random: &mut _, most: f64| {
        let uniform: f64 = RngExt::random::<f64>(random);
        1.0 + (most - 1.0) * uniform * uniform * uniform
    };
    Shape { cpu_milli: small(random, 80.0) as i64 * 100, memory: (small(random, 256.0) as i64) << 27 }
}
