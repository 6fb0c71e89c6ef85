//! Time and memory against size.

use super::instance::Instance;
use super::plot::{Plot, Point};
use super::{seconds, shape, solved};
use crate::Clock;
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters};

/// Sites and workloads, ascending: the peak of a process never falls.
const SIZES: [(u32, u32); 7] =
    [(10, 10), (20, 50), (50, 200), (100, 500), (200, 2_000), (500, 5_000), (1_000, 10_000)];

/// The proven gap that each plan is worked on for.
const GAP: f64 = 0.02;

const MIB: f64 = 1_048_576.0;

pub(crate) fn size(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let limit = seconds(parameters, 300.0)?;
    let most = parameters.workloads.unwrap_or(u32::MAX);
    let mut points = Vec::new();
    for size in SIZES.into_iter().filter(|(_, workloads)| *workloads <= most) {
        let fixed = Parameters { sites: None, workloads: None, ..parameters.clone() };
        let shape = shape(&fixed, size, true)?;
        let model = Instance::new(shape).model(true)?;
        let before = crate::process::processor_milliseconds();
        let (solution, took) = solved(&model, parameters, clock, limit, GAP)?;
        points.push(Point {
            sites: size.0,
            workloads: size.1,
            seconds: took,
            processor_seconds: (crate::process::processor_milliseconds() - before) as f64 / 1e3,
            mebibytes: crate::process::peak_resident_bytes() as f64 / MIB,
            gap: 100.0 * solution.gap(),
        });
    }
    let Some(last) = points.last() else {
        return Err(BenchError::OutOfRange {
            field: "workloads",
            value: most.into(),
            want: "at least 10, the smallest size that is tried",
        });
    };
    let goal = Goal { direction: Direction::AtMost, bound: 1024.0 };
    let mut figure = Figure::new("global/size", last.mebibytes, "MiB at the largest", goal)
        .with("seed", parameters.seed)
        .with("backend", parameters.backend.name())
        .with("gap_worked_for_percent", 100.0 * GAP)
        .with("sites", points.iter().map(|point| point.sites).collect::<Vec<_>>())
        .with("workloads", points.iter().map(|point| point.workloads).collect::<Vec<_>>())
        .with("gap_percent", points.iter().map(|point| point.gap).collect::<Vec<_>>())
        .with("seconds", points.iter().map(|point| point.seconds).collect::<Vec<_>>())
        .with("processor_seconds", points.iter().map(|point| point.processor_seconds).collect::<Vec<_>>())
        .with("peak_mib", points.iter().map(|point| point.mebibytes).collect::<Vec<_>>());
    if let Some(path) = &parameters.plot {
        let svg = Plot { points: &points }.to_svg();
        std::fs::write(path, svg)
            .map_err(|error| BenchError::Setup(format!("writing {}: {error}", path.display())))?;
        figure = figure.with("plot", path.display().to_string());
    }
    Ok(figure)
}
