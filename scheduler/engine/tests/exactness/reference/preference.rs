//! The two scores that depend on no load: taints that are only to be avoided, and preferred node affinity.
//!
//! Both arithmetics count alike; they differ in what they make of the count.

use meridian_engine::{Demand, Host, TaintEffect};

use super::{filter, selector};

/// How many `PreferNoSchedule` taints of the host the pod does not tolerate.
pub(crate) fn avoided_taints(host: &Host, demand: &Demand) -> i64 {
    let relevant = || {
        demand
            .constraints
            .tolerations
            .iter()
            .filter(|toleration| matches!(toleration.effect, None | Some(TaintEffect::PreferNoSchedule)))
    };
    let avoided = host.taints.iter().filter(|taint| {
        taint.effect == TaintEffect::PreferNoSchedule
            && !relevant().any(|toleration| filter::matches(toleration, taint))
    });
    avoided.count() as i64
}

/// The weights of all preferred terms that match the host.
pub(crate) fn preferred_weight(host: &Host, demand: &Demand) -> i64 {
    let preferred = demand.constraints.preferred.iter();
    let matching = preferred.filter(|preferred| selector::term_holds(&preferred.term, host));
    matching.map(|preferred| i64::from(preferred.weight)).sum()
}

/// The weights of all preferred terms.
pub(crate) fn total_weight(demand: &Demand) -> i64 {
    demand.constraints.preferred.iter().map(|preferred| i64::from(preferred.weight)).sum()
}
