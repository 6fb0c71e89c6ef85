//! What is heard of the cluster, as the core takes it in.

use std::collections::BTreeMap;
use std::sync::Arc;

use meridian_engine::{Demand, Host};
use meridian_kubernetes::{Phase, host_from_node, pod_from_object};
use serde_json::Value;

use crate::selector::Selector;

/// Which pod: names are used again, uids are not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PodId {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// What is listed and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Hosts,
    Pods,
    /// Disruption budgets; an API server need not have them.
    Budgets,
}

/// Something that has happened.
#[derive(Debug)]
pub(crate) enum Change {
    /// All objects of a kind are about to be told anew.
    Relisting(Kind),
    /// All have been told: what was not told is gone.
    Listed(Kind),
    /// A host is there, or is described anew; or its description cannot be read, and why.
    Host(String, Result<Box<Host>, String>),
    /// A host is gone.
    HostGone(String),
    /// A pod is there, or has changed.
    Pod(Box<PodNews>),
    /// A pod is gone.
    PodGone(PodId),
    /// A disruption budget is there, or has changed.
    Budget(BudgetNews),
    /// A disruption budget is gone: its namespace and name.
    BudgetGone(String, String),
    /// What came of a binding.
    Bound(u64, Outcome),
    /// Pods could not be stopped that were to make way for one, and why.
    NotEvicted(u64, String),
}

/// What came of an order to bind a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is bound where it was to be.
    Bound,
    /// Somebody else has bound it, and where.
    Elsewhere(String),
    /// The API server does not want it bound there now, and why.
    Refused(String),
    /// The pod is not there any more.
    Gone,
}

/// A disruption budget as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BudgetNews {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) selector: Selector,
    /// How many more of its pods may be disrupted.
    pub(crate) allowed: i32,
}

/// What a pod asks for, as far as it can be scheduled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All is understood.
    Whole(Box<Demand>),
    /// Some of what restricts the pod is not honoured here: what it takes, and what that is.
    InPart(Box<Demand>, String),
    /// Nothing is understood, and why.
    Unreadable(String),
}

/// A pod as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodNews {
    pub(crate) id: PodId,
    pub(crate) scheduler_name: String,
    pub(crate) priority: i32,
    /// Nobody makes way for it.
    pub(crate) never_preempts: bool,
    pub(crate) labels: BTreeMap<String, String>,
    /// When it started, in seconds since 1970; when nobody knows, now.
    pub(crate) started: i64,
    pub(crate) node: Option<String>,
    /// All its containers have ended: it takes nothing any more.
    pub(crate) has_ended: bool,
    pub(crate) is_deleting: bool,
    /// It has scheduling gates (KEP-3521).
    pub(crate) is_gated: bool,
    pub(crate) asked: Asked,
}

fn text<'a>(object: &'a Value, path: [&str; 2]) -> &'a str {
    object[path[0]][path[1]].as_str().unwrap_or_default()
}

/// The pod that an object is about.
pub(crate) fn pod_id(object: &Value) -> PodId {
    let [namespace, name, uid] = ["namespace", "name", "uid"].map(|field| text(object, ["metadata", field]));
    PodId { namespace: namespace.to_owned(), name: name.to_owned(), uid: uid.to_owned() }
}

/// A host as it is now, with its name.
pub(crate) fn host_news(object: &Value) -> Change {
    let host = host_from_node(object).map(Box::new).map_err(|error| error.to_string());
    Change::Host(text(object, ["metadata", "name"]).to_owned(), host)
}

/// A pod as it is now.
pub(crate) fn pod_news(object: &Value) -> PodNews {
    let labels = object["metadata"]["labels"].as_object().map(|labels| {
        let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
        labels.iter().filter_map(text).collect()
    });
    let labels = labels.unwrap_or_default();
    let started = text(object, ["status", "startTime"]).parse::<jiff::Timestamp>();
    let started = started.map_or(i64::MAX, jiff::Timestamp::as_second);
    let is_gated = object["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty());
    match pod_from_object(object) {
        Ok(pod) => {
            let demand = Box::new(pod.demand);
            // Gates say when and not where.
            let mut lacking = pod.unsupported;
            lacking.retain(|path| path != "spec.schedulingGates");
            let asked = match lacking.as_slice() {
                [] => Asked::Whole(demand),
                _ => Asked::InPart(demand, lacking.join(", ")),
            };
            PodNews {
                id: PodId { namespace: pod.view.namespace, name: pod.view.name, uid: pod.view.uid },
                scheduler_name: pod.view.scheduler_name,
                priority: pod.view.priority,
                never_preempts: pod.view.never_preempts,
                labels,
                started,
                node: pod.view.bound_to,
                has_ended: matches!(pod.view.phase, Phase::Succeeded | Phase::Failed),
                is_deleting: pod.view.deleting,
                is_gated,
                asked,
            }
        }
        Err(error) => PodNews {
            id: pod_id(object),
            scheduler_name: text(object, ["spec", "schedulerName"]).to_owned(),
            priority: 0,
            never_preempts: true,
            labels,
            started,
            node: Some(text(object, ["spec", "nodeName"])).filter(|n| !n.is_empty()).map(str::to_owned),
            has_ended: matches!(text(object, ["status", "phase"]), "Succeeded" | "Failed"),
            is_deleting: !object["metadata"]["deletionTimestamp"].is_null(),
            is_gated,
            asked: Asked::Unreadable(error.to_string()),
        },
    }
}

/// A disruption budget as it is now.
pub(crate) fn budget_news(object: &Value) -> BudgetNews {
    let allowed = object["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
    BudgetNews {
        namespace: text(object, ["metadata", "namespace"]).to_owned(),
        name: text(object, ["metadata", "name"]).to_owned(),
        selector: Selector::read(&object["spec"]["selector"]),
        allowed: i32::try_from(allowed).unwrap_or(i32::MAX),
    }
}

/// An order to stop pods that make way for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EvictOrder {
    /// The core's number for the pod that gets their room.
    pub(crate) number: u64,
    pub(crate) pod: Arc<PodId>,
    pub(crate) host: Arc<str>,
    pub(crate) victims: Vec<Arc<PodId>>,
}

/// An order to bind a pod to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BindOrder {
    /// The core's number for the pod.
    pub(crate) number: u64,
    pub(crate) pod: Arc<PodId>,
    pub(crate) host: Arc<str>,
    /// Whether the room is what others have left for the pod: who keeps the accounts may hear of their end a moment later.
    pub(crate) is_left: bool,
}

/// Something for users to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A pod has been bound.
    Scheduled {
        /// The scheduler's name, as the pod has it.
        by: Arc<str>,
        /// Which.
        pod: Arc<PodId>,
        /// Where.
        host: Arc<str>,
    },
    /// A pod has to make way for another.
    Preempted {
        /// The scheduler's name, as the other pod has it.
        by: Arc<str>,
        /// Which.
        pod: Arc<PodId>,
        /// The other.
        winner: Arc<PodId>,
        /// Where.
        host: Arc<str>,
    },
    /// A pod could not be scheduled, and why.
    Failed {
        /// The scheduler's name, as the pod has it.
        by: Arc<str>,
        /// Which.
        pod: Arc<PodId>,
        /// In kube-scheduler's words.
        message: Arc<str>,
        /// It fits nowhere, rather than that something went wrong.
        is_unschedulable: bool,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn gates_hold_a_pod_back_and_what_is_not_honoured_is_named() {
        let pod = |spec: Value| {
            let mut object = json!({"metadata": {"namespace": "a", "name": "b", "uid": "c"}, "spec": spec});
            object["spec"]["containers"] = json!([{"name": "c"}]);
            pod_news(&object)
        };
        let gated = pod(json!({"schedulingGates": [{"name": "x"}]}));
        assert!(gated.is_gated && matches!(gated.asked, Asked::Whole(_)));
        let claim = pod(json!({"resourceClaims": [{"name": "x"}]}));
        assert!(matches!(&claim.asked, Asked::InPart(_, what) if what == "spec.resourceClaims"), "{claim:?}");
    }

    #[test]
    fn what_cannot_be_read_still_says_where_it_is() {
        let object = json!({
            "metadata": {"namespace": "a", "name": "b", "uid": "c", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": "n", "containers": [{"resources": {"requests": {"cpu": "much"}}}]},
        });
        let news = pod_news(&object);
        assert_eq!((news.node.as_deref(), news.is_deleting), (Some("n"), true));
        assert!(matches!(&news.asked, Asked::Unreadable(why) if why.contains("much")));
        assert!(
            matches!(host_news(&json!({"metadata": {"name": 1}})), Change::Host(name, Err(_)) if name.is_empty())
        );
    }
}
