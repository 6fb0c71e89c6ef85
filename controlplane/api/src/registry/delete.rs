//! Deleting objects, and beginning to.

use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use jiff::SignedDuration;
use serde_json::{Value, json};

use meridian_schema::Kind;

use super::nodes::check_write;
use super::transact::{Base, Outcome, Plan, RecordWrite, Target, Write};
use super::update::check_uid;
use super::{Registry, pods};
use crate::object::{self, FOREGROUND, ORPHAN, set_meta};
use crate::{
    BindingState, Caller, DeleteOptions, Entry, Failure, List, ListOptions, PropagationPolicy, entry,
};

/// Deletes under way at once for one call.
const CONCURRENT: usize = 128;

/// The outcome of a delete.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The object: as it is now, or as it was last.
    pub entry: Arc<Entry>,
    /// Whether it is gone; else it is going.
    pub gone: bool,
}

impl Registry {
    /// Deletes an object, or begins to.
    ///
    /// # Errors
    ///
    /// As Kubernetes: 403, 404, 409.
    pub async fn delete(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, Failure> {
        Box::pin(self.delete_marked(caller, kind, ns, name, options, &|_| {})).await
    }

    /// The same, with something said in the object if it does not go at once.
    pub(super) async fn delete_marked(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        name: &str,
        options: &DeleteOptions,
        mark: &(dyn Fn(&mut Value) + Sync),
    ) -> Result<Deleted, Failure> {
        check_write(caller, kind, "delete", None, name)?;
        Self::check_deletable(&caller.tenant, kind, name)?;
        let target = Target { kind, tenant: &caller.tenant, ns, name };
        let lease = self.event_lease(&caller.tenant, kind).await?;
        let decided = self.transact(target, |base| {
            let old = base.entry.as_ref().ok_or_else(|| target.not_found())?;
            check_preconditions(target, old, options)?;
            let plan = self.plan_delete(target, base, old, options, mark)?;
            Ok(Plan { dry_run: options.dry_run, lease, ..plan })
        });
        match Box::pin(decided).await? {
            Outcome::Is(Some(entry)) => {
                Ok(Deleted { entry: self.view().see(target.tenant, entry), gone: false })
            }
            Outcome::Gone(entry) => Ok(Deleted { entry: self.view().see(target.tenant, entry), gone: true }),
            Outcome::Is(None) | Outcome::Refused => Err(target.not_found()),
        }
    }

    /// Deletes all objects that match, or begins to. The answer lists them.
    ///
    /// # Errors
    ///
    /// As for a list and a delete.
    pub async fn delete_collection(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        options: &DeleteOptions,
        which: &ListOptions,
    ) -> Result<List, Failure> {
        check_write(caller, kind, "deletecollection", None, "")?;
        let mut list = self.list(caller, kind, ns, which).await?;
        let mut deleted = Vec::with_capacity(list.items.len());
        for some in std::mem::take(&mut list.items).chunks(CONCURRENT) {
            let mut deletes: Vec<BoxFuture<'_, Result<Deleted, Failure>>> = Vec::with_capacity(some.len());
            for item in some {
                deletes.push(Box::pin(self.delete_listed(caller, item, options)));
            }
            for result in join_all(deletes).await {
                match result {
                    Ok(gone) => deleted.push(gone.entry),
                    Err(failure) if failure.is_not_found() || failure.is_conflict() => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
        list.items = deleted;
        Ok(list)
    }

    /// Deletes the object that was listed, and not one that has its name by now.
    async fn delete_listed(
        &self,
        caller: &Caller,
        item: &Entry,
        options: &DeleteOptions,
    ) -> Result<Deleted, Failure> {
        let mut options = options.clone();
        options.preconditions.uid.get_or_insert_with(|| item.uid.clone());
        self.delete(caller, item.kind, &item.namespace, &item.name, &options).await
    }

    fn plan_delete(
        &self,
        target: Target<'_>,
        base: &Base,
        old: &Entry,
        options: &DeleteOptions,
        mark: &(dyn Fn(&mut Value) + Sync),
    ) -> Result<Plan, Failure> {
        let was = old.stored_value();
        let mut new = was.clone();
        mark(&mut new);
        propagate(&mut new, options.propagation_policy);
        if target.kind.kind == "Pod" {
            return self.plan_pod(target, base, old, &was, new, options.grace_period_seconds);
        }
        if object::is_free(&new) {
            return Ok(Plan::of(Write::Delete));
        }
        self.begin_deletion(&mut new, 0);
        if target.kind.kind == "Namespace" {
            object::member(&mut new, "status").insert("phase".to_owned(), json!("Terminating"));
        }
        put(target.kind, old, &new).map(Plan::of)
    }

    /// A pod that holds nothing goes at once. One that is bound is told to end, and goes when its host says that it did;
    /// with no grace at all it vanishes from the API, and its record stays behind as a ghost.
    fn plan_pod(
        &self,
        target: Target<'_>,
        base: &Base,
        old: &Entry,
        was: &Value,
        mut new: Value,
        asked: Option<i64>,
    ) -> Result<Plan, Failure> {
        let kind = target.kind;
        let free = object::is_free(&new);
        let Some(record) = pods::own(base, old) else {
            if free {
                return Ok(Plan { record: RecordWrite::Keep, ..Plan::of(Write::Delete) });
            }
            self.begin_deletion(&mut new, 0);
            return Ok(Plan { record: RecordWrite::Keep, ..Plan::of(put(kind, old, &new)?) });
        };
        let grace = pods::grace(was, asked);
        if grace == 0 && free {
            let ghost = RecordWrite::Put(pods::in_state(record, BindingState::Ghost));
            return Ok(Plan { record: ghost, ..Plan::of(Write::Delete) });
        }
        self.begin_deletion(&mut new, grace);
        let record = match record.state {
            BindingState::Bound => RecordWrite::Put(pods::in_state(record, BindingState::Terminating)),
            _ => RecordWrite::Keep,
        };
        Ok(Plan { record, ..Plan::of(put(kind, old, &new)?) })
    }

    /// Gives an object its deletion timestamp. One that is going already can only be given less time.
    fn begin_deletion(&self, object: &mut Value, grace: i64) {
        let now = self.clock().date();
        let later = |from: jiff::Timestamp, seconds: i64| {
            from.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(from)
        };
        let timestamp = match (pods::deadline(object), pods::given_grace(object)) {
            (Some(_), Some(given)) if grace >= given => return,
            (Some(deadline), Some(given)) => later(later(deadline, -given), grace),
            _ => later(now, grace),
        };
        if !object::is_deleting(object) {
            object::bump_generation(object);
        }
        set_meta(object, "deletionTimestamp", Some(json!(object::seconds(timestamp))));
        set_meta(object, "deletionGracePeriodSeconds", Some(json!(grace)));
    }
}

fn put(kind: &Kind, old: &Entry, new: &Value) -> Result<Write, Failure> {
    let form = entry::form(kind, new).map_err(Failure::internal)?;
    Ok(if form.bytes == old.bytes { Write::Keep } else { Write::Put(form) })
}

/// Sets the finalizers by which the garbage collector knows what is to become of dependents.
fn propagate(object: &mut Value, policy: Option<PropagationPolicy>) {
    let wanted = match policy {
        None => return,
        Some(PropagationPolicy::Orphan) => Some(ORPHAN),
        Some(PropagationPolicy::Foreground) => Some(FOREGROUND),
        Some(PropagationPolicy::Background) => None,
    };
    let kept = object::finalizers(object).filter(|finalizer| ![ORPHAN, FOREGROUND].contains(finalizer));
    let finalizers: Vec<Value> = kept.chain(wanted).map(|finalizer| json!(finalizer)).collect();
    set_meta(object, "finalizers", (!finalizers.is_empty()).then_some(Value::Array(finalizers)));
}

pub(super) fn check_preconditions(
    target: Target<'_>,
    old: &Entry,
    options: &DeleteOptions,
) -> Result<(), Failure> {
    let preconditions = &options.preconditions;
    check_uid(target, old, preconditions.uid.as_deref().unwrap_or_default())?;
    match &preconditions.resource_version {
        Some(version) if *version != old.resource_version().to_string() => {
            let why = format!(
                "Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {}",
                old.resource_version()
            );
            Err(Failure::conflict(target.kind, target.name, why))
        }
        _ => Ok(()),
    }
}
