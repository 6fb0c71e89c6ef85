//! Better numbers of replicas for one workload at a time, with all others as they are.
//!
//! Pieces decide early which demand goes together; here replicas are added, taken away and moved one by one, and demand is divided
//! anew each time. What breaks a policy is no choice, so a plan only gets better.

use std::collections::BTreeMap;

use crate::compile::Scope;
use crate::rules::domains;
use crate::serve::{Draft, serve};
use crate::settle::keep_whole;
use crate::survey::Survey;

/// The sites that are tried for more replicas: the cheapest ones.
const CHOICES: usize = 10;

/// Steps for one workload.
const MOST_STEPS: u32 = 40;

/// What counts as better, as a share of what the workload costs.
const LEAST_GAIN: f64 = 1e-9;

pub(crate) struct Polish<'s, 'w> {
    survey: &'s Survey<'w>,
    scope: Scope<'s>,
    /// What all workloads together use: `[site * resources + resource]`.
    used: Vec<f64>,
    /// Workloads that run at each site.
    held: Vec<u32>,
    /// Where each workload runs.
    sites: BTreeMap<usize, Vec<u32>>,
}

impl<'s, 'w> Polish<'s, 'w> {
    /// `others` is what stays, `drafts` what may be improved.
    pub(crate) fn new(
        survey: &'s Survey<'w>,
        scope: Scope<'s>,
        others: &crate::Plan,
        drafts: &BTreeMap<usize, Draft>,
    ) -> Polish<'s, 'w> {
        let used = vec![0.0; survey.sites() * survey.resources.len()];
        let mut polish =
            Polish { survey, scope, used, held: vec![0; survey.sites()], sites: BTreeMap::new() };
        for (name, placement) in &others.workloads {
            let Some(workload) = survey.find_workload(name) else { continue };
            let sites = placement.replicas.iter();
            let replicas = sites.filter_map(|(site, count)| Some((survey.find_site(site)? as u32, *count)));
            polish.count(workload, &replicas.collect(), 1.0);
        }
        for (workload, draft) in drafts {
            polish.count(*workload, &draft.replicas, 1.0);
        }
        polish
    }

    fn count(&mut self, workload: usize, replicas: &BTreeMap<u32, u32>, sign: f64) {
        let width = self.survey.resources.len();
        for (site, count) in replicas.iter().filter(|(_, count)| **count > 0) {
            let site = *site as usize;
            self.held[site] = if sign > 0.0 { self.held[site] + 1 } else { self.held[site] - 1 };
            for (resource, usage) in self.survey.usage(workload).iter().enumerate() {
                self.used[site * width + resource] += sign * usage * f64::from(*count);
            }
        }
        match sign > 0.0 {
            true => self.sites.insert(workload, replicas.keys().copied().collect()),
            false => self.sites.remove(&workload),
        };
    }

    /// Improves a workload that may be divided. `tries` bounds the work and is used up by it.
    pub(crate) fn improve(
        &mut self,
        workload: usize,
        draft: &mut Draft,
        tries: &mut u64,
        stop: &dyn Fn() -> bool,
    ) {
        let of = self.survey.workload(workload);
        if of.whole || self.survey.network.has_limits() {
            return;
        }
        self.count(workload, &draft.replicas, -1.0);
        let choices = self.choices(workload);
        let mut cost = self.cost(workload, draft);
        for _ in 0..MOST_STEPS {
            let mut best: Option<(f64, Draft)> = None;
            for replicas in self.neighbours(workload, draft, &choices) {
                if *tries == 0 || stop() {
                    break;
                }
                *tries -= 1;
                let Some(changed) = self.draft(workload, replicas) else { continue };
                let now = self.cost(workload, &changed);
                let limit = best.as_ref().map_or(cost - LEAST_GAIN * cost.abs(), |(least, _)| *least);
                if now < limit {
                    best = Some((now, changed));
                }
            }
            let Some((less, better)) = best else { break };
            (cost, *draft) = (less, better);
        }
        self.count(workload, &draft.replicas, 1.0);
    }

    /// The sites where its demand would cost least.
    fn choices(&self, workload: usize) -> Vec<u32> {
        let survey = self.survey;
        let rate = survey.workload(workload).rate;
        let demand = survey.demand(workload);
        let cost = |site: usize| {
            let units =
                demand.iter().filter(|(location, _)| survey.is_near(workload, site, *location as usize));
            let units =
                units.map(|(location, _)| survey.unit_cost(workload, site, *location as usize).total());
            let serving = if demand.is_empty() { 0.0 } else { units.fold(f64::INFINITY, f64::min) };
            serving * rate + survey.replica_price(workload, site)
        };
        let admitted = (0..survey.sites()).filter(|site| survey.admits(workload, *site, self.scope.running));
        let mut sites: Vec<(f64, u32)> = admitted.map(|site| (cost(site), site as u32)).collect();
        sites.retain(|(cost, _)| cost.is_finite());
        sites.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        sites.into_iter().take(CHOICES).map(|(_, site)| site).collect()
    }

    /// Other numbers of replicas: one more, one less, one elsewhere, and one more at each of two sites; from nothing, enough at one site
    /// or at two.
    fn neighbours(&self, workload: usize, draft: &Draft, choices: &[u32]) -> Vec<BTreeMap<u32, u32>> {
        let of = self.survey.workload(workload);
        let with = |changes: &[(u32, i64)]| {
            let mut replicas = draft.replicas.clone();
            for (site, change) in changes {
                let count = replicas.entry(*site).or_default();
                *count = (i64::from(*count) + change).clamp(0, i64::from(u32::MAX)) as u32;
            }
            replicas.retain(|_, count| *count > 0);
            replicas
        };
        let mut found = Vec::new();
        for site in choices {
            found.push(with(&[(*site, 1)]));
            found.extend(
                draft
                    .replicas
                    .keys()
                    .filter(|from| *from != site)
                    .map(|from| with(&[(*from, -1), (*site, 1)])),
            );
            found.extend(
                draft
                    .replicas
                    .iter()
                    .filter(|(from, _)| *from != site)
                    .map(|(from, count)| with(&[(*from, -i64::from(*count)), (*site, i64::from(*count))])),
            );
        }
        found.extend(draft.replicas.keys().map(|site| with(&[(*site, -1)])));
        let steps: &[i64] = match draft.total() {
            0 => &[1, 2, 4, 8],
            _ => &[1],
        };
        let least = i64::from(of.replicas.least.max(1));
        for (place, site) in choices.iter().enumerate() {
            if draft.total() == 0 {
                found.extend(steps.iter().map(|step| with(&[(*site, (*step).max(least))])));
            }
            for other in &choices[place + 1..] {
                found.extend(steps.iter().map(|step| with(&[(*site, *step), (*other, *step)])));
            }
        }
        found
    }

    /// The service with so many replicas, if it keeps to all policies.
    fn draft(&self, workload: usize, replicas: BTreeMap<u32, u32>) -> Option<Draft> {
        if replicas.is_empty() {
            return Some(Draft::default());
        }
        if !self.is_allowed(workload, &replicas) {
            return None;
        }
        let mut draft = Draft { flows: serve(self.survey, workload, &replicas), replicas };
        let before = draft.total();
        keep_whole(self.survey, workload, &mut draft);
        (draft.total() == before).then_some(draft)
    }

    fn is_allowed(&self, workload: usize, replicas: &BTreeMap<u32, u32>) -> bool {
        let survey = self.survey;
        let of = survey.workload(workload);
        let width = survey.resources.len();
        let total: u64 = replicas.values().map(|count| u64::from(*count)).sum();
        if of.replicas.most.is_some_and(|most| total > u64::from(most)) {
            return false;
        }
        for (site, count) in replicas {
            let site = *site as usize;
            let used = &self.used[site * width..(site + 1) * width];
            let needs = survey.usage(workload).iter().map(|usage| usage * f64::from(*count));
            let mut room = needs.zip(used).zip(survey.capacity(site));
            if room.any(|((need, used), has)| used + need > has + 1e-9 * has.max(1.0)) {
                return false;
            }
            let running = self.scope.running;
            let before = running.map_or(0, |running| running.replicas(&of.name, &survey.site(site).name));
            if !survey.admits(workload, site, running) || survey.is_stale(site) && *count > before {
                return false;
            }
        }
        of.spread.iter().all(|spread| {
            let domains = domains(survey, &spread.over);
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            for (site, count) in replicas {
                *counts.entry(domains[*site as usize]).or_default() += u64::from(*count);
            }
            spread.most.is_none_or(|most| counts.values().all(|count| *count <= u64::from(most)))
        }) && self.keeps_apart(workload, replicas)
    }

    fn keeps_apart(&self, workload: usize, replicas: &BTreeMap<u32, u32>) -> bool {
        let survey = self.survey;
        let meets = |other: usize, kind: &str| {
            let domains = domains(survey, kind);
            let there = self.sites.get(&other).into_iter().flatten();
            let there: Vec<u32> = there.map(|site| domains[*site as usize]).collect();
            replicas.keys().any(|site| there.contains(&domains[*site as usize]))
        };
        let of = survey.workload(workload);
        let own =
            of.apart.iter().filter_map(|apart| Some((survey.find_workload(&apart.workload)?, &apart.over)));
        if own.into_iter().any(|(other, kind)| meets(other, kind)) {
            return false;
        }
        self.sites.keys().all(|other| {
            let aparts = survey.workload(*other).apart.iter().filter(|apart| apart.workload == of.name);
            aparts.into_iter().all(|apart| !meets(*other, &apart.over))
        })
    }

    /// What a workload costs, with the sites that are open for it alone and what moved.
    fn cost(&self, workload: usize, draft: &Draft) -> f64 {
        let survey = self.survey;
        let of = survey.workload(workload);
        let mut cost = draft.serving_cost(survey, workload);
        for (site, count) in &draft.replicas {
            let site = *site as usize;
            cost += f64::from(*count) * survey.replica_price(workload, site);
            cost += if self.held[site] == 0 { survey.site(site).opening } else { 0.0 };
        }
        if let Some(before) = self.scope.running.and_then(|running| running.workloads.get(&of.name)) {
            let at =
                |site: &u32| before.replicas.get(&survey.site(*site as usize).name).copied().unwrap_or(0);
            let gained: u64 =
                draft.replicas.iter().map(|(site, count)| u64::from(count.saturating_sub(at(site)))).sum();
            let kept: u64 =
                draft.replicas.iter().map(|(site, count)| u64::from((*count).min(at(site)))).sum();
            let moves = gained.min(before.total() - kept);
            cost += moves as f64 * of.move_cost / survey.world.prices.horizon;
        }
        cost
    }
}
