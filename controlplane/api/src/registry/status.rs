//! Writing the status that a host reports of a pod, which is most of what a region writes.

use std::sync::Arc;

use serde_json::{Map, Value};

use meridian_schema::{apply_message_defaults, message, pod, validate_pod_status};

use super::Registry;
use super::transact::{Outcome, Plan, Target, Write};
use crate::object::{self, text};
use crate::{Caller, Entry, Failure, Sub};

/// The message that a pod's status is.
const POD_STATUS: &str = "io.k8s.api.core.v1.PodStatus";

/// What belongs to the API server in a pod's status.
const KEPT: &str = "qosClass";

impl Registry {
    /// Changes the status of a pod, again and again until nobody else did in between. `change` is given the name of the
    /// pod's host and its status, answers whether it changed anything, and may be called several times. It leaves the
    /// condition `PodScheduled` as it is. None: there is no such pod.
    ///
    /// # Errors
    ///
    /// 413, 422, 503
    pub async fn modify_pod_status(
        &self,
        caller: &Caller,
        ns: &str,
        name: &str,
        uid: &str,
        mut change: impl FnMut(&str, &mut Map<String, Value>) -> bool + Send,
    ) -> Result<Option<Arc<Entry>>, Failure> {
        let target = Target { kind: pod(), tenant: &caller.tenant, ns, name };
        let (mut other, mut takes_whole) = (false, false);
        let decided = self.transact(target, |base| {
            let keep = Ok(Plan::of(Write::Keep));
            let Some(old) = &base.entry else { return keep };
            other = uid != old.uid;
            if other {
                return keep;
            }
            // The end of a pod that is going may hang on its status: that is decided on the whole of it.
            let plan = if old.deleting { Part::Unknown } else { plan(old, &mut change)? };
            takes_whole = matches!(plan, Part::Unknown);
            match plan {
                Part::Unknown | Part::Unchanged => keep,
                Part::Changed(plan) => Ok(*plan),
            }
        });
        let outcome = Box::pin(decided).await?;
        if takes_whole {
            let whole = |pod: &mut Value| {
                let host = text(pod, &["spec", "nodeName"]).to_owned();
                change(&host, object::member(pod, "status"))
            };
            return Box::pin(self.modify(caller, pod(), ns, name, Some(uid), Some(Sub::Status), whole)).await;
        }
        match outcome {
            Outcome::Is(entry) => Ok(entry.filter(|_| !other)),
            Outcome::Gone(_) | Outcome::Refused => Ok(None),
        }
    }
}

enum Part {
    Changed(Box<Plan>),
    Unchanged,
    /// It cannot be told from the status alone.
    Unknown,
}

fn plan(
    old: &Entry,
    change: &mut impl FnMut(&str, &mut Map<String, Value>) -> bool,
) -> Result<Part, Failure> {
    let Some(parts) = old.parts() else { return Ok(Part::Unknown) };
    let Some(was) = old.status(&parts) else { return Ok(Part::Unknown) };
    let mut status = was.clone();
    if !change(&old.node_name, &mut status) {
        return Ok(Part::Unchanged);
    }
    if let Some(kept) = was.get(KEPT) {
        status.insert(KEPT.to_owned(), kept.clone());
    }
    let mut status = Value::Object(status);
    if let Some(message) = message(POD_STATUS) {
        apply_message_defaults(message, &mut status);
    }
    let was = Value::Object(was);
    let causes = validate_pod_status(&old.spec_of_restarts(&parts), &status, &was);
    if !causes.is_empty() {
        return Err(Failure::invalid(pod(), &old.name, &causes));
    }
    let form = old.with_status(&parts, &status).map_err(Failure::internal)?;
    let unchanged = form.bytes == old.bytes;
    Ok(if unchanged { Part::Unchanged } else { Part::Changed(Box::new(Plan::of(Write::Put(form)))) })
}
