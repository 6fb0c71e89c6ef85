//! Patching objects.

use std::sync::Arc;

use serde_json::Value;

use meridian_schema::{Kind, MessageRef, decode_value, strategic_merge_patch_of};

use super::Registry;
use super::nodes::check_write;
use super::transact::{Outcome, Plan, Target};
use super::update::{check_place, check_uid, check_version};
use crate::object::meta;
use crate::{Caller, Entry, Failure, Patch, PatchKind, PatchOptions, Reason, Sub};

/// The outcome of a patch.
#[derive(Clone, Debug)]
pub struct Patched<T = Arc<Entry>> {
    /// The object now; if the patch took the last finalizer of an object that was going, its last state.
    pub object: T,
    /// What the author of the patch should know of the object that came out of it.
    pub warnings: Vec<String>,
}

/// The most operations of a JSON patch, as in Kubernetes.
const OPERATIONS: usize = 10_000;

impl Registry {
    /// Patches an object, or its status.
    ///
    /// # Errors
    ///
    /// As Kubernetes: 400, 404, 409, 413, 422.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    pub async fn patch(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        name: &str,
        sub: Option<Sub>,
        patch: Patch,
        options: &PatchOptions,
    ) -> Result<Patched, Failure> {
        check_write(caller, kind, "patch", sub.map(Sub::name), name)?;
        let target = Target { kind, tenant: &caller.tenant, ns, name };
        let lease = self.event_lease(&caller.tenant, kind).await?;
        let patch = Prepared::new(patch)?;
        let mut warnings = Vec::new();
        let decided = self.transact(target, |base| {
            let old = base.entry.as_ref().ok_or_else(|| target.not_found())?;
            let seen = self.view().see(target.tenant, old.clone());
            let patched = patch.apply(kind.message(), &seen.value())?;
            let decoded = decode_value(kind.message(), patched, options.field_validation).map_err(refuse)?;
            // Those of the last attempt are the ones that count.
            warnings = decoded.warnings;
            let mut new = decoded.object;
            check_place(kind, ns, name, &mut new)?;
            check_version(target, old, &new)?;
            check_uid(target, old, meta(&new, "uid"))?;
            let plan = self.replace_seen(target, base, old, &seen.stored_value(), sub, new)?;
            Ok(Plan { dry_run: options.dry_run, lease, ..plan })
        });
        match Box::pin(decided).await? {
            Outcome::Is(Some(entry)) | Outcome::Gone(entry) => {
                Ok(Patched { object: self.view().see(&caller.tenant, entry), warnings })
            }
            Outcome::Is(None) | Outcome::Refused => Err(target.not_found()),
        }
    }
}

/// A patch that can be applied again and again.
pub(super) enum Prepared {
    Json(json_patch::Patch),
    Merge(Value),
    Strategic(Value),
}

impl Prepared {
    pub(super) fn new(patch: Patch) -> Result<Self, Failure> {
        match patch.kind {
            PatchKind::Json => {
                let operations = patch.body.as_array().map_or(0, Vec::len);
                if operations > OPERATIONS {
                    return Err(Failure::too_large(format!(
                        "The allowed maximum operations in a JSON patch is {OPERATIONS}, got {operations}"
                    )));
                }
                let parsed = serde_json::from_value(patch.body);
                parsed
                    .map(Self::Json)
                    .map_err(|error| Failure::bad_request(format!("the JSON patch cannot be read: {error}")))
            }
            PatchKind::Merge if patch.body.is_object() => Ok(Self::Merge(patch.body)),
            PatchKind::StrategicMerge if patch.body.is_object() => Ok(Self::Strategic(patch.body)),
            _ => Err(Failure::bad_request("the patch is no object: want a part of the object to be patched")),
        }
    }

    pub(super) fn apply(&self, message: MessageRef, old: &Value) -> Result<Value, Failure> {
        match self {
            Self::Json(patch) => {
                let mut new = old.clone();
                json_patch::patch(&mut new, patch).map_err(|error| {
                    Failure::new(Reason::Invalid, format!("the JSON patch cannot be applied: {error}"))
                })?;
                Ok(new)
            }
            Self::Merge(patch) => {
                let mut new = old.clone();
                json_patch::merge(&mut new, patch);
                Ok(new)
            }
            Self::Strategic(patch) => strategic_merge_patch_of(message, old, patch)
                .map_err(|error| Failure::bad_request(error.to_string())),
        }
    }
}

/// What came out of a patch and is no object of the kind.
pub(super) fn refuse(error: meridian_schema::DecodeError) -> Failure {
    Failure::bad_request(error.to_string())
}
