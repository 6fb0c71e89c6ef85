//! Workloads cut into pieces that are served whole: one replica each, with the demand it serves.
//!
//! Where a location asks for more than a replica can serve, it fills replicas of its own; what is left over is put together with
//! what is left over nearby. Spare replicas, which serve nobody until a site is lost, are pieces too. Cutting is a
//! choice: other cuts may give better plans, so the bound of a plan never comes from pieces.

use crate::compile::Scope;
use crate::plan::Plan;
use crate::survey::Survey;
use crate::world::{Workload, whole_replicas};

/// The pieces that a workload is cut into at most, about; larger ones have several replicas to a piece.
const MOST_PIECES: f64 = 400.0;

/// Pieces with left-overs that are filled at the same time.
const MOST_OPEN: usize = 16;

/// Part of a workload that one site serves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) workload: usize,
    pub(crate) replicas: u32,
    /// Demand that it serves; none if it is a spare.
    pub(crate) demand: Vec<(u32, f64)>,
    /// Whether it is there only for the case that a site is lost.
    pub(crate) is_spare: bool,
    /// Money for serving it, by site; infinite where it may not be.
    pub(crate) cost: Vec<f64>,
}

/// A workload in pieces, and how many replicas may be at one site so that the others can do without them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cut {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) most_at_site: Option<u32>,
}

/// Cuts a workload.
pub(crate) fn cut(survey: &Survey<'_>, workload: usize, scope: Scope<'_>) -> Cut {
    let cutter = Cutter::new(survey, workload, scope);
    if cutter.of.whole { cutter.whole() } else { cutter.divided() }
}

struct Cutter<'s, 'w> {
    survey: &'s Survey<'w>,
    workload: usize,
    of: &'w Workload,
    /// What a replica costs at each site; infinite where a policy speaks against it.
    replica: Vec<f64>,
    scope: Scope<'s>,
}

impl<'s, 'w> Cutter<'s, 'w> {
    fn new(survey: &'s Survey<'w>, workload: usize, scope: Scope<'s>) -> Cutter<'s, 'w> {
        let running = scope.running;
        let price = |site| {
            let is_admitted = survey.admits(workload, site, running);
            if is_admitted { survey.replica_price(workload, site) } else { f64::INFINITY }
        };
        let replica = (0..survey.sites()).map(price).collect();
        Cutter { survey, workload, of: survey.workload(workload), replica, scope }
    }

    fn piece(&self, replicas: f64, demand: Vec<(u32, f64)>) -> Piece {
        let total: f64 = demand.iter().map(|(_, amount)| amount).sum();
        let share = self.of.latency.map_or(0.0, |latency| latency.percentile / 100.0);
        let cost = |site: usize| {
            let mut cost = replicas * self.replica[site];
            let mut near = 0.0;
            for (location, amount) in &demand {
                if cost == f64::INFINITY {
                    return cost;
                }
                let location = *location as usize;
                cost += amount * self.survey.unit_cost(self.workload, site, location).total();
                near += if self.survey.is_near(self.workload, site, location) { *amount } else { 0.0 };
            }
            if near < share * total * (1.0 - 1e-9) { f64::INFINITY } else { cost }
        };
        let cost = (0..self.survey.sites()).map(cost).collect();
        Piece { workload: self.workload, replicas: replicas as u32, demand, is_spare: false, cost }
    }

    /// All of it, and once more where it must survive.
    fn whole(&self) -> Cut {
        let demand = self.survey.demand(self.workload).to_vec();
        let (asked, least) =
            (whole_replicas(self.of.total_demand(), self.of.rate), f64::from(self.of.replicas.least));
        if !self.of.survives_site_loss {
            return Cut { pieces: vec![self.piece(asked.max(least), demand)], most_at_site: None };
        }
        let main = asked.max(1.0);
        let standby = main.max(least - main);
        let mut pieces = vec![self.piece(main, demand), self.piece(standby, Vec::new())];
        pieces[1].is_spare = least <= main;
        Cut { pieces, most_at_site: Some(main.max(standby) as u32) }
    }

    fn divided(&self) -> Cut {
        let replicas =
            whole_replicas(self.of.total_demand(), self.of.rate).max(f64::from(self.of.replicas.least));
        let mut unit = (replicas / MOST_PIECES).ceil().max(1.0);
        for most in self.of.spread.iter().filter_map(|spread| spread.most) {
            unit = unit.min(f64::from(most));
        }
        let mut pieces = self.serving(unit);
        let spares = |pieces: &mut Vec<Piece>, mut count: f64| {
            while count > 0.0 {
                pieces.push(self.piece(count.min(unit), Vec::new()));
                count -= unit;
            }
        };
        let serving: f64 = pieces.iter().map(|piece| f64::from(piece.replicas)).sum();
        let domains = self.of.spread.iter().filter_map(|spread| spread.least).max().unwrap_or(0);
        let lacking = f64::from(domains) - pieces.len() as f64;
        spares(&mut pieces, (f64::from(self.of.replicas.least) - serving).max(0.0));
        for _ in 0..lacking.max(0.0) as usize {
            if pieces.len() < domains as usize {
                pieces.push(Piece { is_spare: true, ..self.piece(1.0, Vec::new()) });
            }
        }
        if !self.of.survives_site_loss {
            return Cut { pieces, most_at_site: None };
        }
        let held: f64 = pieces.iter().map(|piece| f64::from(piece.replicas)).sum();
        let most = self.most_at_site(&pieces, serving.max(1.0), held).max(self.most_that_stay());
        // Whatever site is lost takes at most `most` with it.
        let more = (serving.max(1.0) + f64::from(most) - held).max(0.0);
        let first = pieces.len();
        spares(&mut pieces, more);
        pieces[first..].iter_mut().for_each(|piece| piece.is_spare = true);
        Cut { pieces, most_at_site: Some(most) }
    }

    /// Pieces that serve all demand.
    fn serving(&self, unit: f64) -> Vec<Piece> {
        let full = unit * self.of.rate;
        let mut pieces = Vec::new();
        let mut left: Vec<(u32, f64)> = Vec::new();
        for (location, amount) in self.survey.demand(self.workload) {
            let count = (amount / full * (1.0 + 1e-9)).floor();
            for _ in 0..count as usize {
                pieces.push(self.piece(unit, vec![(*location, full)]));
            }
            let rest = amount - count * full;
            if rest > 1e-9 * full {
                left.push((*location, rest));
            }
        }
        pieces.extend(self.together(left, full));
        pieces
    }

    /// Left-overs put together with those that the same sites can serve, the same cheapest site first.
    fn together(&self, left: Vec<(u32, f64)>, full: f64) -> Vec<Piece> {
        struct Open {
            nearest: usize,
            sites: Vec<bool>,
            room: f64,
            demand: Vec<(u32, f64)>,
        }
        let sites = self.survey.sites();
        let mut placed: Vec<(usize, f64, u32, f64)> = left
            .into_iter()
            .map(|(location, amount)| {
                let costs = (0..sites).map(|site| (self.at(site, location), site));
                let (cost, nearest) = costs.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::INFINITY, 0));
                (nearest, cost, location, amount)
            })
            .collect();
        placed.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        let mut open: Vec<Open> = Vec::new();
        let mut pieces = Vec::new();
        let mut close = |open: Open| {
            let asked: f64 = open.demand.iter().map(|(_, amount)| amount).sum();
            pieces.push(self.piece(whole_replicas(asked, self.of.rate).max(1.0), open.demand));
        };
        for (nearest, _, location, mut amount) in placed {
            let may: Vec<bool> = (0..sites).map(|site| self.at(site, location).is_finite()).collect();
            if !may.contains(&true) {
                // Nobody can serve it in time: it is left, and takes nothing else along.
                close(Open { nearest, sites: may, room: full, demand: vec![(location, amount)] });
                continue;
            }
            while amount > 1e-9 * full {
                let meets = |open: &Open| open.sites.iter().zip(&may).any(|(a, b)| *a && *b);
                let fitting = (0..open.len()).filter(|number| meets(&open[*number]));
                let Some(number) = fitting.min_by_key(|number| (open[*number].nearest != nearest, *number))
                else {
                    if open.len() == MOST_OPEN {
                        close(open.remove(0));
                    }
                    open.push(Open { nearest, sites: may.clone(), room: full, demand: Vec::new() });
                    continue;
                };
                let part = amount.min(open[number].room);
                open[number].demand.push((location, part));
                open[number].room -= part;
                open[number].sites.iter_mut().zip(&may).for_each(|(site, may)| *site &= may);
                amount -= part;
                if open[number].room <= 1e-9 * full {
                    close(open.remove(number));
                }
            }
        }
        open.into_iter().for_each(&mut close);
        pieces
    }

    /// What a unit of demand costs at a site, in time.
    fn at(&self, site: usize, location: u32) -> f64 {
        let location = location as usize;
        if self.replica[site] == f64::INFINITY || !self.survey.is_near(self.workload, site, location) {
            return f64::INFINITY;
        }
        self.replica[site] / self.of.rate + self.survey.unit_cost(self.workload, site, location).total()
    }

    /// The most replicas at a site that may stay there: none of them is to move only because fewer at each site would be cheaper.
    fn most_that_stay(&self) -> u32 {
        let running = self.scope.running.filter(|_| self.scope.stays);
        let count = |running: &Plan| {
            let admitted = (0..self.replica.len()).filter(|site| self.replica[*site].is_finite());
            admitted.map(|site| running.replicas(&self.of.name, &self.survey.site(site).name)).max()
        };
        running.and_then(count).unwrap_or(0)
    }

    /// How many replicas a site may have so that few spares are needed and users wait little: the cheapest of a few choices, with
    /// nobody else in the world.
    fn most_at_site(&self, pieces: &[Piece], serving: f64, held: f64) -> u32 {
        let sites = self.replica.iter().filter(|price| price.is_finite()).count();
        let mut best = (f64::INFINITY, serving);
        for over in 2..=sites.clamp(2, 8) {
            let most = (serving / (over - 1) as f64).ceil();
            let mut room = vec![most; self.replica.len()];
            let mut cost = 0.0;
            let mut put = |costs: &dyn Fn(usize) -> f64, replicas: f64| {
                let may = (0..room.len()).filter(|site| room[*site] >= replicas);
                let priced = may.map(|site| {
                    let opening = if room[site] == most { self.survey.site(site).opening } else { 0.0 };
                    (costs(site) + opening, site)
                });
                let (least, site) = priced.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::INFINITY, 0));
                cost += least;
                room[site] -= replicas;
            };
            for piece in pieces {
                put(&|site| piece.cost[site], f64::from(piece.replicas));
            }
            for _ in 0..(serving + most - held).clamp(0.0, MOST_PIECES) as usize {
                put(&|site| self.replica[site], 1.0);
            }
            if cost < best.0 {
                best = (cost, most);
            }
        }
        best.1 as u32
    }
}
