//! How many replicas each ReplicaSet of a Deployment should have next. Plain arithmetic on counts: no objects are written
//! here.
//!
//! The rules are those that Kubernetes documents for Deployments: a rolling update never has more than `replicas + maxSurge`
//! pods nor fewer than `replicas - maxUnavailable` available ones, pods that are broken go first, and a Deployment that is
//! scaled in the middle of a roll-out scales its ReplicaSets in proportion.

use super::view::{Deployment, ReplicaSet, Strategy};

/// The ReplicaSets of a Deployment: the one of its template, where there is one, and the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sets {
    pub(crate) new: Option<ReplicaSet>,
    /// Oldest first.
    pub(crate) old: Vec<ReplicaSet>,
}

/// A change: the ReplicaSet of this name should have so many replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) name: String,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Sets {
    pub(crate) fn all(&self) -> impl Iterator<Item = &ReplicaSet> {
        self.old.iter().chain(&self.new)
    }

    fn active(&self) -> impl Iterator<Item = &ReplicaSet> {
        self.all().filter(|set| set.replicas > 0)
    }

    /// Sums over all.
    pub(crate) fn sum(&self, count: impl Fn(&ReplicaSet) -> i64) -> i64 {
        self.all().map(count).sum()
    }
}

/// Whether the Deployment was scaled since its ReplicaSets last were.
pub(crate) fn was_scaled(deployment: &Deployment, sets: &Sets) -> bool {
    sets.active().any(|set| set.desired_annotation().is_some_and(|desired| desired != deployment.replicas))
}

/// The next step towards the template, for a Deployment that is neither paused nor being scaled.
pub(crate) fn roll(deployment: &Deployment, sets: &Sets, old_pods_run: bool) -> Vec<Scale> {
    match deployment.strategy {
        Strategy::Recreate => {
            let down: Vec<Scale> = sets.old.iter().filter_map(|set| change(set, 0)).collect();
            if !down.is_empty() || old_pods_run {
                return down;
            }
            sets.new.iter().filter_map(|set| change(set, deployment.replicas)).collect()
        }
        Strategy::Rolling { .. } => {
            if let Some(new) = &sets.new
                && let Some(scale) = change(new, new_replicas(deployment, sets))
            {
                return vec![scale];
            }
            shrink_old(deployment, sets)
        }
    }
}

/// How many replicas the ReplicaSet of the template should have now.
pub(crate) fn new_replicas(deployment: &Deployment, sets: &Sets) -> i64 {
    let present = sets.new.as_ref().map_or(0, |set| set.replicas);
    if matches!(deployment.strategy, Strategy::Recreate) || present > deployment.replicas {
        return deployment.replicas;
    }
    let Strategy::Rolling { surge, .. } = deployment.strategy else { return deployment.replicas };
    let room = deployment.replicas + surge - sets.sum(|set| set.replicas);
    present + room.min(deployment.replicas - present).max(0)
}

fn shrink_old(deployment: &Deployment, sets: &Sets) -> Vec<Scale> {
    if sets.old.iter().all(|set| set.replicas == 0) {
        return Vec::new();
    }
    let least_available = deployment.replicas - deployment.may_be_unavailable();
    let new_unavailable = sets.new.as_ref().map_or(0, |set| (set.replicas - set.available).max(0));
    let mut may_go = sets.sum(|set| set.replicas) - least_available - new_unavailable;
    if may_go <= 0 {
        return Vec::new();
    }
    let mut targets: Vec<i64> = sets.old.iter().map(|set| set.replicas).collect();
    // Broken ones first: they cost no availability.
    for (set, target) in sets.old.iter().zip(&mut targets) {
        let broken = (set.replicas - set.available).clamp(0, may_go);
        *target -= broken;
        may_go -= broken;
    }
    let mut spare = sets.sum(|set| set.available) - least_available;
    for target in &mut targets {
        let fewer = spare.min(may_go).clamp(0, *target);
        *target -= fewer;
        spare -= fewer;
        may_go -= fewer;
    }
    sets.old.iter().zip(targets).filter_map(|(set, target)| change(set, target)).collect()
}

/// Brings the number of replicas to what the Deployment asks for without going on with a roll-out.
pub(crate) fn resize(deployment: &Deployment, sets: &Sets) -> Vec<Scale> {
    let active: Vec<&ReplicaSet> = sets.active().collect();
    let only = match active.as_slice() {
        [] => sets.new.as_ref().or_else(|| sets.old.last()),
        [only] => Some(*only),
        _ => None,
    };
    if let Some(only) = only {
        return change(only, deployment.replicas).into_iter().collect();
    }
    if sets
        .new
        .as_ref()
        .is_some_and(|new| new.replicas == deployment.replicas && new.available == deployment.replicas)
    {
        return sets.old.iter().filter_map(|set| change(set, 0)).collect();
    }
    if matches!(deployment.strategy, Strategy::Recreate) {
        return Vec::new();
    }
    in_proportion(deployment, active)
}

fn in_proportion(deployment: &Deployment, mut active: Vec<&ReplicaSet>) -> Vec<Scale> {
    let most = deployment.most_replicas();
    let to_add = most - active.iter().map(|set| set.replicas).sum::<i64>();
    // The largest first; of equal ones those that should rather grow, or shrink.
    active.sort_by(|a, b| {
        let by_age = if to_add > 0 { b.created.cmp(&a.created) } else { a.created.cmp(&b.created) };
        b.replicas.cmp(&a.replicas).then(by_age).then_with(|| a.name.cmp(&b.name))
    });
    let mut added = 0;
    let mut targets = Vec::with_capacity(active.len());
    for set in &active {
        let left = to_add - added;
        let share = if left == 0 { 0 } else { share(deployment, set, most) };
        let share = if to_add > 0 { share.clamp(0, left) } else { share.clamp(left, 0) };
        added += share;
        targets.push(set.replicas + share);
    }
    // What rounding left over.
    if let Some(first) = targets.first_mut() {
        *first = (*first + to_add - added).max(0);
    }
    active.iter().zip(targets).filter_map(|(set, target)| change(set, target.max(0))).collect()
}

/// How many replicas a ReplicaSet should gain (or lose) to keep its part of the whole.
fn share(deployment: &Deployment, set: &ReplicaSet, most: i64) -> i64 {
    if deployment.replicas == 0 {
        return -set.replicas;
    }
    let before = set.most_annotation().filter(|most| *most > 0).unwrap_or(set.replicas.max(1));
    let product = set.replicas.saturating_mul(most);
    // Rounded to the nearest.
    product.saturating_mul(2).saturating_add(before) / before.saturating_mul(2) - set.replicas
}

fn change(set: &ReplicaSet, to: i64) -> Option<Scale> {
    (set.replicas != to).then(|| Scale { name: set.name.clone(), from: set.replicas, to })
}

/// Names of ReplicaSets that are kept for roll-backs no longer, oldest first.
pub(crate) fn expired(deployment: &Deployment, sets: &Sets) -> Vec<String> {
    let mut idle: Vec<&ReplicaSet> = sets
        .old
        .iter()
        .filter(|set| set.replicas == 0 && set.actual == 0 && !crate::object::is_deleting(&set.object))
        .collect();
    idle.sort_by(|a, b| a.revision.cmp(&b.revision).then(a.created.cmp(&b.created)));
    let keep = usize::try_from(deployment.history_limit).unwrap_or(usize::MAX);
    let expired = idle.len().saturating_sub(keep);
    idle[..expired].iter().map(|set| set.name.clone()).collect()
}
