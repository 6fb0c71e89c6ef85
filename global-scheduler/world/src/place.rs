//! Changes to a running plan that leave everything else where it is: a new workload, and the repair of what a failure broke.

use meridian_global_engine::{Limits, keep};

use crate::compile::{Scope, compile};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::settle::{Effort, refit, settle};
use crate::survey::Survey;

/// Changes that are tried for a workload that is placed, beside what the engine finds.
const TRIES: u64 = 500;

/// The running plan with some workloads placed, or placed anew. All others stay as they are.
pub fn place(
    survey: &Survey<'_>,
    running: &Plan,
    workloads: &[usize],
    limits: &Limits<'_>,
    seed: u64,
) -> Result<Plan, Problem> {
    let scope = Scope { workloads, fixed: Some(running), running: Some(running), stays: true };
    let compiled = compile(survey, scope)?;
    let solution = meridian_global_engine::solve(&compiled.model, limits, seed, None);
    let mut effort = Effort { tries: TRIES, stop: &|| false };
    Ok(settle(survey, &compiled, &solution.assignment, scope, &mut effort))
}

/// The running plan with today's demand, in which only replicas move that may not stay where they are.
///
/// Replicas of sites that failed, that a policy refuses now or that do not fit any more go elsewhere, and demand that is not served
/// is served where there is room. What that cannot help stays unserved.
pub fn repair(survey: &Survey<'_>, running: &Plan) -> Result<Plan, Problem> {
    let fitted = refit(survey, running);
    let affected = affected(survey, running, &fitted);
    if affected.is_empty() {
        return Ok(fitted);
    }
    let scope = Scope { workloads: &affected, fixed: Some(&fitted), running: Some(running), stays: true };
    let compiled = compile(survey, scope)?;
    let assignment = keep(&compiled.model, &compiled.start());
    let mut effort = Effort { tries: 0, stop: &|| false };
    Ok(settle(survey, &compiled, &assignment, scope, &mut effort))
}

/// Workloads that cannot stay as they are, or are not served in full: in ascending order.
fn affected(survey: &Survey<'_>, running: &Plan, fitted: &Plan) -> Vec<usize> {
    let width = survey.resources.len();
    let mut used = vec![0.0; survey.sites() * width];
    for (name, placement) in &fitted.workloads {
        let Some(workload) = survey.find_workload(name) else { continue };
        for (site, count) in &placement.replicas {
            let Some(site) = survey.find_site(site) else { continue };
            let of_site = &mut used[site * width..(site + 1) * width];
            of_site
                .iter_mut()
                .zip(survey.usage(workload))
                .for_each(|(used, usage)| *used += usage * f64::from(*count));
        }
    }
    let is_full = |site: usize| {
        let used = used[site * width..].iter();
        survey.capacity(site).iter().zip(used).any(|(has, used)| *used > has + 1e-7 * has.max(1.0))
    };
    let stays = |workload: &usize| {
        let of = survey.workload(*workload);
        let Some(placement) = fitted.workloads.get(&of.name) else { return false };
        let Some(before) = running.workloads.get(&of.name) else { return false };
        let served: f64 = placement.flows.iter().map(|flow| flow.amount).sum();
        let is_served = served >= of.total_demand() * (1.0 - 1e-6);
        let may_stay = |site: &String| {
            survey
                .find_site(site)
                .is_some_and(|site| survey.admits(*workload, site, Some(running)) && !is_full(site))
        };
        is_served && before.replicas.keys().all(may_stay)
    };
    (0..survey.world.workloads.len()).filter(|workload| !stays(workload)).collect()
}
