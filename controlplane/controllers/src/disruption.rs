//! Disruption budgets: how many of the pods that each protects may be evicted now.
//!
//! Evictions take disruptions out of a budget's status, and this controller puts there what the pods allow. Both write only
//! what they decided on: a pass that was overtaken by an eviction writes nothing and comes again. It also looks at no pods
//! older than the budget that it looks at, so whatever an eviction recorded before is either seen done or still recorded.

mod plan;
mod protected;

use meridian_api::{Failure, Sub};
use meridian_schema::kind_named;
use serde_json::Value;

use self::plan::Scale;
use self::protected::Owner;
pub(crate) use self::protected::Protected;
use crate::key::ObjectKey;
use crate::recorder::Subject;
use crate::world::World;
use crate::{object, owner};

/// Brings the status of a budget up to date.
pub(crate) async fn reconcile(world: &World, key: &ObjectKey) -> Result<(), Failure> {
    let Some(entry) = world.registry.cached(&key.tenant, key.kind, &key.namespace, &key.name) else {
        return Ok(());
    };
    world.seen(entry.modified).await;
    let budget = entry.value();
    let pods = world.protected.pods(key);
    let now = world.clock.date();
    let expected = plan::expected(&budget, &pods, |owner| scale(world, key, owner));
    let next = plan::status(&budget, &pods, expected.as_ref().map_err(String::as_str), now);

    let mut changed = false;
    let version = object::text(&budget, "/metadata/resourceVersion");
    let change = |stored: &mut Value| {
        let is_same = object::text(stored, "/metadata/resourceVersion") == version;
        changed = is_same && stored.get("status") != Some(&next.status);
        if changed {
            stored["status"] = next.status.clone();
        }
        changed
    };
    let caller = world.caller("disruption", &key.tenant);
    let (namespace, name, uid) = (&key.namespace, &key.name, Some(entry.uid.as_str()));
    match world.registry.modify(&caller, key.kind, namespace, name, uid, Some(Sub::Status), change).await {
        Err(failure) if !failure.is_not_found() => return Err(failure),
        _ => {}
    }
    // What was not written was said before, or is said by the pass to come.
    if changed {
        let subject = Subject::of(&entry);
        if pods.is_empty() {
            world.recorder.normal(&subject, "NoPods", "No matching pods found".to_owned());
        }
        match &expected {
            Err(why) => {
                let message = format!("Failed to calculate the number of expected pods: {why}");
                world.recorder.warning(&subject, "CalculateExpectedPodCountFailed", message);
            }
            Ok(expected) if expected.has_unmanaged => {
                world.recorder.warning(&subject, "UnmanagedPods", unmanaged(&budget));
            }
            Ok(_) => {}
        }
        for pod in &next.not_deleted {
            not_deleted(world, key, pod);
        }
    }
    if let Some(at) = next.look_again
        && world.protected.looks_again(key, now, at)
    {
        world.budgets.add_after(key.clone(), crate::until(now, at));
    }
    Ok(())
}

/// How many pods a pod's owner wants: a Deployment that owns the owner speaks for it. None: the owner is gone.
fn scale(world: &World, key: &ObjectKey, named: &Owner) -> Result<Option<Scale>, String> {
    let Some(kind) = kind_named(&named.api_version, &named.kind) else {
        return Err(format!("no matches for kind {:?} in version {:?}", named.kind, named.api_version));
    };
    if kind.subresource("scale").is_none() {
        return Err(format!("{} does not implement the scale subresource", kind.resource()));
    }
    let found = world.registry.cached(&key.tenant, kind, &key.namespace, &named.name);
    let Some(found) = found.filter(|found| *found.uid == *named.uid) else { return Ok(None) };
    let value = found.value();
    if kind == meridian_schema::replica_set()
        && let Some(above) = owner::controller(&value).map(Owner::of)
        && *above.kind == *meridian_schema::deployment().kind
        && let Ok(Some(scale)) = scale(world, key, &above)
    {
        return Ok(Some(scale));
    }
    Ok(Some(Scale {
        uid: named.uid.clone(),
        replicas: object::number(&value, "/spec/replicas").unwrap_or(0),
    }))
}

fn unmanaged(budget: &Value) -> String {
    let selector = budget.pointer("/spec/selector").unwrap_or(&Value::Null);
    format!(
        "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the \
         status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods \
         please set \".spec.minAvailable\" field of the PDB to an integer value."
    )
}

fn not_deleted(world: &World, budget: &ObjectKey, pod: &str) {
    let kind = meridian_schema::pod();
    let Some(pod) = world.registry.cached(&budget.tenant, kind, &budget.namespace, pod) else { return };
    let message =
        format!("Pod was expected by PDB {}/{} to be deleted but it wasn't", budget.namespace, budget.name);
    world.recorder.warning(&Subject::of(&pod), "NotDeleted", message);
}
