//! The least that can be done with a plan: what still fits stays, and what lacks a place gets one.

use crate::assignment::Assignment;
use crate::greedy::fill_in;
use crate::model::Model;
use crate::solve::whole_sites;
use crate::state::State;

/// Keeps each item where it is as far as it may be there and fits, and serves what is not served where that adds least. Whole items
/// only; an item that is divided stays at the site that serves most of it.
pub fn keep(model: &Model, running: &Assignment) -> Assignment {
    let mut state = State::from_sites(model, &whole_sites(model, running));
    fill_in(&mut state, &|_| true);
    state.assignment()
}
