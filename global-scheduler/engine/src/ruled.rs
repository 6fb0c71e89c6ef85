//! Better plans under rules: some items are taken out and put back in another order, and what is better is kept.
//!
//! Rules tie sites together, so such models are not cut into parts. Taking out and putting back asks only whether an item fits,
//! which knows all rules (large neighbourhood search, after Shaw, 1998).

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::budget::Budget;
use crate::certificate::Multipliers;
use crate::descent::descend;
use crate::model::Model;
use crate::state::{NOWHERE, State};

/// Neighbourhoods tried in a round.
const TRIES: u32 = 60;

/// Rounds without a better plan after which there is none to be expected.
const MOST_IDLE: u32 = 12;

/// The most items taken out at once.
const MOST_OUT: usize = 60;

/// Improves a plan until the budget is used up, it is close enough to the bound, or nothing helps any more.
pub(crate) fn improve(
    best: &mut State<'_>,
    prices: &Multipliers,
    bound: f64,
    budget: &Budget<'_>,
    random: &mut ChaCha8Rng,
) {
    let stop = || budget.is_late(1.0) || budget.is_cancelled();
    descend(best, random, &stop);
    let mut idle = 0;
    while idle < MOST_IDLE && !budget.is_over() && !budget.is_close(best.cost(), bound) {
        budget.count();
        let before = best.cost();
        for _ in 0..TRIES {
            if stop() {
                break;
            }
            let mut trial = best.clone();
            let out = match random.random_range(0..6) == 0 {
                true => make_room(&mut trial, random),
                false => take_out(&mut trial, random),
            };
            put_back(&mut trial, out, prices, random);
            if trial.cost() < best.cost() + 1e-3 * best.cost().abs() {
                descend(&mut trial, random, &stop);
            }
            if trial.cost() < best.cost() - 1e-9 * best.cost().abs() {
                *best = trial;
            }
        }
        if best.cost() < before {
            idle = 0;
            budget.report(best.cost(), bound);
        } else {
            idle += 1;
        }
    }
}

/// Takes out what lies together: the items of a few sites that one item could go to, or items at random; and some that are unserved.
fn take_out(state: &mut State<'_>, random: &mut ChaCha8Rng) -> Vec<u32> {
    let model = state.model();
    let items = model.items() as u32;
    let mut out: Vec<u32> = Vec::new();
    if random.random_range(0..4) > 0 {
        let centre = random.random_range(0..items) as usize;
        let reach = random.random_range(1..=3);
        let mut near: Vec<u32> = model
            .candidates(centre)
            .iter()
            .copied()
            .filter(|site| state.is_open(*site as usize))
            .take(8)
            .collect();
        near.shuffle(random);
        near.truncate(reach);
        out.push(centre as u32);
        out.extend(near.iter().flat_map(|site| state.members(*site as usize)));
    } else {
        out.extend((0..random.random_range(2..=12)).map(|_| random.random_range(0..items)));
    }
    out.sort_unstable();
    out.dedup();
    out.shuffle(random);
    out.truncate(MOST_OUT);
    let unserved: Vec<u32> =
        (0..items).filter(|item| state.site(*item as usize) == NOWHERE).take(4 * MOST_OUT).collect();
    for item in &out {
        state.take(*item as usize);
    }
    out.extend(unserved);
    out.sort_unstable();
    out.dedup();
    out
}

/// Serves an item that is not served, by taking out all that keep it from a site and others there until it fits.
fn make_room(state: &mut State<'_>, random: &mut ChaCha8Rng) -> Vec<u32> {
    let model = state.model();
    let unserved: Vec<usize> = (0..model.items())
        .filter(|item| state.site(*item) == NOWHERE && !model.candidates(*item).is_empty())
        .collect();
    if unserved.is_empty() {
        return take_out(state, random);
    }
    let item = unserved[random.random_range(0..unserved.len())];
    let reach = model.candidates(item).len().min(4);
    let site = model.candidates(item)[random.random_range(0..reach)] as usize;
    let mut out = model.rules().map_or_else(Vec::new, |rules| rules.rivals(item, site, state.sites()));
    for rival in &out {
        state.take(*rival as usize);
    }
    let mut others = state.members(site).to_vec();
    others.shuffle(random);
    while let (false, Some(other)) = (state.fits(item, site), others.pop()) {
        state.take(other as usize);
        out.push(other);
    }
    if state.fits(item, site) {
        state.put(item, site);
    }
    out
}

/// Puts items back one after another, each where it seems cheapest: the dearest to leave first, or in any order.
fn put_back(state: &mut State<'_>, mut out: Vec<u32>, prices: &Multipliers, random: &mut ChaCha8Rng) {
    let model = state.model();
    out.shuffle(random);
    if random.random_range(0..3) > 0 {
        out.sort_by(|a, b| model.unserved(*b as usize).total_cmp(&model.unserved(*a as usize)));
    }
    let noise = [0.0, 0.1, 0.4][random.random_range(0..3)];
    for item in out {
        let item = item as usize;
        let mut best: Option<(f64, usize)> = None;
        for site in model.candidates(item) {
            let site = *site as usize;
            let cost = model.cost(item, site) + state.opening_cost(site);
            if cost >= model.unserved(item) || !state.fits(item, site) {
                continue;
            }
            let seems =
                (cost + worth(model, prices, item, site)) * (1.0 + noise * random.random_range(-1.0..1.0));
            if best.is_none_or(|(least, _)| seems < least) {
                best = Some((seems, site));
            }
        }
        if let Some((_, site)) = best {
            state.put(item, site);
        }
    }
}

/// What the resources that an item takes are worth to others.
fn worth(model: &Model, prices: &Multipliers, item: usize, site: usize) -> f64 {
    let of_site = prices.site[site * model.resources()..].iter();
    model.usage(item, site).iter().zip(of_site).map(|(usage, price)| usage * price).sum()
}
