//! Disruption budgets: how many more pods of each may be stopped.

use std::collections::BTreeMap;

use super::engines::Engines;
use crate::news::BudgetNews;

/// All budgets, by namespace and name.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    by_namespace: BTreeMap<String, BTreeMap<String, Budget>>,
    next: u32,
}

#[derive(Debug)]
struct Budget {
    /// Under which the engines know it.
    number: u32,
    news: BudgetNews,
    seen: u64,
}

impl Budgets {
    /// Takes a budget in. Returns whether other pods count in it now.
    pub(crate) fn put(&mut self, news: BudgetNews, seen: u64, engines: &mut Engines) -> bool {
        let budgets = self.by_namespace.entry(news.namespace.clone()).or_default();
        let known = budgets.get(&news.name);
        let is_same = known.is_some_and(|budget| budget.news.selector == news.selector);
        let number = known.map_or(self.next, |budget| budget.number);
        self.next += u32::from(known.is_none());
        engines.set_budget(number, news.allowed);
        budgets.insert(news.name.clone(), Budget { number, news, seen });
        !is_same
    }

    /// Drops a budget.
    pub(crate) fn remove(&mut self, namespace: &str, name: &str, engines: &mut Engines) {
        let Some(budgets) = self.by_namespace.get_mut(namespace) else { return };
        if let Some(budget) = budgets.remove(name) {
            engines.forget_budget(budget.number);
        }
        if budgets.is_empty() {
            self.by_namespace.remove(namespace);
        }
    }

    /// The budgets that were not seen in a listing: their namespaces and names.
    pub(crate) fn unseen(&self, listing: u64) -> Vec<(String, String)> {
        let all = self.by_namespace.values().flat_map(BTreeMap::values);
        let unseen = all.filter(|budget| budget.seen < listing);
        unseen.map(|budget| (budget.news.namespace.clone(), budget.news.name.clone())).collect()
    }

    /// The budgets in which a pod counts.
    pub(crate) fn of(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<u32> {
        let budgets = self.by_namespace.get(namespace).into_iter().flat_map(BTreeMap::values);
        budgets.filter(|budget| budget.news.selector.matches(labels)).map(|budget| budget.number).collect()
    }
}
