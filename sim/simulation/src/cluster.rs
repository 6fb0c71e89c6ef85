//! A pod against a Kubernetes cluster as a dump shows it.
//!
//! The dump is what `kubectl get nodes,pods -A -o json` prints. Pods that are bound take what they hold on their nodes;
//! then the pod in question is decided upon, under any profile, as if it were the next to be scheduled. One that is bound
//! already is taken off its node first, so the answer says where it would go today.

use meridian_engine::{ClassId, PlaceError, Scheduler};
use meridian_kubernetes::{Dump, Pod};

use crate::SimulationError;
use crate::policy::Policy;
use crate::story::{Attempt, Story};

/// What became of the question, with what could not be taken into account.
#[derive(Clone, Debug)]
pub struct ClusterStory {
    /// The decision.
    pub story: Story,
    /// What the answer leaves out, one sentence each.
    pub caveats: Vec<String>,
}

fn class(scheduler: &mut Scheduler, pod: &Pod) -> Result<ClassId, SimulationError> {
    scheduler.class(&pod.demand).map_err(|source| SimulationError::Demand { pod: pod.view.key(), source })
}

/// Decides on one pod of a dump, named `namespace/name`.
pub fn cluster_story(dump: &Dump, policy: &Policy, wanted: &str) -> Result<ClusterStory, SimulationError> {
    if dump.hosts.is_empty() {
        return Err(SimulationError::NoHosts);
    }
    let pod =
        dump.pods.iter().find(|pod| pod.view.key() == wanted).ok_or_else(|| SimulationError::UnknownPod {
            pod: wanted.to_owned(),
            example: dump.pods.first().map_or_else(|| "none".to_owned(), |pod| pod.view.key()),
        })?;
    let mut scheduler = Scheduler::new(policy.profile(&[])?)?;
    for host in &dump.hosts {
        scheduler.add_host(host)?;
    }
    let mut caveats = Vec::new();
    for bound in dump.pods.iter().filter(|bound| bound.view.holds_resources() && bound.view.key() != wanted) {
        let Some(node) = &bound.view.bound_to else { continue };
        let Some(host) = scheduler.cell().host_named(node) else {
            caveats
                .push(format!("pod {} is bound to node {node}, which is not in the dump", bound.view.key()));
            continue;
        };
        let class = class(&mut scheduler, bound)?;
        match scheduler.place(class, host, 0) {
            // It holds its node for as long as the scheduler lives.
            Ok(_held) => {}
            Err(error @ (PlaceError::Insufficient { .. } | PlaceError::PortTaken)) => caveats.push(format!(
                "pod {} does not fit on its node {node} beside the others ({error}) and is left out",
                bound.view.key()
            )),
            Err(error) => caveats.push(format!("pod {} is left out: {error}", bound.view.key())),
        }
    }
    for path in pod.unsupported.iter().chain(&pod.unsupported_preferences) {
        caveats.push(format!("{path} of the pod is not looked at"));
    }
    let class = class(&mut scheduler, pod)?;
    let choice = scheduler.decide(class);
    let attempts =
        scheduler.explain(class).map(|explanation| Attempt::new(1, explanation, choice, &scheduler));
    let story = Story {
        pod: wanted.to_owned(),
        clock: "decision".to_owned(),
        attempts: attempts.into_iter().collect(),
    };
    Ok(ClusterStory { story, caveats })
}
