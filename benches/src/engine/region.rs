//! `engine/region`: an empty region filled.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Clock;
use crate::cell::{Shape, class, scheduler_with};
use crate::engine::{HOSTS, draw_shape};
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, count};

/// Pods for each host, unless it is said how many pods there are.
const PODS_A_HOST: u32 = 30;

pub(crate) fn region(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 300_000)?;
    let pods = count("pods", parameters.pods, hosts.saturating_mul(PODS_A_HOST))?;
    let number = count("classes", parameters.classes, 1_000)?;
    let mut random = ChaCha8Rng::seed_from_u64(parameters.seed);
    let mut scheduler = scheduler_with(parameters.profile.profile(), hosts, &HOSTS)?;
    let mut classes = Vec::new();
    for _ in 0..number {
        // So large that 30 for each host take three quarters of the region.
        let Shape { cpu_milli, memory } = draw_shape(&mut random);
        let shape = Shape { cpu_milli: cpu_milli * 3 / 4, memory: memory / 4 * 3 };
        classes.push(class(&mut scheduler, shape)?);
    }
    let arrivals: Vec<u32> = (0..pods).map(|_| random.random_range(0..number)).collect();
    let mut placements = Vec::with_capacity(arrivals.len());
    let before = clock();
    for arrival in arrivals {
        placements.extend(scheduler.schedule(classes[arrival as usize]));
    }
    let nanoseconds = clock() - before;
    let goal = Goal { direction: Direction::AtMost, bound: 120.0 };
    Ok(Figure::new("engine/region", nanoseconds as f64 / 1e9, "s", goal)
        .with("hosts", hosts)
        .with("pods", pods)
        .with("classes", number)
        .with("placed", placements.len())
        .with("us_per_pod", nanoseconds as f64 / 1e3 / f64::from(pods))
        .with("seed", parameters.seed)
        .with("profile", parameters.profile.name()))
}
