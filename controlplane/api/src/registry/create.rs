//! Creating objects.

use std::sync::Arc;

use serde_json::{Value, json};

use meridian_schema::{Kind, apply_defaults, initial_status, validate_new};
use meridian_store::{Compare, KeyRange, Op, OpResult, RangeRequest, Revision, Tenant, Txn};

use super::Registry;
use super::heartbeats::check_writable;
use super::nodes::check_write;
use crate::entry::Form;
use crate::failure::FailureCause;
use crate::object::{self, meta, metadata, set_meta};
use crate::{Caller, CreateOptions, Entry, Failure, entry, key};

/// The longest start of a generated name, and how much is generated.
const GENERATED_BASE: usize = 58;
const GENERATED_SUFFIX: usize = 5;
/// After so many generated names that exist the client is to try again.
const GENERATED_ATTEMPTS: usize = 8;
/// After so many changes of the namespace in a row.
const NAMESPACE_ATTEMPTS: usize = 16;

/// An object about to be created.
struct New {
    name: String,
    form: Form,
}

impl Registry {
    /// Creates an object. `ns` is empty for kinds without namespaces.
    ///
    /// # Errors
    ///
    /// As Kubernetes: 400, 403, 404, 409, 413, 422.
    pub async fn create(
        &self,
        caller: &Caller,
        kind: &'static Kind,
        ns: &str,
        object: Value,
        options: &CreateOptions,
    ) -> Result<Arc<Entry>, Failure> {
        check_write(caller, kind, "create", None, meta(&object, "name"))?;
        self.provision_once(&caller.tenant).await?;
        let created = self.create_in(&caller.tenant, kind, ns, object, options, Trust::Checked).await?;
        Ok(self.view().see(&caller.tenant, created))
    }

    /// The same, without first making what every tenant has.
    pub(super) async fn create_in(
        &self,
        tenant: &Tenant,
        kind: &'static Kind,
        ns: &str,
        mut object: Value,
        options: &CreateOptions,
        trust: Trust,
    ) -> Result<Arc<Entry>, Failure> {
        check_writable(tenant, kind, ns, meta(&object, "name"))?;
        place(kind, ns, &mut object)?;
        let generated = meta(&object, "name").is_empty() && !meta(&object, "generateName").is_empty();
        self.stamp(kind, &mut object);
        apply_defaults(kind, &mut object);
        self.admit(tenant, kind, &mut object)?;
        self.view().restore(tenant, None, kind, &mut object, |node| self.host(tenant, node))?;
        initial_status(kind, &mut object);
        for _ in 0..GENERATED_ATTEMPTS {
            if generated {
                self.generate_name(&mut object);
                object::label_namespace(kind, &mut object);
            }
            let new = self.finish(kind, &object, trust)?;
            match self.insert(tenant, kind, ns, new, options).await {
                Err(failure) if generated && failure.is_already_exists() => {}
                Ok(entry) => {
                    self.bind_if_asked(&entry, options);
                    return Ok(entry);
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::already_exists(kind, meta(&object, "name")).retry_after(1))
    }

    /// Sets what the server says of a new object, and takes off what it alone says later.
    fn stamp(&self, kind: &'static Kind, object: &mut Value) {
        let members = metadata(object);
        for member in [
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "managedFields",
            "generation",
        ] {
            members.remove(member);
        }
        members.insert("uid".to_owned(), json!(self.ids().uid().to_string()));
        members.insert("creationTimestamp".to_owned(), json!(object::seconds(self.clock().date())));
        if object::has_generation(kind) {
            members.insert("generation".to_owned(), json!(1));
        }
        // A host reports itself with its status.
        if kind.subresource("status").is_some() && kind.kind != "Node" {
            object::members(object).remove("status");
        }
    }

    fn generate_name(&self, object: &mut Value) {
        let base = meta(object, "generateName");
        let base: String = base.chars().take(GENERATED_BASE).collect();
        let name = base + &self.ids().name_suffix(GENERATED_SUFFIX);
        set_meta(object, "name", Some(json!(name)));
    }

    fn finish(&self, kind: &'static Kind, object: &Value, trust: Trust) -> Result<New, Failure> {
        let name = meta(object, "name").to_owned();
        if name.is_empty() {
            let cause = FailureCause {
                reason: "FieldValueRequired".to_owned(),
                message: "Required value: name or generateName is required".to_owned(),
                field: "metadata.name".to_owned(),
            };
            return Err(Failure::invalid_causes(kind, "", vec![cause]));
        }
        if trust == Trust::Checked {
            let causes = validate_new(kind, object);
            if !causes.is_empty() {
                return Err(Failure::invalid(kind, &name, &causes));
            }
        }
        let form = entry::form(kind, object).map_err(Failure::internal)?;
        self.check_size(&form.bytes)?;
        Ok(New { name, form })
    }

    /// Writes a new object, if its namespace is still there and not going at that moment.
    async fn insert(
        &self,
        tenant: &Tenant,
        kind: &'static Kind,
        ns: &str,
        new: New,
        options: &CreateOptions,
    ) -> Result<Arc<Entry>, Failure> {
        let store = self.cache(kind).store();
        let key = key::object(kind, tenant, ns, &new.name);
        let namespace = meridian_schema::namespace();
        let namespace_key = key::object(namespace, tenant, "", ns);
        let mut found = match kind.namespaced {
            true => self.namespace(tenant, ns).await?,
            false => Revision(0),
        };
        let mut lease = self.event_lease(tenant, kind).await?;
        for _ in 0..NAMESPACE_ATTEMPTS {
            if kind.namespaced {
                self.check_namespace(kind, &new.name, ns, tenant, found).await?;
            }
            if options.dry_run {
                let there = store.range(&RangeRequest::new(KeyRange::single(&key)).keys_only()).await?;
                if !there.kvs.is_empty() {
                    return Err(Failure::already_exists(kind, &new.name));
                }
                let revision = there.tenant_revision.unwrap_or_default();
                return Ok(written(kind, tenant, ns, new, (there.revision, revision)));
            }
            let put =
                Op::Put { key: key.clone(), value: new.form.bytes.clone(), lease, want_previous: false };
            let mut txn = Txn::new(tenant)
                .when(Compare::absent(&key))
                .then(put)
                .otherwise(Op::Range(RangeRequest::new(KeyRange::single(&key)).keys_only()));
            if kind.namespaced {
                txn = txn.when(Compare::modified(&namespace_key, found)).otherwise(Op::get(&namespace_key));
            }
            let result = match store.txn(txn).await {
                Err(meridian_store::Error::LeaseNotFound { .. }) => {
                    self.forget_event_lease(tenant);
                    lease = self.event_lease(tenant, kind).await?;
                    continue;
                }
                result => result?,
            };
            if result.succeeded {
                self.metrics().wrote(kind, result.revision);
                return Ok(written(kind, tenant, ns, new, (result.revision, result.tenant_revision)));
            }
            let mut ranges = result.results.iter().map(|result| match result {
                OpResult::Range(range) => range.kvs.first(),
                _ => None,
            });
            if ranges.next().flatten().is_some() {
                return Err(Failure::already_exists(kind, &new.name));
            }
            found = ranges.next().flatten().map_or(Revision(0), |kv| kv.modified);
        }
        Err(Failure::unavailable(format!("namespace {ns} is being changed all the time: try again")))
    }
}

/// Whether an object is the server's own, which need not follow the rules for those of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Checked,
    Own,
}

/// Checks that an object is meant for where the request says, and says so in it.
fn place(kind: &'static Kind, ns: &str, object: &mut Value) -> Result<(), Failure> {
    if !object.is_object() {
        return Err(Failure::bad_request(format!("the body is no object: want a {}", kind.kind)));
    }
    let members = object::members(object);
    members.insert("apiVersion".to_owned(), json!(kind.api_version()));
    members.insert("kind".to_owned(), json!(kind.kind));
    if !meta(object, "resourceVersion").is_empty() {
        return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
    }
    if !kind.namespaced {
        metadata(object).remove("namespace");
        return Ok(());
    }
    object::check_namespace(ns, object)?;
    if ns.is_empty() {
        return Err(Failure::bad_request("an empty namespace may not be set during creation"));
    }
    set_meta(object, "namespace", Some(json!(ns)));
    Ok(())
}

fn written(
    kind: &'static Kind,
    tenant: &Tenant,
    ns: &str,
    New { name, form }: New,
    at: (Revision, meridian_store::TenantRevision),
) -> Arc<Entry> {
    Arc::new(Entry::written(kind, tenant, ns, &name, form, at))
}
