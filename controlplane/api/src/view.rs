//! What a caller may see of a stored object: everything, for operators, and nothing of the region's hosts for tenants.
//!
//! A tenant sees one virtual node for each host that runs something of it. Its pods name that node where the stored pod
//! names the host, and do not tell the host's addresses; its nodes are made of the hosts that its bindings name. [`View::see`]
//! is the one way out for objects, and for the tenant `system` it is the identity: the same entry, the same bytes.
//!
//! A pod as its tenant sees it is made once for each stored state, whoever asks and however many watch, and only where
//! somebody does. What a tenant sends is what it was shown with some changes: it is decided upon as the tenant sees it, and
//! [`View::restore`] puts back what was not shown. Hosts that a tenant names itself are looked up among those that it sees;
//! whatever else it names does not exist.

mod names;
mod nodes;
mod pod;
mod terms;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use serde_json::value::RawValue;

use meridian_environment::Ids;
use meridian_schema::Kind;
use meridian_store::{Store, Tenant};

use self::names::Names;
pub(crate) use self::nodes::{VirtualNodes, virtual_node};
pub(crate) use self::terms::By;
use crate::failure::FailureCause;
use crate::object::{self, text};
use crate::{Entry, Failure};

/// The label with a node's name.
pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";

/// What is seen of an entry by those who may not see all of it, once somebody has asked. A copy of an entry is another
/// state, of which nothing was asked yet.
#[derive(Debug, Default)]
pub(crate) struct Seen(OnceLock<Arc<Entry>>);

impl Clone for Seen {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What callers may see.
#[derive(Debug)]
pub(crate) struct View {
    names: Names,
}

impl View {
    /// The view of a region, under the secret that its store has or is given now.
    pub(crate) async fn open(store: &Store, ids: &Ids) -> Result<Self, Failure> {
        Ok(Self { names: Names::open(store, ids).await? })
    }

    /// What a tenant sees of an entry.
    pub(crate) fn see(&self, viewer: &Tenant, entry: Arc<Entry>) -> Arc<Entry> {
        if viewer.is_system() || !entry.names_hosts {
            return entry;
        }
        let seen = || Arc::new(pod::seen(&entry, |host| self.names.node(&entry.tenant, host)));
        entry.seen.0.get_or_init(seen).clone()
    }

    /// The name by which a tenant knows a host.
    pub(crate) fn host_name<'a>(&self, viewer: &Tenant, host: &'a str) -> Cow<'a, str> {
        if viewer.is_system() { Cow::Borrowed(host) } else { Cow::Owned(self.names.node(viewer, host)) }
    }

    /// What a pod's stored spec asks of hosts, where its tenant asks for nodes by the names that it knows. `lookup` finds the
    /// host that the tenant knows by a name.
    pub(crate) fn asked<'a>(
        &self,
        tenant: &Tenant,
        spec: &'a RawValue,
        lookup: impl Fn(By, &str) -> Option<String>,
    ) -> Cow<'a, RawValue> {
        let told = if tenant.is_system() { None } else { terms::with_hosts(spec.get(), lookup) };
        let told = told.and_then(|told| RawValue::from_string(told).ok());
        told.map_or(Cow::Borrowed(spec), Cow::Owned)
    }

    /// Makes what a tenant wants an object to be, which was decided upon as the tenant sees it, into what is to be stored:
    /// what it was not shown is as it was, and a host that it names is the one that `lookup` finds under that name.
    ///
    /// # Errors
    ///
    /// 422 when the tenant names a host that it does not see.
    pub(crate) fn restore(
        &self,
        viewer: &Tenant,
        old: Option<&Entry>,
        kind: &'static Kind,
        new: &mut Value,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<(), Failure> {
        if viewer.is_system() || kind.kind != "Pod" {
            return Ok(());
        }
        let stored = old.filter(|old| old.names_hosts).map(Entry::stored_value).unwrap_or_default();
        pod::restore_hidden(&stored, new);
        for [part, field] in pod::HOST_NAMES {
            let named = text(new, &[part, field]);
            if named.is_empty() {
                continue;
            }
            let was = text(&stored, &[part, field]);
            let is_as_it_was = !was.is_empty() && self.names.node(viewer, was) == named;
            let host = if is_as_it_was { Some(was.to_owned()) } else { lookup(named) };
            let host = host.ok_or_else(|| unknown_host(kind, new, &format!("{part}.{field}"), named))?;
            object::member(new, part).insert(field.to_owned(), Value::String(host));
        }
        Ok(())
    }
}

/// A host that a tenant names and does not see: whether there is one is not told.
fn unknown_host(kind: &Kind, object: &Value, field: &str, named: &str) -> Failure {
    let cause = FailureCause {
        reason: "FieldValueNotFound".to_owned(),
        message: format!("Not found: {named:?}"),
        field: field.to_owned(),
    };
    Failure::invalid_causes(kind, object::meta(object, "name"), vec![cause])
}
