//! Replacing objects: what an update may change, and what comes of it.

use std::sync::Arc;

use serde_json::{Value, json};

use meridian_schema::{Kind, apply_defaults, validate_status_update, validate_update};
use meridian_store::Tenant;

use super::nodes::check_write;
use super::transact::{Base, Outcome, Plan, RecordWrite, Target, Write};
use super::{Registry, pods};
use crate::object::{self, at, meta, set_meta};
use crate::{BindingState, Caller, CreateOptions, Entry, Failure, Sub, UpdateOptions, entry};

/// The outcome of an update.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The object now; if the update took the last finalizer of an object that was going, its last state.
    pub entry: Arc<Entry>,
    /// Whether the update created it.
    pub created: bool,
}

/// What the server keeps of an object's metadata, whatever an update says.
const KEPT: [&str; 6] = [
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generateName",
];

impl Registry {
    /// Replaces an object, or its status.
    ///
    /// # Errors
    ///
    /// As Kubernetes: 400, 404, 409, 413, 422.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    pub async fn update(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        name: &str,
        sub: Option<Sub>,
        mut object: Value,
        options: &UpdateOptions,
    ) -> Result<Updated, Failure> {
        check_write(caller, kind, "update", sub.map(Sub::name), name)?;
        check_place(kind, ns, name, &mut object)?;
        let target = Target { kind, tenant: &caller.tenant, ns, name };
        let creates = sub.is_none() && matches!(kind.kind, "Lease" | "Event");
        let lease = self.event_lease(&caller.tenant, kind).await?;
        let mut absent = false;
        let decided = self.transact(target, |base| {
            let Some(old) = &base.entry else {
                absent = true;
                return Err(target.not_found());
            };
            absent = false;
            check_version(target, old, &object)?;
            check_uid(target, old, meta(&object, "uid"))?;
            let seen = self.view().see(target.tenant, old.clone());
            let plan = self.replace_seen(target, base, old, &seen.stored_value(), sub, object.clone())?;
            Ok(Plan { dry_run: options.dry_run, lease, ..plan })
        });
        let outcome = Box::pin(decided).await;
        if absent && creates && outcome.is_err() {
            let version = meta(&object, "resourceVersion");
            if !version.is_empty() && version != "0" {
                return Err(target.not_found());
            }
            set_meta(&mut object, "resourceVersion", None);
            let options = CreateOptions { dry_run: options.dry_run };
            let entry = Box::pin(self.create(caller, kind, ns, object, &options)).await?;
            return Ok(Updated { entry, created: true });
        }
        match outcome? {
            Outcome::Is(Some(entry)) | Outcome::Gone(entry) => {
                Ok(Updated { entry: self.view().see(&caller.tenant, entry), created: false })
            }
            Outcome::Is(None) | Outcome::Refused => Err(target.not_found()),
        }
    }

    /// Decides on a new state of an object.
    pub(super) fn replace(
        &self,
        target: Target<'_>,
        base: &Base,
        old: &Entry,
        old_value: &Value,
        sub: Option<Sub>,
        mut new: Value,
    ) -> Result<Plan, Failure> {
        self.decide(target, old_value, sub, &mut new)?;
        write(target, base, old, &new)
    }

    /// The same for a caller that changed what it sees of the object, which is `seen`.
    pub(super) fn replace_seen(
        &self,
        target: Target<'_>,
        base: &Base,
        old: &Entry,
        seen: &Value,
        sub: Option<Sub>,
        mut new: Value,
    ) -> Result<Plan, Failure> {
        let Target { kind, tenant, .. } = target;
        self.decide(target, seen, sub, &mut new)?;
        self.view().restore(tenant, Some(old), kind, &mut new, |node| self.host(tenant, node))?;
        write(target, base, old, &new)
    }

    fn decide(
        &self,
        Target { kind, tenant, .. }: Target<'_>,
        old: &Value,
        sub: Option<Sub>,
        new: &mut Value,
    ) -> Result<(), Failure> {
        match sub {
            None => self.prepare(tenant, kind, old, new),
            Some(Sub::Status) => prepare_status(kind, old, new),
            Some(Sub::Finalize) => {
                *new = prepare_finalize(old, new);
                Ok(())
            }
        }
    }

    fn prepare(
        &self,
        tenant: &Tenant,
        kind: &'static Kind,
        old: &Value,
        new: &mut Value,
    ) -> Result<(), Failure> {
        for member in KEPT {
            let kept = at(old, &["metadata", member]).cloned();
            set_meta(new, member, kept);
        }
        for member in ["resourceVersion", "managedFields", "selfLink"] {
            set_meta(new, member, None);
        }
        if kind.subresource("status").is_some() {
            match old.get("status") {
                Some(status) => drop(object::members(new).insert("status".to_owned(), status.clone())),
                None => drop(object::members(new).remove("status")),
            }
        }
        if kind.kind == "Namespace" {
            // Only the finalize subresource takes these off.
            let kept = at(old, &["spec", "finalizers"]).cloned().unwrap_or_else(|| json!([]));
            object::member(new, "spec").insert("finalizers".to_owned(), kept);
        }
        if kind.kind == "Pod" {
            keep_admitted(old, new);
        }
        apply_defaults(kind, new);
        self.admit_update(tenant, kind, new)?;
        let annotated = kind.kind == "Deployment"
            && at(old, &["metadata", "annotations"]) != at(new, &["metadata", "annotations"]);
        if object::has_generation(kind) && (old.get("spec") != new.get("spec") || annotated) {
            object::bump_generation(new);
        }
        let causes = validate_update(kind, new, old);
        if !causes.is_empty() {
            return Err(Failure::invalid(kind, meta(old, "name"), &causes));
        }
        Ok(())
    }
}

/// A pod keeps what admission gave it where an update leaves it out.
fn keep_admitted(old: &Value, new: &mut Value) {
    for member in ["priority", "preemptionPolicy", "priorityClassName", "serviceAccountName", "nodeName"] {
        if let Some(kept) = at(old, &["spec", member]) {
            object::member(new, "spec").entry(member).or_insert_with(|| kept.clone());
        }
    }
}

/// Makes the new object the old one with the new status.
fn prepare_status(kind: &'static Kind, old: &Value, new: &mut Value) -> Result<(), Failure> {
    let members = object::members(new);
    // Most of it is as it was, and looking is cheaper than copying.
    for (name, value) in old.as_object().into_iter().flatten().filter(|(name, _)| *name != "status") {
        if members.get(name) != Some(value) {
            members.insert(name.clone(), value.clone());
        }
    }
    members.retain(|name, _| name == "status" || old.get(name).is_some());
    apply_defaults(kind, new);
    if kind.kind == "Pod" {
        pods::keep_scheduled(old, new);
        if let Some(class) = at(old, &["status", "qosClass"]) {
            object::member(new, "status").insert("qosClass".to_owned(), class.clone());
        }
    }
    let causes = validate_status_update(kind, new, old);
    if !causes.is_empty() {
        return Err(Failure::invalid(kind, meta(old, "name"), &causes));
    }
    Ok(())
}

/// The old namespace with the new finalizers.
fn prepare_finalize(old: &Value, new: &Value) -> Value {
    let mut object = old.clone();
    let finalizers = at(new, &["spec", "finalizers"]).cloned().unwrap_or_else(|| json!([]));
    object::member(&mut object, "spec").insert("finalizers".to_owned(), finalizers);
    object
}

/// What is to be written for a new state: nothing if it is the old one, and the object's end if it was only held by
/// finalizers that are gone now.
fn write(target: Target<'_>, base: &Base, old: &Entry, new: &Value) -> Result<Plan, Failure> {
    let form = entry::form(target.kind, new).map_err(Failure::internal)?;
    let ends = object::is_deleting(new) && object::is_free(new);
    let keep_or_put = |record| {
        let object = if form.bytes == old.bytes { Write::Keep } else { Write::Put(form) };
        Plan { record, ..Plan::of(object) }
    };
    if !ends {
        return Ok(keep_or_put(RecordWrite::Ignore));
    }
    let forced = object::number(new, &["metadata", "deletionGracePeriodSeconds"]) == Some(0);
    let record = match pods::own(base, old) {
        // Its host has yet to say that it stopped.
        Some(_) if !forced => return Ok(keep_or_put(RecordWrite::Keep)),
        Some(held) => RecordWrite::Put(pods::in_state(held, BindingState::Ghost)),
        None if target.kind.kind == "Pod" => RecordWrite::Keep,
        None => RecordWrite::Ignore,
    };
    Ok(Plan { record, ..Plan::of(Write::Delete) })
}

/// Checks that an object is the one that the request names, and says so in it.
pub(super) fn check_place(
    kind: &'static Kind,
    ns: &str,
    name: &str,
    object: &mut Value,
) -> Result<(), Failure> {
    if !object.is_object() {
        return Err(Failure::bad_request(format!("the body is no object: want a {}", kind.kind)));
    }
    let members = object::members(object);
    members.insert("apiVersion".to_owned(), json!(kind.api_version()));
    members.insert("kind".to_owned(), json!(kind.kind));
    let named = meta(object, "name");
    if named.is_empty() {
        set_meta(object, "name", Some(json!(name)));
    } else if named != name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({name})"
        )));
    }
    if kind.namespaced {
        object::check_namespace(ns, object)?;
        set_meta(object, "namespace", Some(json!(ns)));
    } else {
        set_meta(object, "namespace", None);
    }
    Ok(())
}

/// Checks that an update was made on what is there.
pub(super) fn check_version(target: Target<'_>, old: &Entry, new: &Value) -> Result<(), Failure> {
    match meta(new, "resourceVersion") {
        "" => Ok(()),
        version => match version.parse::<u64>() {
            Ok(0) => Ok(()),
            Ok(version) if version == old.resource_version() => Ok(()),
            Ok(_) => Err(Failure::modified_meanwhile(target.kind, target.name)),
            Err(_) => {
                let field = "metadata.resourceVersion";
                let message =
                    format!("Invalid value: {version:?}: must be specified for an update as it was read");
                let cause = crate::FailureCause {
                    reason: "FieldValueInvalid".to_owned(),
                    message,
                    field: field.to_owned(),
                };
                Err(Failure::invalid_causes(target.kind, target.name, vec![cause]))
            }
        },
    }
}

/// Checks that an object is the one with a uid, where one is given.
pub(super) fn check_uid(target: Target<'_>, old: &Entry, uid: &str) -> Result<(), Failure> {
    if uid.is_empty() || uid == old.uid {
        return Ok(());
    }
    let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", old.uid);
    Err(Failure::conflict(target.kind, target.name, why))
}
