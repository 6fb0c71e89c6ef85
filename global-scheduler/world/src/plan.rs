//! A plan: how many replicas of each workload run where, and which demand they serve.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::unique;

/// What runs where, by the workloads' names. A workload that is not named does not run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// By workload.
    #[serde(default, deserialize_with = "unique::map")]
    pub workloads: BTreeMap<String, Placement>,
}

/// Where one workload runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// Replicas by site, none of them 0.
    #[serde(deserialize_with = "unique::map")]
    pub replicas: BTreeMap<String, u32>,
    /// Who is served from where, in the order of locations and sites.
    #[serde(default)]
    pub flows: Vec<Flow>,
}

/// Demand of a location that a site serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Where it comes from.
    pub location: String,
    /// Where it is served.
    pub site: String,
    /// Units of demand.
    pub amount: f64,
}

impl Placement {
    /// All replicas.
    pub fn total(&self) -> u64 {
        self.replicas.values().map(|count| u64::from(*count)).sum()
    }
}

impl Plan {
    /// Replicas of a workload at a site.
    pub fn replicas(&self, workload: &str, site: &str) -> u32 {
        self.workloads.get(workload).and_then(|placement| placement.replicas.get(site)).copied().unwrap_or(0)
    }

    /// What changes from another plan to this one: a line for each workload and site with other replicas, in their order.
    pub fn changes_from(&self, before: &Plan) -> Vec<Change> {
        let names: BTreeSet<&String> = self.workloads.keys().chain(before.workloads.keys()).collect();
        let mut changes = Vec::new();
        for workload in names {
            let of =
                |plan: &'_ Plan| plan.workloads.get(workload).map(|placement| placement.replicas.clone());
            let (now, then) = (of(self).unwrap_or_default(), of(before).unwrap_or_default());
            let sites: BTreeSet<&String> = now.keys().chain(then.keys()).collect();
            for site in sites {
                let (before, after) =
                    (then.get(site).copied().unwrap_or(0), now.get(site).copied().unwrap_or(0));
                if before != after {
                    changes.push(Change { workload: workload.clone(), site: site.clone(), before, after });
                }
            }
        }
        changes
    }

    /// Replicas of a workload that run elsewhere than before. What is added or taken away without the other is no move.
    pub fn moves_of(&self, before: &Plan, workload: &str) -> u64 {
        let (Some(now), Some(then)) = (self.workloads.get(workload), before.workloads.get(workload)) else {
            return 0;
        };
        let at = |placement: &Placement, site: &String| placement.replicas.get(site).copied().unwrap_or(0);
        let gained = |(site, count): (&String, &u32)| u64::from(count.saturating_sub(at(then, site)));
        let lost = |(site, count): (&String, &u32)| u64::from(count.saturating_sub(at(now, site)));
        let gained: u64 = now.replicas.iter().map(gained).sum();
        gained.min(then.replicas.iter().map(lost).sum())
    }

    /// Replicas that run elsewhere than before.
    pub fn moves_from(&self, before: &Plan) -> u64 {
        before.workloads.keys().map(|workload| self.moves_of(before, workload)).sum()
    }
}

/// A workload that runs with other replicas at a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The workload.
    pub workload: String,
    /// The site.
    pub site: String,
    /// Replicas before.
    pub before: u32,
    /// Replicas now.
    pub after: u32,
}
