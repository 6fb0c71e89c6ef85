//! Models whose items are served whole: dual ascent for the bound and for hints, then neighbourhoods for better plans.

use std::sync::Arc;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::budget::Budget;
use crate::certificate::{Fixing, Multipliers};
use crate::descent::{descend, settle};
use crate::dual::Dual;
use crate::exchange::exchange;
use crate::greedy::{CostsOnly, ResourcePrices, complete, fill_in};
use crate::milp;
use crate::model::Model;
use crate::openset::{OpenSearch, SetBounds};
use crate::part::{self, Part, partition};
use crate::ruled;
use crate::state::State;
use crate::transport::{self, Transport};

/// The most pairs of item and site for which every hint of dual ascent is tried.
const SMALL: usize = 60_000;

/// Parts that are improved at the same time where a model is one part. Fixed, so that results do not depend on threads.
const TASKS: u64 = 2;

/// Steps of dual ascent on a part before its sites are opened and closed, and kicks after.
const PART_STEPS: u32 = 60;
const PART_KICKS: usize = 6;

/// Changes of open sites that are tried on a part before it counts as one that cannot be bettered.
const PART_TRIES: usize = 16;

/// The shares of the time after which dual ascent and better plans end, in turns: with a good plan known, prices come nearer to
/// the best.
const TURNS: [(f64, f64); 2] = [(0.2, 0.4), (0.5, 1.0)];

/// The most pairs of item and site for which closing and opening of sites is tried on the whole model. Beyond, parts do that.
const MEDIUM: usize = 1_000_000;

/// The best plan found, and the prices that prove a bound.
pub(crate) fn solve<'m>(
    model: &'m Model,
    budget: &Budget<'_>,
    seed: u64,
    start: Option<State<'m>>,
) -> (State<'m>, f64, Arc<Multipliers>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut best = match start {
        Some(mut start) => {
            fill_in(&mut start, &|_| true);
            start
        }
        None => first(model),
    };
    let mut dual = Dual::new(model, vec![Fixing::Free; model.sites()], None);
    budget.report(best.cost(), dual.bound());
    // Rules have a search of their own, which takes what time there is.
    let turns = if model.rules().is_some() { &TURNS[1..] } else { &TURNS };
    for &(until, share) in turns {
        ascend(&mut dual, &mut best, budget, until, &mut random);
        let prices = dual.best().clone();
        improve(&mut best, &prices, dual.bound(), budget, share, &mut random);
        dual.restart();
    }
    (best, dual.bound(), dual.best().clone())
}

/// A first plan: all sites are open to all.
fn first(model: &Model) -> State<'_> {
    let mut state = State::empty(model);
    complete(&mut state, &vec![true; model.sites()], &CostsOnly);
    state
}

/// Raises the bound, and makes plans of what dual ascent hints at.
fn ascend<'m>(
    dual: &mut Dual<'m>,
    best: &mut State<'m>,
    budget: &Budget<'_>,
    until: f64,
    random: &mut ChaCha8Rng,
) {
    let model = best.model();
    let pairs = model.sites() * model.items();
    let is_small = pairs <= SMALL;
    let stop = || budget.is_late(until) || budget.is_cancelled();
    let most: u32 = if is_small { 1_000 } else { 600 };
    for step in 0..most {
        if stop() || dual.has_converged() || budget.is_close(best.cost(), dual.bound()) {
            break;
        }
        dual.step(best.cost());
        if is_small && step % 25 == 24 || pairs <= MEDIUM && step % 150 == 40 {
            let open: Vec<bool> = dual.open_now().collect();
            hint(dual, &open, best, budget, random, &stop);
        }
    }
    hint(dual, &likely(dual), best, budget, random, &|| budget.is_over());
}

/// The sites that are likely open, and the next ones until all items have room.
fn likely(dual: &Dual<'_>) -> Vec<bool> {
    let model = dual.model();
    let mut missing = vec![0.0; model.resources()];
    for item in 0..model.items() {
        if let Some(site) = model.candidates(item).first() {
            let usage = model.usage(item, *site as usize);
            missing.iter_mut().zip(usage).for_each(|(missing, usage)| *missing += 1.02 * usage);
        }
    }
    let mut sites: Vec<usize> = (0..model.sites()).collect();
    let openness = dual.openness();
    sites.sort_by(|a, b| openness[*b].total_cmp(&openness[*a]).then(a.cmp(b)));
    let mut open = vec![false; model.sites()];
    for site in sites {
        let is_missing = missing.iter().any(|missing| *missing > 0.0);
        if openness[site] > 0.4 || is_missing && openness[site] > 0.0 {
            open[site] = true;
            missing.iter_mut().zip(model.capacity(site)).for_each(|(missing, has)| *missing -= has);
        }
    }
    open
}

/// Makes a plan of a set of open sites, and keeps it if it is better.
fn hint<'m>(
    dual: &Dual<'m>,
    open: &[bool],
    best: &mut State<'m>,
    budget: &Budget<'_>,
    random: &mut ChaCha8Rng,
    stop: &dyn Fn() -> bool,
) {
    let mut state = State::empty(best.model());
    complete(&mut state, open, &ResourcePrices(&dual.best().site));
    go_down(&mut state, random, stop);
    if state.cost() < best.cost() {
        *best = state;
        budget.report(best.cost(), dual.bound());
    }
}

fn go_down(state: &mut State<'_>, random: &mut ChaCha8Rng, stop: &dyn Fn() -> bool) {
    let model = state.model();
    if model.sites() * model.items() > MEDIUM {
        settle(state, random, stop);
    } else {
        descend(state, random, stop);
    }
}

/// Improves a plan in neighbourhoods until the budget is used up or it is close enough to the bound.
pub(crate) fn improve(
    best: &mut State<'_>,
    prices: &Multipliers,
    bound: f64,
    budget: &Budget<'_>,
    share: f64,
    random: &mut ChaCha8Rng,
) {
    let model = best.model();
    if milp::pairs(model) <= budget.backend().most_pairs() {
        budget.count();
        exactly(best, budget);
        if budget.seconds_left().is_none() {
            return;
        }
    }
    if model.rules().is_some() {
        return ruled::improve(best, prices, bound, budget, random);
    }
    let has_openings = (0..model.sites()).any(|site| model.opening(site) > 0.0);
    let mut idle = 0_u32;
    while !budget.is_past(share) && !budget.is_close(best.cost(), bound) {
        budget.count();
        let before = best.cost();
        let is_one_part = !has_openings && model.sites() * model.items() <= SMALL;
        if is_one_part {
            exchange_all(best, prices, budget, random.next_u64());
        } else {
            let size = [8, 12, 5, 16][random.random_range(0..4)];
            let parts = partition(best, size, random);
            let stop = || budget.is_late(share) || budget.is_cancelled();
            let improved: Vec<Option<Vec<u32>>> =
                parts.par_iter().map(|part| improve_part(part, prices, &stop)).collect();
            for (part, sites) in parts.iter().zip(improved) {
                if let Some(sites) = sites {
                    part::put_back(best, part, &sites);
                }
            }
            if random.random_range(0..4) == 0 {
                go_down(best, random, &stop);
            }
        }
        if best.cost() < before - 1e-9 * before.abs() {
            idle = 0;
            budget.report(best.cost(), bound);
        } else {
            idle += 1;
        }
        // Without limits nothing else would end the work on a plan that cannot be improved.
        if idle >= 40 {
            return;
        }
    }
}

/// The best plan of a small model, by the back end.
fn exactly(best: &mut State<'_>, budget: &Budget<'_>) {
    let model = best.model();
    if let Some(sites) = milp::solve(model, best, budget.backend(), budget.seconds_left()) {
        let state = State::from_sites(model, &sites);
        if state.cost() < best.cost() {
            *best = state;
        }
    }
}

/// Exchanges on the whole model, in a few tasks with seeds of their own.
fn exchange_all(best: &mut State<'_>, prices: &Multipliers, budget: &Budget<'_>, seed: u64) {
    let model = best.model();
    let stop = || budget.is_late(1.0) || budget.is_cancelled();
    let start = &*best;
    let found: Vec<_> = (0..TASKS)
        .into_par_iter()
        .map(|task| {
            let mut random = ChaCha8Rng::seed_from_u64(seed ^ task.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            exchange(model, start.sites(), &prices.site, 200, &mut random, &stop)
        })
        .collect();
    for (cost, sites) in found.into_iter().flatten() {
        if cost < best.cost() - 1e-9 * best.cost().abs() {
            *best = State::from_sites(model, &sites);
        }
    }
}

/// A better plan for a part, if one was found.
fn improve_part(part: &Part, prices: &Multipliers, stop: &(dyn Fn() -> bool + Sync)) -> Option<Vec<u32>> {
    let model = &part.model;
    let start = State::from_sites(model, &part.start);
    let item = part.items.iter().map(|item| prices.item[*item as usize]).collect();
    let from = Multipliers { item, site: Vec::new() };
    let best = if transport::is_possible(model) && part.seed.is_multiple_of(2) {
        by_division(&start, &from, &mut part::random(part), stop)
    } else {
        by_hints(&start, &from, &mut part::random(part), stop)
    };
    (best.cost() < start.cost() - 1e-9 * start.cost().abs()).then(|| best.sites().to_vec())
}

/// The best sets of open sites if items were divided, each with the divided items made whole again.
fn by_division<'m>(
    start: &State<'m>,
    prices: &Multipliers,
    random: &mut ChaCha8Rng,
    stop: &dyn Fn() -> bool,
) -> State<'m> {
    let model = start.model();
    let open: Vec<bool> = (0..model.sites()).map(|site| start.is_open(site)).collect();
    // What fits to the last unit when divided will not fit whole.
    let slack = [0.001, 0.003, 0.006, 0.012][random.random_range(0..4)];
    let tighter = model.tighter(slack);
    let mut dual = Dual::new(&tighter, vec![Fixing::Free; model.sites()], Some(prices));
    for _ in 0..PART_STEPS {
        if stop() || dual.has_converged() {
            break;
        }
        dual.step(start.cost());
    }
    let bounds = SetBounds::new(&dual, start.cost());
    let mut search = OpenSearch::new(&tighter, &open);
    search.descend(&bounds, PART_TRIES, stop);
    for kick in 0..PART_KICKS {
        if stop() {
            break;
        }
        search.kick(1 + kick % 3, &bounds, PART_TRIES, random, stop);
    }
    let mut best = start.clone();
    for (cost, open) in search.sets() {
        // No set is worth more than its division costs.
        if stop() || *cost >= best.cost() {
            break;
        }
        let divided = Transport::solve(&tighter, |site| open[site]);
        let prices = divided.prices().site;
        let Some((cost, sites)) = exchange(model, &divided.mostly(), &prices, 24, random, stop) else {
            continue;
        };
        if cost < best.cost() {
            best = State::from_sites(model, &sites);
        }
    }
    best
}

/// Plans that dual ascent hints at.
fn by_hints<'m>(
    start: &State<'m>,
    prices: &Multipliers,
    random: &mut ChaCha8Rng,
    stop: &dyn Fn() -> bool,
) -> State<'m> {
    let model = start.model();
    let mut best = start.clone();
    let mut dual = Dual::new(model, vec![Fixing::Free; model.sites()], Some(prices));
    for step in 0..100 {
        if stop() || dual.has_converged() {
            break;
        }
        dual.step(best.cost());
        if step % 5 == 4 {
            let open: Vec<bool> = match step % 2 {
                0 => dual.open_now().collect(),
                _ => {
                    let threshold = random.random_range(0.2..0.7);
                    dual.openness().iter().map(|openness| *openness > threshold).collect()
                }
            };
            let mut state = State::empty(model);
            complete(&mut state, &open, &ResourcePrices(&dual.best().site));
            descend(&mut state, random, stop);
            if state.cost() < best.cost() {
                best = state;
            }
        }
        if dual.bound() >= best.cost() - 1e-9 * best.cost().abs() {
            break;
        }
    }
    if !stop() && model.items() <= 400 {
        let found = exchange(model, best.sites(), &dual.best().site, 12, random, stop);
        if let Some((cost, sites)) = found
            && cost < best.cost()
        {
            best = State::from_sites(model, &sites);
        }
    }
    best
}
