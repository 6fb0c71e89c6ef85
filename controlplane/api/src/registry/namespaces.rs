//! Namespaces: what every tenant has from the start, and the check that an object's namespace takes new ones.

use std::sync::PoisonError;

use serde_json::json;

use meridian_schema::{Kind, lease, namespace, priority_class};
use meridian_store::{KeyRange, RangeRequest, Revision, Tenant};

use super::Registry;
use super::create::Trust;
use crate::cache::is_view;
use crate::{CreateOptions, Failure, key};

/// The namespaces that every tenant has.
const INITIAL: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
/// Those that may not be deleted.
const PROTECTED: [&str; 3] = ["default", "kube-system", "kube-public"];
/// The priority classes that every tenant has.
const PRIORITY_CLASSES: [(&str, i64, &str); 2] = [
    ("system-cluster-critical", 2_000_000_000, "For pods that the cluster needs, on whichever host."),
    ("system-node-critical", 2_000_001_000, "For pods that the host they are on needs."),
];

impl Registry {
    /// Makes what every tenant has from the start, before the first that a tenant creates.
    pub(super) async fn provision_once(&self, tenant: &Tenant) -> Result<(), Failure> {
        let known = |registry: &Self| {
            let provisioned = registry.inner.provisioned.lock().unwrap_or_else(PoisonError::into_inner);
            provisioned.contains(tenant)
        };
        if known(self) {
            return Ok(());
        }
        self.provision(tenant).await?;
        self.inner.provisioned.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
        Ok(())
    }

    /// Makes the namespaces and priority classes that every tenant has from the start, where they are missing.
    ///
    /// # Errors
    ///
    /// As for a create.
    pub async fn provision(&self, tenant: &Tenant) -> Result<(), Failure> {
        for name in INITIAL {
            let object = json!({ "metadata": { "name": name } });
            self.create_own(tenant, namespace(), name, object).await?;
        }
        for (name, value, description) in PRIORITY_CLASSES {
            let object = json!({ "metadata": { "name": name }, "value": value, "description": description });
            self.create_own(tenant, priority_class(), name, object).await?;
        }
        Ok(())
    }

    async fn create_own(
        &self,
        tenant: &Tenant,
        kind: &'static Kind,
        name: &str,
        object: serde_json::Value,
    ) -> Result<(), Failure> {
        if self.cache(kind).get(tenant, kind, "", name).is_some() {
            return Ok(());
        }
        let options = CreateOptions::default();
        let created = self.create_in(tenant, kind, "", object, &options, Trust::Own);
        match Box::pin(created).await {
            Err(failure) if !failure.is_already_exists() => Err(failure),
            _ => Ok(()),
        }
    }

    /// The revision of a namespace that is there; 0: it is not.
    pub(super) async fn namespace(&self, tenant: &Tenant, ns: &str) -> Result<Revision, Failure> {
        let cache = self.cache(namespace());
        if let Some(entry) = cache.get(tenant, namespace(), "", ns) {
            return Ok(entry.modified);
        }
        let key = key::object(namespace(), tenant, "", ns);
        let found = cache.store().range(&RangeRequest::new(KeyRange::single(&key)).keys_only()).await?;
        Ok(found.kvs.first().map_or(Revision(0), |kv| kv.modified))
    }

    /// Checks that a namespace, as it was written at a revision, takes new objects.
    pub(super) async fn check_namespace(
        &self,
        kind: &Kind,
        name: &str,
        ns: &str,
        tenant: &Tenant,
        found: Revision,
    ) -> Result<(), Failure> {
        if found == Revision(0) {
            return Err(Failure::not_found(namespace(), ns));
        }
        let cache = self.cache(namespace());
        cache.reach(found).await?;
        let deleting = match cache.get(tenant, namespace(), "", ns) {
            // It has changed since: the transaction finds out.
            Some(entry) if entry.modified != found => false,
            Some(entry) => entry.deleting,
            None => false,
        };
        if !deleting {
            return Ok(());
        }
        let why = format!("unable to create new content in namespace {ns} because it is being terminated");
        let detail = format!("namespace {ns} is being terminated");
        Err(Failure::forbidden(kind, name, why).because(
            "NamespaceTerminating",
            &detail,
            "metadata.namespace",
        ))
    }

    /// Checks that a namespace may be deleted.
    pub(super) fn check_deletable(tenant: &Tenant, kind: &Kind, name: &str) -> Result<(), Failure> {
        // What is in it is not stored, so it could never be emptied.
        let holds_views = kind == namespace() && is_view(tenant, lease(), name);
        if holds_views || (kind == namespace() && PROTECTED.contains(&name)) {
            return Err(Failure::forbidden(kind, name, "this namespace may not be deleted"));
        }
        Ok(())
    }
}
