//! A bound without a plan: for models that are relaxations of another problem, whose plans come from elsewhere.

use std::sync::Arc;

use crate::budget::{Budget, Limits};
use crate::certificate::{Certificate, Fixing};
use crate::dual::Dual;
use crate::model::Model;

/// Steps without limits of time, about as many as it takes to converge.
const MOST_STEPS: u32 = 600;

/// Raises a lower bound of the model's linear relaxation, as far as limits go. `objective` is what some plan costs.
pub fn prove(model: &Model, limits: &Limits<'_>, objective: f64) -> (f64, Certificate) {
    let budget = Budget::new(limits);
    let mut dual = Dual::new(model, vec![Fixing::Free; model.sites()], None);
    for _ in 0..MOST_STEPS {
        let is_close = budget.is_close(objective, dual.bound());
        if budget.is_late(1.0) || budget.is_cancelled() || dual.has_converged() || is_close {
            break;
        }
        dual.step(objective);
    }
    (dual.bound(), Certificate::Prices(Arc::clone(dual.best())))
}
