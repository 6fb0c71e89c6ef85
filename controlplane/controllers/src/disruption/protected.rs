//! Which pods each budget protects, kept from the changes of the partition, so that no pass has to search for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use meridian_api::{Entry, Registry, budget_selector};
use meridian_schema::LabelSelector;
use meridian_store::Tenant;
use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::key::ObjectKey;
use crate::{object, owner};

/// The budgets of all tenants with their pods. Only whoever follows the partition changes them.
///
/// A change says which pod to look at; what is kept is the pod as it is in the cache by then. The cache may be ahead of the
/// changes, and a pod that was seen as going must not be seen as staying later.
#[derive(Debug, Default)]
pub(crate) struct Protected {
    tenants: Mutex<Tenants>,
}

/// By tenant, by namespace, by the name of a budget.
type Tenants = FxHashMap<Tenant, FxHashMap<Box<str>, Budgets>>;
type Budgets = FxHashMap<Box<str>, Budget>;

/// The pods of a budget by their names.
pub(crate) type Pods = BTreeMap<Box<str>, Arc<Pod>>;

#[derive(Debug)]
struct Budget {
    selector: LabelSelector,
    pods: Pods,
    /// When it is looked at again without any change.
    look_again: Option<Timestamp>,
}

/// A pod, as far as its budget counts by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) is_ready: bool,
    pub(crate) is_deleting: bool,
    pub(crate) owner: Option<Owner>,
}

/// Who controls an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) api_version: Box<str>,
    pub(crate) kind: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) uid: Box<str>,
}

impl Owner {
    pub(crate) fn of(reference: &Value) -> Self {
        let text = |member| Box::from(reference.get(member).and_then(Value::as_str).unwrap_or_default());
        Self { api_version: text("apiVersion"), kind: text("kind"), name: text("name"), uid: text("uid") }
    }
}

impl Pod {
    fn of(entry: &Entry) -> Arc<Self> {
        let pod = entry.value();
        Arc::new(Self {
            is_ready: object::condition(&pod, "Ready").is_some_and(|ready| ready["status"] == "True"),
            is_deleting: entry.deleting,
            owner: owner::controller(&pod).map(Owner::of),
        })
    }
}

impl Protected {
    fn tenants(&self) -> MutexGuard<'_, Tenants> {
        // Every change below is whole before the lock is given back.
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything: all is about to be told anew.
    pub(crate) fn clear(&self) {
        self.tenants().clear();
    }

    /// Takes a budget in, new or changed.
    pub(crate) fn put_budget(&self, registry: &Registry, entry: &Entry) {
        let nothing = || LabelSelector::from_object(&Value::Null).unwrap_or_default();
        let selector = budget_selector(&entry.value()).unwrap_or_else(nothing);
        let is_known = |tenants: &Tenants| {
            let budget = tenants.get(&entry.tenant)?.get(&*entry.namespace)?.get(&*entry.name)?;
            Some(budget.selector == selector)
        };
        if is_known(&self.tenants()) == Some(true) {
            return;
        }
        let all = registry.cached_list(Some(&entry.tenant), meridian_schema::pod(), &entry.namespace);
        let pods = all.iter().filter(|pod| selector.matches(&pod.labels));
        let pods = pods.map(|pod| (pod.name.as_str().into(), Pod::of(pod))).collect();
        let mut tenants = self.tenants();
        let budgets = tenants.entry(entry.tenant.clone()).or_default();
        let budgets = budgets.entry(entry.namespace.as_str().into()).or_default();
        budgets.insert(entry.name.as_str().into(), Budget { selector, pods, look_again: None });
    }

    /// Forgets a budget.
    pub(crate) fn remove_budget(&self, entry: &Entry) {
        let mut tenants = self.tenants();
        let Some(namespaces) = tenants.get_mut(&entry.tenant) else { return };
        if let Some(budgets) = namespaces.get_mut(&*entry.namespace) {
            budgets.remove(&*entry.name);
            if budgets.is_empty() {
                namespaces.remove(&*entry.namespace);
            }
        }
        if namespaces.is_empty() {
            tenants.remove(&entry.tenant);
        }
    }

    /// Takes in that a pod was changed or is gone. The answer is the budgets that now count another way.
    pub(crate) fn pod_changed(&self, registry: &Registry, entry: &Entry) -> Vec<ObjectKey> {
        let mut tenants = self.tenants();
        let budgets =
            tenants.get_mut(&entry.tenant).and_then(|namespaces| namespaces.get_mut(&*entry.namespace));
        let Some(budgets) = budgets else { return Vec::new() };
        let now = registry.cached(&entry.tenant, entry.kind, &entry.namespace, &entry.name);
        let mut pod = None;
        let mut told = Vec::new();
        for (name, budget) in budgets {
            let counts = now.as_ref().filter(|now| budget.selector.matches(&now.labels));
            let next = counts.map(|now| pod.get_or_insert_with(|| Pod::of(now)).clone());
            let before = match &next {
                Some(pod) => budget.pods.insert(entry.name.as_str().into(), pod.clone()),
                None => budget.pods.remove(&*entry.name),
            };
            if before != next {
                let kind = meridian_schema::pod_disruption_budget();
                told.push(ObjectKey::new(kind, &entry.tenant, &entry.namespace, name));
            }
        }
        told
    }

    /// The budgets of a namespace.
    pub(crate) fn budgets_in(&self, tenant: &Tenant, namespace: &str) -> Vec<ObjectKey> {
        let tenants = self.tenants();
        let budgets = tenants.get(tenant).and_then(|namespaces| namespaces.get(namespace));
        let names = budgets.into_iter().flat_map(FxHashMap::keys);
        let kind = meridian_schema::pod_disruption_budget();
        names.map(|name| ObjectKey::new(kind, tenant, namespace, name)).collect()
    }

    /// The pods of a budget.
    pub(crate) fn pods(&self, budget: &ObjectKey) -> Pods {
        let mut tenants = self.tenants();
        find(&mut tenants, budget).map(|budget| budget.pods.clone()).unwrap_or_default()
    }

    /// Notes that a budget is to be looked at again at a time. Whether that is news: not where it is anyway by then.
    pub(crate) fn looks_again(&self, budget: &ObjectKey, now: Timestamp, at: Timestamp) -> bool {
        let mut tenants = self.tenants();
        let Some(budget) = find(&mut tenants, budget) else { return false };
        let is_news = budget.look_again.is_none_or(|before| before <= now || at < before);
        if is_news {
            budget.look_again = Some(at);
        }
        is_news
    }
}

fn find<'a>(tenants: &'a mut Tenants, key: &ObjectKey) -> Option<&'a mut Budget> {
    tenants.get_mut(&key.tenant)?.get_mut(&*key.namespace)?.get_mut(&*key.name)
}
