//! The walk along a course, and the oracle beside it.

use std::collections::BTreeMap;

use meridian_global_engine::Limits;
use meridian_global_world::{Checked, Plan, Planned, Survey, Terms, World, bound, check, plan, repair};
use meridian_report::{GlobalEvent, GlobalReport, GlobalStep, GlobalSummary, StepTimings};

use crate::course::{Course, Happening, Pace, What};
use crate::error::{RollingError, within};

/// What bounds and costs may be off by, as a share of themselves.
const ROUNDING: f64 = 1e-6;

/// How the world changes and how it is planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What is simulated, for people.
    pub title: String,
    /// What else the run was given, shown in the report.
    pub parameters: BTreeMap<String, String>,
    /// Everything random follows from it.
    pub seed: u64,
    /// Hours that are simulated.
    pub hours: f64,
    /// Hours from step to step.
    pub step: f64,
    /// How fast the world changes.
    pub pace: Pace,
    /// The most replicas that improvement may move in a step; any number if there is none.
    pub most_moves: Option<u64>,
    /// The least share of the cost that improvement must save, moves paid.
    pub least_gain: f64,
}

impl Options {
    fn check(&self) -> Result<(), RollingError> {
        within("hours", self.hours, 0.1..=87_600.0, "0.1 to 87600")?;
        within("step hours", self.step, 0.05..=24.0, "0.05 to 24")?;
        within("least gain", self.least_gain, 0.0..=1.0, "0 to 1")
    }
}

/// Runs a rolling simulation. The limits are those of each improvement and of each of the oracle's plans; with rounds and without time
/// the report is a function of world, options and rounds. `measures` says whether the limits' clock is read for timings; `watch` hears
/// of each step, with the number of all.
pub fn roll(
    world: World,
    options: &Options,
    limits: &Limits<'_>,
    measures: bool,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<GlobalReport, RollingError> {
    options.check()?;
    let steps = (options.hours / options.step).floor().max(1.0) as u64;
    let mut roll = Roll {
        options,
        limits,
        measures,
        running: Plan::default(),
        oracle: Plan::default(),
        sums: Sums::default(),
        report: GlobalReport {
            title: options.title.clone(),
            seed: options.seed,
            parameters: options.parameters.clone(),
            summary: GlobalSummary {
                sites: world.sites.len() as u64,
                locations: world.locations.len() as u64,
                workloads: world.workloads.len() as u64,
                steps,
                simulated_ms: milliseconds(steps as f64 * options.step),
                ..GlobalSummary::default()
            },
            steps: Vec::with_capacity(steps as usize + 1),
            events: Vec::new(),
        },
    };
    let mut course = Course::new(world, options.pace, options.seed, steps as f64 * options.step)?;
    for step in 0..=steps {
        let hour = step as f64 * options.step;
        if step > 0 {
            course.advance(hour)?.into_iter().for_each(|happening| roll.hear(happening, hour));
        }
        let survey =
            Survey::new(course.world()).map_err(|source| RollingError::World { hours: hour, source })?;
        roll.step(&survey, hour, step == 0)?;
        watch(step, steps);
    }
    Ok(roll.finish())
}

fn milliseconds(hours: f64) -> u64 {
    (hours * 3.6e6).round() as u64
}

/// What is added up over the run, in replicas or money.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    demand: f64,
    unserved: f64,
    repaired_unserved: f64,
    oracle_unserved: f64,
}

struct Roll<'a, 'b> {
    options: &'a Options,
    limits: &'a Limits<'b>,
    measures: bool,
    running: Plan,
    oracle: Plan,
    sums: Sums,
    report: GlobalReport,
}

/// What a step made of the running plan.
struct Followed {
    repaired: Checked,
    planned: Planned,
    checked: Checked,
    repair_ms: f64,
    improvement_ms: f64,
}

/// What solving anew found in a step.
struct OracleStep {
    checked: Checked,
    /// What no plan costs less than.
    proven: f64,
    took_ms: f64,
}

impl Roll<'_, '_> {
    fn hear(&mut self, happening: Happening, hour: f64) {
        let summary = &mut self.report.summary;
        match happening.what {
            What::Failure => summary.failures += 1,
            What::Return => summary.returns += 1,
            What::Prices(_) => summary.price_changes += 1,
            What::Built => summary.sites_built += 1,
        }
        self.report.events.push(GlobalEvent {
            time_ms: milliseconds(hour),
            what: happening.what.to_string(),
            site: happening.site,
        });
    }

    fn step(&mut self, survey: &Survey<'_>, hour: f64, is_first: bool) -> Result<(), RollingError> {
        let problem = |source| RollingError::World { hours: hour, source };
        let terms = Terms { seed: self.options.seed, ..Terms::default() };
        let (oracle, oracle_ms) = self.timed(|| plan(survey, terms, self.limits));
        let oracle = oracle.map_err(problem)?;
        let oracle_checked = check(survey, &oracle.plan, (!is_first).then_some(&self.oracle));
        let followed = match is_first {
            true => Followed {
                repaired: oracle_checked.clone(),
                checked: oracle_checked.clone(),
                planned: oracle.clone(),
                repair_ms: f64::NAN,
                improvement_ms: f64::NAN,
            },
            false => self.follow(survey).map_err(problem)?,
        };
        // Both proofs hold for all plans of this world.
        let mut proven = 0.0_f64;
        for proof in [&oracle.proof, &followed.planned.proof] {
            let recomputed = bound(survey, proof, None)
                .map_err(|error| RollingError::Proof { hours: hour, problem: error.to_string() })?;
            proven = proven.max(recomputed);
        }
        let oracle_step = OracleStep { checked: oracle_checked, proven, took_ms: oracle_ms };
        self.record(survey, hour, is_first, &followed, &oracle_step);
        self.running = followed.planned.plan;
        self.oracle = oracle.plan;
        Ok(())
    }

    /// Repair at once, then improvement within its terms.
    fn follow(&self, survey: &Survey<'_>) -> Result<Followed, meridian_global_world::Problem> {
        let (repaired, repair_ms) = self.timed(|| repair(survey, &self.running));
        let repaired = repaired?;
        let terms = Terms {
            running: Some(&repaired),
            most_moves: self.options.most_moves,
            least_gain: self.options.least_gain,
            seed: self.options.seed,
        };
        let (planned, improvement_ms) = self.timed(|| plan(survey, terms, self.limits));
        let planned = planned?;
        Ok(Followed {
            repaired: check(survey, &repaired, Some(&self.running)),
            checked: check(survey, &planned.plan, Some(&repaired)),
            planned,
            repair_ms,
            improvement_ms,
        })
    }

    fn timed<T>(&self, what: impl FnOnce() -> T) -> (T, f64) {
        if !self.measures {
            return (what(), f64::NAN);
        }
        let before = (self.limits.clock)();
        let result = what();
        (result, (self.limits.clock)().saturating_sub(before) as f64 / 1e6)
    }

    fn record(
        &mut self,
        survey: &Survey<'_>,
        hour: f64,
        is_first: bool,
        followed: &Followed,
        anew: &OracleStep,
    ) {
        let OracleStep { checked: oracle, proven, took_ms: oracle_ms } = anew;
        let (proven, oracle_ms) = (*proven, *oracle_ms);
        let world = survey.world();
        let asked: f64 = world.workloads.iter().map(|workload| workload.total_demand() / workload.rate).sum();
        let left = |checked: &Checked| -> f64 {
            let rate =
                |name: &String| survey.find_workload(name).map_or(1.0, |found| world.workloads[found].rate);
            checked.unserved.iter().map(|(name, amount)| amount / rate(name)).sum::<f64>() + 0.0
        };
        let percent = |left: f64| if asked > 0.0 { 100.0 * left / asked } else { 0.0 };
        let Followed { repaired, checked, planned, .. } = followed;
        let (cost, oracle_cost) = (checked.costs.standing(), oracle.costs.standing());
        let wrong = |checked: &Checked| {
            let is_below = proven > checked.costs.standing() * (1.0 + ROUNDING) + ROUNDING;
            checked.violations.len() as u64 + u64::from(is_below)
        };
        let step = GlobalStep {
            time_ms: milliseconds(hour),
            demand: asked,
            sites_up: world.sites.iter().filter(|site| !site.down).count() as u64,
            replicas: planned.plan.workloads.values().map(|placement| placement.total()).sum(),
            repaired_cost: repaired.costs.standing(),
            cost,
            oracle_cost,
            bound: proven.min(cost).min(oracle_cost),
            repair_moves: if is_first { 0 } else { repaired.moves },
            improvement_moves: if is_first { 0 } else { checked.moves },
            oracle_moves: oracle.moves,
            unserved_percent: percent(left(checked)),
            oracle_unserved_percent: percent(left(oracle)),
            violations: if is_first { wrong(checked) } else { wrong(repaired) + wrong(checked) },
            timings: self.measures.then_some(StepTimings {
                repair_ms: followed.repair_ms,
                improvement_ms: followed.improvement_ms,
                oracle_ms,
            }),
        };
        let summary = &mut self.report.summary;
        summary.violations += step.violations;
        summary.oracle_violations += wrong(oracle);
        // Both start from one plan, which is no figure of either.
        if !is_first {
            let (hours, horizon) = (self.options.step, world.prices.horizon);
            summary.cost += hours * cost;
            summary.oracle_cost += hours * oracle_cost;
            summary.bound += hours * step.bound;
            summary.move_cost += horizon * (repaired.costs.moves + checked.costs.moves);
            summary.oracle_move_cost += horizon * oracle.costs.moves;
            summary.repair_moves += step.repair_moves;
            summary.improvement_moves += step.improvement_moves;
            summary.most_improvement_moves = summary.most_improvement_moves.max(step.improvement_moves);
            summary.oracle_moves += step.oracle_moves;
            self.sums.demand += asked;
            self.sums.unserved += left(checked);
            self.sums.repaired_unserved += left(repaired);
            self.sums.oracle_unserved += left(oracle);
        }
        self.report.steps.push(step);
    }

    fn finish(mut self) -> GlobalReport {
        let summary = &mut self.report.summary;
        summary.cost_ratio = summary.cost / summary.oracle_cost;
        summary.cost_ratio_with_moves =
            (summary.cost + summary.move_cost) / (summary.oracle_cost + summary.oracle_move_cost);
        summary.gap_percent = 100.0 * (1.0 - summary.bound / summary.cost);
        let percent = |left: f64| if self.sums.demand > 0.0 { 100.0 * left / self.sums.demand } else { 0.0 };
        summary.unserved_percent = percent(self.sums.unserved);
        summary.repaired_unserved_percent = percent(self.sums.repaired_unserved);
        summary.oracle_unserved_percent = percent(self.sums.oracle_unserved);
        self.report
    }
}
