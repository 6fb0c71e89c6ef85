//! Solving: which way is taken for which model, and what comes back.

use std::sync::Arc;

use crate::assignment::Assignment;
use crate::branch::branch;
use crate::budget::{Budget, Limits};
use crate::certificate::Certificate;
use crate::check::check;
use crate::model::Model;
use crate::state::{NOWHERE, State};
use crate::{transport, whole};

/// A plan with the proof of how good it is.
#[derive(Clone, Debug)]
pub struct Solution {
    /// Who serves what.
    pub assignment: Assignment,
    /// What it costs.
    pub objective: f64,
    /// What no plan costs less than.
    pub bound: f64,
    /// The proof of the bound: [`crate::bound`] recomputes it.
    pub certificate: Certificate,
    /// Whether no rule is broken; false only where an item that must be served is not.
    pub is_feasible: bool,
    /// The rounds that were worked.
    pub rounds: u64,
}

impl Solution {
    /// How far the plan may be from the best, as a share of its cost.
    pub fn gap(&self) -> f64 {
        gap(self.objective, self.bound)
    }
}

/// How far an objective is from its bound, as a share of the objective.
pub fn gap(objective: f64, bound: f64) -> f64 {
    ((objective - bound) / objective.abs().max(1e-9)).max(0.0)
}

/// Solves a model within limits. There is always an answer: when a limit is reached it is the best plan so far.
pub fn solve(model: &Model, limits: &Limits<'_>, seed: u64, start: Option<&Assignment>) -> Solution {
    let budget = Budget::new(limits);
    let is_divisible = (0..model.items()).all(|item| !model.is_whole(item));
    let (assignment, bound, certificate) =
        if transport::is_possible(model) && is_divisible && model.items() > 0 && model.rules().is_none() {
            let open = start.map(|start| open_sites(model, start));
            let found = branch(model, &budget, seed, open);
            let bound = crate::check::bound(model, &found.certificate).unwrap_or(f64::NEG_INFINITY);
            (found.plan, bound, found.certificate)
        } else {
            let start = start.map(|start| State::from_sites(model, &whole_sites(model, start)));
            let (state, bound, prices) = whole::solve(model, &budget, seed, start);
            (state.assignment(), bound, Certificate::Prices(Arc::clone(&prices)))
        };
    let checked = check(model, &assignment);
    Solution {
        objective: checked.objective,
        bound: bound.min(checked.objective),
        is_feasible: checked.is_feasible(),
        assignment,
        certificate,
        rounds: budget.rounds(),
    }
}

fn open_sites(model: &Model, start: &Assignment) -> Vec<bool> {
    let mut open = vec![false; model.sites()];
    for portion in start.portions.iter().flatten() {
        if let Some(open) = open.get_mut(portion.site as usize) {
            *open = true;
        }
    }
    open
}

pub(crate) fn whole_sites(model: &Model, start: &Assignment) -> Vec<u32> {
    let most = |item: usize| {
        let portions = start.portions.get(item)?;
        let valid = portions.iter().filter(|portion| (portion.site as usize) < model.sites());
        valid.max_by(|a, b| a.share.total_cmp(&b.share)).map(|portion| portion.site)
    };
    (0..model.items()).map(|item| most(item).unwrap_or(NOWHERE)).collect()
}
