//! Namespaces: each has a service account for pods that name none, and one that is deleted takes all it holds with it.

use futures::stream::{self, StreamExt};
use meridian_api::{Caller, CreateOptions, DeleteOptions, Failure, ListOptions, Sub};
use meridian_schema::{Kind, kinds};
use serde_json::{Value, json};

use crate::key::ObjectKey;
use crate::object;
use crate::world::World;

/// The finalizer in a namespace's spec that this controller takes out in the end.
const FINALIZER: &str = "kubernetes";
/// Objects that are deleted at once.
const MOST_AT_ONCE: usize = 64;

pub(crate) async fn reconcile(world: &World, key: &ObjectKey) -> Result<(), Failure> {
    let Some(entry) = world.registry.cached(&key.tenant, key.kind, "", &key.name) else { return Ok(()) };
    let caller = world.caller("namespace", &key.tenant);
    if !entry.deleting {
        return ensure_service_account(world, &caller, &key.name).await;
    }
    let namespace = entry.value();
    let finalizers = namespace.pointer("/spec/finalizers").and_then(Value::as_array);
    if !finalizers.is_some_and(|finalizers| finalizers.iter().any(|name| name == FINALIZER)) {
        return Ok(());
    }
    for kind in kinds().iter().filter(|kind| kind.namespaced) {
        empty(world, &caller, kind, &key.name).await?;
    }
    // Nothing can be created in it any more, so what is empty now stays so. What is left tells when it goes.
    for kind in kinds().iter().filter(|kind| kind.namespaced) {
        let one = ListOptions { limit: Some(1), ..ListOptions::default() };
        if !world.registry.list(&caller, kind, &key.name, &one).await?.items.is_empty() {
            return Ok(());
        }
    }
    let finish = |stored: &mut Value| {
        let finalizers = stored.pointer_mut("/spec/finalizers").and_then(Value::as_array_mut);
        let Some(finalizers) = finalizers else { return false };
        finalizers.retain(|name| name != FINALIZER);
        true
    };
    let uid = Some(entry.uid.as_str());
    match world.registry.modify(&caller, key.kind, "", &key.name, uid, Some(Sub::Finalize), finish).await {
        Err(failure) if !failure.is_not_found() => Err(failure),
        _ => Ok(()),
    }
}

/// Deletes all objects of a kind in a namespace that are not on their way out.
async fn empty(world: &World, caller: &Caller, kind: &'static Kind, namespace: &str) -> Result<(), Failure> {
    let mut entries = world.registry.list(caller, kind, namespace, &ListOptions::default()).await?.items;
    entries.retain(|entry| !entry.deleting);
    let results: Vec<Result<_, Failure>> = stream::iter(entries)
        .map(|entry| async move {
            world.registry.delete(caller, kind, namespace, &entry.name, &DeleteOptions::default()).await
        })
        .buffer_unordered(MOST_AT_ONCE)
        .collect()
        .await;
    results
        .into_iter()
        .find_map(|result| result.err().filter(|failure| !failure.is_not_found()))
        .map_or(Ok(()), Err)
}

async fn ensure_service_account(world: &World, caller: &Caller, namespace: &str) -> Result<(), Failure> {
    let kind = meridian_schema::service_account();
    if world.registry.cached(&caller.tenant, kind, namespace, "default").is_some() {
        return Ok(());
    }
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
    });
    match world.registry.create(caller, kind, namespace, account, &CreateOptions::default()).await {
        Err(failure) if !failure.is_already_exists() && !failure.is_not_found() => {
            // It may have begun to go in the meantime, and then needs none.
            let now = world.registry.get(caller, meridian_schema::namespace(), "", namespace).await;
            match now {
                Ok(entry) if !object::is_deleting(&entry.value()) => Err(failure),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
