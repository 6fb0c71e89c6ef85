//! Policies about several replicas or several workloads, as the engine's rows and groups that keep apart.

use meridian_global_engine::{Apart, Row, Term};
use rustc_hash::FxHashMap;

use crate::compile::Scope;
use crate::piece::Piece;
use crate::plan::Plan;
use crate::survey::Survey;

/// Rules as they are collected, workload by workload.
pub(crate) struct Rules<'s, 'w> {
    survey: &'s Survey<'w>,
    scope: Scope<'s>,
    rows: Vec<Row>,
    /// Each workload in scope with the numbers of its pieces.
    pieces: FxHashMap<usize, std::ops::Range<u32>>,
    /// Sites that others, which stay, keep a workload from.
    forbidden: FxHashMap<usize, Vec<bool>>,
    /// Pairs of workloads in scope that keep apart, with the kind of domain.
    aparts: Vec<(usize, usize, &'w str)>,
}

impl<'s, 'w> Rules<'s, 'w> {
    pub(crate) fn new(survey: &'s Survey<'w>, scope: Scope<'s>) -> Rules<'s, 'w> {
        let mut rules = Rules {
            survey,
            scope,
            rows: Vec::new(),
            pieces: FxHashMap::default(),
            forbidden: FxHashMap::default(),
            aparts: Vec::new(),
        };
        for (number, workload) in survey.world.workloads.iter().enumerate() {
            for apart in &workload.apart {
                let Some(other) = survey.find_workload(&apart.workload) else { continue };
                match (scope.plans(number), scope.plans(other)) {
                    (true, true) => rules.aparts.push((number, other, &apart.over)),
                    (true, false) => rules.stay_from(number, other, &apart.over),
                    (false, true) => rules.stay_from(other, number, &apart.over),
                    (false, false) => {}
                }
            }
        }
        rules
    }

    /// Keeps a workload from all domains in which another one stays.
    fn stay_from(&mut self, workload: usize, other: usize, kind: &str) {
        let name = &self.survey.workload(other).name;
        let Some(placement) = self.scope.fixed.and_then(|plan| plan.workloads.get(name)) else { return };
        let domains = domains(self.survey, kind);
        let taken: Vec<u32> = placement
            .replicas
            .iter()
            .filter(|(_, count)| **count > 0)
            .filter_map(|(site, _)| Some(domains[self.survey.find_site(site)?]))
            .collect();
        let forbidden = self.forbidden.entry(workload).or_insert_with(|| vec![false; domains.len()]);
        for (forbidden, domain) in forbidden.iter_mut().zip(&domains) {
            *forbidden |= taken.contains(domain);
        }
    }

    /// Whether a workload that stays keeps this one from the site.
    pub(crate) fn forbids(&self, workload: usize, site: usize) -> bool {
        self.forbidden.get(&workload).is_some_and(|sites| sites[site])
    }

    /// Adds the rules of one workload, whose pieces begin with number `first`.
    pub(crate) fn add(&mut self, workload: usize, pieces: &[Piece], first: u32, most_at_site: Option<u32>) {
        let survey = self.survey;
        let of = survey.workload(workload);
        self.pieces.insert(workload, first..first + pieces.len() as u32);
        let replicas = |piece: &Piece| f64::from(piece.replicas);
        let all: f64 = pieces.iter().map(replicas).sum();
        if let Some(most) = of.replicas.most.filter(|most| all > f64::from(*most)) {
            let sites: Vec<usize> = (0..survey.sites()).collect();
            self.row(pieces, first, f64::from(most), &replicas, &sites);
        }
        for spread in &of.spread {
            let domains = sites_of_domains(survey, &spread.over);
            let can_serve = |sites: &&Vec<usize>| {
                sites.iter().any(|site| pieces.iter().any(|piece| piece.cost[*site].is_finite()))
            };
            let usable = domains.iter().filter(can_serve).count();
            for sites in domains {
                if let Some(most) = spread.most.filter(|most| all > f64::from(*most)) {
                    self.row(pieces, first, f64::from(most), &replicas, &sites);
                }
                // So many pieces, each in a domain of its own, are in so many domains.
                if let Some(least) = spread.least.filter(|least| *least > 1) {
                    let anchors = &pieces[..pieces.len().min(least as usize).min(usable)];
                    self.row(anchors, first, 1.0, &|_| 1.0, &sites);
                }
            }
        }
        if let Some(most) = most_at_site {
            for site in 0..survey.sites() {
                if of.whole {
                    self.row(pieces, first, 1.0, &|_| 1.0, &[site]);
                } else {
                    self.row(pieces, first, f64::from(most), &replicas, &[site]);
                }
            }
        }
        for site in (0..survey.sites()).filter(|site| survey.is_stale(*site)) {
            let at = |running: &Plan| running.replicas(&of.name, &survey.site(site).name);
            let before = self.scope.running.map_or(0, at);
            if before > 0 {
                self.row(pieces, first, f64::from(before), &replicas, &[site]);
            }
        }
    }

    fn row(
        &mut self,
        pieces: &[Piece],
        first: u32,
        most: f64,
        weight: &dyn Fn(&Piece) -> f64,
        sites: &[usize],
    ) {
        let mut terms = Vec::new();
        for (number, piece) in pieces.iter().enumerate() {
            for site in sites.iter().filter(|site| piece.cost[**site].is_finite()) {
                terms.push(Term { item: first + number as u32, site: *site as u32, weight: weight(piece) });
            }
        }
        if !terms.is_empty() {
            self.rows.push(Row { most, terms });
        }
    }

    /// All rules, with those of links, which all workloads share.
    pub(crate) fn finish(mut self, pieces: &[Piece]) -> (Vec<Row>, Vec<Apart>) {
        self.links(pieces);
        let group = |workload: &usize| self.pieces[workload].clone().collect();
        let apart = |(first, second, kind): &(usize, usize, &str)| Apart {
            first: group(first),
            second: group(second),
            domain: domains(self.survey, kind),
        };
        let aparts = self.aparts.iter().map(apart).collect();
        (self.rows, aparts)
    }

    fn links(&mut self, pieces: &[Piece]) {
        if !self.survey.network.has_limits() {
            return;
        }
        let mut terms: FxHashMap<u32, Vec<Term>> = FxHashMap::default();
        for (item, piece) in pieces.iter().enumerate() {
            for site in 0..self.survey.sites() {
                let mut loads: FxHashMap<u32, f64> = FxHashMap::default();
                for (location, amount) in &piece.demand {
                    for (link, traffic) in self.survey.link_loads(piece.workload, site, *location as usize) {
                        *loads.entry(link).or_default() += amount * traffic;
                    }
                }
                for (link, weight) in loads {
                    let term = Term { item: item as u32, site: site as u32, weight };
                    terms.entry(link).or_default().push(term);
                }
            }
        }
        let taken = self
            .scope
            .fixed
            .map(|plan| link_loads(self.survey, plan, |workload| !self.scope.plans(workload)));
        let mut links: Vec<(u32, Vec<Term>)> = terms.into_iter().collect();
        links.sort_by_key(|(link, _)| *link);
        for (link, terms) in links {
            let bandwidth = self.survey.world.links[link as usize].bandwidth.unwrap_or(f64::INFINITY);
            let taken = taken.as_ref().and_then(|taken| taken.get(&link)).copied().unwrap_or(0.0);
            self.rows.push(Row { most: (bandwidth - taken).max(0.0), terms });
        }
    }
}

/// What links of limited bandwidth carry for some workloads of a plan.
pub(crate) fn link_loads(
    survey: &Survey<'_>,
    plan: &Plan,
    counts: impl Fn(usize) -> bool,
) -> FxHashMap<u32, f64> {
    let mut loads: FxHashMap<u32, f64> = FxHashMap::default();
    for (name, placement) in &plan.workloads {
        let Some(workload) = survey.find_workload(name).filter(|workload| counts(*workload)) else {
            continue;
        };
        for flow in &placement.flows {
            let (Some(site), Some(location)) =
                (survey.find_site(&flow.site), survey.names.locations.get(flow.location.as_str()))
            else {
                continue;
            };
            for (link, traffic) in survey.link_loads(workload, site, *location as usize) {
                *loads.entry(link).or_default() += flow.amount * traffic;
            }
        }
    }
    loads
}

/// The domain of a kind that each site is in, by number. A site that is in none is in one of its own.
pub(crate) fn domains(survey: &Survey<'_>, kind: &str) -> Vec<u32> {
    let mut numbers: FxHashMap<&str, u32> = FxHashMap::default();
    let mut next = 0;
    let mut new = || {
        next += 1;
        next - 1
    };
    let domain = |site: usize| match survey.site(site).domain(kind) {
        Some(domain) => *numbers.entry(domain).or_insert_with(&mut new),
        None => new(),
    };
    (0..survey.sites()).map(domain).collect()
}

/// The sites of each domain of a kind.
fn sites_of_domains(survey: &Survey<'_>, kind: &str) -> Vec<Vec<usize>> {
    let domains = domains(survey, kind);
    let mut sites = vec![Vec::new(); domains.iter().max().map_or(0, |most| *most as usize + 1)];
    for (site, domain) in domains.iter().enumerate() {
        sites[*domain as usize].push(site);
    }
    sites
}
