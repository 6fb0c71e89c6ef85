//! From a world to a plan with its costs, its bound, and what stands in the way of the rest.

use std::sync::atomic::Ordering;

use meridian_global_engine::{Assignment, Certificate, Limits, MoveTerms, Solution, gap, within};

use crate::check::{Checked, check};
use crate::compile::{Compiled, Scope, compile};
use crate::conflict::{Unplaced, unplaced};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::relax::{Proof, bound, relax};
use crate::settle::{Effort, refit, settle};
use crate::survey::Survey;

/// The share of the time that goes into plans; the rest proves the bound.
const PLAN_SHARE: f64 = 0.6;

/// The share of the time after which single workloads are improved no further.
const POLISH_SHARE: f64 = 0.75;

/// Changes of single workloads that are tried.
const MOST_TRIES: u64 = 2_000_000;

/// The same for each round, where rounds are the limit.
const TRIES_A_ROUND: u64 = 5_000;

/// How a plan is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// What runs. Without it nothing moves.
    pub running: Option<&'a Plan>,
    /// The most replicas that may move; any number if there is none.
    pub most_moves: Option<u64>,
    /// The least share of the cost that a change must save, moves paid, to be worth anything.
    pub least_gain: f64,
    /// Equal seeds and rounds give equal plans.
    pub seed: u64,
}

/// A plan with what is to be known about it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What runs where.
    pub plan: Plan,
    /// What it costs, from the checker.
    pub checked: Checked,
    /// What no plan costs less than, moves apart.
    pub bound: f64,
    /// The proof of that.
    pub proof: Proof,
    /// Workloads that are not served in full, and why.
    pub unplaced: Vec<Unplaced>,
    /// The rounds that were worked.
    pub rounds: u64,
}

impl Planned {
    /// How far the plan may be from the best, as a share of its cost without moves.
    pub fn gap(&self) -> f64 {
        gap(self.checked.costs.standing(), self.bound)
    }
}

/// Plans all workloads, within limits. There is always an answer: when a limit is reached it is the best plan so far.
pub fn plan(survey: &Survey<'_>, terms: Terms<'_>, limits: &Limits<'_>) -> Result<Planned, Problem> {
    let all: Vec<usize> = (0..survey.world.workloads.len()).collect();
    let scope = Scope { workloads: &all, fixed: None, running: terms.running, stays: false };
    let compiled = compile(survey, scope)?;
    let start = limits.time.map(|time| ((limits.clock)(), time));
    let planning = Limits { time: limits.time.map(|time| (time as f64 * PLAN_SHARE) as u64), ..*limits };
    let solution = solve(&compiled, terms, &planning);
    let is_late = || {
        let late = start.is_some_and(|(start, time)| {
            (limits.clock)().saturating_sub(start) as f64 > time as f64 * POLISH_SHARE
        });
        late || limits.cancel.load(Ordering::Relaxed)
    };
    let tries =
        limits.rounds.map_or(MOST_TRIES, |rounds| rounds.saturating_mul(TRIES_A_ROUND).min(MOST_TRIES));
    let mut effort = Effort { tries, stop: &is_late };
    let mut plan = settle(survey, &compiled, &solution.assignment, scope, &mut effort);
    let mut checked = check(survey, &plan, terms.running);
    if moves_too_much(&checked, terms) {
        (plan, checked) = moved_less(survey, &compiled, scope, &solution.assignment, terms, &is_late);
    }
    if let Some(running) = terms.running {
        let (stays, as_it_is) = untouched(survey, running);
        if is_better_left(&as_it_is, &checked, terms) {
            (plan, checked) = (stays, as_it_is);
        }
    }
    let relaxed = relax(survey, terms.running)
        .map_err(|error| Problem::new("workloads", format!("are too many or too large together: {error}")))?;
    let certificate = match is_relaxed_already(survey, terms) {
        true => solution.certificate,
        false => prove(&relaxed, limits, &checked),
    };
    let proof = Proof { certificate };
    let proven = bound(survey, &proof, terms.running).unwrap_or(0.0);
    Ok(Planned {
        bound: proven.max(0.0).min(checked.costs.standing()),
        unplaced: unplaced(survey, &plan, &checked, terms.running),
        plan,
        checked,
        proof,
        rounds: solution.rounds,
    })
}

fn prove(relaxed: &meridian_global_engine::Model, limits: &Limits<'_>, checked: &Checked) -> Certificate {
    let time = limits.time.map(|time| (time as f64 * (1.0 - POLISH_SHARE)) as u64);
    let limits = Limits { time, ..*limits };
    meridian_global_engine::prove(relaxed, &limits, checked.costs.standing()).1
}

fn solve(compiled: &Compiled, terms: Terms<'_>, limits: &Limits<'_>) -> Solution {
    match terms.running {
        None => meridian_global_engine::solve(&compiled.model, limits, terms.seed, None),
        Some(_) => {
            // Pieces that change places are no moves of replicas: what moves is counted when the plan is settled.
            let moves = MoveTerms { price: 0.0, most: f64::MAX, least_gain: 0.0 };
            meridian_global_engine::improve(&compiled.model, &compiled.start(), moves, limits, terms.seed)
        }
    }
}

/// The plan with those of its moves taken back that gain least, until the checker counts no more than there may be.
fn moved_less(
    survey: &Survey<'_>,
    compiled: &Compiled,
    scope: Scope<'_>,
    better: &Assignment,
    terms: Terms<'_>,
    stop: &dyn Fn() -> bool,
) -> (Plan, Checked) {
    let most = terms.most_moves.unwrap_or(u64::MAX);
    let homes = compiled.homes_in(survey, scope, better);
    let mut allowed = most;
    loop {
        let kept = within(&compiled.model, &homes, better, allowed as f64, stop);
        let plan = settle(survey, compiled, &kept, scope, &mut Effort { tries: 0, stop });
        let checked = check(survey, &plan, terms.running);
        if checked.moves <= most || allowed == 0 {
            return (plan, checked);
        }
        // Pieces of several replicas, and replicas that serve others than before, move more than was counted.
        allowed = allowed.min(most).saturating_sub((checked.moves - most).max(allowed / 4 + 1));
    }
}

/// What the plan is worth if no replica moves: with its demand divided anew, or as it is where that is cheaper and still right.
fn untouched(survey: &Survey<'_>, running: &Plan) -> (Plan, Checked) {
    let fitted = refit(survey, running);
    let of_fitted = check(survey, &fitted, Some(running));
    let of_running = check(survey, running, Some(running));
    let is_cheaper = of_running.costs.total() <= of_fitted.costs.total() || !of_fitted.is_feasible();
    if of_running.is_feasible() && is_cheaper {
        return (running.clone(), of_running);
    }
    (fitted, of_fitted)
}

fn moves_too_much(changed: &Checked, terms: Terms<'_>) -> bool {
    terms.running.is_some() && terms.most_moves.is_some_and(|most| changed.moves > most)
}

/// Whether a change is not worth it: it moves more than it may, or gains less than it must.
fn is_better_left(as_it_is: &Checked, changed: &Checked, terms: Terms<'_>) -> bool {
    if !as_it_is.is_feasible() {
        return false;
    }
    if moves_too_much(changed, terms) {
        return true;
    }
    let before = as_it_is.costs.total();
    before - changed.costs.total() <= terms.least_gain * before.abs()
}

/// Whether pieces are the items of the relaxation, so that what proves a bound for them proves it for the world.
fn is_relaxed_already(survey: &Survey<'_>, terms: Terms<'_>) -> bool {
    let mut workloads = survey.world.workloads.iter();
    workloads.all(|workload| {
        workload.whole
            && workload.replicas.least == 0
            && !workload.survives_site_loss
            && (terms.running.is_none() || workload.move_cost == 0.0)
    })
}
