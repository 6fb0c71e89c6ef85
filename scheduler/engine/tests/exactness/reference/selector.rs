//! Node selectors and node affinity.

use std::collections::BTreeMap;

use meridian_engine::{Constraints, Host, Operator, Requirement, SelectorTerm};

/// Whether the selector and the required affinity both hold.
pub(crate) fn requirements_hold(constraints: &Constraints, host: &Host) -> bool {
    let selected = constraints.node_selector.iter().all(|(key, value)| host.labels.get(key) == Some(value));
    let required =
        constraints.required.as_ref().is_none_or(|terms| terms.iter().any(|term| term_holds(term, host)));
    selected && required
}

/// Whether all requirements of the term hold. An empty term holds nowhere.
pub(crate) fn term_holds(term: &SelectorTerm, host: &Host) -> bool {
    let fields = BTreeMap::from([("metadata.name".to_owned(), host.name.clone())]);
    let empty = term.labels.is_empty() && term.fields.is_empty();
    !empty
        && term.labels.iter().all(|requirement| holds(requirement, &host.labels))
        && term.fields.iter().all(|requirement| holds(requirement, &fields))
}

fn holds(requirement: &Requirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    let number = value.and_then(|value| value.parse::<i64>().ok());
    match &requirement.operator {
        Operator::In(values) => value.is_some_and(|value| values.contains(value)),
        Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
        Operator::GreaterThan(bound) => number.is_some_and(|number| number > *bound),
        Operator::LessThan(bound) => number.is_some_and(|number| number < *bound),
    }
}
