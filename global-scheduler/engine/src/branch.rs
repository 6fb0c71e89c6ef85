//! Branch and bound over open and closed sites, for models whose items may all be divided.
//!
//! The case with the least bound is split first, so that the bound of the whole rises as long as there is time. Each case is
//! bounded by dual ascent and solved exactly once all of its sites are decided. A site whose other choice would cost more than
//! the best plan known is fixed; the prices that say so are the proof of the case that is left out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::assignment::Assignment;
use crate::budget::Budget;
use crate::certificate::{Certificate, Fixing, Multipliers};
use crate::dual::{Columns, Dual};
use crate::model::Model;
use crate::openset::{OpenSearch, SetBounds};
use crate::transport::Transport;

/// A case is closed when its bound is within this share of the best plan.
const CLOSE: f64 = 1e-7;

/// Cases that are split at the same time. Fixed, so that results do not depend on threads.
const TASKS: usize = 4;

/// The most steps of dual ascent for the whole, and for a case.
const STEPS: (u32, u32) = (2_500, 60);

/// The shares of the time after which dual ascent and looking for plans end, in turns, before cases are split.
const SHARES: [(f64, f64); 3] = [(0.08, 0.15), (0.25, 0.35), (0.4, 0.5)];

/// Kicks in a row without a better plan before something else is done.
const MOST_IDLE: u32 = 60;

/// How many changes of open sites are tried before a set counts as one that cannot be bettered: at first and after a kick.
const TRIES: (usize, usize) = (200, 24);

/// Bytes that the prices of cases may take.
const MOST_BYTES: usize = 256 << 20;

/// What a search found.
pub(crate) struct Found {
    /// The best division.
    pub(crate) plan: Assignment,
    /// The proof of a bound.
    pub(crate) certificate: Certificate,
}

/// A case that is to be split: its bound as far as it is known, and its number.
#[derive(PartialEq)]
struct Waiting {
    bound: f64,
    number: usize,
}

impl Eq for Waiting {}

impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> std::cmp::Ordering {
        self.bound.total_cmp(&other.bound).then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A case: sites that are decided, and the best proof so far.
struct Case {
    fixings: Vec<Fixing>,
    prices: Arc<Multipliers>,
    /// Sites that were fixed since the case was made, with what was kept and the proof of the other choice.
    left_out: Vec<(usize, Fixing, Arc<Multipliers>)>,
    /// The site that decides between two cases, closed and open, with their numbers.
    split: Option<(usize, usize, usize)>,
}

/// What work on a case came to.
struct Outcome<'m> {
    number: usize,
    fixings: Vec<Fixing>,
    prices: Arc<Multipliers>,
    bound: f64,
    left_out: Vec<(usize, Fixing, Arc<Multipliers>)>,
    /// Where to split, and what the bounds of both cases are at least; none if there is nothing to split.
    split: Option<(usize, f64, f64)>,
    division: Option<Transport<'m>>,
}

/// Finds the best division and proves a bound, as far as the budget goes.
pub(crate) fn branch(model: &Model, budget: &Budget<'_>, seed: u64, open: Option<Vec<bool>>) -> Found {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut search = OpenSearch::new(model, &open.unwrap_or_else(|| enough(model)));
    let mut dual = Dual::new(model, vec![Fixing::Free; model.sites()], None);
    for share in SHARES {
        ascend(&mut dual, &mut search, budget, share.0);
        look_around(&dual, &mut search, budget, share.1, &mut random);
        dual.restart();
    }
    let root = Case {
        fixings: dual.fixings().to_vec(),
        prices: dual.best().clone(),
        left_out: Vec::new(),
        split: None,
    };
    let mut cases = vec![root];
    let bytes = 8 * (model.items() + model.sites());
    let most = (MOST_BYTES / bytes.max(1)).max(2);
    let mut waiting = BinaryHeap::from([Reverse(Waiting { bound: dual.bound(), number: 0 })]);
    let columns = dual.columns().clone();
    drop(dual);
    while !budget.is_over() && cases.len() < most {
        let least = waiting.peek().map_or(f64::INFINITY, |Reverse(next)| next.bound);
        if least >= goal(search.cost()) || budget.is_close(search.cost(), least) {
            break;
        }
        budget.report(search.cost(), least);
        let next: Vec<Waiting> =
            std::iter::from_fn(|| waiting.pop()).take(TASKS).map(|Reverse(next)| next).collect();
        let upper = search.cost();
        let work = |next: &Waiting| work(&columns, model, &cases[next.number], next, upper, budget);
        let outcomes: Vec<Outcome<'_>> = next.par_iter().map(work).collect();
        for outcome in outcomes {
            budget.count();
            let number = cases.len();
            let case = &mut cases[outcome.number];
            case.prices = outcome.prices.clone();
            case.left_out = outcome.left_out;
            case.split = outcome.split.map(|(site, _, _)| (site, number, number + 1));
            if let Some((site, closed, open)) = outcome.split {
                for (fixing, bound) in [(Fixing::Closed, closed), (Fixing::Open, open)] {
                    let mut fixings = outcome.fixings.clone();
                    fixings[site] = fixing;
                    let bound = bound.max(outcome.bound);
                    waiting.push(Reverse(Waiting { bound, number: cases.len() }));
                    let prices = outcome.prices.clone();
                    cases.push(Case { fixings, prices, left_out: Vec::new(), split: None });
                }
            }
            if let Some(division) = outcome.division {
                search.offer(division);
            }
        }
    }
    Found { plan: search.division().assignment(), certificate: proof(cases) }
}

fn goal(upper: f64) -> f64 {
    upper - CLOSE * upper.abs()
}

/// The sites that are cheapest for their capacity, until they can serve everything with some room.
fn enough(model: &Model) -> Vec<bool> {
    let mut wanted: f64 = 1.3 * (0..model.items()).map(|item| model.usage(item, 0)[0]).sum::<f64>();
    let mut sites: Vec<usize> = (0..model.sites()).collect();
    let rate = |site: usize| model.opening(site) / model.capacity(site)[0].max(1e-9);
    sites.sort_by(|a, b| rate(*a).total_cmp(&rate(*b)).then(a.cmp(b)));
    let mut open = vec![false; model.sites()];
    for site in sites {
        open[site] = wanted > 0.0;
        wanted -= model.capacity(site)[0];
    }
    open
}

/// Raises the bound of the whole, with plans by what it hints at.
fn ascend<'m>(dual: &mut Dual<'m>, search: &mut OpenSearch<'m>, budget: &Budget<'_>, share: f64) {
    let model = dual.model();
    for step in 0..STEPS.0 {
        if dual.bound() >= goal(search.cost()) || dual.has_converged() || budget.is_past(share) {
            break;
        }
        dual.step(search.cost());
        if step % 40 == 39 || step == 10 {
            let now: Vec<bool> = dual.open_now().collect();
            let likely: Vec<bool> = dual.openness().iter().map(|openness| *openness > 0.4).collect();
            for open in [now, likely] {
                if dual.bound_with(&open) < goal(search.cost()) {
                    search.offer(Transport::solve(model, |site| open[site]));
                }
            }
            budget.report(search.cost(), dual.bound());
        }
    }
}

/// Looks for better plans around the best one.
fn look_around<'m>(
    dual: &Dual<'m>,
    search: &mut OpenSearch<'m>,
    budget: &Budget<'_>,
    share: f64,
    random: &mut ChaCha8Rng,
) {
    let mut bounds = SetBounds::new(dual, goal(search.cost()));
    let stop = || budget.is_late(share) || budget.is_cancelled();
    let is_done = |search: &OpenSearch<'_>| {
        dual.bound() >= goal(search.cost()) || budget.is_close(search.cost(), dual.bound())
    };
    if is_done(search) {
        return;
    }
    search.descend(&bounds, TRIES.0, &stop);
    bounds = SetBounds::new(dual, goal(search.cost()));
    budget.report(search.cost(), dual.bound());
    let mut idle = 0;
    while idle < MOST_IDLE && !budget.is_past(share) && !is_done(search) {
        budget.count();
        let strength = 1 + idle as usize % 4;
        let is_better = if idle % 3 == 2 {
            search.draw(dual.openness(), &bounds, TRIES.1, random, &stop)
        } else {
            search.kick(strength, &bounds, TRIES.1, random, &stop)
        };
        if is_better {
            idle = 0;
            bounds = SetBounds::new(dual, goal(search.cost()));
            budget.report(search.cost(), dual.bound());
        } else {
            idle += 1;
        }
    }
}

/// Raises the bound of a case, fixes what it can, and says where to split it.
fn work<'m>(
    columns: &Arc<Columns>,
    model: &'m Model,
    case: &Case,
    waiting: &Waiting,
    upper: f64,
    budget: &Budget<'_>,
) -> Outcome<'m> {
    let goal = goal(upper);
    let mut dual = Dual::with_columns(model, columns.clone(), case.fixings.clone(), Some(&case.prices));
    let mut left_out = Vec::new();
    let mut division = None;
    fix(&mut dual, goal, &mut left_out);
    for step in 0..STEPS.1 {
        if dual.bound() >= goal || dual.has_converged() || budget.is_late(1.0) || budget.is_cancelled() {
            break;
        }
        dual.step(upper);
        if step % 10 == 9 {
            fix(&mut dual, goal, &mut left_out);
        }
    }
    let mut split = None;
    if dual.bound() < goal {
        let open: Vec<bool> = dual.open_now().collect();
        if dual.bound_with(&open) < goal {
            let found = Transport::solve(model, |site| open[site]);
            division = (found.objective() < goal).then_some(found);
        }
        let free = (0..model.sites()).filter(|site| dual.fixings()[*site] == Fixing::Free);
        // Doubt counts for more where more money hangs on it.
        let doubt = |site: usize| {
            let openness = dual.openness()[site].clamp(0.0, 1.0);
            (0.01 + openness * (1.0 - openness)) * (1.0 + model.opening(site))
        };
        match free.max_by(|a, b| doubt(*a).total_cmp(&doubt(*b)).then(b.cmp(a))) {
            Some(site) => {
                let value = dual.values()[site];
                split = Some((site, dual.bound() + (-value).max(0.0), dual.bound() + value.max(0.0)));
            }
            // All sites are decided: the case is a transportation problem.
            None => {
                let decided = Transport::solve(model, |site| dual.fixings()[site] == Fixing::Open);
                let prices = Arc::new(decided.prices());
                return Outcome {
                    number: waiting.number,
                    fixings: Vec::new(),
                    bound: waiting.bound,
                    prices,
                    left_out,
                    split: None,
                    division: Some(decided),
                };
            }
        }
    }
    Outcome {
        number: waiting.number,
        fixings: dual.fixings().to_vec(),
        bound: dual.bound(),
        prices: dual.best().clone(),
        left_out,
        split,
        division,
    }
}

/// Fixes the sites whose other choice cannot be better than the best plan.
fn fix(dual: &mut Dual<'_>, goal: f64, left_out: &mut Vec<(usize, Fixing, Arc<Multipliers>)>) {
    if dual.bound() >= goal {
        return;
    }
    let values = dual.values().to_vec();
    for (site, value) in values.into_iter().enumerate() {
        if dual.fixings()[site] == Fixing::Free && dual.bound() + value.abs() >= goal {
            let kept = if value > 0.0 { Fixing::Closed } else { Fixing::Open };
            left_out.push((site, kept, dual.best().clone()));
            dual.fix(site, kept);
        }
    }
}

/// The tree of all cases. A case's number is below those of the cases that it was split into.
fn proof(cases: Vec<Case>) -> Certificate {
    let mut proofs: Vec<Option<Certificate>> = Vec::new();
    proofs.resize_with(cases.len(), || None);
    for (number, case) in cases.into_iter().enumerate().rev() {
        let prices = Certificate::Prices(case.prices);
        let inner = match case.split {
            Some((site, closed, open)) => match (proofs[closed].take(), proofs[open].take()) {
                (Some(closed), Some(open)) => {
                    let (closed, open) = (Box::new(closed), Box::new(open));
                    Certificate::Branch { site: site as u32, closed, open }
                }
                _ => prices,
            },
            None => prices,
        };
        // The first site that was fixed is the outermost branch.
        let whole = case.left_out.into_iter().rev().fold(inner, |inner, (site, kept, proof)| {
            let (inner, other) = (Box::new(inner), Box::new(Certificate::Prices(proof)));
            let (closed, open) = if kept == Fixing::Closed { (inner, other) } else { (other, inner) };
            Certificate::Branch { site: site as u32, closed, open }
        });
        proofs[number] = Some(whole);
    }
    proofs.into_iter().next().flatten().unwrap_or_else(|| Certificate::Prices(Arc::default()))
}
