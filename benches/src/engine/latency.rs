//! `engine/latency`: one pod in a large region.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Clock;
use crate::engine::{HalfFull, draw_shape, half_full};
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, count};

pub(crate) fn latency(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 300_000)?;
    let pods = count("pods", parameters.pods, 2_000)?;
    let mut random = ChaCha8Rng::seed_from_u64(parameters.seed);
    let HalfFull { mut scheduler, known, mut running } = half_full(parameters, hosts, &mut random)?;
    for _ in 0..2 {
        let _ = scheduler.decide(known);
    }
    let mut nanoseconds = Vec::new();
    for _ in 0..pods {
        // Between two pods a pod stops somewhere, so that the index has something to catch up with.
        if running.is_empty() {
            return Err(BenchError::Setup(
                "no pod is left to stop, want more hosts or fewer pods".to_owned(),
            ));
        }
        let stopping = running.swap_remove(random.random_range(0..running.len()));
        scheduler.release(stopping).map_err(|error| BenchError::Setup(error.to_string()))?;
        let mut demand = draw_shape(&mut random).demand();
        demand.requests.memory += random.random_range(1..1 << 27);
        demand.scoring.memory = demand.requests.memory;
        let before = clock();
        let class = if parameters.new_class {
            scheduler.class(&demand).map_err(|error| BenchError::Setup(error.to_string()))?
        } else {
            known
        };
        let placement = scheduler.schedule(class);
        nanoseconds.push(clock() - before);
        running.extend(placement);
        if parameters.new_class {
            scheduler.forget_class(class);
        }
    }
    nanoseconds.sort_unstable();
    let at = |share: f64| nanoseconds[((nanoseconds.len() - 1) as f64 * share).round() as usize] as f64 / 1e3;
    let bound = if parameters.new_class { 1_000.0 } else { 20.0 };
    let goal = Goal { direction: Direction::AtMost, bound };
    Ok(Figure::new("engine/latency", at(0.99), "us (p99)", goal)
        .with("hosts", hosts)
        .with("pods", pods)
        .with("class", if parameters.new_class { "new" } else { "known" })
        .with("p50_us", at(0.5))
        .with("max_us", at(1.0))
        .with("fill", parameters.fill.name())
        .with("seed", parameters.seed)
        .with("profile", parameters.profile.name()))
}
