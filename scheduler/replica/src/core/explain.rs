//! Why pods are, or would be, where they are, or nowhere.

use meridian_engine::{Candidate, ClassId, Explanation, FilterPlugin};
use meridian_proto::v1;
use meridian_wire::demand_from_message;

use super::Core;

/// What is said besides of a pod for which nobody is to make way, as kube-scheduler words it.
const NOT_ELIGIBLE: &str = " preemption: not eligible due to preemptionPolicy=Never.";

impl Core {
    /// Words anew why a class fits nowhere, and tells its pods where that has changed.
    pub(crate) fn explain_parked(&mut self, class: ClassId) {
        let Some(explanation) = self.scheduler.explain(class) else { return };
        self.counts.explanations += 1;
        if let Some(entry) = self.classes.get_mut(class) {
            entry.explain(explanation.to_string());
        }
        // Who makes way may be others than when it was tried last.
        self.want_room_for(class);
        self.tell(class);
    }

    /// Tells the pods of a class its message, those that have not been told.
    pub(crate) fn tell(&mut self, class: ClassId) {
        let Some(entry) = self.classes.get_mut(class) else { return };
        let Some(message) = entry.message.clone() else { return };
        let (number, untold) = (entry.number, entry.untold());
        for key in untold {
            let Some(pod) = self.pods.waiting_mut(key).filter(|pod| pod.told != number) else { continue };
            pod.told = number;
            let suffix = if pod.preempts_in.is_none() { NOT_ELIGIBLE } else { "" };
            let told = v1::UnschedulablePod {
                uid: pod.uid.to_string(),
                assignment: pod.assignment,
                message: format!("{message}{suffix}"),
            };
            if let Some(stream) = self.streams.get_mut(pod.stream) {
                stream.outbox.unschedulable.push_back(told);
            }
        }
    }

    /// Answers a question.
    pub(crate) fn answer(&mut self, stream: usize, request: v1::ExplainRequest) {
        let number = request.number;
        self.counts.explanations += 1;
        let answer =
            self.explain(request).unwrap_or_else(|error| v1::ExplainResponse { error, ..Default::default() });
        if let Some(outbox) = self.outbox(stream) {
            outbox.explanations.push_back(v1::ExplainResponse { number, ..answer });
        }
    }

    fn explain(&mut self, request: v1::ExplainRequest) -> Result<v1::ExplainResponse, String> {
        if let Some(problem) = self.profile_problem(&request.profile) {
            return Err(problem);
        }
        let demand =
            demand_from_message(request.demand.unwrap_or_default()).map_err(|error| error.to_string())?;
        let explanation = self.explain_demand(&demand)?;
        let mut scored: Vec<v1::ScoredHost> = explanation.ranked.iter().map(scored_host).collect();
        if !request.host.is_empty() && scored.iter().all(|scored| scored.host != request.host) {
            // The host that the pod is on is asked about alone, as if the pod could go nowhere else.
            let mut there = demand;
            there.constraints.node_name = Some(request.host);
            scored.extend(self.explain_demand(&there)?.ranked.iter().map(scored_host));
        }
        let refused = explanation.refusals.iter().map(|(reason, hosts)| v1::FilterCount {
            filter: filter_of(reason).to_owned(),
            reason: reason.clone(),
            hosts: count(*hosts),
        });
        let message = if explanation.feasible == 0 { explanation.to_string() } else { String::new() };
        Ok(v1::ExplainResponse {
            number: request.number,
            hosts: count(explanation.hosts),
            feasible: count(explanation.feasible),
            refused: refused.collect(),
            scored,
            message,
            unit: explanation.unit,
            error: String::new(),
        })
    }

    fn explain_demand(&mut self, demand: &meridian_engine::Demand) -> Result<Explanation, String> {
        let class = self.classes.intern(demand, &mut self.scheduler).map_err(|error| error.to_string())?;
        let explanation = self.scheduler.explain(class);
        self.classes.give_up(class, &mut self.scheduler);
        explanation.ok_or_else(|| "the class has been forgotten; ask again".to_owned())
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn scored_host(candidate: &Candidate) -> v1::ScoredHost {
    let parts = candidate.parts.iter().map(|part| v1::ScorePart {
        plugin: part.plugin.to_owned(),
        score: part.score,
        weight: part.weight,
    });
    v1::ScoredHost { host: candidate.name.clone(), score: candidate.score, parts: parts.collect() }
}

/// The filter that words its refusal so.
fn filter_of(reason: &str) -> &'static str {
    const WORDS: [(&str, FilterPlugin); 17] = [
        ("node(s) were unschedulable", FilterPlugin::NodeUnschedulable),
        ("node(s) didn't match the requested node name", FilterPlugin::NodeName),
        ("node(s) had untolerated taint", FilterPlugin::TaintToleration),
        ("node(s) didn't match Pod's node affinity", FilterPlugin::NodeAffinity),
        ("node(s) had no ready ", FilterPlugin::RuntimeReady),
        ("node(s) didn't have free ports", FilterPlugin::NodePorts),
        ("node(s) didn't match pod topology spread", FilterPlugin::PodTopologySpread),
        ("node(s) didn't match pod affinity", FilterPlugin::InterPodAffinity),
        ("node(s) didn't match pod anti-affinity", FilterPlugin::InterPodAffinity),
        ("node(s) didn't satisfy existing pods anti-affinity", FilterPlugin::InterPodAffinity),
        ("node(s) didn't have an acceptable device model", FilterPlugin::DeviceFit),
        ("Insufficient devices", FilterPlugin::DeviceFit),
        ("Insufficient linked devices", FilterPlugin::DeviceFit),
        ("Insufficient NUMA nodes", FilterPlugin::NumaTopology),
        ("node(s) didn't have the requested NUMA nodes", FilterPlugin::NumaTopology),
        ("Insufficient ", FilterPlugin::NodeResourcesFit),
        ("Too many pods", FilterPlugin::NodeResourcesFit),
    ];
    WORDS.iter().find(|(words, _)| reason.starts_with(words)).map_or("", |(_, filter)| filter.name())
}
