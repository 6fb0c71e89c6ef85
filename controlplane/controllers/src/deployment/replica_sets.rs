//! The ReplicaSet of a Deployment's template: found or made, and numbered.

use meridian_api::{CreateOptions, Failure};
use meridian_store::Revision;
use serde_json::{Map, Value, json};

use super::hash::template_hash;
use super::rollout::{self, Sets};
use super::status::Happened;
use super::view::{
    DESIRED_REPLICAS, Deployment, MAX_REPLICAS, REVISION, REVISION_HISTORY, ReplicaSet, TEMPLATE_HASH,
};
use super::{Pass, Sub};
use crate::object;

/// Annotations of a Deployment that are not for its ReplicaSets: what was applied to it, and what the controller keeps.
const NOT_PASSED_ON: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
];

impl Pass<'_> {
    /// Makes sure that there is a ReplicaSet of the template with the highest number.
    pub(super) async fn ensure_new(
        &self,
        deployment: &Deployment,
        sets: &mut Sets,
        reference: &Value,
    ) -> Result<(Revision, Happened), Failure> {
        let revision = sets.old.iter().map(|set| set.revision).max().unwrap_or(0) + 1;
        let Some(new) = &sets.new else {
            let (set, written) = self.create_new(deployment, sets, reference, revision).await?;
            sets.new = set;
            let written = written.max(self.number(deployment, revision).await?);
            return Ok((written, Happened::Created));
        };
        let revision = new.revision.max(revision);
        let mut written = Revision(0);
        let change = |stored: &mut Value| {
            let mut changed = renumber(stored, revision);
            for (name, value) in passed_on(&deployment.object) {
                changed |= value.as_str().is_some_and(|value| object::annotate(stored, &name, value));
            }
            if object::number(stored, "/spec/minReadySeconds").unwrap_or(0) != deployment.min_ready_seconds {
                stored["spec"]["minReadySeconds"] = deployment.min_ready_seconds.into();
                changed = true;
            }
            changed
        };
        if let Some(modified) = self.modify_set(new, change).await? {
            written = modified;
        }
        let written = written.max(self.number(deployment, revision).await?);
        Ok((written, Happened::Found))
    }

    async fn create_new(
        &self,
        deployment: &Deployment,
        sets: &Sets,
        reference: &Value,
        revision: i64,
    ) -> Result<(Option<ReplicaSet>, Revision), Failure> {
        let hash = template_hash(&deployment.template, deployment.collisions);
        let replicas = rollout::new_replicas(deployment, sets);
        let body = body(deployment, reference, &hash, replicas, revision);
        let (kind, namespace) = (meridian_schema::replica_set(), &self.key.namespace);
        let registry = &self.world.registry;
        match registry.create(&self.caller, kind, namespace, body, &CreateOptions::default()).await {
            Ok(entry) => {
                let message = format!("Scaled up replica set {} from 0 to {replicas}", entry.name);
                self.world.recorder.normal(&self.subject, "ScalingReplicaSet", message);
                Ok((Some(ReplicaSet::new(entry.value())), entry.modified))
            }
            Err(failure) if failure.is_already_exists() => {
                self.collision(deployment, &format!("{}-{hash}", deployment.name)).await?;
                Err(failure)
            }
            Err(failure) => {
                let message = format!("Failed to create new replica set: {failure}");
                self.world.recorder.warning(&self.subject, "ReplicaSetCreateError", message);
                Err(failure)
            }
        }
    }

    /// A ReplicaSet of that name is there. Where it is ours after all, the index shows it at the next pass; else the next
    /// pass tries another name.
    async fn collision(&self, deployment: &Deployment, name: &str) -> Result<(), Failure> {
        let kind = meridian_schema::replica_set();
        let present = self.world.registry.get(&self.caller, kind, &self.key.namespace, name).await?;
        let set = ReplicaSet::new(present.value());
        let is_ours = crate::owner::controller(&set.object)
            .is_some_and(|owner| owner["uid"] == deployment.uid.as_str());
        if is_ours && set.is_of(&deployment.template) {
            return Ok(());
        }
        let change = |stored: &mut Value| {
            let collisions = object::number(stored, "/status/collisionCount").unwrap_or(0);
            if let Some(status) = object::map_at(stored, "status") {
                status.insert("collisionCount".into(), collisions.saturating_add(1).into());
            }
            true
        };
        let (namespace, name, uid) = (&self.key.namespace, &self.key.name, Some(self.entry.uid.as_str()));
        let registry = &self.world.registry;
        registry.modify(&self.caller, self.key.kind, namespace, name, uid, Some(Sub::Status), change).await?;
        Ok(())
    }

    /// Writes the number of the roll-out on the Deployment.
    async fn number(&self, deployment: &Deployment, revision: i64) -> Result<Revision, Failure> {
        let number = revision.to_string();
        if object::annotation(&deployment.object, REVISION) == Some(&number) {
            return Ok(Revision(0));
        }
        let change = |stored: &mut Value| object::annotate(stored, REVISION, &number);
        let (namespace, name, uid) = (&self.key.namespace, &self.key.name, Some(self.entry.uid.as_str()));
        let registry = &self.world.registry;
        let entry = registry.modify(&self.caller, self.key.kind, namespace, name, uid, None, change).await?;
        Ok(entry.map_or(Revision(0), |entry| entry.modified))
    }
}

/// Gives a ReplicaSet the number of a roll-out, and keeps the one it had in its history.
fn renumber(set: &mut Value, revision: i64) -> bool {
    let number = revision.to_string();
    let before = object::annotation(set, REVISION).map(str::to_owned);
    if before.as_deref() == Some(&number) {
        return false;
    }
    if let Some(before) = before {
        let history = object::annotation(set, REVISION_HISTORY).map(str::to_owned);
        let history = history.map_or_else(|| before.clone(), |history| format!("{history},{before}"));
        object::annotate(set, REVISION_HISTORY, &history);
    }
    object::annotate(set, REVISION, &number)
}

fn passed_on(deployment: &Value) -> Map<String, Value> {
    let annotations = deployment.pointer("/metadata/annotations").and_then(Value::as_object);
    let mut annotations = annotations.cloned().unwrap_or_default();
    annotations.retain(|name, _| !NOT_PASSED_ON.contains(&name.as_str()));
    annotations
}

fn body(deployment: &Deployment, reference: &Value, hash: &str, replicas: i64, revision: i64) -> Value {
    let mut template = deployment.template.clone();
    if let Some(labels) = object::map_at(&mut template, "metadata")
        .and_then(|metadata| metadata.entry("labels").or_insert_with(|| json!({})).as_object_mut())
    {
        labels.insert(TEMPLATE_HASH.into(), hash.into());
    }
    let mut selector = deployment.object.pointer("/spec/selector").cloned().unwrap_or_else(|| json!({}));
    if let Some(labels) = object::map_at(&mut selector, "matchLabels") {
        labels.insert(TEMPLATE_HASH.into(), hash.into());
    }
    let mut annotations = passed_on(&deployment.object);
    annotations.insert(REVISION.into(), revision.to_string().into());
    annotations.insert(DESIRED_REPLICAS.into(), deployment.replicas.to_string().into());
    annotations.insert(MAX_REPLICAS.into(), deployment.most_replicas().to_string().into());
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", deployment.name),
            "namespace": object::namespace(&deployment.object),
            "labels": template.pointer("/metadata/labels").cloned().unwrap_or_default(),
            "annotations": annotations,
            "ownerReferences": [reference],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": deployment.min_ready_seconds,
            "selector": selector,
            "template": template,
        },
    })
}
