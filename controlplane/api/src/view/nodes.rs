//! Virtual nodes: what a tenant sees of the hosts that run something of it.
//!
//! Which there are follows from the tenant's binding records, and is kept beside them: a host is in use from the first
//! record that names it to the end of the last. What a node tells is read from the host's own Node when somebody asks, and
//! is no more than pods of the tenant find out or its spreading rests on: where it is, what it runs on, whether it is ready.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};

use meridian_schema::node;
use meridian_store::{Revision, Tenant, TenantRevision};

use super::{HOSTNAME, View};
use crate::object::condition;
use crate::{Entry, Failure, entry};

/// The labels of hosts that tenants are shown.
const SHOWN_LABELS: [&str; 6] = [
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
];

/// The hosts that run something of one tenant, and how it knows them.
#[derive(Debug, Default)]
pub(crate) struct VirtualNodes {
    /// By the host's own name: how many records name it, and its name for the tenant.
    hosts: FxHashMap<Arc<str>, (usize, Box<str>)>,
    /// The host by its name for the tenant.
    names: BTreeMap<Box<str>, Arc<str>>,
}

impl VirtualNodes {
    /// One more record names a host.
    pub(crate) fn enter(&mut self, host: &str, name: impl FnOnce() -> String) {
        if let Some((records, _)) = self.hosts.get_mut(host) {
            *records += 1;
            return;
        }
        let (host, name): (Arc<str>, Box<str>) = (host.into(), name().into());
        self.names.insert(name.clone(), host.clone());
        self.hosts.insert(host, (1, name));
    }

    /// One record fewer names a host.
    pub(crate) fn leave(&mut self, host: &str) {
        let Some((records, name)) = self.hosts.get_mut(host) else { return };
        *records = records.saturating_sub(1);
        if *records == 0 {
            self.names.remove(name);
            self.hosts.remove(host);
        }
    }

    /// The host that the tenant knows by a name.
    pub(crate) fn host(&self, name: &str) -> Option<&Arc<str>> {
        self.names.get(name)
    }

    /// All names with their hosts, in the order of the names.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Box<str>, &Arc<str>)> {
        self.names.iter()
    }
}

/// A host as a tenant sees it. `real`: its Node, where there is one.
pub(crate) fn virtual_node(
    view: &View,
    tenant: &Tenant,
    name: &str,
    host: &str,
    real: Option<&Entry>,
    at: (Revision, TenantRevision),
) -> Result<Entry, Failure> {
    let mut labels = Map::new();
    labels.insert(HOSTNAME.to_owned(), json!(name));
    for label in SHOWN_LABELS {
        if let Some(value) = real.and_then(|real| real.label(label)) {
            labels.insert(label.to_owned(), json!(value));
        }
    }
    let object = json!({
        "metadata": { "name": name, "uid": view.names.uid(tenant, host), "labels": labels },
        "spec": {},
        "status": { "conditions": [ready(real)] },
    });
    let form = entry::form(node(), &object).map_err(Failure::internal)?;
    Ok(Entry::written(node(), tenant, "", name, form, at))
}

/// Whether the host is ready. Why it is not, and since when, is the operators' business.
fn ready(real: Option<&Entry>) -> Value {
    let stored = real.map(Entry::stored_value).unwrap_or_default();
    let status = condition(&stored, "Ready").and_then(|ready| ready.get("status")).and_then(Value::as_str);
    let (status, reason) = match status {
        Some("True") => ("True", "NodeReady"),
        Some("False") => ("False", "NodeNotReady"),
        _ => ("Unknown", "NodeStatusUnknown"),
    };
    json!({ "type": "Ready", "status": status, "reason": reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_there_from_its_first_record_to_its_last() {
        let mut nodes = VirtualNodes::default();
        let enter = |nodes: &mut VirtualNodes, host: &str| nodes.enter(host, || format!("v-{host}"));
        enter(&mut nodes, "b");
        enter(&mut nodes, "a");
        enter(&mut nodes, "b");
        let all = |nodes: &VirtualNodes| {
            nodes.all().map(|(name, host)| format!("{name}={host}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(all(&nodes), "v-a=a v-b=b");
        nodes.leave("b");
        nodes.leave("a");
        nodes.leave("never there");
        assert_eq!((all(&nodes).as_str(), nodes.host("v-b").map(|host| &**host)), ("v-b=b", Some("b")));
        assert!(nodes.host("b").is_none() && nodes.host("v-a").is_none());
        nodes.leave("b");
        assert_eq!(all(&nodes), "");
    }
}
