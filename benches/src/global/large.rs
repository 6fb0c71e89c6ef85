//! Benches on 1,000 sites and 10,000 workloads: a cold plan, the loss of a site, and one workload that is new.

use meridian_global_engine::{
    Assignment, Model, Solution, bound, check, gap, place as place_one, repair as repair_plan,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::instance::{Instance, Shape};
use super::{Made, made, seconds, shape, solved, with_shape};
use crate::Clock;
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters};

const SIZE: (u32, u32) = (1_000, 10_000);

/// Seconds for the plan that runs before something happens to it.
const RUNNING_SECONDS: f64 = 60.0;

/// How many sites are lost, each from the same running plan.
const LOSSES: usize = 20;

/// How many workloads are placed, each alone.
const PLACED: usize = 1_000;

pub(crate) fn large(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    made(parameters, clock, Made { name: "global/large", size: SIZE, whole: true, seconds: 60.0, goal: 2.0 })
}

/// A model with a plan that runs.
fn running(parameters: &Parameters, clock: Clock) -> Result<(Shape, Model, Solution), BenchError> {
    let shape = shape(parameters, SIZE, true)?;
    let model = Instance::new(shape).model(true)?;
    let (solution, _) = solved(&model, parameters, clock, seconds(parameters, RUNNING_SECONDS)?, 0.02)?;
    Ok((shape, model, solution))
}

pub(crate) fn repair(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let (shape, model, solution) = running(parameters, clock)?;
    let mut open: Vec<u32> = (0..model.items()).filter_map(|item| solution.assignment.site(item)).collect();
    open.sort_unstable();
    open.dedup();
    let mut random = ChaCha8Rng::seed_from_u64(parameters.seed);
    let (mut slowest, mut widest, mut moved) = (0.0_f64, f64::NEG_INFINITY, 0);
    let losses = LOSSES.min(open.len());
    for _ in 0..losses {
        let lost = open.swap_remove(random.random_range(0..open.len()));
        let before = clock();
        let repaired = repair_plan(&model, &solution.assignment, &[lost])
            .map_err(|error| BenchError::Setup(error.to_string()))?;
        slowest = slowest.max((clock() - before) as f64 / 1e6);
        let left = model.without(&[lost]);
        let checked = check(&left, &repaired.assignment);
        if let Some(violation) = checked.violations.first() {
            return Err(BenchError::Setup(format!("the repaired plan is wrong: {violation}")));
        }
        let proven =
            bound(&left, &solution.certificate).map_err(|error| BenchError::Setup(error.to_string()))?;
        widest = widest.max(gap(checked.objective, proven));
        moved = moved.max(repaired.moved.len());
    }
    let goal = Goal { direction: Direction::AtMost, bound: 100.0 };
    let figure = Figure::new("global/repair", slowest, "ms, the slowest", goal)
        .with("losses", losses)
        .with("most_moved", moved)
        .with("running_gap_percent", 100.0 * solution.gap())
        .with("gap_added_points", 100.0 * (widest - solution.gap()));
    Ok(with_shape(figure, shape, parameters))
}

pub(crate) fn place(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let (shape, model, solution) = running(parameters, clock)?;
    let mut random = ChaCha8Rng::seed_from_u64(parameters.seed);
    let mut times = Vec::new();
    let (mut added, mut cost) = (0.0, 0.0);
    for _ in 0..PLACED {
        let item = random.random_range(0..model.items());
        // As if the workload had just come.
        let mut without: Assignment = solution.assignment.clone();
        let ran = std::mem::take(&mut without.portions[item]);
        let before = clock();
        let placed =
            place_one(&model, &without, item).map_err(|error| BenchError::Setup(error.to_string()))?;
        times.push((clock() - before) as f64 / 1e6);
        added += placed.added;
        cost += ran.first().map_or(0.0, |portion| model.cost(item, portion.site as usize));
    }
    times.sort_by(f64::total_cmp);
    let quantile = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let goal = Goal { direction: Direction::AtMost, bound: 5.0 };
    let figure = Figure::new("global/place", quantile(0.99), "ms, p99", goal)
        .with("placed", times.len())
        .with("p50_ms", quantile(0.5))
        .with("cost_against_running_plan", added / f64::max(cost, 1e-9));
    Ok(with_shape(figure, shape, parameters))
}
