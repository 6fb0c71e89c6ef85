//! The labels of namespaces, by which terms between pods select them.

use std::collections::{BTreeMap, HashMap, HashSet};

use meridian_api::Entry;
use meridian_proto::v1::NamespaceLabels;
use meridian_store::Tenant;

type Labels = BTreeMap<String, String>;

/// All namespaces, as far as the store has told.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    tenants: HashMap<Tenant, BTreeMap<String, Labels>>,
    /// While the history is told anew: namespaces that it has not told of yet.
    unseen: HashSet<(Tenant, String)>,
}

impl Namespaces {
    /// A namespace is there. The answer is whether it is new or its labels are others now.
    pub(crate) fn put(&mut self, entry: &Entry) -> bool {
        self.unseen.remove(&(entry.tenant.clone(), entry.name.clone()));
        let labels: Labels =
            entry.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let namespaces = self.tenants.entry(entry.tenant.clone()).or_default();
        if namespaces.get(&entry.name) == Some(&labels) {
            return false;
        }
        namespaces.insert(entry.name.clone(), labels);
        true
    }

    /// A namespace is gone.
    pub(crate) fn remove(&mut self, tenant: &Tenant, name: &str) {
        if let Some(namespaces) = self.tenants.get_mut(tenant) {
            namespaces.remove(name);
            if namespaces.is_empty() {
                self.tenants.remove(tenant);
            }
        }
    }

    /// All will be told anew.
    pub(crate) fn begin_round(&mut self) {
        let all = |(tenant, namespaces): (&Tenant, &BTreeMap<String, Labels>)| {
            namespaces.keys().map(|name| (tenant.clone(), name.clone())).collect::<Vec<_>>()
        };
        self.unseen = self.tenants.iter().flat_map(all).collect();
    }

    /// All has been told: the answer is what is gone.
    pub(crate) fn end_round(&mut self) -> Vec<(Tenant, String)> {
        let gone: Vec<_> = std::mem::take(&mut self.unseen).into_iter().collect();
        gone.iter().for_each(|(tenant, name)| self.remove(tenant, name));
        gone
    }

    /// All of a tenant's, as they are told.
    pub(crate) fn of(&self, tenant: &Tenant) -> Vec<NamespaceLabels> {
        let namespaces = self.tenants.get(tenant).into_iter().flatten();
        namespaces.map(|(name, labels)| message(tenant, name, Some(labels))).collect()
    }

    /// One, as it is told.
    pub(crate) fn one(&self, tenant: &Tenant, name: &str) -> NamespaceLabels {
        message(tenant, name, self.tenants.get(tenant).and_then(|namespaces| namespaces.get(name)))
    }
}

fn message(tenant: &Tenant, name: &str, labels: Option<&Labels>) -> NamespaceLabels {
    NamespaceLabels {
        tenant: tenant.to_string(),
        namespace: name.to_owned(),
        labels: labels.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect(),
        gone: labels.is_none(),
    }
}
