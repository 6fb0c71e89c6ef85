//! Benches of the global scheduler: plans of instances with their proven gaps, repair, and placing one workload.
//!
//! Instances are made or read before the watch is started. Each plan is checked from first principles, and its bound is
//! recomputed from its proof: a bench whose plan is wrong has no figure.

mod instance;
mod large;
mod mersenne;
mod plot;
mod published;
mod size;

use std::sync::atomic::AtomicBool;

use meridian_global_engine::{Limits, Model, Solution, bound, check, solve};

pub(crate) use self::large::{large, place, repair};
pub(crate) use self::published::{assignment, orlib};
pub(crate) use self::size::size;

use self::instance::{Instance, Shape};
use crate::Clock;
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters, count};

pub(crate) fn divided(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    made(
        parameters,
        clock,
        Made { name: "global/divided", size: (100, 1_000), whole: false, seconds: 20.0, goal: 0.1 },
    )
}

pub(crate) fn whole(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    made(
        parameters,
        clock,
        Made { name: "global/whole", size: (200, 500), whole: true, seconds: 10.0, goal: 1.0 },
    )
}

/// A bench on an instance that is made.
struct Made {
    name: &'static str,
    size: (u32, u32),
    whole: bool,
    seconds: f64,
    /// The proven gap to reach, in percent.
    goal: f64,
}

fn made(parameters: &Parameters, clock: Clock, bench: Made) -> Result<Figure, BenchError> {
    let shape = shape(parameters, bench.size, bench.whole)?;
    let model = Instance::new(shape).model(shape.whole)?;
    let seconds = seconds(parameters, bench.seconds)?;
    let before = crate::process::processor_milliseconds();
    let (solution, took) = solved(&model, parameters, clock, seconds, 1e-6)?;
    let processor = crate::process::processor_milliseconds() - before;
    let goal = Goal { direction: Direction::AtMost, bound: bench.goal };
    let figure = Figure::new(bench.name, 100.0 * solution.gap(), "% proven gap", goal)
        .with("objective", solution.objective)
        .with("bound", solution.bound)
        .with("seconds", took)
        .with("processor_seconds", processor as f64 / 1e3);
    Ok(with_shape(figure, shape, parameters))
}

fn with_shape(figure: Figure, shape: Shape, parameters: &Parameters) -> Figure {
    figure
        .with("sites", shape.sites)
        .with("workloads", shape.workloads)
        .with("ratio", shape.ratio)
        .with("seed", shape.seed)
        .with("backend", parameters.backend.name())
}

fn shape(parameters: &Parameters, size: (u32, u32), whole: bool) -> Result<Shape, BenchError> {
    let sites = count("sites", parameters.sites, size.0)? as usize;
    let workloads = count("workloads", parameters.workloads, size.1)? as usize;
    let ratio = parameters.ratio.unwrap_or(5.0);
    if !(1.2..=1e3).contains(&ratio) {
        return Err(BenchError::Setup(format!("ratio is {ratio}, want 1.2 to 1000")));
    }
    Ok(Shape { sites, workloads, ratio, seed: parameters.seed, whole })
}

fn seconds(parameters: &Parameters, default: f64) -> Result<f64, BenchError> {
    let seconds = parameters.seconds.unwrap_or(default);
    if (0.0..=1e5).contains(&seconds) {
        return Ok(seconds);
    }
    Err(BenchError::Setup(format!("seconds is {seconds}, want 0 to 100000")))
}

/// A plan that was checked, and the seconds that it took.
fn solved(
    model: &Model,
    parameters: &Parameters,
    clock: Clock,
    seconds: f64,
    gap: f64,
) -> Result<(Solution, f64), BenchError> {
    let limits = Limits {
        clock: &clock,
        time: Some((seconds * 1e9) as u64),
        rounds: None,
        backend: parameters.backend,
        cancel: &AtomicBool::new(false),
        gap,
        progress: &|_, _| (),
    };
    let before = clock();
    let solution = solve(model, &limits, parameters.seed, None);
    let took = (clock() - before) as f64 / 1e9;
    let wrong = |what: String| Err(BenchError::Setup(what));
    let checked = check(model, &solution.assignment);
    if let Some(violation) = checked.violations.first() {
        return wrong(format!("the plan is wrong: {violation}"));
    }
    let proven = match bound(model, &solution.certificate) {
        Ok(proven) => proven,
        Err(error) => return wrong(format!("the proof is wrong: {error}")),
    };
    let rounding = 1e-6 * solution.objective.abs().max(1.0);
    if proven < solution.bound - rounding || (checked.objective - solution.objective).abs() > rounding {
        return wrong("the plan does not cost, or the proof does not prove, what is told".to_owned());
    }
    Ok((solution, took))
}
