//! From pieces to a plan: pieces of a workload become replicas, and the replicas serve whom they serve best.

use std::collections::BTreeMap;

use meridian_global_engine::Assignment;
use rustc_hash::FxHashMap;

use crate::compile::{Compiled, Scope};
use crate::plan::{Flow, Placement, Plan};
use crate::polish::Polish;
use crate::rules::link_loads;
use crate::serve::{Draft, serve};
use crate::survey::Survey;
use crate::world::whole_replicas;

/// The plan that an assignment of pieces stands for, with what stays as it is.
pub(crate) fn settle(
    survey: &Survey<'_>,
    compiled: &Compiled,
    assignment: &Assignment,
    scope: Scope<'_>,
    effort: &mut Effort<'_>,
) -> Plan {
    let mut drafts: BTreeMap<usize, Draft> = BTreeMap::new();
    for (number, piece) in compiled.pieces.iter().enumerate() {
        let Some(site) = assignment.site(number) else { continue };
        let draft = drafts.entry(piece.workload).or_default();
        *draft.replicas.entry(site).or_default() += piece.replicas;
        draft.flows.extend(piece.demand.iter().map(|(location, amount)| (*location, site, *amount)));
    }
    let mut plan = scope.fixed.cloned().unwrap_or_default();
    for workload in scope.workloads {
        plan.workloads.remove(&survey.workload(*workload).name);
    }
    let mut links = Links::new(survey, &plan, &drafts);
    for (workload, draft) in &mut drafts {
        improve(survey, *workload, draft, &mut links);
        keep_whole(survey, *workload, draft);
    }
    polish(survey, scope, &plan, &mut drafts, effort);
    for (workload, draft) in drafts {
        if draft.total() > 0 {
            plan.workloads.insert(survey.workload(workload).name.clone(), placement(survey, &draft));
        }
    }
    plan
}

/// How much improvement of single workloads is worth.
pub(crate) struct Effort<'a> {
    /// Changes to try; none is no improvement.
    pub(crate) tries: u64,
    /// Whether time is up.
    pub(crate) stop: &'a dyn Fn() -> bool,
}

/// Improves workloads one by one: first those that are not served in full, the dearest to leave first.
fn polish(
    survey: &Survey<'_>,
    scope: Scope<'_>,
    others: &Plan,
    drafts: &mut BTreeMap<usize, Draft>,
    effort: &mut Effort<'_>,
) {
    if effort.tries == 0 {
        return;
    }
    let mut polish = Polish::new(survey, scope, others, drafts);
    let lacks = |workload: &usize| {
        let of = survey.workload(*workload);
        let served = drafts.get(workload).map_or(0.0, Draft::served);
        served < of.total_demand() * (1.0 - 1e-6) || !drafts.contains_key(workload)
    };
    let price = |workload: &usize| survey.workload(*workload).price_of_leaving(&survey.world.prices);
    let mut order: Vec<(bool, f64, usize)> =
        scope.workloads.iter().map(|workload| (lacks(workload), price(workload), *workload)).collect();
    order.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
    for (_, _, workload) in order {
        let mut draft = drafts.remove(&workload).unwrap_or_default();
        polish.improve(workload, &mut draft, &mut effort.tries, effort.stop);
        drafts.insert(workload, draft);
    }
}

/// The same replicas with today's demand: what the plan is worth if nothing moves.
pub(crate) fn refit(survey: &Survey<'_>, running: &Plan) -> Plan {
    let mut plan = Plan::default();
    for (workload, of) in survey.world.workloads.iter().enumerate() {
        let Some(placement_before) = running.workloads.get(&of.name) else { continue };
        let replicas: BTreeMap<u32, u32> = placement_before
            .replicas
            .iter()
            .filter_map(|(site, count)| Some((survey.find_site(site)? as u32, *count)))
            .collect();
        let mut draft = Draft { flows: serve(survey, workload, &replicas), replicas };
        keep_whole(survey, workload, &mut draft);
        if draft.total() > 0 {
            plan.workloads.insert(of.name.clone(), placement(survey, &draft));
        }
    }
    plan
}

/// Lets replicas serve whom they serve best, and lets go of those that serve nobody then.
fn improve(survey: &Survey<'_>, workload: usize, draft: &mut Draft, links: &mut Links<'_, '_>) {
    let of = survey.workload(workload);
    if of.whole {
        return;
    }
    let better = Draft { flows: serve(survey, workload, &draft.replicas), replicas: draft.replicas.clone() };
    let gain = draft.serving_cost(survey, workload) - better.serving_cost(survey, workload);
    if gain > 1e-9 && links.exchange(workload, draft, &better) {
        *draft = better;
    }
    if of.survives_site_loss || of.spread.iter().any(|spread| spread.least.is_some()) {
        return;
    }
    let mut spare = draft.total().saturating_sub(u64::from(of.replicas.least));
    let mut sites: Vec<u32> = draft.replicas.keys().copied().collect();
    let price = |site: &u32| survey.replica_price(workload, *site as usize);
    sites.sort_by(|a, b| price(b).total_cmp(&price(a)).then(a.cmp(b)));
    for site in sites {
        let need = whole_replicas(draft.served_at(site), of.rate) as u32;
        let Some(count) = draft.replicas.get_mut(&site) else { continue };
        let less = u64::from(count.saturating_sub(need)).min(spare);
        *count -= less as u32;
        spare -= less;
    }
    draft.replicas.retain(|_, count| *count > 0);
}

/// A workload that is served whole is served at all only if all of it is.
pub(crate) fn keep_whole(survey: &Survey<'_>, workload: usize, draft: &mut Draft) {
    let of = survey.workload(workload);
    if of.whole && draft.served() < of.total_demand() * (1.0 - 1e-9) {
        *draft = Draft::default();
    }
}

fn placement(survey: &Survey<'_>, draft: &Draft) -> Placement {
    let name = |site: u32| survey.site(site as usize).name.clone();
    let mut amounts: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    for (location, site, amount) in &draft.flows {
        *amounts.entry((*location, *site)).or_default() += amount;
    }
    let flows = amounts.into_iter().map(|((location, site), amount)| Flow {
        location: survey.world.locations[location as usize].name.clone(),
        site: name(site),
        amount,
    });
    Placement {
        replicas: draft.replicas.iter().map(|(site, count)| (name(*site), *count)).collect(),
        flows: flows.collect(),
    }
}

/// What links of limited bandwidth carry.
struct Links<'s, 'w> {
    survey: &'s Survey<'w>,
    loads: FxHashMap<u32, f64>,
}

impl<'s, 'w> Links<'s, 'w> {
    fn new(survey: &'s Survey<'w>, fixed: &Plan, drafts: &BTreeMap<usize, Draft>) -> Links<'s, 'w> {
        let mut links = Links { survey, loads: FxHashMap::default() };
        if survey.network.has_limits() {
            links.loads = link_loads(survey, fixed, |_| true);
            for (workload, draft) in drafts {
                links.add(*workload, draft, 1.0);
            }
        }
        links
    }

    fn add(&mut self, workload: usize, draft: &Draft, sign: f64) {
        for (location, site, amount) in &draft.flows {
            for (link, traffic) in self.survey.link_loads(workload, *site as usize, *location as usize) {
                *self.loads.entry(link).or_default() += sign * amount * traffic;
            }
        }
    }

    /// Lets a workload serve in another way, if no link carries too much then.
    fn exchange(&mut self, workload: usize, before: &Draft, after: &Draft) -> bool {
        if !self.survey.network.has_limits() {
            return true;
        }
        self.add(workload, before, -1.0);
        self.add(workload, after, 1.0);
        let links = &self.survey.world.links;
        let fits = self.loads.iter().all(|(link, load)| {
            links[*link as usize].bandwidth.is_none_or(|most| *load <= most * (1.0 + 1e-9) + 1e-9)
        });
        if !fits {
            self.add(workload, after, -1.0);
            self.add(workload, before, 1.0);
        }
        fits
    }
}
