//! Admission: what the server fills in beyond defaults, since it depends on other objects or on the object as a whole.

use serde_json::{Value, json};

use meridian_schema::{Kind, admit_pod, priority_class};
use meridian_store::Tenant;

use super::Registry;
use crate::object::{at, member, meta, number, text};
use crate::{Entry, Failure};

impl Registry {
    /// Fills in a new object, or refuses it.
    pub(super) fn admit(&self, tenant: &Tenant, kind: &Kind, new: &mut Value) -> Result<(), Failure> {
        match kind.kind {
            "Pod" => {
                self.admit_priority(tenant, kind, new)?;
                admit_pod(new);
                let spec = member(new, "spec");
                let account = spec.entry("serviceAccountName").or_insert_with(|| json!("default")).clone();
                // The old name of the same field.
                spec.insert("serviceAccount".to_owned(), account);
                Ok(())
            }
            "PriorityClass" => self.admit_priority_class(tenant, kind, new),
            _ => Ok(()),
        }
    }

    /// Sets a pod's priority from its class.
    fn admit_priority(&self, tenant: &Tenant, kind: &Kind, pod: &mut Value) -> Result<(), Failure> {
        let named = text(pod, &["spec", "priorityClassName"]);
        let class = match named {
            "" => self.default_priority_class(tenant),
            named => match self.cached(tenant, priority_class(), "", named) {
                Some(class) => Some(class.stored_value()),
                None => {
                    let why = format!("no PriorityClass with name {named} was found");
                    return Err(Failure::forbidden(kind, meta(pod, "name"), why));
                }
            },
        };
        let value = class.as_ref().and_then(|class| number(class, &["value"])).unwrap_or_default();
        let policy = class.as_ref().map_or("", |class| text(class, &["preemptionPolicy"]));
        let policy = if policy.is_empty() { "PreemptLowerPriority" } else { policy };
        if let Some(given) = number(pod, &["spec", "priority"]).filter(|given| *given != value) {
            let why = format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority admission \
                 controller computed {value} from the given PriorityClass name"
            );
            return Err(Failure::forbidden(kind, meta(pod, "name"), why));
        }
        let given = text(pod, &["spec", "preemptionPolicy"]);
        if !given.is_empty() && given != policy {
            let why = format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
                 controller computed {policy} from the given PriorityClass name"
            );
            return Err(Failure::forbidden(kind, meta(pod, "name"), why));
        }
        let spec = member(pod, "spec");
        if let Some(class) = &class {
            spec.insert("priorityClassName".to_owned(), json!(meta(class, "name")));
        }
        spec.insert("priority".to_owned(), json!(value));
        spec.insert("preemptionPolicy".to_owned(), json!(policy));
        Ok(())
    }

    /// The class of pods that name none, where there is one. Of several the one with the least value counts.
    fn default_priority_class(&self, tenant: &Tenant) -> Option<Value> {
        let classes = self.cached_list(Some(tenant), priority_class(), "");
        let marked = classes.iter().filter(|class| may_be_default(class)).map(|class| class.stored_value());
        let defaults = marked.filter(|class| at(class, &["globalDefault"]) == Some(&Value::Bool(true)));
        defaults.min_by_key(|class| number(class, &["value"]).unwrap_or_default())
    }

    fn admit_priority_class(&self, tenant: &Tenant, kind: &Kind, new: &Value) -> Result<(), Failure> {
        if at(new, &["globalDefault"]) != Some(&Value::Bool(true)) {
            return Ok(());
        }
        match self.default_priority_class(tenant) {
            Some(other) if meta(&other, "name") != meta(new, "name") => {
                let why = format!(
                    "PriorityClass {} is already marked as default. Only one default can exist",
                    meta(&other, "name")
                );
                Err(Failure::forbidden(kind, meta(new, "name"), why))
            }
            _ => Ok(()),
        }
    }

    /// Checks a changed object against others, as a new one is.
    pub(super) fn admit_update(&self, tenant: &Tenant, kind: &Kind, new: &Value) -> Result<(), Failure> {
        match kind.kind {
            "PriorityClass" => self.admit_priority_class(tenant, kind, new),
            _ => Ok(()),
        }
    }
}

/// Whether a class may be the default, told from its bytes: most are not, and are not worth decoding.
fn may_be_default(class: &Entry) -> bool {
    const MARK: &[u8] = b"\"globalDefault\":true";
    class.bytes.windows(MARK.len()).any(|window| window == MARK)
}
