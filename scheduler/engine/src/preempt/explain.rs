//! Why nobody makes way, in kube-scheduler's words.

use std::collections::BTreeMap;
use std::fmt;

use super::trial::{Standing, Trial};

/// What becomes of a pod on all hosts when others may make way for it. Displays as kube-scheduler words it:
/// `0/5 nodes are available: 1 Preemption is not helpful for scheduling, 4 No preemption victims found for incoming pod.`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreemptionExplanation {
    /// All hosts.
    pub hosts: usize,
    /// Those where the pod gets room so.
    pub candidates: usize,
    /// Per reason, how many of the others it holds for.
    pub refusals: BTreeMap<String, usize>,
}

impl fmt::Display for PreemptionExplanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{} nodes are available", self.candidates, self.hosts)?;
        let mut reasons: Vec<String> =
            self.refusals.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        reasons.sort_unstable();
        if reasons.is_empty() { write!(out, ".") } else { write!(out, ": {}.", reasons.join(", ")) }
    }
}

pub(crate) fn explain(trial: &mut Trial<'_>) -> PreemptionExplanation {
    let cell = trial.cell;
    let mut explanation =
        PreemptionExplanation { hosts: cell.len(), candidates: 0, refusals: BTreeMap::new() };
    for host in cell.hosts() {
        let reasons = match trial.judge(host.index()) {
            Standing::Candidate(_) | Standing::Fits => {
                explanation.candidates += 1;
                continue;
            }
            Standing::Excluded => vec!["Preemption is not helpful for scheduling".to_owned()],
            Standing::NoVictims => vec!["No preemption victims found for incoming pod".to_owned()],
            Standing::TooSmall => trial.shortages(),
        };
        for reason in reasons {
            *explanation.refusals.entry(reason).or_default() += 1;
        }
    }
    explanation
}
