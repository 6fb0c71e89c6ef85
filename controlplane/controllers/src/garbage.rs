//! Garbage collection: what is owned goes when its last owner is gone, before its owner where the owner waits for it, or
//! loses its owner where it is to be left behind.

use meridian_api::{Caller, DeleteOptions, Entry, Failure, Preconditions, PropagationPolicy};
use meridian_schema::kind_named;
use serde_json::Value;

use crate::key::ObjectKey;
use crate::world::{FOREGROUND, ORPHAN, World};
use crate::{object, owner};

/// Looks at one object: as an owner that is about to go, and as something owned.
pub(crate) async fn reconcile(world: &World, key: &ObjectKey) -> Result<(), Failure> {
    let caller = world.caller("garbage", &key.tenant);
    let entry = match world.registry.get(&caller, key.kind, &key.namespace, &key.name).await {
        Ok(entry) => entry,
        Err(failure) if failure.is_not_found() => return Ok(()),
        Err(failure) => return Err(failure),
    };
    world.seen(entry.modified).await;
    let stored = entry.value();
    if object::is_deleting(&stored) {
        if object::has_finalizer(&stored, ORPHAN) {
            return leave_behind(world, &caller, key, &entry).await;
        }
        if object::has_finalizer(&stored, FOREGROUND) {
            return wait_for_dependents(world, &caller, key, &entry).await;
        }
        return Ok(());
    }
    collect(world, &caller, key, &entry, &stored).await
}

/// Takes the owner out of all that it owns, and then lets it go.
async fn leave_behind(world: &World, caller: &Caller, key: &ObjectKey, entry: &Entry) -> Result<(), Failure> {
    let dependents = world.index().dependents(&entry.uid);
    for dependent in dependents.iter().filter(|dependent| dependent.tenant == key.tenant) {
        let change = |stored: &mut Value| owner::release(stored, &entry.uid);
        let (kind, namespace, name) = (dependent.kind, &dependent.namespace, &dependent.name);
        gone_is_fine(world.registry.modify(caller, kind, namespace, name, None, None, change).await)?;
    }
    drop_finalizer(world, caller, key, entry, ORPHAN).await
}

/// Deletes what an owner waits for, and lets it go when nothing of that is left.
async fn wait_for_dependents(
    world: &World,
    caller: &Caller,
    key: &ObjectKey,
    entry: &Entry,
) -> Result<(), Failure> {
    let dependents = world.index().dependents(&entry.uid);
    let mut waits = false;
    for dependent in dependents.iter().filter(|dependent| dependent.tenant == key.tenant) {
        waits |= world.index().blocks(&entry.uid, dependent);
        let (kind, namespace, name) = (dependent.kind, &dependent.namespace, &dependent.name);
        let Some(present) = world.registry.cached(&dependent.tenant, kind, namespace, name) else { continue };
        if present.deleting {
            continue;
        }
        let owns = !world.index().dependents(&present.uid).is_empty();
        let policy = if owns { PropagationPolicy::Foreground } else { PropagationPolicy::Background };
        delete(world, caller, dependent, &present.uid, policy).await?;
    }
    // Each dependent that goes brings its owner back here.
    if waits { Ok(()) } else { drop_finalizer(world, caller, key, entry, FOREGROUND).await }
}

/// Deletes an object none of whose owners is there, and takes owners that are gone out of one that has others.
async fn collect(
    world: &World,
    caller: &Caller,
    key: &ObjectKey,
    entry: &Entry,
    stored: &Value,
) -> Result<(), Failure> {
    let mut gone = Vec::new();
    let mut has_owner = false;
    for reference in owner::references(stored) {
        if exists(world, caller, key, reference).await? {
            has_owner = true;
        } else {
            gone.push(object::text(reference, "/uid").to_owned());
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    if has_owner {
        let change = |stored: &mut Value| {
            gone.iter().fold(false, |changed, uid| owner::release(stored, uid) | changed)
        };
        let uid = Some(entry.uid.as_str());
        return gone_is_fine(
            world.registry.modify(caller, key.kind, &key.namespace, &key.name, uid, None, change).await,
        );
    }
    delete(world, caller, key, &entry.uid, PropagationPolicy::Background).await
}

/// Whether the owner that a reference names is there: that very one, and not another of its name. Asked of the store and not
/// of the index, which may be behind. An owner of a kind that is not served cannot be looked for and counts as there.
async fn exists(world: &World, caller: &Caller, key: &ObjectKey, reference: &Value) -> Result<bool, Failure> {
    let (api_version, kind) = (object::text(reference, "/apiVersion"), object::text(reference, "/kind"));
    let Some(kind) = kind_named(api_version, kind) else { return Ok(true) };
    let namespace = if kind.namespaced { &*key.namespace } else { "" };
    match world.registry.get(caller, kind, namespace, object::text(reference, "/name")).await {
        Ok(owner) => Ok(owner.uid == object::text(reference, "/uid")),
        Err(failure) if failure.is_not_found() => Ok(false),
        Err(failure) => Err(failure),
    }
}

async fn delete(
    world: &World,
    caller: &Caller,
    key: &ObjectKey,
    uid: &str,
    policy: PropagationPolicy,
) -> Result<(), Failure> {
    let options = DeleteOptions {
        preconditions: Preconditions { uid: Some(uid.to_owned()), ..Preconditions::default() },
        propagation_policy: Some(policy),
        ..DeleteOptions::default()
    };
    match world.registry.delete(caller, key.kind, &key.namespace, &key.name, &options).await {
        // Another of that name is there now.
        Err(failure) if failure.is_conflict() => Ok(()),
        other => gone_is_fine(other),
    }
}

async fn drop_finalizer(
    world: &World,
    caller: &Caller,
    key: &ObjectKey,
    entry: &Entry,
    finalizer: &str,
) -> Result<(), Failure> {
    let change = |stored: &mut Value| {
        let finalizers = stored.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut);
        let Some(finalizers) = finalizers else { return false };
        let before = finalizers.len();
        finalizers.retain(|name| name != finalizer);
        finalizers.len() != before
    };
    let uid = Some(entry.uid.as_str());
    gone_is_fine(world.registry.modify(caller, key.kind, &key.namespace, &key.name, uid, None, change).await)
}

fn gone_is_fine<T>(result: Result<T, Failure>) -> Result<(), Failure> {
    match result {
        Err(failure) if !failure.is_not_found() => Err(failure),
        _ => Ok(()),
    }
}
