//! `engine/distinct`: every pod its own class.

use meridian_engine::{Demand, Resources, ScoringRequests};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::Clock;
use crate::cell::Shape;
use crate::engine::{HalfFull, draw_shape, half_full, rate};
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, ProfileName, count};

pub(crate) fn distinct(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 100_000)?;
    let pods = count("pods", parameters.pods, 20_000)?;
    let mut random = ChaCha8Rng::seed_from_u64(parameters.seed);
    let HalfFull { mut scheduler, running, .. } = half_full(parameters, hosts, &mut random)?;
    let running = running.len();
    let demands: Vec<Demand> = (0..pods)
        .map(|number| {
            let Shape { cpu_milli, memory } = draw_shape(&mut random);
            // The number in the lowest digits makes every demand another one.
            let (cpu_milli, memory) = (cpu_milli + i64::from(number % 100), memory + i64::from(number));
            Demand {
                requests: Resources { cpu_milli, memory, ..Resources::default() },
                scoring: ScoringRequests { cpu_milli, memory },
                ..Demand::default()
            }
        })
        .collect();
    let mut placed = 0_u64;
    let before = clock();
    for demand in &demands {
        let class = scheduler.class(demand).map_err(|error| BenchError::Setup(error.to_string()))?;
        placed += u64::from(scheduler.schedule(class).is_some());
        scheduler.forget_class(class);
    }
    let nanoseconds = clock() - before;
    let bound = match parameters.profile {
        ProfileName::Meridian => 50_000.0,
        ProfileName::Kubernetes => 25_000.0,
    };
    let goal = Goal { direction: Direction::AtLeast, bound };
    Ok(Figure::new("engine/distinct", rate(u64::from(pods), nanoseconds), "decisions/s", goal)
        .with("hosts", hosts)
        .with("pods", pods)
        .with("placed", placed)
        .with("running", running)
        .with("fill", parameters.fill.name())
        .with("seed", parameters.seed)
        .with("profile", parameters.profile.name()))
}
