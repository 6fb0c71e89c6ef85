//! From a running plan to a better one: repair after a loss, and improvement that pays for its moves.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::assignment::Assignment;
use crate::budget::{Budget, Limits};
use crate::check::check;
use crate::descent::{descend, relocate};
use crate::greedy::fill_in;
use crate::model::{Model, TOLERANCE};
use crate::solve::{Solution, solve, whole_sites};
use crate::state::{NOWHERE, State};
use crate::within::take_back;

/// How many times the price of a move is doubled before a plan with too many moves is given up.
const RAISES: u32 = 8;

/// A plan after a loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Repaired {
    /// Who serves what. Lost sites serve nothing.
    pub assignment: Assignment,
    /// Items that are served elsewhere than before, or no longer.
    pub moved: Vec<u32>,
}

/// Why a plan could not be repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The plan divides an item; such plans are solved anew.
    #[error("item {0} is divided among sites: want a plan of whole items, or solve anew")]
    Divided(usize),
    /// The item to place is not in the model.
    #[error("the model has no item {0}")]
    Item(usize),
    /// The plan is of another model, or breaks its rules already.
    #[error("item {item} cannot be at site {site} in this model")]
    Site {
        /// The item.
        item: usize,
        /// The site.
        site: u32,
    },
}

/// Serves elsewhere what the lost sites served. Nothing else moves: what runs well is left alone.
///
/// `model` is that of the running plan, which serves items whole; it may still have the lost sites.
pub fn repair(model: &Model, running: &Assignment, lost: &[u32]) -> Result<Repaired, RepairError> {
    let is_lost = |site: u32| lost.contains(&site);
    let mut state = running_state(model, running)?;
    let was_lost = |item: &usize| state.site(*item) != NOWHERE && is_lost(state.site(*item));
    let moved = (0..model.items()).filter(was_lost).map(|item| item as u32).collect();
    for site in lost.iter().filter(|site| (**site as usize) < model.sites()) {
        relocate(&mut state, *site as usize, &is_lost);
    }
    fill_in(&mut state, &|site| !is_lost(site as u32));
    Ok(Repaired { assignment: state.assignment(), moved })
}

/// Where one item goes in a running plan, nothing else being moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// The site that adds least; none if leaving the item costs less than any site with room.
    pub site: Option<u32>,
    /// What the item adds to the plan's cost there, with the opening of the site, or unserved.
    pub added: f64,
    /// The site that adds least but for it, and what it would add.
    pub second: Option<(u32, f64)>,
}

/// Places one item alone, such as one that has just come. Where the plan has it already it counts as unserved.
pub fn place(model: &Model, running: &Assignment, item: usize) -> Result<Placed, RepairError> {
    let mut state = running_state(model, running)?;
    if item >= model.items() {
        return Err(RepairError::Item(item));
    }
    state.take(item);
    let mut best: Option<(u32, f64)> = None;
    let mut second: Option<(u32, f64)> = None;
    for site in model.candidates(item) {
        let cost = model.cost(item, *site as usize);
        // Dearer ones cannot be second either.
        if second.is_some_and(|(_, second)| cost >= second) {
            break;
        }
        if !state.fits(item, *site as usize) {
            continue;
        }
        let added = cost + state.opening_cost(*site as usize);
        if best.is_none_or(|(_, best)| added < best) {
            (best, second) = (Some((*site, added)), best);
        } else if second.is_none_or(|(_, second)| added < second) {
            second = Some((*site, added));
        }
    }
    let unserved = model.unserved(item);
    match best {
        Some((site, added)) if added < unserved => Ok(Placed { site: Some(site), added, second }),
        _ => Ok(Placed { site: None, added: unserved, second: best }),
    }
}

/// A running plan that serves items whole, as a state to work on.
fn running_state<'m>(model: &'m Model, running: &Assignment) -> Result<State<'m>, RepairError> {
    let mut state = State::empty(model);
    for (item, portions) in running.portions.iter().enumerate().take(model.items()) {
        let [portion] = portions.as_slice() else {
            if portions.is_empty() {
                continue;
            }
            return Err(RepairError::Divided(item));
        };
        let site = portion.site;
        if portion.share < 1.0 - TOLERANCE {
            return Err(RepairError::Divided(item));
        }
        if site as usize >= model.sites() || !model.cost(item, site as usize).is_finite() {
            return Err(RepairError::Site { item, site });
        }
        state.put(item, site as usize);
    }
    Ok(state)
}

/// What moves cost and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MoveTerms {
    /// Money for moving all of an item.
    pub price: f64,
    /// The most moves, in items.
    pub most: f64,
    /// The least share of the running plan's cost that a new plan must save, moves paid, to be worth anything. Noise in demand
    /// stays below it.
    pub least_gain: f64,
}

/// A better plan for what runs, within limits and terms; the running plan where none is worth its moves.
///
/// The bound that comes back is that of the model without the price of moves.
pub fn improve(
    model: &Model,
    running: &Assignment,
    terms: MoveTerms,
    limits: &Limits<'_>,
    seed: u64,
) -> Solution {
    let mut price = terms.price.max(0.0);
    let before = check(model, running).objective;
    let mut solution = solve(&with_move_price(model, running, price), limits, seed, Some(running));
    let taken_back = (solution.assignment.moves_from(running) > terms.most + 1e-9).then(|| {
        let budget = Budget::new(limits);
        let stop = || budget.is_late(1.0) || budget.is_cancelled();
        within(model, running, &solution.assignment, terms.most, &stop)
    });
    for _ in 0..RAISES {
        if solution.assignment.moves_from(running) <= terms.most + 1e-9 {
            break;
        }
        price = (price * 2.0).max(1e-3 * before.abs() / model.items().max(1) as f64);
        let priced = with_move_price(model, running, price);
        let budget = Budget::new(limits);
        let mut state = State::from_sites(&priced, &mostly(model, running));
        fill_in(&mut state, &|_| true);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        descend(&mut state, &mut random, &|| budget.is_late(1.0) || budget.is_cancelled());
        solution.assignment = state.assignment();
    }
    // Of two ways to move less the cheaper one, if it moves little enough and leaves nothing that must be served.
    let is_sound =
        |plan: &Assignment| plan.moves_from(running) <= terms.most + 1e-9 && check(model, plan).is_feasible();
    if let Some(taken_back) = taken_back.filter(is_sound) {
        let moves_too_much = solution.assignment.moves_from(running) > terms.most + 1e-9;
        let cost = |plan: &Assignment| check(model, plan).objective + terms.price * plan.moves_from(running);
        if moves_too_much || cost(&taken_back) < cost(&solution.assignment) {
            solution.assignment = taken_back;
        }
    }
    let moves = solution.assignment.moves_from(running);
    let checked = check(model, &solution.assignment);
    let saved = before - checked.objective - terms.price * moves;
    let is_allowed = moves <= terms.most + 1e-9;
    let pays = saved >= terms.least_gain * before.abs() && saved > 0.0;
    // A plan that breaks a rule is left whatever that costs.
    let mends = !check(model, running).is_feasible() && checked.is_feasible();
    let bound = crate::check::bound(model, &solution.certificate).unwrap_or(f64::NEG_INFINITY);
    if !is_allowed || !(pays || mends) {
        solution.assignment = running.clone();
    }
    let checked = check(model, &solution.assignment);
    Solution {
        objective: checked.objective,
        is_feasible: checked.is_feasible(),
        bound: bound.min(checked.objective),
        ..solution
    }
}

/// A better plan with at most so many moves of a running one: those that gain least are taken back. It is for the caller to see
/// whether that came to an end, and is worth it.
pub fn within(
    model: &Model,
    running: &Assignment,
    better: &Assignment,
    most: f64,
    stop: &dyn Fn() -> bool,
) -> Assignment {
    let mut state = State::from_sites(model, &whole_sites(model, better));
    take_back(&mut state, &mostly(model, running), most, stop);
    state.assignment()
}

/// The model in which each item costs more everywhere but where it runs.
fn with_move_price(model: &Model, running: &Assignment, price: f64) -> Model {
    model.with_move_price(&mostly(model, running), price)
}

/// For each item the site that serves most of it.
fn mostly(model: &Model, running: &Assignment) -> Vec<u32> {
    let most = |item: usize| {
        let portions =
            running.portions.get(item)?.iter().filter(|portion| (portion.site as usize) < model.sites());
        portions.max_by(|a, b| a.share.total_cmp(&b.share)).map(|portion| portion.site)
    };
    (0..model.items()).map(|item| most(item).unwrap_or(NOWHERE)).collect()
}
