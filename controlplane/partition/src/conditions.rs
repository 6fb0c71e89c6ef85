//! What the partition itself says in a pod's status: that it cannot be scheduled, or that the host it names refused it.

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use meridian_api::{Caller, Registry, Sub, seconds};
use serde_json::{Value, json};

use crate::events::About;
use crate::merge::{object_at, set_condition};

/// Something to say in a pod's status.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Which pod.
    pub(crate) about: About,
    /// Who says it.
    pub(crate) component: Arc<str>,
    /// Why it does not run; none: nothing new is to be said of that.
    pub(crate) why: Option<Why>,
    /// The host that it will run on when others have made way; empty: none. None: nothing new is to be said of that.
    pub(crate) nominated: Option<Arc<str>>,
    /// When.
    pub(crate) at: Timestamp,
}

/// Why a pod does not run.
#[derive(Clone, Debug)]
pub(crate) struct Why {
    /// One word.
    pub(crate) reason: String,
    /// A sentence.
    pub(crate) message: String,
    /// Whether the pod has failed for good; else it is not scheduled yet.
    pub(crate) has_failed: bool,
}

impl Said {
    /// That a pod will run on a host, or with an empty name that this is no more so.
    pub(crate) fn nominated(about: About, component: Arc<str>, host: &str, at: Timestamp) -> Self {
        Self { about, component, why: None, nominated: Some(host.into()), at }
    }

    /// What is to be said where something else was to be said before.
    pub(crate) fn newer(older: Self, newer: Self) -> Self {
        Self { why: newer.why.or(older.why), nominated: newer.nominated.or(older.nominated), ..newer }
    }
}

/// Writes what is to be said, all at once. It is for people: what cannot be written is said again when it changes.
pub(crate) async fn write(registry: Registry, said: Vec<(Arc<str>, Said)>) -> Vec<Arc<str>> {
    let registry = &registry;
    join_all(said.into_iter().map(|(uid, said)| async move {
        write_one(registry, &said).await;
        uid
    }))
    .await
}

async fn write_one(registry: &Registry, said: &Said) {
    let About { tenant, namespace, name, uid } = &said.about;
    let caller = Caller::component(&said.component, tenant);
    let pod = meridian_schema::pod();
    let change = |pod: &mut Value| apply(pod, said);
    let result = registry.modify(&caller, pod, namespace, name, Some(uid), Some(Sub::Status), change).await;
    if let Err(failure) = result {
        tracing::warn!(pod = %name, %namespace, %failure, "condition not written");
    }
}

/// Changes the pod's status. The answer is whether anything changed: not where the pod has got on in the meantime.
fn apply(pod: &mut Value, said: &Said) -> bool {
    let has_host = pod["spec"]["nodeName"].as_str().is_some_and(|host| !host.is_empty());
    let Some(status) = object_at(pod, "status") else { return false };
    if matches!(status.get("phase").and_then(Value::as_str), Some("Succeeded" | "Failed")) {
        return false;
    }
    if let Some(Why { reason, message, has_failed: true }) = &said.why {
        for (field, value) in [("phase", "Failed"), ("reason", &**reason), ("message", &**message)] {
            status.insert(field.to_owned(), value.into());
        }
        return true;
    }
    if has_host {
        return false;
    }
    let mut changed = false;
    if let Some(host) = &said.nominated {
        const FIELD: &str = "nominatedNodeName";
        let before = if host.is_empty() {
            status.remove(FIELD)
        } else {
            status.insert(FIELD.to_owned(), host.as_ref().into())
        };
        changed = before.as_ref().and_then(Value::as_str).unwrap_or_default() != &**host;
    }
    if let Some(Why { reason, message, .. }) = &said.why {
        let condition = json!({
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": message,
            "lastTransitionTime": seconds(said.at),
        });
        changed |= set_condition(status, &condition);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use meridian_store::Tenant;

    fn said(has_failed: bool, at: i64) -> Said {
        let name = Arc::<str>::from("a");
        Said {
            about: About { tenant: Tenant::system(), namespace: name.clone(), name: name.clone(), uid: name },
            component: "default-scheduler".into(),
            why: Some(Why { reason: "OutOfcpu".to_owned(), message: "no room".to_owned(), has_failed }),
            nominated: None,
            at: Timestamp::from_second(at).unwrap(),
        }
    }

    #[test]
    fn a_pod_is_told_once_and_only_while_it_waits() {
        let mut pod = json!({"spec": {}, "status": {"phase": "Pending"}});
        assert!(apply(&mut pod, &said(false, 0)));
        assert_eq!(pod["status"]["conditions"][0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert!(!apply(&mut pod, &said(false, 5)), "the same again, later");
        let mut bound = json!({"spec": {"nodeName": "h"}});
        assert!(!apply(&mut bound, &said(false, 0)));
        assert!(apply(&mut bound, &said(true, 0)));
        assert_eq!(bound["status"]["reason"], "OutOfcpu");
        assert!(!apply(&mut bound, &said(true, 0)), "it has ended");
    }

    #[test]
    fn a_nomination_is_said_and_taken_back_and_takes_the_place_of_nothing_else() {
        let nominated = |host: &str| Said { why: None, nominated: Some(host.into()), ..said(false, 0) };
        let mut pod = json!({"spec": {}, "status": {"phase": "Pending"}});
        assert!(apply(&mut pod, &Said::newer(said(false, 0), nominated("h"))));
        assert_eq!(pod["status"]["nominatedNodeName"], "h");
        assert_eq!(pod["status"]["conditions"][0]["reason"], "OutOfcpu");
        assert!(!apply(&mut pod, &nominated("h")), "said before");
        assert!(apply(&mut pod, &Said::newer(nominated("h"), nominated(""))));
        assert_eq!(pod["status"].get("nominatedNodeName"), None);
        assert!(!apply(&mut pod, &nominated("")));
        let mut bound = json!({"spec": {"nodeName": "h"}});
        assert!(!apply(&mut bound, &nominated("h")), "it is there");
    }
}
