//! A pod against a Kubernetes cluster as a dump shows it.
//!
//! The dump is what `kubectl get nodes,pods -A -o json` prints. Pods that are bound take what they hold on their nodes;
//! then the pod in question is decided upon, under any profile, as if it were the next to be scheduled. One that is bound
//! already is taken off its node first, so the answer says where it would go today.
//!
//! `model` is the cluster in an engine; `plan` decides on manifests, `whatif` on changes of the cluster and `rebalance` on
//! moves within it, with the same.

mod model;
mod plan;
mod proposal;
mod rebalance;
mod remedy;
mod table;
mod whatif;

use meridian_kubernetes::Dump;

use self::model::{Model, class};
pub use self::model::{Usage, Utilization};
pub use self::plan::{Plan, PlannedWorkload, plan};
pub use self::proposal::{MoveReason, Proposal, ProposedMove};
pub use self::rebalance::{Aims, rebalance};
pub use self::remedy::Remedy;
pub use self::whatif::{Consequences, Hypothesis, Move, Waits, what_if};
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

/// Decides on one pod of a dump, named `namespace/name`.
pub fn cluster_story(dump: &Dump, policy: &Policy, wanted: &str) -> Result<ClusterStory, SimulationError> {
    let unknown = || SimulationError::UnknownPod {
        pod: wanted.to_owned(),
        example: dump.pods.first().map_or_else(|| "none".to_owned(), |pod| pod.view.key()),
    };
    let pod = dump.pods.iter().find(|pod| pod.view.key() == wanted);
    let mut model = Model::new(dump, policy, |pod| pod.view.key() == wanted)?;
    let pod = pod.ok_or_else(unknown)?;
    model.note_unsupported("the pod", pod);
    let Model { mut scheduler, caveats, .. } = model;
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
