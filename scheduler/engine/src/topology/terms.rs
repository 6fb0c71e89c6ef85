//! What a class asks of the pods around it: compiled once a class, and joined with what pods around ask of it.

use super::Topology;
use super::counter::{Carried, Subject};
use super::domain::{Key, Scope};
use super::matcher::{MatcherKey, matches_labels};
use super::table::Id;
use crate::cell::Cell;
use crate::demand::{Constraints, Demand, Identity, LabelSelector, SpreadConstraint};
use crate::profile::{FilterPlugin, Profile, ScorePlugin};

/// The label whose domains kube-scheduler takes for the hosts themselves when it scores.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// The compiled terms of a class. Holds a use of each counter.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) member: Id,
    peer: Id,
    rules: Rules,
    /// Columns that rules name beside counters.
    labels: Vec<Id>,
    has_preferred: bool,
}

/// All that decides about hosts for a class, but for the counts themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    pub(crate) hard: Vec<Hard>,
    pub(crate) soft: Vec<Soft>,
    /// Whether hosts without the labels of all soft constraints get nothing for any.
    pub(crate) needs_all_labels: bool,
    /// Counters of the pods that match all terms, by each term's key.
    pub(crate) affinity: Vec<Id>,
    /// Whether the pod would do as the first of those.
    pub(crate) matches_itself: bool,
    /// Counters of pods that the class keeps away from.
    pub(crate) anti_affinity: Vec<Id>,
    /// Counters of pods that keep away from the class.
    pub(crate) kept_away: Vec<Id>,
    /// Counters that add to what `InterPodAffinity` makes of a host, times a factor.
    pub(crate) near: Vec<(Id, i64)>,
}

/// A spread constraint that refuses hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Hard {
    pub(crate) counter: Id,
    pub(crate) max_skew: i64,
    pub(crate) min_domains: usize,
    /// What the pod itself would add.
    pub(crate) own: i64,
}

/// A spread constraint that counts in scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Soft {
    pub(crate) counter: Id,
    pub(crate) max_skew: i64,
    /// The column of the label that hosts must have.
    pub(crate) label: Id,
    /// Whether each host is a domain.
    pub(crate) is_by_host: bool,
}

impl Rules {
    /// Whether nothing around matters to the class.
    pub(crate) fn is_empty(&self) -> bool {
        self.hard.is_empty()
            && self.soft.is_empty()
            && self.affinity.is_empty()
            && self.anti_affinity.is_empty()
            && self.kept_away.is_empty()
            && self.near.is_empty()
    }

    /// Whether hosts may be refused for pods that run elsewhere.
    pub(crate) fn is_required(&self) -> bool {
        !(self.hard.is_empty()
            && self.affinity.is_empty()
            && self.anti_affinity.is_empty()
            && self.kept_away.is_empty())
    }
}

/// The constraints of a pod of one kind, and whether they are a list that all hosts must have the labels of.
fn constraints<'a>(
    demand: &'a Demand,
    profile: &'a Profile,
) -> (Vec<(&'a SpreadConstraint, &'a LabelSelector)>, bool) {
    let terms = &demand.terms;
    if !terms.spread.is_empty() {
        return (terms.spread.iter().map(|constraint| (constraint, &constraint.selector)).collect(), true);
    }
    if terms.default_spread.as_ref().is_none_or(Vec::is_empty) {
        return (Vec::new(), true);
    }
    let defaults = profile.topology.default_spread.constraints();
    let all = defaults.iter().map(|constraint| (constraint, &terms.default_spread)).collect();
    (all, !profile.topology.default_spread.is_system())
}

impl Topology {
    /// Compiles a class.
    pub(crate) fn compile(&mut self, cell: &Cell, demand: &Demand, profile: &Profile) -> Terms {
        let Demand { identity, terms, .. } = demand;
        let member = self.member(cell, identity, terms);
        let peer = self.members.key(member).peer;
        let filters = |filter| profile.filters.contains(&filter);
        let scores = |plugin: &ScorePlugin| profile.scores.iter().any(|score| score.plugin == *plugin);
        let mut rules = Rules::default();
        let mut labels = Vec::new();
        if filters(FilterPlugin::PodTopologySpread) {
            rules.hard = self.hard(cell, demand, profile);
        }
        if scores(&ScorePlugin::PodTopologySpread) {
            (rules.soft, rules.needs_all_labels) = self.soft(cell, demand, profile);
            labels = rules.soft.iter().map(|soft| soft.label).collect();
        }
        if filters(FilterPlugin::InterPodAffinity) {
            if !terms.affinity.is_empty() {
                let matcher = MatcherKey::of_terms(identity, &terms.affinity);
                for term in &terms.affinity {
                    rules.affinity.push(self.pods(cell, &term.topology_key, matcher.clone()));
                }
            }
            for term in &terms.anti_affinity {
                let matcher = MatcherKey::of_terms(identity, [term]);
                rules.anti_affinity.push(self.pods(cell, &term.topology_key, matcher));
            }
        }
        if scores(&ScorePlugin::InterPodAffinity) {
            for weighted in &terms.preferred {
                let matcher = MatcherKey::of_terms(identity, [&weighted.term]);
                let counter = self.pods(cell, &weighted.term.topology_key, matcher);
                rules.near.push((counter, i64::from(weighted.weight)));
            }
        }
        Terms { member, peer, rules, labels, has_preferred: !terms.preferred.is_empty() }
    }

    /// Drops what [`compile`](Self::compile) made.
    pub(crate) fn release_terms(&mut self, terms: &Terms) {
        let rules = &terms.rules;
        let hard = rules.hard.iter().map(|hard| hard.counter);
        let soft = rules.soft.iter().map(|soft| soft.counter);
        let near = rules.near.iter().map(|(counter, _)| *counter);
        let others = rules.affinity.iter().chain(&rules.anti_affinity).copied();
        for counter in hard.chain(soft).chain(near).chain(others) {
            self.release_counter(counter);
        }
        for label in &terms.labels {
            self.columns.release(*label);
        }
        self.release_member(terms.member);
    }

    /// When what the pods around ask of a class was last changed.
    pub(crate) fn revision(&self, terms: &Terms) -> u64 {
        self.matching.peers.get(terms.peer).revision
    }

    /// The rules of a class as things are.
    pub(crate) fn rules(&self, terms: &Terms, profile: &Profile) -> Rules {
        let mut rules = terms.rules.clone();
        // The labels of its namespace may have changed since the class was compiled.
        rules.matches_itself = rules.affinity.first().is_some_and(|counter| {
            self.matching.matches(self.counters.key(*counter).subject.matcher(), terms.peer)
        });
        let filters = profile.filters.contains(&FilterPlugin::InterPodAffinity);
        let scores = profile.scores.iter().any(|score| score.plugin == ScorePlugin::InterPodAffinity)
            && (terms.has_preferred || !profile.topology.ignores_preferred_terms_of_existing_pods);
        let hard_weight = i64::from(profile.topology.hard_pod_affinity_weight);
        for matcher in &self.matching.peers.get(terms.peer).matchers {
            for counter in &self.matching.matchers.get(*matcher).carrying {
                match self.counters.key(*counter).subject {
                    Subject::Carrying { kind: Carried::AntiAffinity, .. } if filters => {
                        rules.kept_away.push(*counter);
                    }
                    Subject::Carrying { kind: Carried::Preferred, .. } if scores => {
                        rules.near.push((*counter, 1));
                    }
                    Subject::Carrying { kind: Carried::Affinity, .. } if scores && hard_weight > 0 => {
                        rules.near.push((*counter, hard_weight));
                    }
                    Subject::Carrying { .. } | Subject::Matching { .. } => {}
                }
            }
        }
        rules.anti_affinity.sort_unstable();
        rules.kept_away.sort_unstable();
        rules.near.sort_unstable();
        rules
    }

    /// The counter of pods that a term means.
    fn pods(&mut self, cell: &Cell, key: &str, matcher: MatcherKey) -> Id {
        let subject = Subject::Matching { matcher: self.matching.matcher(matcher), terminating: true };
        self.counter(cell, Key::Label(key.to_owned()), Scope::default(), subject)
    }

    fn spread_counter(
        &mut self,
        cell: &Cell,
        identity: &Identity,
        key: Key,
        selector: &LabelSelector,
        scope: Scope,
    ) -> Id {
        let matcher = self.matching.matcher(MatcherKey::of_spread(identity, selector));
        self.counter(cell, key, scope, Subject::Matching { matcher, terminating: false })
    }

    fn hard(&mut self, cell: &Cell, demand: &Demand, profile: &Profile) -> Vec<Hard> {
        let (all, _) = constraints(demand, profile);
        let hard: Vec<_> = all.into_iter().filter(|(constraint, _)| constraint.is_required).collect();
        let keys = keys(&hard);
        hard.into_iter()
            .map(|(constraint, selector)| {
                let scope = scope(constraint, demand, keys.clone());
                let key = Key::Label(constraint.topology_key.clone());
                Hard {
                    counter: self.spread_counter(cell, &demand.identity, key, selector, scope),
                    max_skew: constraint.max_skew.into(),
                    min_domains: constraint.min_domains.unwrap_or(1) as usize,
                    own: i64::from(matches_labels(selector, &demand.identity.labels)),
                }
            })
            .collect()
    }

    fn soft(&mut self, cell: &Cell, demand: &Demand, profile: &Profile) -> (Vec<Soft>, bool) {
        let (all, needs_all_labels) = constraints(demand, profile);
        let soft: Vec<_> = all.into_iter().filter(|(constraint, _)| !constraint.is_required).collect();
        let keys = if needs_all_labels { keys(&soft) } else { Vec::new() };
        let soft = soft
            .into_iter()
            .map(|(constraint, selector)| {
                let is_by_host = constraint.topology_key == HOSTNAME;
                let label = Key::Label(constraint.topology_key.clone());
                let (key, scope) = if is_by_host {
                    (Key::Host, Scope::default())
                } else {
                    (label.clone(), scope(constraint, demand, keys.clone()))
                };
                Soft {
                    counter: self.spread_counter(cell, &demand.identity, key, selector, scope),
                    max_skew: constraint.max_skew.into(),
                    label: self.column(cell, label),
                    is_by_host,
                }
            })
            .collect();
        (soft, needs_all_labels)
    }
}

fn keys(constraints: &[(&SpreadConstraint, &LabelSelector)]) -> Vec<String> {
    let mut keys: Vec<String> =
        constraints.iter().map(|(constraint, _)| constraint.topology_key.clone()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn scope(constraint: &SpreadConstraint, demand: &Demand, keys: Vec<String>) -> Scope {
    let mut constraints = Constraints::default();
    if constraint.honors_affinity {
        constraints.node_selector.clone_from(&demand.constraints.node_selector);
        constraints.required.clone_from(&demand.constraints.required);
    }
    if constraint.honors_taints {
        constraints.tolerations.clone_from(&demand.constraints.tolerations);
    }
    Scope { keys, constraints, bears_taints: constraint.honors_taints }
}
