//! Whether one host is refused for the pods around it, and why.

use super::domain::NO_VALUE;
use super::terms::{Hard, Rules};
use super::{Id, Topology};
use crate::profile::FilterPlugin;

/// Why a host is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It has no value of a topology key that pods are to be spread over.
    NoDomain,
    /// Its domain has too many pods already.
    Skew,
    /// No pod is near that the pod wants to be near of.
    Affinity,
    /// A pod is near that the pod keeps away from.
    AntiAffinity,
    /// A pod is near that keeps away from the pod.
    KeptAway,
}

impl Refusal {
    /// The filter that refuses for this reason.
    pub(crate) fn filter(self) -> FilterPlugin {
        match self {
            Refusal::NoDomain | Refusal::Skew => FilterPlugin::PodTopologySpread,
            Refusal::Affinity | Refusal::AntiAffinity | Refusal::KeptAway => FilterPlugin::InterPodAffinity,
        }
    }

    /// Whether the host might do if pods were gone from it; kube-scheduler does not try where it takes it not to.
    pub(crate) fn may_end(self) -> bool {
        !matches!(self, Refusal::NoDomain | Refusal::Affinity)
    }

    /// kube-scheduler's words.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Refusal::NoDomain => {
                "node(s) didn't match pod topology spread constraints (missing required label)"
            }
            Refusal::Skew => "node(s) didn't match pod topology spread constraints",
            Refusal::Affinity => "node(s) didn't match pod affinity rules",
            Refusal::AntiAffinity => "node(s) didn't match pod anti-affinity rules",
            Refusal::KeptAway => "node(s) didn't satisfy existing pods anti-affinity rules",
        }
    }
}

impl Topology {
    /// Why the host in a slot is refused, by the first filter that does.
    pub(crate) fn refusal(&self, rules: &Rules, slot: usize) -> Option<Refusal> {
        self.refusal_without(rules, slot, &[])
    }

    /// As [`refusal`](Self::refusal), if some of the host's pods were gone.
    pub(crate) fn refusal_without(&self, rules: &Rules, slot: usize, gone: &[Id]) -> Option<Refusal> {
        for hard in &rules.hard {
            if self.value(hard.counter, slot) == NO_VALUE {
                return Some(Refusal::NoDomain);
            }
            let gone = self.gone(hard.counter, slot, gone);
            let count = self.count_at(hard.counter, slot) - gone;
            // A domain that pods are gone from may be the emptiest now.
            if !self.keeps_skew(hard, count, if gone > 0 { count } else { i64::MAX }) {
                return Some(Refusal::Skew);
            }
        }
        let count = |counter: &Id| self.count_at(*counter, slot) - self.gone(*counter, slot, gone);
        let mut is_near = true;
        for counter in &rules.affinity {
            if self.value(*counter, slot) == NO_VALUE {
                return Some(Refusal::Affinity);
            }
            is_near &= count(counter) > 0;
        }
        let left = |counter: &Id| self.counters.get(*counter).total - self.gone(*counter, slot, gone);
        is_near |= rules.matches_itself && rules.affinity.iter().all(|counter| left(counter) == 0);
        if !is_near {
            return Some(Refusal::Affinity);
        }
        let is_taken = |counter: &Id| count(counter) > 0;
        if rules.anti_affinity.iter().any(is_taken) {
            return Some(Refusal::AntiAffinity);
        }
        rules.kept_away.iter().any(is_taken).then_some(Refusal::KeptAway)
    }

    /// Whether a host could never do, whatever pods come and go.
    pub(crate) fn lacks_labels(&self, rules: &Rules, slot: usize) -> bool {
        let hard = rules.hard.iter().map(|hard| hard.counter);
        hard.chain(rules.affinity.iter().copied()).any(|counter| self.value(counter, slot) == NO_VALUE)
    }

    /// What pods of a host add to what is counted in its domain.
    fn gone(&self, counter: Id, slot: usize, gone: &[Id]) -> i64 {
        let entry = self.counters.get(counter);
        if gone.is_empty() || super::value(&self.columns, &self.scopes, entry, slot) == NO_VALUE {
            return 0;
        }
        let touches = gone.iter().flat_map(|member| &self.members.get(*member).touches);
        touches.filter(|(touched, _)| *touched == counter).map(|(_, amount)| amount).sum()
    }

    /// Whether a domain with so many pods may take one more, where some domain has no more than `least`.
    pub(super) fn keeps_skew(&self, hard: &Hard, count: i64, least: i64) -> bool {
        let counter = self.counters.get(hard.counter);
        let domains = self.domains.get(counter.domains).existing;
        let least = if domains < hard.min_domains { 0 } else { counter.least().min(least) };
        count + hard.own - least <= hard.max_skew
    }

    /// Whether a pod that wants others near may be the first: where there is none, it would do for the next ones.
    pub(super) fn may_be_first(&self, rules: &Rules) -> bool {
        rules.matches_itself && rules.affinity.iter().all(|counter| self.counters.get(*counter).total == 0)
    }
}
