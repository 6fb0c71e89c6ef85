//! Instances with published optima, from the folder of data.

use std::path::Path;

use meridian_global_engine::Model;
use meridian_global_format::{FormatError, OrlibOptions, read_gap, read_orlib};

use super::{seconds, solved};
use crate::Clock;
use crate::figure::{Direction, Figure, Goal};
use crate::parameters::{BenchError, Parameters};

/// What counts as the optimum: published ones have three decimals.
const AT_OPTIMUM: f64 = 1e-6;

/// An instance and what is published of it.
struct Published {
    name: String,
    model: Model,
    objective: f64,
}

/// Reads all instances that `optima.txt` in a folder names.
fn read(
    folder: &Path,
    suffix: &str,
    read: impl Fn(&str) -> Result<Model, FormatError>,
) -> Result<Vec<Published>, BenchError> {
    let text = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|error| BenchError::Setup(format!("reading {}: {error}", path.display())))
    };
    let optima = folder.join("optima.txt");
    let mut published = Vec::new();
    for line in text(&optima)?.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, objective] = words.as_slice() else {
            return Err(BenchError::Setup(format!(
                "{}: {line:?}, want a name and an optimum",
                optima.display()
            )));
        };
        let objective: f64 = objective
            .parse()
            .map_err(|_| BenchError::Setup(format!("{}: {objective:?} is no number", optima.display())))?;
        let path = folder.join(format!("{name}{suffix}"));
        let model =
            read(&text(&path)?).map_err(|error| BenchError::Setup(format!("{}: {error}", path.display())))?;
        published.push(Published { name: (*name).to_owned(), model, objective });
    }
    Ok(published)
}

pub(crate) fn orlib(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let data = parameters.data.as_ref().ok_or(BenchError::NoData { want: "orlib-cap/" })?;
    let instances = read(&data.join("orlib-cap"), ".txt", |text| read_orlib(text, OrlibOptions::default()))?;
    let limit = seconds(parameters, 10.0)?;
    let (mut slowest, mut worst, mut of) = (0.0_f64, 0.0_f64, String::new());
    for instance in &instances {
        let (solution, took) = solved(&instance.model, parameters, clock, limit, 1e-7)?;
        let above = solution.objective / instance.objective - 1.0;
        // One that misses the optimum has not come to an end.
        let took = if above <= AT_OPTIMUM { took } else { took.max(limit) };
        if took > slowest {
            (slowest, of) = (took, instance.name.clone());
        }
        worst = worst.max(above);
    }
    let goal = Goal { direction: Direction::AtMost, bound: 0.2 };
    Ok(Figure::new("global/orlib", slowest, "seconds to the optimum", goal)
        .with("slowest", of)
        .with("instances", instances.len())
        .with("above_optimum_percent", 100.0 * worst)
        .with("backend", parameters.backend.name()))
}

pub(crate) fn assignment(parameters: &Parameters, clock: Clock) -> Result<Figure, BenchError> {
    let data = parameters.data.as_ref().ok_or(BenchError::NoData { want: "gap/" })?;
    let instances = read(&data.join("gap"), "", read_gap)?;
    let limit = seconds(parameters, 10.0)?;
    let (mut worst, mut of, mut widest) = (f64::NEG_INFINITY, String::new(), 0.0_f64);
    for instance in &instances {
        let (solution, _) = solved(&instance.model, parameters, clock, limit, 1e-7)?;
        let above = 100.0 * (solution.objective / instance.objective - 1.0);
        if above > worst {
            (worst, of) = (above, instance.name.clone());
        }
        widest = widest.max(100.0 * solution.gap());
    }
    let goal = Goal { direction: Direction::AtMost, bound: 0.5 };
    Ok(Figure::new("global/assignment", worst, "% above the best known", goal)
        .with("worst", of)
        .with("instances", instances.len())
        .with("widest_proven_gap_percent", widest)
        .with("seconds_each", limit)
        .with("seed", parameters.seed)
        .with("backend", parameters.backend.name()))
}
