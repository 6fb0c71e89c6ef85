//! Local search that only goes down: shift an item, swap two, close a site, open one, put one in the place of another.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::model::{Model, most};
use crate::state::{NOWHERE, State};

/// What counts as better, as a share of the plan's cost.
const LEAST_GAIN: f64 = 1e-10;

/// How many closed sites are tried in the place of an open one.
const REPLACEMENTS: usize = 12;

/// Improves a plan until no move helps, or `stop` says so.
pub(crate) fn descend(state: &mut State<'_>, random: &mut ChaCha8Rng, stop: &dyn Fn() -> bool) {
    let mut items: Vec<u32> = (0..state.model().items() as u32).collect();
    loop {
        let before = state.cost();
        shift_and_swap(state, &mut items, random, stop);
        if has_openings(state.model()) && !stop() {
            close_all(state, random, stop);
            open_all(state, stop);
        }
        if stop() || state.cost() >= before - least(before) {
            return;
        }
    }
}

/// Shifts and swaps items until that helps no more, and leaves open what is open.
pub(crate) fn settle(state: &mut State<'_>, random: &mut ChaCha8Rng, stop: &dyn Fn() -> bool) {
    let mut items: Vec<u32> = (0..state.model().items() as u32).collect();
    loop {
        let before = state.cost();
        shift_and_swap(state, &mut items, random, stop);
        // The last thousandth is not worth its time.
        if stop() || state.cost() >= before - 1e-3 * before.abs() {
            return;
        }
    }
}

fn shift_and_swap(
    state: &mut State<'_>,
    items: &mut [u32],
    random: &mut ChaCha8Rng,
    stop: &dyn Fn() -> bool,
) {
    items.shuffle(random);
    while shift_all(state, items) && !stop() {}
    if !stop() {
        swap_all(state, items);
    }
}

fn least(cost: f64) -> f64 {
    LEAST_GAIN * cost.abs().max(1e-3)
}

fn has_openings(model: &Model) -> bool {
    (0..model.sites()).any(|site| model.opening(site) > 0.0)
}

/// Moves each item to the site where it is cheapest; whether any moved.
fn shift_all(state: &mut State<'_>, items: &[u32]) -> bool {
    let least = least(state.cost());
    let mut has_moved = false;
    for item in items {
        let item = *item as usize;
        let now = state.cost_of(item) + state.closing_gain(item);
        if let Some((cost, site)) = cheapest(state, item, now - least, NOWHERE)
            && cost < now - least
        {
            state.shift(item, site);
            has_moved = true;
        }
    }
    has_moved
}

/// The site where an item costs least, opening included, below a limit; none if it is where it is already.
fn cheapest(state: &State<'_>, item: usize, limit: f64, without: u32) -> Option<(f64, usize)> {
    let model = state.model();
    let (mut best, mut at) = (limit, None);
    for site in model.candidates(item) {
        let cost = model.cost(item, *site as usize);
        if cost >= best {
            break;
        }
        if *site == state.site(item) || *site == without {
            continue;
        }
        let cost = cost + state.opening_cost(*site as usize);
        if cost < best && state.fits(item, *site as usize) {
            (best, at) = (cost, Some(*site as usize));
        }
    }
    at.map(|site| (best, site))
}

/// Exchanges items between open sites where that helps.
fn swap_all(state: &mut State<'_>, items: &[u32]) {
    let model = state.model();
    let least = least(state.cost());
    for item in items {
        let item = *item as usize;
        let from = state.site(item);
        if from == NOWHERE {
            eject_for(state, item);
            continue;
        }
        let now = state.cost_of(item);
        'sites: for site in model.candidates(item) {
            let to = *site as usize;
            let saved = now - model.cost(item, to);
            if saved <= least {
                break;
            }
            if *site == from {
                continue;
            }
            for place in 0..state.members(to).len() {
                let other = state.members(to)[place] as usize;
                let change = model.cost(other, from as usize) - model.cost(other, to);
                if change < saved - least
                    && state.fits_without(item, to, other)
                    && state.fits_without(other, from as usize, item)
                {
                    if model.rules().is_some() {
                        if state.try_swap(item, other) {
                            break 'sites;
                        }
                        continue;
                    }
                    state.take(item);
                    state.shift(other, from as usize);
                    state.put(item, to);
                    break 'sites;
                }
            }
        }
    }
}

/// Makes room for an unserved item by moving one other away.
fn eject_for(state: &mut State<'_>, item: usize) {
    let model = state.model();
    let mut best = (model.unserved(item) - least(state.cost()), None);
    for site in model.candidates(item) {
        let to = *site as usize;
        let cost = model.cost(item, to) + state.opening_cost(to);
        if cost >= best.0 {
            continue;
        }
        for other in state.members(to) {
            let other = *other as usize;
            if !state.fits_without(item, to, other) {
                continue;
            }
            let now = model.cost(other, to);
            let away = cheapest(state, other, best.0 - cost + now, *site);
            let (added, goal) = away.map_or((model.unserved(other), None), |(cost, site)| (cost, Some(site)));
            if cost + added - now < best.0 {
                best = (cost + added - now, Some((to, other, goal)));
            }
        }
    }
    if let (_, Some((to, other, goal))) = best {
        let before = state.cost();
        state.take(other);
        if let Some(goal) = goal {
            state.put(other, goal);
        }
        if model.rules().is_none() || state.fits(item, to) {
            state.put(item, to);
        }
        // Both together may be against a rule that neither is against alone.
        if model.rules().is_some() && state.cost() >= before {
            state.take(item);
            state.take(other);
            state.put(other, to);
        }
    }
}

/// Closes sites, or puts another in their place, where that helps.
fn close_all(state: &mut State<'_>, random: &mut ChaCha8Rng, stop: &dyn Fn() -> bool) {
    let mut sites: Vec<usize> = (0..state.model().sites()).filter(|site| state.is_open(*site)).collect();
    sites.shuffle(random);
    let mut trial = Trial::new(state.model());
    for site in sites {
        if stop() {
            return;
        }
        if !state.is_open(site) {
            continue;
        }
        let limit = state.model().opening(site) - least(state.cost());
        let mut best = trial.close(state, site, None, limit);
        for other in replacements(state, site) {
            let limit = best.as_ref().map_or(limit, |(added, _)| *added);
            if let Some(better) = trial.close(state, site, Some(other), limit) {
                best = Some(better);
            }
        }
        if let Some((_, moves)) = best {
            let before = state.model().rules().is_some().then(|| state.clone());
            follow(state, &moves);
            // A trial knows nothing of rules.
            if let Some(before) = before.filter(|before| before.cost() <= state.cost()) {
                *state = before;
            }
        }
    }
}

fn follow(state: &mut State<'_>, moves: &[(u32, u32)]) {
    for (item, to) in moves {
        state.take(*item as usize);
        // A trial adds loads up in another order, so the last digit may differ.
        if *to != NOWHERE && state.fits(*item as usize, *to as usize) {
            state.put(*item as usize, *to as usize);
        }
    }
}

/// Moves all items away from a site that is lost, with another one opened for them if that is cheaper.
pub(crate) fn relocate(state: &mut State<'_>, site: usize, is_lost: &dyn Fn(u32) -> bool) {
    let mut trial = Trial::new(state.model());
    trial.closed = (0..state.model().sites()).map(|site| is_lost(site as u32)).collect();
    let mut best = trial.close(state, site, None, f64::INFINITY);
    for other in replacements(state, site).into_iter().filter(|other| !is_lost(*other as u32)) {
        let limit = best.as_ref().map_or(f64::INFINITY, |(added, _)| *added);
        if let Some(better) = trial.close(state, site, Some(other), limit) {
            best = Some(better);
        }
    }
    if let Some((_, moves)) = best {
        follow(state, &moves);
    }
}

/// Closed sites that would serve the items of an open one cheaply.
fn replacements(state: &State<'_>, site: usize) -> Vec<usize> {
    let model = state.model();
    let mut seen: Vec<(f64, usize)> = Vec::new();
    let Some(first) = state.members(site).first() else { return Vec::new() };
    let near = model.candidates(*first as usize).iter().map(|site| *site as usize);
    for other in near.filter(|other| !state.is_open(*other)).take(3 * REPLACEMENTS) {
        let costs = state.members(site).iter().map(|item| {
            let item = *item as usize;
            (model.cost(item, other) - model.cost(item, site)).min(model.unserved(item))
        });
        seen.push((costs.sum::<f64>() + model.opening(other), other));
    }
    seen.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    seen.into_iter().take(REPLACEMENTS).map(|(_, other)| other).collect()
}

/// Opens closed sites that save more than they cost.
fn open_all(state: &mut State<'_>, stop: &dyn Fn() -> bool) {
    let model = state.model();
    let mut savings: Vec<Vec<(f64, u32)>> = vec![Vec::new(); model.sites()];
    for item in 0..model.items() {
        let now = state.cost_of(item);
        for site in model.candidates(item) {
            let saved = now - model.cost(item, *site as usize);
            if saved <= 0.0 {
                break;
            }
            if !state.is_open(*site as usize) {
                savings[*site as usize].push((saved, item as u32));
            }
        }
    }
    for (site, savings) in savings.into_iter().enumerate() {
        let most: f64 = savings.iter().map(|(saved, _)| saved).sum();
        if most > model.opening(site) && !stop() {
            open(state, site, savings);
        }
    }
}

/// Opens a site for the items that save most for what they use, if that pays.
fn open(state: &mut State<'_>, site: usize, mut savings: Vec<(f64, u32)>) {
    let model = state.model();
    // Sites opened meanwhile may have changed what is saved.
    for (saved, item) in &mut savings {
        *saved = state.cost_of(*item as usize) - model.cost(*item as usize, site);
    }
    let density = |(saved, item): &(f64, u32)| {
        let shares = model.usage(*item as usize, site).iter().zip(model.capacity(site));
        saved / shares.map(|(usage, has)| usage / has.max(1e-300)).fold(1e-12, f64::max)
    };
    savings.sort_by(|a, b| density(b).total_cmp(&density(a)).then(a.1.cmp(&b.1)));
    let mut left: Vec<f64> =
        model.capacity(site).iter().zip(state.load(site)).map(|(has, load)| most(*has) - load).collect();
    let (mut gain, mut taken) = (-state.opening_cost(site), Vec::new());
    for (saved, item) in savings {
        let usage = model.usage(item as usize, site);
        if saved > 0.0 && usage.iter().zip(&left).all(|(usage, left)| usage <= left) {
            left.iter_mut().zip(usage).for_each(|(left, usage)| *left -= usage);
            gain += saved;
            taken.push(item as usize);
        }
    }
    if gain > least(state.cost()) {
        let before = model.rules().is_some().then(|| state.clone());
        for item in taken {
            if model.rules().is_none() || state.fits(item, site) {
                state.shift(item, site);
            }
        }
        if let Some(before) = before.filter(|before| before.cost() <= state.cost()) {
            *state = before;
        }
    }
}

/// Loads as they would be, without changing the state.
struct Trial {
    /// Sites that take nothing.
    closed: Vec<bool>,
    load: Vec<f64>,
    touched: Vec<usize>,
}

impl Trial {
    fn new(model: &Model) -> Trial {
        Trial {
            closed: vec![false; model.sites()],
            load: vec![0.0; model.sites() * model.resources()],
            touched: Vec::new(),
        }
    }

    /// What moving all items away from a site adds, with another one opened if given, if less than a limit; and where they go.
    fn close(
        &mut self,
        state: &State<'_>,
        site: usize,
        opened: Option<usize>,
        limit: f64,
    ) -> Option<(f64, Vec<(u32, u32)>)> {
        let model = state.model();
        let mut items: Vec<u32> = state.members(site).to_vec();
        let size = |item: u32| model.usage(item as usize, site).iter().sum::<f64>();
        items.sort_by(|a, b| size(*b).total_cmp(&size(*a)).then(a.cmp(b)));
        let mut added = opened.map_or(0.0, |opened| model.opening(opened));
        let mut moves = Vec::with_capacity(items.len());
        for item in items {
            let now = model.cost(item as usize, site);
            let (cost, to) = self.cheapest(state, item as usize, site, opened);
            added += cost - now;
            if to != NOWHERE {
                self.add(model, item as usize, to as usize);
            }
            moves.push((item, to));
            if added >= limit {
                break;
            }
        }
        for place in self.touched.drain(..) {
            self.load[place] = 0.0;
        }
        (added < limit).then_some((added, moves))
    }

    fn cheapest(&self, state: &State<'_>, item: usize, without: usize, opened: Option<usize>) -> (f64, u32) {
        let model = state.model();
        let resources = model.resources();
        for site in model.candidates(item).iter().map(|site| *site as usize) {
            if site == without || self.closed[site] || !(state.is_open(site) || opened == Some(site)) {
                continue;
            }
            let extra = &self.load[site * resources..(site + 1) * resources];
            let room = state.load(site).iter().zip(extra).zip(model.capacity(site));
            let mut usage = model.usage(item, site).iter().zip(room);
            if usage.all(|(usage, ((load, extra), has))| load + extra + usage <= most(*has)) {
                let cost = model.cost(item, site);
                if cost < model.unserved(item) {
                    return (cost, site as u32);
                }
            }
        }
        (model.unserved(item), NOWHERE)
    }

    fn add(&mut self, model: &Model, item: usize, site: usize) {
        for (resource, usage) in model.usage(item, site).iter().enumerate() {
            let place = site * model.resources() + resource;
            self.load[place] += usage;
            self.touched.push(place);
        }
    }
}
