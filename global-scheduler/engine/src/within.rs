//! A plan that moves too much, taken back until it moves no more than it may.
//!
//! What the better plan does without moves stays: who is served that was not, and who is left. Of its moves those are taken back that
//! gain least. A move whose way back is taken is exchanged with one that stands in the way, or the item is left, whichever costs less.

use crate::model::Model;
use crate::state::{NOWHERE, State};

/// Takes back moves from `homes` until there are at most so many, or it is time to stop. The plan keeps to all rules on the way.
pub(crate) fn take_back(state: &mut State<'_>, homes: &[u32], most: f64, stop: &dyn Fn() -> bool) {
    let mut moved: Vec<usize> = (0..homes.len()).filter(|item| is_moved(state, homes, *item)).collect();
    while moved.len() as f64 > most + 1e-9 && !stop() {
        let before = moved.len();
        pass(state, homes, most, &mut moved);
        if moved.len() < before {
            continue;
        }
        if !exchange(state, homes, &moved) {
            leave(state, &moved);
        }
        moved.retain(|item| is_moved(state, homes, *item));
    }
    return_home(state, homes);
}

fn is_moved(state: &State<'_>, homes: &[u32], item: usize) -> bool {
    let (home, site) = (homes[item], state.site(item));
    home != NOWHERE && site != NOWHERE && site != home
}

/// What it costs to have an item back home.
fn loss(state: &State<'_>, model: &Model, item: usize, home: usize) -> f64 {
    model.cost(item, home) + state.opening_cost(home) - state.cost_of(item) - state.closing_gain(item)
}

/// Takes back what fits, in the order of what that costs.
fn pass(state: &mut State<'_>, homes: &[u32], most: f64, moved: &mut Vec<usize>) {
    let model = state.model();
    let mut losses: Vec<(f64, usize)> = moved
        .iter()
        .filter(|item| state.fits(**item, homes[**item] as usize))
        .map(|item| (loss(state, model, *item, homes[*item] as usize), *item))
        .collect();
    losses.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut count = moved.len();
    for (_, item) in losses {
        if count as f64 <= most + 1e-9 {
            break;
        }
        let home = homes[item] as usize;
        if model.cost(item, home).is_finite() && state.fits(item, home) {
            state.shift(item, home);
            count -= 1;
        }
    }
    moved.retain(|item| is_moved(state, homes, *item));
}

/// Exchanges a moved item with one that came to its home, if there is such a pair.
fn exchange(state: &mut State<'_>, homes: &[u32], moved: &[usize]) -> bool {
    let model = state.model();
    for item in moved {
        let home = homes[*item] as usize;
        if !model.cost(*item, home).is_finite() {
            continue;
        }
        let site = state.site(*item) as usize;
        let rivals: Vec<usize> = state.members(home).iter().map(|rival| *rival as usize).collect();
        for rival in rivals {
            let comes_back = is_moved(state, homes, rival) && homes[rival] as usize == site;
            if comes_back && model.cost(rival, site).is_finite() && state.try_swap(*item, rival) {
                return true;
            }
        }
    }
    false
}

/// Leaves the moved item that is worth least.
fn leave(state: &mut State<'_>, moved: &[usize]) {
    let model = state.model();
    let price = |item: usize| model.unserved(item) - state.cost_of(item) - state.closing_gain(item);
    if let Some(item) = moved.iter().min_by(|a, b| price(**a).total_cmp(&price(**b)).then(a.cmp(b))) {
        state.take(*item);
    }
}

/// Serves at home what is left, where it fits and pays: the dearest to leave first.
fn return_home(state: &mut State<'_>, homes: &[u32]) {
    let model = state.model();
    let mut left: Vec<usize> =
        (0..homes.len()).filter(|item| state.site(*item) == NOWHERE && homes[*item] != NOWHERE).collect();
    left.sort_by(|a, b| model.unserved(*b).total_cmp(&model.unserved(*a)).then(a.cmp(b)));
    for item in left {
        let home = homes[item] as usize;
        let added = model.cost(item, home) + state.opening_cost(home);
        if added < model.unserved(item) && state.fits(item, home) {
            state.put(item, home);
        }
    }
}
