//! Gangs, host by host: members are started one after the other and stopped again where they are too few.

use std::collections::BTreeMap;
use std::rc::Rc;

use meridian_engine::{Demand, Resources};

use super::machine::{PodId, quantity};
use super::{Candidate, Reference};

/// A gang as the reference sees it.
#[derive(Clone, Debug)]
pub(crate) struct Gang {
    pub(crate) members: Vec<(Rc<Demand>, usize)>,
    pub(crate) minimum: usize,
    pub(crate) resources: Resources,
    pub(crate) keys: Vec<String>,
    pub(crate) required: bool,
}

/// A label's key and value.
pub(crate) type Domain = (String, String);

/// Members that have started.
#[derive(Debug, Default)]
pub(crate) struct Started {
    pub(crate) pods: Vec<(PodId, Candidate)>,
    pub(crate) domain: Option<Domain>,
    /// The first member that found no host, by its place in the list.
    refused: Option<usize>,
}

/// Why a gang is not placed.
#[derive(Debug, PartialEq)]
pub(crate) struct GangVerdict {
    pub(crate) fit: usize,
    pub(crate) domain: Option<Domain>,
    pub(crate) refused: Option<(usize, BTreeMap<String, usize>)>,
    pub(crate) lacking: bool,
}

impl Reference {
    /// Starts the gang, or nothing of it.
    pub(crate) fn start_gang(&mut self, gang: &Gang) -> Option<Started> {
        let started = self.start_or_nothing(gang)?;
        for (id, _) in &started.pods {
            let mut pods = self.machines.iter().flatten().flat_map(|machine| &machine.pods);
            let demand = pods.find(|pod| pod.id == *id).map(|pod| Rc::clone(&pod.demand));
            self.learned.place(&demand.expect("the pod was started"));
        }
        Some(started)
    }

    fn start_or_nothing(&mut self, gang: &Gang) -> Option<Started> {
        if self.lacks(&gang.resources) {
            return None;
        }
        for key in &gang.keys {
            let Some((fit, domain)) = self.best_domain(gang, key) else { continue };
            if fit >= gang.minimum {
                return Some(self.start(gang, Some(domain)));
            }
        }
        if gang.required && !gang.keys.is_empty() {
            return None;
        }
        let started = self.start(gang, None);
        if started.pods.len() < gang.minimum {
            self.stop(&started);
            return None;
        }
        Some(started)
    }

    /// Why the gang is not started, and how much of it would be.
    pub(crate) fn judge_gang(&mut self, gang: &Gang) -> GangVerdict {
        let lacking = self.lacks(&gang.resources);
        let mut best: Option<(usize, Domain)> = None;
        for key in &gang.keys {
            let Some((fit, domain)) = self.best_domain(gang, key) else { continue };
            if best.as_ref().is_none_or(|(most, _)| fit > *most) {
                best = Some((fit, domain));
            }
            if fit >= gang.minimum {
                break;
            }
        }
        let must = gang.required && !gang.keys.is_empty();
        let domain = match best {
            None if must => Some((String::new(), String::new())),
            Some((fit, domain)) if must || fit >= gang.minimum => Some(domain),
            _ => None,
        };
        let started = self.start(gang, domain.clone());
        let refused = started
            .refused
            .map(|member| (member, self.judge_among(&gang.members[member].0, domain.as_ref()).refusals));
        self.stop(&started);
        let domain = domain.filter(|(key, _)| !key.is_empty());
        GangVerdict { fit: started.pods.len(), domain, refused, lacking }
    }

    fn best_domain(&mut self, gang: &Gang, key: &str) -> Option<(usize, Domain)> {
        let mut values: Vec<String> = Vec::new();
        for (_, machine) in self.present() {
            if let Some(value) = machine.host.labels.get(key)
                && !values.contains(value)
            {
                values.push(value.clone());
            }
        }
        let mut best: Option<((usize, i64), Domain)> = None;
        for value in values {
            let domain = (key.to_owned(), value);
            let started = self.start(gang, Some(domain.clone()));
            self.stop(&started);
            let scores: i64 = started.pods.iter().map(|(_, candidate)| candidate.score).sum();
            let worth = (started.pods.len(), scores);
            if best.as_ref().is_none_or(|(most, _)| worth > *most) {
                best = Some((worth, domain));
            }
        }
        best.map(|((fit, _), domain)| (fit, domain))
    }

    /// Starts as many members as find a host.
    fn start(&mut self, gang: &Gang, domain: Option<Domain>) -> Started {
        let mut started = Started { domain, ..Started::default() };
        let mut missing: Vec<usize> = gang.members.iter().map(|(_, count)| *count).collect();
        // Members that want to be beside others may fit once these are there.
        loop {
            let before = started.pods.len();
            for (member, (demand, _)) in gang.members.iter().enumerate() {
                while missing[member] > 0 {
                    let verdict = self.judge_among(demand, started.domain.as_ref());
                    let Some(best) = verdict.candidates.into_iter().next() else { break };
                    let pod = self.try_place(demand, best.slot, best.seat).expect("the best host has room");
                    started.pods.push((pod, best));
                    missing[member] -= 1;
                }
            }
            if started.pods.len() == before {
                break;
            }
        }
        started.refused = missing.iter().position(|left| *left > 0);
        started
    }

    fn stop(&mut self, started: &Started) {
        for (pod, _) in &started.pods {
            assert!(self.release(*pod), "the pod was started");
        }
    }

    fn lacks(&self, resources: &Resources) -> bool {
        let extended = resources.extended.keys().map(String::as_str);
        ["cpu", "memory", "ephemeral-storage"].into_iter().chain(extended).any(|name| {
            let wanted = quantity(resources, name);
            let sum: i128 = self.present().map(|(_, machine)| i128::from(machine.free(name).max(0))).sum();
            wanted > 0 && sum < i128::from(wanted)
        })
    }
}
