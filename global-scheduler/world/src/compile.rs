//! From the world to the engine's model: pieces are items, policies are costs, candidates, rows and groups that keep apart.

use meridian_global_engine::{Assignment, Item, MOST, Model, Site, Usage};

use crate::piece::{Piece, cut};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::rules::Rules;
use crate::survey::Survey;
use crate::world::SAFETY;

/// What is planned, and what is taken as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    /// The workloads that are planned, by number, in ascending order.
    pub(crate) workloads: &'a [usize],
    /// What all others do; their replicas stay.
    pub(crate) fixed: Option<&'a Plan>,
    /// What runs: moves are told from it.
    pub(crate) running: Option<&'a Plan>,
    /// Whether what runs stays wherever it may.
    pub(crate) stays: bool,
}

impl Scope<'_> {
    pub(crate) fn plans(&self, workload: usize) -> bool {
        self.workloads.binary_search(&workload).is_ok()
    }
}

/// A world in the engine's terms.
pub(crate) struct Compiled {
    pub(crate) model: Model,
    pub(crate) pieces: Vec<Piece>,
    /// For each piece where it runs now.
    pub(crate) homes: Vec<Option<u32>>,
}

/// Compiles what is in scope.
pub(crate) fn compile(survey: &Survey<'_>, scope: Scope<'_>) -> Result<Compiled, Problem> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rules = Rules::new(survey, scope);
    for workload in scope.workloads {
        let cut = cut(survey, *workload, scope);
        let first = pieces.len();
        pieces.extend(cut.pieces);
        rules.add(*workload, &pieces[first..], first as u32, cut.most_at_site);
    }
    let homes = homes(survey, scope, &pieces);
    let mut items = Vec::with_capacity(pieces.len());
    let mut usage = Vec::with_capacity(pieces.len() * survey.resources.len());
    for (piece, home) in pieces.iter_mut().zip(&homes) {
        usage.extend(survey.usage(piece.workload).iter().map(|usage| usage * f64::from(piece.replicas)));
        items.push(item(survey, piece, *home, scope, &rules)?);
    }
    let sites = sites(survey, scope);
    let model = Model::new(survey.resources.len(), &sites, items, Usage::ByItem(usage))
        .map_err(|error| Problem::new("workloads", format!("are too many or too large together: {error}")))?;
    let (rows, aparts) = rules.finish(&pieces);
    let model = model
        .with_rules(&rows, &aparts)
        .map_err(|error| Problem::new("workloads", format!("have policies out of range: {error}")))?;
    Ok(Compiled { model, pieces, homes })
}

fn item(
    survey: &Survey<'_>,
    piece: &mut Piece,
    home: Option<u32>,
    scope: Scope<'_>,
    rules: &Rules<'_, '_>,
) -> Result<Item, Problem> {
    let of = survey.workload(piece.workload);
    let mut cost = std::mem::take(&mut piece.cost);
    let moving = of.move_cost * f64::from(piece.replicas) / survey.world.prices.horizon;
    for (site, cost) in cost.iter_mut().enumerate() {
        if rules.forbids(piece.workload, site) {
            *cost = f64::INFINITY;
        }
        if scope.running.is_some() && home.is_some_and(|home| home as usize != site) {
            *cost += moving;
        }
        if cost.is_finite() && *cost > MOST {
            let problem = format!(
                "costs {cost:e} an hour at {}, want numbers whose products are at most 1e12",
                survey.site(site).name
            );
            return Err(Problem::new(format!("workloads[{}]", piece.workload), problem));
        }
    }
    let served: f64 = piece.demand.iter().map(|(_, amount)| amount / of.rate).sum();
    let worth = match piece.demand.is_empty() {
        true if piece.is_spare => SAFETY * f64::from(piece.replicas),
        true => f64::from(piece.replicas),
        false if of.whole => served.max(f64::from(of.replicas.least)),
        false => served,
    };
    let unserved = worth * of.price_of_leaving(&survey.world.prices);
    if unserved > MOST {
        let problem = format!(
            "costs {unserved:e} an hour when it is left, want numbers whose products are at most 1e12"
        );
        return Err(Problem::new(format!("workloads[{}]", piece.workload), problem));
    }
    Ok(Item { whole: true, unserved, required: false, cost })
}

/// Sites with what others leave of them.
pub(crate) fn sites(survey: &Survey<'_>, scope: Scope<'_>) -> Vec<Site> {
    let mut sites: Vec<Site> = (0..survey.sites())
        .map(|site| Site { opening: survey.site(site).opening, capacity: survey.capacity(site).to_vec() })
        .collect();
    for (workload, placement) in scope.fixed.iter().flat_map(|plan| &plan.workloads) {
        let Some(workload) = survey.find_workload(workload).filter(|workload| !scope.plans(*workload)) else {
            continue;
        };
        for (site, count) in placement.replicas.iter().filter(|(_, count)| **count > 0) {
            let Some(site) = survey.find_site(site) else { continue };
            sites[site].opening = 0.0;
            for (left, usage) in sites[site].capacity.iter_mut().zip(survey.usage(workload)) {
                *left = (*left - usage * f64::from(*count)).max(0.0);
            }
        }
    }
    sites
}

/// Where each piece runs now: the replicas that run are given to the pieces that are served there most cheaply.
fn homes(survey: &Survey<'_>, scope: Scope<'_>, pieces: &[Piece]) -> Vec<Option<u32>> {
    let mut homes = vec![None; pieces.len()];
    let Some(running) = scope.running else { return homes };
    let mut first = 0;
    while first < pieces.len() {
        let workload = pieces[first].workload;
        let length = pieces[first..].iter().take_while(|piece| piece.workload == workload).count();
        let placement = running.workloads.get(&survey.workload(workload).name);
        let mut left: Vec<(usize, u32)> = placement
            .iter()
            .flat_map(|placement| &placement.replicas)
            .filter_map(|(site, count)| Some((survey.find_site(site)?, *count)))
            .collect();
        let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
        for (place, piece) in pieces.iter().enumerate().skip(first).take(length) {
            let costs = left.iter().enumerate().map(|(number, (site, _))| (piece.cost[*site], place, number));
            pairs.extend(costs);
        }
        pairs.retain(|(cost, ..)| cost.is_finite());
        // Who is_idle comes first: spares are content with what is left.
        let is_idle = |place: usize| pieces[place].demand.is_empty();
        pairs.sort_by(|a, b| {
            is_idle(a.1).cmp(&is_idle(b.1)).then(a.0.total_cmp(&b.0)).then((a.1, a.2).cmp(&(b.1, b.2)))
        });
        for (_, place, number) in pairs {
            let (site, count) = left[number];
            // A piece of several replicas may have some of them elsewhere: most of it decides.
            if homes[place].is_none() && 2 * count >= pieces[place].replicas && count > 0 {
                homes[place] = Some(site as u32);
                left[number].1 = count.saturating_sub(pieces[place].replicas);
            }
        }
        first += length;
    }
    homes
}

impl Compiled {
    /// What runs, as an assignment of pieces that moves as little as it can to become another one: pieces of a workload that
    /// are where its replicas run have not moved, whichever of them they are.
    pub(crate) fn homes_in(&self, survey: &Survey<'_>, scope: Scope<'_>, other: &Assignment) -> Assignment {
        let mut homes: Vec<Option<u32>> = vec![None; self.pieces.len()];
        let mut first = 0;
        while first < self.pieces.len() {
            let workload = self.pieces[first].workload;
            let length = self.pieces[first..].iter().take_while(|piece| piece.workload == workload).count();
            let places = first..first + length;
            let placement =
                scope.running.and_then(|running| running.workloads.get(&survey.workload(workload).name));
            let mut left: Vec<(u32, u32)> = placement
                .iter()
                .flat_map(|placement| &placement.replicas)
                .filter_map(|(site, count)| Some((survey.find_site(site)? as u32, *count)))
                .collect();
            for place in places.clone() {
                let replicas = self.pieces[place].replicas;
                let at = other.site(place);
                if let Some((site, count)) =
                    left.iter_mut().find(|(site, count)| Some(*site) == at && *count >= replicas)
                {
                    homes[place] = Some(*site);
                    *count -= replicas;
                }
            }
            // Those that are served elsewhere came from where it would cost least to have them back.
            for place in places.filter(|place| other.site(*place).is_some()) {
                let (replicas, model) = (self.pieces[place].replicas, &self.model);
                let cost = |site: u32| model.cost(place, site as usize);
                let fits =
                    left.iter_mut().filter(|(site, count)| *count >= replicas && cost(*site).is_finite());
                if let (None, Some((site, count))) =
                    (homes[place], fits.min_by(|a, b| cost(a.0).total_cmp(&cost(b.0)).then(a.0.cmp(&b.0))))
                {
                    homes[place] = Some(*site);
                    *count -= replicas;
                }
            }
            first += length;
        }
        Assignment::whole(&homes)
    }

    /// What runs, as an assignment.
    pub(crate) fn start(&self) -> Assignment {
        Assignment::whole(&self.homes)
    }
}
