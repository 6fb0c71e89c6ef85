//! First plans: items in the order of what is lost if they do not get their best site.

use crate::model::Model;
use crate::state::{NOWHERE, State};

/// Prices that guide a greedy choice: what an item seems to cost at a site beside its cost there.
pub(crate) trait Guide: Sync {
    /// Added to the cost of the item at the site; the lower, the likelier it goes there.
    fn extra(&self, model: &Model, item: usize, site: usize) -> f64;
}

/// No guide but the costs.
pub(crate) struct CostsOnly;

impl Guide for CostsOnly {
    fn extra(&self, _: &Model, _: usize, _: usize) -> f64 {
        0.0
    }
}

/// The prices of resources from dual ascent.
pub(crate) struct ResourcePrices<'a>(pub(crate) &'a [f64]);

impl Guide for ResourcePrices<'_> {
    fn extra(&self, model: &Model, item: usize, site: usize) -> f64 {
        let prices = &self.0[site * model.resources()..];
        model.usage(item, site).iter().zip(prices).map(|(usage, price)| usage * price).sum()
    }
}

/// Puts the unserved items at sites: open ones first, those that lose most by a second choice first. What fits nowhere
/// opens a site, and what that does not help stays unserved.
pub(crate) fn complete(state: &mut State<'_>, is_open: &[bool], guide: &dyn Guide) {
    let model = state.model();
    let mut queue: Vec<(f64, u32, u32)> = Vec::new();
    for item in (0..model.items()).filter(|item| state.site(*item) == NOWHERE) {
        let (mut best, mut second, mut at) = (f64::INFINITY, f64::INFINITY, NOWHERE);
        for site in model.candidates(item) {
            let cost = model.cost(item, *site as usize);
            if cost >= second {
                break;
            }
            if !is_open[*site as usize] {
                continue;
            }
            let cost = cost + guide.extra(model, item, *site as usize);
            if cost < best {
                (second, best, at) = (best, cost, *site);
            } else {
                second = second.min(cost);
            }
        }
        let regret = second.min(best.max(0.0) + model.unserved(item)) - best;
        queue.push((if at == NOWHERE { f64::INFINITY } else { regret }, item as u32, at));
    }
    queue.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, item, at) in queue {
        let item = item as usize;
        if at != NOWHERE && state.fits(item, at as usize) {
            state.put(item, at as usize);
        } else {
            put_cheapest(state, item, &|site| is_open[site], guide);
        }
    }
    fill_in(state, &|_| true);
}

/// Puts each unserved item where it may go and adds least, if that is less than leaving it; the dearest to leave first.
pub(crate) fn fill_in(state: &mut State<'_>, may: &dyn Fn(usize) -> bool) {
    let model = state.model();
    let mut left: Vec<usize> = (0..model.items()).filter(|item| state.site(*item) == NOWHERE).collect();
    left.sort_by(|a, b| model.unserved(*b).total_cmp(&model.unserved(*a)).then(a.cmp(b)));
    for item in left {
        put_cheapest(state, item, may, &CostsOnly);
    }
}

/// Puts an unserved item where it adds least, if that is less than leaving it.
fn put_cheapest(state: &mut State<'_>, item: usize, may: &dyn Fn(usize) -> bool, guide: &dyn Guide) {
    let model = state.model();
    let (mut best, mut at) = (model.unserved(item), None);
    for site in model.candidates(item) {
        let site = *site as usize;
        let cost = model.cost(item, site);
        if cost >= best {
            break;
        }
        let cost = cost + state.opening_cost(site) + guide.extra(model, item, site);
        if cost < best && may(site) && state.fits(item, site) {
            (best, at) = (cost, Some(site));
        }
    }
    if let Some(site) = at {
        state.put(item, site);
    }
}
