//! Why a gang is not placed.

use std::fmt;

use super::topology::Domain;
use super::{Gang, GangError, TopologyDomain};
use crate::class::ClassId;
use crate::explain::Explanation;
use crate::scheduler::Scheduler;

/// What hosts outside the domain are refused for, where a gang must be within one.
const OUTSIDE: &str = "node(s) were outside the topology domain of the pod group";

/// A gang against all hosts of the cell, as things are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GangExplanation {
    /// How many members there are.
    pub members: usize,
    /// How many have to find a host.
    pub minimum: usize,
    /// How many find one.
    pub fit: usize,
    /// How many could find one at the most if nothing ran anywhere; counted no further than the members go.
    pub fit_when_idle: usize,
    /// The domain that holds as many as fit, where the gang wants one: the best of the key that holds the most.
    pub domain: Option<TopologyDomain>,
    /// The first member that finds no host, once those before it have theirs.
    pub refused: Option<RefusedMember>,
    /// Resources of the gang's `resources` of which less is free over all hosts: name, wanted, free.
    pub lacking: Vec<(String, i64, i64)>,
}

/// A member of a gang that finds no host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedMember {
    /// Its class.
    pub class: ClassId,
    /// Why no host takes it.
    pub explanation: Explanation,
}

impl GangExplanation {
    /// Whether the gang can be placed now.
    pub fn fits(&self) -> bool {
        self.fit >= self.minimum && self.lacking.is_empty()
    }
}

/// Says how many members of how many fit, and why not the next:
/// `2/3 members of the pod group fit: 0/5 nodes are available: 5 Insufficient cpu.`
impl fmt::Display for GangExplanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((resource, wanted, free)) = self.lacking.first() {
            return write!(out, "Insufficient {resource} for the pod group: {wanted} wanted, {free} free.");
        }
        write!(out, "{}/{} members of the pod group fit", self.fit.min(self.minimum), self.minimum)?;
        if let Some(TopologyDomain { key, value }) = &self.domain {
            write!(out, " within {key}={value}")?;
        }
        if self.fits() {
            return write!(out, ".");
        }
        if self.fit_when_idle < self.minimum {
            let idle = self.fit_when_idle;
            write!(out, ", and no more than {idle} would if nothing else ran")?;
        }
        match &self.refused {
            Some(refused) => write!(out, ": {}", refused.explanation),
            None => write!(out, "."),
        }
    }
}

impl Scheduler {
    /// Why a gang is not placed now, or how much of it would be. Takes nothing.
    pub fn explain_gang(&mut self, gang: &Gang) -> Result<GangExplanation, GangError> {
        self.validate_gang(gang)?;
        let lacking = self.lacking(gang).collect();
        let mut within: Option<(usize, String, Domain)> = None;
        for key in &gang.topology.keys {
            let Some((domain, choices)) = self.best_domain(gang, key, 0) else { continue };
            if within.as_ref().is_none_or(|(fit, ..)| choices.len() > *fit) {
                within = Some((choices.len(), key.clone(), domain));
            }
            if choices.len() >= gang.minimum {
                break;
            }
        }
        // Where a gang may be anywhere, a domain counts only if it holds the gang.
        within = within.filter(|(fit, ..)| gang.topology.is_required() || *fit >= gang.minimum);
        let mut explanation = GangExplanation {
            members: gang.len(),
            minimum: gang.minimum,
            fit: 0,
            fit_when_idle: self.fit_when_idle(gang),
            domain: None,
            refused: None,
            lacking,
        };
        if gang.topology.is_required() && within.is_none() {
            // No host has any of the labels: the first member finds none.
            let (class, _) = gang.members[0];
            explanation.refused = self.refused(class, Some(&Domain::none()));
            return Ok(explanation);
        }
        let domain = within.as_ref().map(|(_, _, domain)| domain);
        let attempt = self.attempt(gang, domain, 0);
        explanation.fit = attempt.members.len();
        if let Some(class) = attempt.refused {
            explanation.refused = self.refused(class, domain);
        }
        self.undo(attempt);
        explanation.domain =
            within.map(|(_, key, domain)| TopologyDomain { key, value: domain.value.to_string() });
        Ok(explanation)
    }

    fn refused(&mut self, class: ClassId, domain: Option<&Domain>) -> Option<RefusedMember> {
        let mut explanation = self.explain(class)?;
        if let Some(domain) = domain {
            // Hosts that no filter refuses are refused for being elsewhere: none of the domain takes the member.
            if explanation.feasible > 0 {
                explanation.refusals.insert(OUTSIDE.to_owned(), explanation.feasible);
            }
            explanation.feasible = 0;
            explanation.ranked.retain(|candidate| domain.contains(candidate.host.index()));
        }
        Some(RefusedMember { class, explanation })
    }

    fn fit_when_idle(&mut self, gang: &Gang) -> usize {
        if !gang.topology.is_required() {
            return self.idle(gang, None);
        }
        let mut most = 0;
        for key in &gang.topology.keys {
            let domains = self.domains.of(&self.cell, key);
            for domain in domains.iter() {
                most = most.max(self.idle(gang, Some(domain)));
            }
        }
        most
    }

    fn idle(&mut self, gang: &Gang, domain: Option<&Domain>) -> usize {
        gang.members.iter().map(|(class, count)| self.at_most_when_idle(*class, *count, domain)).sum()
    }
}
