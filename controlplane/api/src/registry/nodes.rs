//! Hosts as tenants see them: virtual nodes, which can be read and never written.
//!
//! They are not objects of any store, so there is no history of them to list from or to watch: whether a host is ready is told
//! by another store, whose changes have no place in the tenant's sequence. A watch is therefore refused, and a list is of now.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;

use meridian_schema::{Home, Kind, pod};
use meridian_store::{Tenant, TenantRevision};

use super::Registry;
use super::filter::Filter;
use super::read::reach;
use super::version::{self, AsOf};
use crate::view::{By, HOSTNAME, virtual_node};
use crate::{Caller, Entry, Failure, List, ListOptions};

/// Whether a kind is of hosts, which are the region's, and a caller is in a tenant, which is not.
pub(super) fn is_of_others(tenant: &Tenant, kind: &Kind) -> bool {
    kind.home == Home::Hosts && !tenant.is_system()
}

/// Refuses what a caller may not do to an object, as Kubernetes words it. That there is such an object is not told.
pub(super) fn check_write(
    caller: &Caller,
    kind: &'static Kind,
    verb: &str,
    sub: Option<&str>,
    name: &str,
) -> Result<(), Failure> {
    if !is_of_others(&caller.tenant, kind) {
        return Ok(());
    }
    let sub = sub.map(|sub| format!("/{sub}")).unwrap_or_default();
    let why = format!(
        "User {:?} cannot {verb} resource \"{}{sub}\" in API group {:?} at the cluster scope",
        caller.user, kind.plural, kind.group
    );
    Err(Failure::forbidden(kind, name, why))
}

impl Registry {
    /// The host that a tenant means by the name of a node. None: it sees no such node.
    pub(super) fn host(&self, tenant: &Tenant, node: &str) -> Option<String> {
        if tenant.is_system() {
            return Some(node.to_owned());
        }
        self.cache(pod()).host(tenant, node).map(|host| (*host).to_owned())
    }

    /// What a pod's stored spec asks of hosts: as it is stored, but for tenants that ask for nodes by the names that they know.
    #[must_use]
    pub fn asked_spec<'a>(&self, tenant: &Tenant, spec: &'a RawValue) -> Cow<'a, RawValue> {
        self.view().asked(tenant, spec, |by, node| {
            let host = self.host(tenant, node)?;
            let real = match by {
                By::Name => None,
                By::Label => self.cached(&Tenant::system(), meridian_schema::node(), "", &host),
            };
            let label = real.and_then(|real| real.label(HOSTNAME).map(str::to_owned));
            Some(label.unwrap_or(host))
        })
    }

    /// A virtual node.
    pub(super) async fn get_virtual_node(
        &self,
        tenant: &Tenant,
        kind: &'static Kind,
        name: &str,
        as_of: AsOf,
    ) -> Result<Arc<Entry>, Failure> {
        let cache = self.cache(pod());
        reach(cache, tenant, as_of).await?;
        let host = cache.host(tenant, name).ok_or_else(|| Failure::not_found(kind, name))?;
        let at = (cache.revision(), cache.tenant_revision(tenant).unwrap_or(TenantRevision::FIRST));
        let real = self.cache(kind).get(&Tenant::system(), kind, "", &host);
        virtual_node(self.view(), tenant, name, &host, real.as_deref(), at).map(Arc::new)
    }

    /// All virtual nodes that match. They come in one piece, as a limit allows.
    pub(super) async fn list_virtual_nodes(
        &self,
        tenant: &Tenant,
        kind: &'static Kind,
        options: &ListOptions,
    ) -> Result<List, Failure> {
        if options.continue_token.as_deref().is_some_and(|token| !token.is_empty()) {
            return Err(Failure::bad_request(
                "continue key is not valid: nodes are listed in one piece, without any",
            ));
        }
        let cache = self.cache(pod());
        let as_of = version::of_list(options)?;
        reach(cache, tenant, as_of).await?;
        let in_use = cache.hosts(tenant);
        let now = match in_use.revision {
            Some(now) => now,
            None => cache.store().tenant_revision(tenant, Some(in_use.at)).await?,
        };
        if matches!(as_of, AsOf::Exactly(version) if version != now.0) {
            return Err(Failure::expired("The resourceVersion for the provided list is too old."));
        }
        let filter = Filter::new("", options.label_selector.as_ref(), options.field_selector.as_ref());
        let mut items = Vec::with_capacity(in_use.hosts.len());
        for (name, host) in &in_use.hosts {
            let real = self.cache(kind).get(&Tenant::system(), kind, "", host);
            let node = virtual_node(self.view(), tenant, name, host, real.as_deref(), (in_use.at, now))?;
            items.extend(filter.shown(self.view(), tenant, &Arc::new(node)));
        }
        Ok(List { items, resource_version: now.0, continue_token: None, remaining: None })
    }
}
