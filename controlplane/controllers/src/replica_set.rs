//! ReplicaSets: as many pods of a template as are wanted.

mod plan;

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use meridian_api::{Caller, CreateOptions, DeleteOptions, Entry, Failure, Preconditions, Sub};
use meridian_store::Revision;
use serde_json::Value;

use self::plan::Step;
use crate::key::ObjectKey;
use crate::recorder::Subject;
use crate::world::{World, selector};
use crate::{object, owner};

/// The most pods of one ReplicaSet that are made or deleted at once.
const MOST_AT_ONCE: usize = 256;

/// Brings a ReplicaSet a step closer to what it asks for.
pub(crate) async fn reconcile(world: &World, key: &ObjectKey) -> Result<(), Failure> {
    let Some(entry) = world.registry.cached(&key.tenant, key.kind, &key.namespace, &key.name) else {
        return Ok(());
    };
    let set = entry.value();
    let Some(selector) = selector(&set) else { return Ok(()) };
    let caller = world.caller("replicaset", &key.tenant);
    let reference = owner::reference_to(key.kind, &set);

    let adoptable = world.adoptable(key, &selector, "Pod");
    let adopted = world.adopt(&caller, &set, &reference, &adoptable).await?;
    let released = release_strangers(world, &caller, key, &entry, &selector).await?;
    world.seen(adopted.max(released)).await;

    let pods = world.index().pods(&entry.uid);
    let now = world.clock.date();
    let wanted = object::number(&set, "/spec/replicas").unwrap_or(1);
    let mut failure = None;
    if !object::is_deleting(&set) {
        let subject = Subject::of(&entry);
        let done = match plan::step(wanted, &pods, now) {
            Step::Nothing => Outcome::default(),
            Step::Create(count) => {
                create(world, &caller, &subject, &plan::new_pod(&set, reference), count).await
            }
            Step::Delete(pods) => delete(world, &caller, &subject, &pods).await,
        };
        // The next pass must see what this one did.
        world.seen(done.written).await;
        failure = done.failure;
    }
    let pods = world.index().pods(&entry.uid);
    let message = failure.as_ref().map(ToString::to_string);
    write_status(world, &caller, key, &entry, &pods, message.as_deref(), now).await?;
    failure.map_or(Ok(()), Err)
}

/// What came of making or deleting pods.
#[derive(Debug, Default)]
struct Outcome {
    /// Up to where the index has to see.
    written: Revision,
    failure: Option<Failure>,
}

/// Lets pods go whose labels were changed so that the selector no longer matches.
async fn release_strangers(
    world: &World,
    caller: &Caller,
    key: &ObjectKey,
    set: &Entry,
    selector: &meridian_schema::LabelSelector,
) -> Result<Revision, Failure> {
    let mut written = Revision(0);
    let strangers: Vec<_> =
        world.index().pods(&set.uid).into_iter().filter(|pod| !selector.matches(&pod.labels)).collect();
    for pod in strangers {
        let kind = meridian_schema::pod();
        let change = |stored: &mut Value| owner::release(stored, &set.uid);
        let result = world
            .registry
            .modify(caller, kind, &key.namespace, &pod.name, Some(&pod.uid), None, change)
            .await;
        match result {
            Ok(entry) => written = entry.map_or(written, |entry| written.max(entry.modified)),
            Err(failure) if failure.is_not_found() || failure.is_conflict() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(written)
}

/// Makes pods: one, then two, four and so on at once, so that a template which is refused is refused once and not a
/// thousand times.
async fn create(world: &World, caller: &Caller, subject: &Subject, pod: &Value, count: usize) -> Outcome {
    let kind = meridian_schema::pod();
    let namespace = object::namespace(pod);
    let options = &CreateOptions::default();
    let mut outcome = Outcome::default();
    let (mut left, mut at_once) = (count, 1);
    while left > 0 && outcome.failure.is_none() {
        let batch = left.min(at_once);
        let created: Vec<Result<Arc<Entry>, Failure>> = stream::iter(0..batch)
            .map(|_| world.registry.create(caller, kind, namespace, pod.clone(), options))
            .buffer_unordered(MOST_AT_ONCE)
            .collect()
            .await;
        for result in created {
            match result {
                Ok(entry) => {
                    outcome.written = outcome.written.max(entry.modified);
                    let message = format!("Created pod: {}", entry.name);
                    world.recorder.normal(subject, "SuccessfulCreate", message);
                }
                Err(failure) => outcome.failure = Some(failure),
            }
        }
        left -= batch;
        at_once = (at_once * 2).min(MOST_AT_ONCE);
    }
    if let Some(failure) = &outcome.failure {
        world.recorder.warning(subject, "FailedCreate", format!("Error creating: {failure}"));
    }
    outcome
}

async fn delete(world: &World, caller: &Caller, subject: &Subject, pods: &[(String, String)]) -> Outcome {
    let kind = meridian_schema::pod();
    let deleted: Vec<(String, Result<_, Failure>)> = stream::iter(pods.to_vec())
        .map(|(name, uid)| async move {
            let preconditions = Preconditions { uid: Some(uid), ..Preconditions::default() };
            let options = DeleteOptions { preconditions, ..DeleteOptions::default() };
            let result = world.registry.delete(caller, kind, subject.namespace(), &name, &options).await;
            (name, result)
        })
        .buffer_unordered(MOST_AT_ONCE)
        .collect()
        .await;
    let mut outcome = Outcome::default();
    for (name, result) in deleted {
        match result {
            Ok(deleted) => {
                outcome.written = outcome.written.max(deleted.entry.modified);
                world.recorder.normal(subject, "SuccessfulDelete", format!("Deleted pod: {name}"));
            }
            Err(failure) if failure.is_not_found() || failure.is_conflict() => {}
            Err(failure) => {
                world.recorder.warning(subject, "FailedDelete", format!("Error deleting: {failure}"));
                outcome.failure = Some(failure);
            }
        }
    }
    outcome
}

async fn write_status(
    world: &World,
    caller: &Caller,
    key: &ObjectKey,
    entry: &Entry,
    pods: &[Arc<crate::pod::Pod>],
    failure: Option<&str>,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut look_again = None;
    let change = |stored: &mut Value| {
        let (status, at) = plan::status(stored, pods, failure, now);
        look_again = at;
        if stored.get("status") == Some(&status) {
            return false;
        }
        stored["status"] = status;
        true
    };
    let (namespace, name, uid) = (&key.namespace, &key.name, Some(entry.uid.as_str()));
    match world.registry.modify(caller, key.kind, namespace, name, uid, Some(Sub::Status), change).await {
        Err(failure) if !failure.is_not_found() => return Err(failure),
        _ => {}
    }
    if let Some(at) = look_again {
        world.replica_sets.add_after(key.clone(), crate::until(now, at));
    }
    Ok(())
}
