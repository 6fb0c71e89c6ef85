//! Deployments: a ReplicaSet for each template, and the way from one to the next.

mod hash;
mod replica_sets;
mod rollout;
#[cfg(test)]
mod simulation;
mod status;
mod view;

use meridian_api::{Caller, DeleteOptions, Entry, Failure, Preconditions, Sub};
use meridian_store::Revision;
use serde_json::Value;

use self::rollout::{Scale, Sets};
use self::status::Happened;
use self::view::{DESIRED_REPLICAS, Deployment, MAX_REPLICAS, ReplicaSet, Strategy};
use crate::key::ObjectKey;
use crate::recorder::Subject;
use crate::world::{World, selector};
use crate::{object, owner};

/// One pass over one Deployment.
struct Pass<'a> {
    world: &'a World,
    caller: Caller,
    key: &'a ObjectKey,
    entry: &'a Entry,
    subject: Subject,
}

/// Brings a Deployment a step closer to what it asks for.
pub(crate) async fn reconcile(world: &World, key: &ObjectKey) -> Result<(), Failure> {
    let Some(entry) = world.registry.cached(&key.tenant, key.kind, &key.namespace, &key.name) else {
        return Ok(());
    };
    let object = entry.value();
    let Some(selector) = selector(&object) else { return Ok(()) };
    let caller = world.caller("deployment", &key.tenant);
    let reference = owner::reference_to(key.kind, &object);
    let adoptable = world.adoptable(key, &selector, "ReplicaSet");
    let adopted = world.adopt(&caller, &object, &reference, &adoptable).await?;
    world.seen(adopted).await;

    let deployment = Deployment::new(object);
    let pass = Pass { world, caller, key, entry: &entry, subject: Subject::of(&entry) };
    let mut sets = pass.sets(&deployment);
    let mut happened = Happened::Nothing;
    if !object::is_deleting(&deployment.object) {
        let written = Box::pin(pass.step(&deployment, &mut sets, &reference, &mut happened)).await?;
        world.seen(written).await;
    }
    pass.write_status(&deployment, &pass.sets(&deployment), happened).await
}

impl Pass<'_> {
    /// The ReplicaSets that the Deployment controls.
    fn sets(&self, deployment: &Deployment) -> Sets {
        let keys = self.world.index().dependents(&deployment.uid);
        let mut sets: Vec<ReplicaSet> = keys
            .iter()
            .filter(|key| key.kind.kind == "ReplicaSet" && key.tenant == self.key.tenant)
            .filter_map(|key| self.world.registry.cached(&key.tenant, key.kind, &key.namespace, &key.name))
            .map(|entry| entry.value())
            .filter(|set| owner::controller(set).is_some_and(|owner| owner["uid"] == deployment.uid.as_str()))
            .map(ReplicaSet::new)
            .collect();
        sets.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.name.cmp(&b.name)));
        // Of several with the template, the oldest counts.
        let new = sets
            .iter()
            .position(|set| set.is_of(&deployment.template) && !object::is_deleting(&set.object))
            .map(|position| sets.remove(position));
        Sets { new, old: sets }
    }

    /// Does the next step. The answer is the revision that the index has to show before the next one.
    async fn step(
        &self,
        deployment: &Deployment,
        sets: &mut Sets,
        reference: &Value,
        happened: &mut Happened,
    ) -> Result<Revision, Failure> {
        if deployment.is_paused {
            return self.scale(deployment, sets, rollout::resize(deployment, sets)).await;
        }
        if rollout::was_scaled(deployment, sets) {
            return self.scale(deployment, sets, rollout::resize(deployment, sets)).await;
        }
        let old_pods_run = self.old_pods_run(sets);
        let old_replicas = sets.old.iter().any(|set| set.replicas > 0);
        let must_wait = matches!(deployment.strategy, Strategy::Recreate) && (old_pods_run || old_replicas);
        let mut written = Revision(0);
        if sets.new.is_some() || !must_wait {
            let (revision, what) = self.ensure_new(deployment, sets, reference).await?;
            written = revision;
            *happened = what;
        }
        let scales = rollout::roll(deployment, sets, old_pods_run);
        let is_settled = scales.is_empty();
        written = written.max(self.scale(deployment, sets, scales).await?);
        if is_settled && status::is_complete(deployment, sets) {
            for name in rollout::expired(deployment, sets) {
                self.forget(sets, &name).await?;
            }
        }
        Ok(written)
    }

    fn old_pods_run(&self, sets: &Sets) -> bool {
        let index = self.world.index();
        sets.old.iter().any(|set| index.has_active_pods(object::uid(&set.object)))
    }

    /// Writes the numbers of replicas, and beside them what the Deployment wanted at the time.
    async fn scale(
        &self,
        deployment: &Deployment,
        sets: &Sets,
        scales: Vec<Scale>,
    ) -> Result<Revision, Failure> {
        let mut written = Revision(0);
        let desired = deployment.replicas.to_string();
        let most = deployment.most_replicas().to_string();
        for set in sets.all() {
            let scale = scales.iter().find(|scale| scale.name == set.name);
            let change = |stored: &mut Value| {
                let mut changed = false;
                if let Some(scale) = scale
                    && object::number(stored, "/spec/replicas") != Some(scale.to)
                {
                    stored["spec"]["replicas"] = scale.to.into();
                    changed = true;
                }
                if scale.is_some() || object::number(stored, "/spec/replicas").unwrap_or(0) > 0 {
                    changed |= object::annotate(stored, DESIRED_REPLICAS, &desired);
                    changed |= object::annotate(stored, MAX_REPLICAS, &most);
                }
                changed
            };
            if scale.is_none() && set.replicas == 0 {
                continue;
            }
            if let Some(revision) = self.modify_set(set, change).await? {
                written = written.max(revision);
                if let Some(Scale { name, from, to }) = scale {
                    let direction = if to > from { "up" } else { "down" };
                    let message = format!("Scaled {direction} replica set {name} from {from} to {to}");
                    self.world.recorder.normal(&self.subject, "ScalingReplicaSet", message);
                }
            }
        }
        Ok(written)
    }

    async fn modify_set(
        &self,
        set: &ReplicaSet,
        change: impl FnMut(&mut Value) -> bool + Send,
    ) -> Result<Option<Revision>, Failure> {
        let kind = meridian_schema::replica_set();
        let (namespace, uid) = (&self.key.namespace, Some(object::uid(&set.object)));
        let registry = &self.world.registry;
        match registry.modify(&self.caller, kind, namespace, &set.name, uid, None, change).await {
            Ok(entry) => Ok(entry.map(|entry| entry.modified)),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn forget(&self, sets: &Sets, name: &str) -> Result<(), Failure> {
        let Some(set) = sets.old.iter().find(|set| set.name == name) else { return Ok(()) };
        let uid = Some(object::uid(&set.object).to_owned());
        let preconditions = Preconditions { uid, ..Preconditions::default() };
        let options = DeleteOptions { preconditions, ..DeleteOptions::default() };
        let kind = meridian_schema::replica_set();
        match self.world.registry.delete(&self.caller, kind, &self.key.namespace, name, &options).await {
            Err(failure) if !failure.is_not_found() && !failure.is_conflict() => Err(failure),
            _ => Ok(()),
        }
    }

    async fn write_status(
        &self,
        deployment: &Deployment,
        sets: &Sets,
        happened: Happened,
    ) -> Result<(), Failure> {
        let now = self.world.clock.date();
        let next = status::next(deployment, sets, happened, now);
        let change = |stored: &mut Value| {
            if stored.get("status") == Some(&next.status) {
                return false;
            }
            stored["status"] = next.status.clone();
            true
        };
        let (namespace, name, uid) = (&self.key.namespace, &self.key.name, Some(self.entry.uid.as_str()));
        let registry = &self.world.registry;
        let status = Some(Sub::Status);
        match registry.modify(&self.caller, self.key.kind, namespace, name, uid, status, change).await {
            Err(failure) if !failure.is_not_found() => return Err(failure),
            _ => {}
        }
        if let Some(at) = next.look_again {
            self.world.deployments.add_after(self.key.clone(), crate::until(now, at));
        }
        Ok(())
    }
}
