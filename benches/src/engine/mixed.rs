//! `engine/mixed`: many classes interleaved, arrivals and departures in balance.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Zipf};

use crate::Clock;
use crate::cell::{class, filled_cell, scheduler_with};
use crate::engine::{HOSTS, draw_shape, rate};
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, count};

pub(crate) fn mixed(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let hosts = count("hosts", parameters.hosts, 100_000)?;
    let pods = count("pods", parameters.pods, 200_000)?;
    let number = count("classes", parameters.classes, 1_000)?;
    let mut random = ChaCha8Rng::seed_from_u64(parameters.seed);
    let mut scheduler = scheduler_with(parameters.profile.profile(), hosts, &HOSTS)?;
    let mut classes = Vec::new();
    for _ in 0..number {
        let shape = draw_shape(&mut random);
        classes.push((class(&mut scheduler, shape)?, shape));
    }
    let zipf = Zipf::new(f64::from(number), 1.0).map_err(|error| BenchError::Setup(error.to_string()))?;
    let mut draw = |random: &mut dyn rand::Rng| classes[zipf.sample(random) as usize - 1];
    let mut placements: Vec<_> =
        filled_cell(&mut scheduler, parameters.fill, &mut random, &mut draw)?.into_iter().map(Some).collect();
    let start = placements.len();
    let arrivals = |random: &mut ChaCha8Rng, pods: u32| -> Vec<(usize, _)> {
        (0..pods).map(|_| (random.random_range(0..start), draw(random).0)).collect()
    };
    // A region that has run for a while knows its classes.
    let warm = arrivals(&mut random, pods / 4);
    let timed = arrivals(&mut random, pods);
    let mut failed = 0_u64;
    let mut run = |arrivals: Vec<(usize, _)>| {
        for (departing, class) in arrivals {
            let departed = placements[departing].take().map(|placement| scheduler.release(placement));
            debug_assert!(departed.is_none_or(|released| released.is_ok()));
            placements[departing] = scheduler.schedule(class);
            failed += u64::from(placements[departing].is_none());
        }
    };
    run(warm);
    let before = clock();
    run(timed);
    let nanoseconds = clock() - before;
    if failed > 0 {
        return Err(BenchError::Setup(format!("{failed} pods found no host in a half full cell")));
    }
    let goal = Goal { direction: Direction::AtLeast, bound: 100_000.0 };
    Ok(Figure::new("engine/mixed", rate(u64::from(pods), nanoseconds), "decisions/s", goal)
        .with("hosts", hosts)
        .with("pods", pods)
        .with("classes", number)
        .with("running", start)
        .with("fill", parameters.fill.name())
        .with("seed", parameters.seed)
        .with("profile", parameters.profile.name()))
}
