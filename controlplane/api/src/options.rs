//! What a request may say beside the object.

use std::time::Duration;

use serde_json::Value;

use meridian_schema::{FieldSelector, LabelSelector};

use crate::{Details, Failure, FailureCause, object};

/// How to create.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// Do everything but the write.
    pub dry_run: bool,
}

/// How to update.
#[derive(Clone, Debug, Default)]
pub struct UpdateOptions {
    /// Do everything but the write.
    pub dry_run: bool,
}

/// How to patch.
#[derive(Clone, Debug, Default)]
pub struct PatchOptions {
    /// Do everything but the write.
    pub dry_run: bool,
    /// What to do about unknown fields in what comes out.
    pub field_validation: meridian_schema::FieldValidation,
}

/// How to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// How long the object may take to end; none: as long as it asks for itself; 0: at once, by force.
    pub grace_period_seconds: Option<i64>,
    /// What must hold of the object.
    pub preconditions: Preconditions,
    /// What becomes of those it owns; none: as is usual for the kind.
    pub propagation_policy: Option<PropagationPolicy>,
    /// Do everything but the write.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// The options in a request's body, a `DeleteOptions` object.
    ///
    /// # Errors
    ///
    /// 422 when a member is not what it should be.
    pub fn from_value(body: &Value) -> Result<Self, Failure> {
        let unsupported = |field: &str, given: &str, supported: &str| {
            let message = format!("Unsupported value: {given:?}: supported values: {supported}");
            let cause = FailureCause {
                reason: "FieldValueNotSupported".to_owned(),
                message,
                field: field.to_owned(),
            };
            let details = Details {
                group: "meta.k8s.io".to_owned(),
                kind: "DeleteOptions".to_owned(),
                ..Details::default()
            };
            Failure::invalid_subject("DeleteOptions.meta.k8s.io", "", vec![cause], details)
        };
        let orphan = body.get("orphanDependents").and_then(Value::as_bool);
        let propagation_policy = match (object::text(body, &["propagationPolicy"]), orphan) {
            ("", None) => None,
            ("", Some(true)) => Some(PropagationPolicy::Orphan),
            ("", Some(false)) => Some(PropagationPolicy::Background),
            ("Orphan", None) => Some(PropagationPolicy::Orphan),
            ("Background", None) => Some(PropagationPolicy::Background),
            ("Foreground", None) => Some(PropagationPolicy::Foreground),
            (given, None) => {
                let supported = "\"Background\", \"Foreground\", \"Orphan\"";
                return Err(unsupported("propagationPolicy", given, supported));
            }
            (_, Some(_)) => {
                return Err(Failure::bad_request(
                    "orphanDependents and propagationPolicy are one or the other: give one",
                ));
            }
        };
        let mut dry_run = false;
        for given in object::strings(body, &["dryRun"]) {
            if given != "All" {
                return Err(unsupported("dryRun", given, "\"All\""));
            }
            dry_run = true;
        }
        let precondition = |member| {
            let given = object::text(body, &["preconditions", member]);
            (!given.is_empty()).then(|| given.to_owned())
        };
        Ok(Self {
            grace_period_seconds: object::number(body, &["gracePeriodSeconds"]),
            preconditions: Preconditions {
                uid: precondition("uid"),
                resource_version: precondition("resourceVersion"),
            },
            propagation_policy,
            dry_run,
        })
    }
}

/// What must hold of an object before it is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// Its uid.
    pub uid: Option<String>,
    /// Its resource version.
    pub resource_version: Option<String>,
}

/// What becomes of an object's dependents when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropagationPolicy {
    /// They stay and lose their owner.
    Orphan,
    /// They go after it.
    Background,
    /// They go before it.
    Foreground,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Only objects with such labels.
    pub label_selector: Option<LabelSelector>,
    /// Only objects with such fields.
    pub field_selector: Option<FieldSelector>,
    /// The most objects in an answer; none or 0: all.
    pub limit: Option<usize>,
    /// Where to go on: from the answer before.
    pub continue_token: Option<String>,
    /// As of when, as Kubernetes documents it.
    pub resource_version: Option<String>,
    /// How `resource_version` is meant: `Exact` or `NotOlderThan`.
    pub resource_version_match: Option<String>,
}

/// What to watch.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// Only objects with such labels.
    pub label_selector: Option<LabelSelector>,
    /// Only objects with such fields.
    pub field_selector: Option<FieldSelector>,
    /// From when on, as Kubernetes documents it.
    pub resource_version: Option<String>,
    /// How `resource_version` is meant.
    pub resource_version_match: Option<String>,
    /// Whether to begin with what there is.
    pub send_initial_events: Option<bool>,
    /// Whether the watcher takes bookmarks.
    pub allow_bookmarks: bool,
    /// When the watch ends by itself; none: as the registry likes.
    pub timeout: Option<Duration>,
}

/// A patch.
#[derive(Clone, Debug)]
pub struct Patch {
    /// How the body is meant.
    pub kind: PatchKind,
    /// The body, JSON.
    pub body: Value,
}

/// The kinds of patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// A list of operations, RFC 6902.
    Json,
    /// A partial object, RFC 7386.
    Merge,
    /// A partial object whose lists are merged as the schema says.
    StrategicMerge,
}

/// The part of an object that an update is about, where it is not the main one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sub {
    /// The status alone.
    Status,
    /// The finalizers of a namespace's spec alone.
    Finalize,
}

impl Sub {
    /// As paths name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Finalize => "finalize",
        }
    }
}
