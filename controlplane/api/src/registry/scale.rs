//! The scale of what has replicas: a small object of its own over the main one.

use serde_json::{Value, json};

use meridian_schema::{Kind, decode_value};

use super::Registry;
use super::patch::{Patched, Prepared, refuse};
use super::transact::{Outcome, Plan, Target};
use super::update::{check_uid, check_version};
use crate::failure::FailureCause;
use crate::object::{self, at, meta, number};
use crate::{Caller, Entry, Failure, Patch, PatchOptions, UpdateOptions};

impl Registry {
    /// The `Scale` of a Deployment or ReplicaSet.
    ///
    /// # Errors
    ///
    /// 404
    pub async fn scale_get(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        name: &str,
    ) -> Result<Value, Failure> {
        self.get(caller, kind, ns, name).await.map(|entry| scale_of(&entry))
    }

    /// Sets the `Scale` of a Deployment or ReplicaSet.
    ///
    /// # Errors
    ///
    /// As for an update.
    pub async fn scale_update(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        name: &str,
        scale: Value,
        options: &UpdateOptions,
    ) -> Result<Value, Failure> {
        let named = meta(&scale, "name");
        if !named.is_empty() && named != name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({named}) does not match the name on the URL ({name})"
            )));
        }
        object::check_namespace(ns, &scale)?;
        let target = Target { kind, tenant: &caller.tenant, ns, name };
        self.rescale(target, options.dry_run, |_| Ok(scale.clone())).await
    }

    /// Patches the `Scale` of a Deployment or ReplicaSet.
    ///
    /// # Errors
    ///
    /// As for a patch.
    pub async fn scale_patch(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        name: &str,
        patch: Patch,
        options: &PatchOptions,
    ) -> Result<Patched<Value>, Failure> {
        let target = Target { kind, tenant: &caller.tenant, ns, name };
        let patch = Prepared::new(patch)?;
        let Some(scale) = kind.subresource("scale") else {
            return Err(Failure::method_not_allowed(kind, "scale"));
        };
        let mut warnings = Vec::new();
        let rescaled = self.rescale(target, options.dry_run, |old| {
            let patched = patch.apply(scale.message(), &scale_of(old))?;
            let decoded = decode_value(scale.message(), patched, options.field_validation).map_err(refuse)?;
            warnings = decoded.warnings;
            Ok(decoded.object)
        });
        let object = Box::pin(rescaled).await?;
        Ok(Patched { object, warnings })
    }

    async fn rescale(
        &self,
        target: Target<'_>,
        dry_run: bool,
        mut scale: impl FnMut(&Entry) -> Result<Value, Failure>,
    ) -> Result<Value, Failure> {
        let decided = self.transact(target, |base| {
            let old = base.entry.as_ref().ok_or_else(|| target.not_found())?;
            let scale = scale(old)?;
            check_version(target, old, &scale)?;
            check_uid(target, old, meta(&scale, "uid"))?;
            let replicas = number(&scale, &["spec", "replicas"]).unwrap_or_default();
            if replicas < 0 || replicas > i64::from(i32::MAX) {
                return Err(out_of_range(target.name, replicas));
            }
            let was = old.stored_value();
            let mut new = was.clone();
            object::member(&mut new, "spec").insert("replicas".to_owned(), json!(replicas));
            let plan = self.replace(target, base, old, &was, None, new)?;
            Ok(Plan { dry_run, ..plan })
        });
        match Box::pin(decided).await? {
            Outcome::Is(Some(entry)) | Outcome::Gone(entry) => Ok(scale_of(&entry)),
            Outcome::Is(None) | Outcome::Refused => Err(target.not_found()),
        }
    }
}

fn out_of_range(name: &str, replicas: i64) -> Failure {
    let cause = FailureCause {
        reason: "FieldValueInvalid".to_owned(),
        message: format!("Invalid value: {replicas}: must be greater than or equal to 0"),
        field: "spec.replicas".to_owned(),
    };
    let details = crate::Details {
        name: name.to_owned(),
        group: "autoscaling".to_owned(),
        kind: "Scale".to_owned(),
        ..crate::Details::default()
    };
    Failure::invalid_subject("Scale.autoscaling", name, vec![cause], details)
}

/// The scale of an object with replicas.
fn scale_of(entry: &Entry) -> Value {
    let object = entry.value();
    let mut metadata = json!({
        "name": entry.name,
        "uid": entry.uid,
        "resourceVersion": entry.resource_version().to_string(),
        "creationTimestamp": meta(&object, "creationTimestamp"),
    });
    if !entry.namespace.is_empty() {
        object::members(&mut metadata).insert("namespace".to_owned(), json!(entry.namespace));
    }
    let mut status = json!({ "replicas": number(&object, &["status", "replicas"]).unwrap_or_default() });
    let selector = at(&object, &["spec", "selector"]).map(selector_text).unwrap_or_default();
    if !selector.is_empty() {
        object::members(&mut status).insert("selector".to_owned(), json!(selector));
    }
    json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": metadata,
        "spec": { "replicas": number(&object, &["spec", "replicas"]).unwrap_or_default() },
        "status": status,
    })
}

/// A label selector as list parameters have it.
fn selector_text(selector: &Value) -> String {
    let labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let mut terms: Vec<String> =
        labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    for expression in expressions {
        let key = object::text(expression, &["key"]);
        let mut values: Vec<&str> = object::strings(expression, &["values"]).collect();
        values.sort_unstable();
        let values = values.join(",");
        terms.push(match object::text(expression, &["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    terms.sort_unstable();
    terms.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_reads_as_a_list_parameter() {
        let selector = json!({
            "matchLabels": { "app": "web", "tier": "front" },
            "matchExpressions": [
                { "key": "zone", "operator": "In", "values": ["b", "a"] },
                { "key": "old", "operator": "DoesNotExist" },
            ],
        });
        assert_eq!(selector_text(&selector), "!old,app=web,tier=front,zone in (a,b)");
    }
}
