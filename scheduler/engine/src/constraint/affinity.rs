//! Node selectors and node affinity, over bitmaps for all hosts at once and over records for one host.

use crate::cell::{Cell, Record};
use crate::demand::{Constraints, Operator, PreferredTerm, Requirement, SelectorTerm};
use crate::mask;

/// Whether an operator holds for the value behind its key, `None` where the key is absent.
fn holds(operator: &Operator, value: Option<&str>) -> bool {
    match (operator, value) {
        (Operator::In(values), Some(value)) => values.iter().any(|wanted| wanted == value),
        (Operator::NotIn(values), Some(value)) => !values.iter().any(|unwanted| unwanted == value),
        (Operator::Exists, value) => value.is_some(),
        (Operator::DoesNotExist, value) => value.is_none(),
        (Operator::GreaterThan(bound), Some(value)) => value.parse::<i64>().is_ok_and(|value| value > *bound),
        (Operator::LessThan(bound), Some(value)) => value.parse::<i64>().is_ok_and(|value| value < *bound),
        (Operator::NotIn(_), None) => true,
        (Operator::In(_) | Operator::GreaterThan(_) | Operator::LessThan(_), None) => false,
    }
}

fn label<'a>(cell: &'a Cell, record: &Record, key: &str) -> Option<&'a str> {
    let key = cell.labels.key(key)?;
    let position = record.labels.binary_search_by_key(&key, |label| label.key).ok()?;
    Some(cell.labels.value(record.labels[position]))
}

fn matches_term(cell: &Cell, record: &Record, term: &SelectorTerm) -> bool {
    if term.labels.is_empty() && term.fields.is_empty() {
        return false;
    }
    term.labels.iter().all(|requirement| holds(&requirement.operator, label(cell, record, &requirement.key)))
        && term.fields.iter().all(|requirement| holds(&requirement.operator, Some(&record.name)))
}

/// Whether a host matches the node selector and the required affinity.
pub(crate) fn matches_constraints(cell: &Cell, record: &Record, constraints: &Constraints) -> bool {
    constraints.node_selector.iter().all(|(key, value)| label(cell, record, key) == Some(value))
        && constraints
            .required
            .as_ref()
            .is_none_or(|terms| terms.iter().any(|term| matches_term(cell, record, term)))
}

/// The sum of the weights of the preferred terms that a host matches.
pub(crate) fn preferred_weight(cell: &Cell, record: &Record, preferred: &[PreferredTerm]) -> i32 {
    preferred
        .iter()
        .filter(|preferred| matches_term(cell, record, &preferred.term))
        .map(|preferred| preferred.weight)
        .fold(0, i32::saturating_add)
}

/// The sum of the weights of all preferred terms.
pub(crate) fn total_preferred(preferred: &[PreferredTerm]) -> i32 {
    preferred.iter().map(|preferred| preferred.weight).fold(0, i32::saturating_add)
}

/// All hosts that match the node selector and the required affinity; `None` where there are neither.
pub(super) fn selected(cell: &Cell, constraints: &Constraints) -> Option<Vec<u64>> {
    if constraints.node_selector.is_empty() && constraints.required.is_none() {
        return None;
    }
    let mut hosts = cell.alive.clone();
    for (key, value) in &constraints.node_selector {
        let mut having = vec![0; cell.blocks()];
        if let Some(bitmap) = cell.labels.key(key).and_then(|key| cell.labels.hosts_with(key, value)) {
            mask::insert_all(&mut having, bitmap);
        }
        mask::intersect(&mut hosts, &having);
    }
    if let Some(terms) = &constraints.required {
        let mut any = vec![0; cell.blocks()];
        for term in terms {
            mask::unite(&mut any, &matching(cell, term));
        }
        mask::intersect(&mut hosts, &any);
    }
    Some(hosts)
}

/// All hosts that match a term.
pub(super) fn matching(cell: &Cell, term: &SelectorTerm) -> Vec<u64> {
    if term.labels.is_empty() && term.fields.is_empty() {
        return vec![0; cell.blocks()];
    }
    let mut hosts = cell.alive.clone();
    for requirement in &term.labels {
        restrict_by_label(cell, requirement, &mut hosts);
    }
    for requirement in &term.fields {
        restrict_by_name(cell, requirement, &mut hosts);
    }
    hosts
}

fn restrict_by_label(cell: &Cell, requirement: &Requirement, hosts: &mut [u64]) {
    let key = cell.labels.key(&requirement.key);
    let having = |accept: &dyn Fn(&str) -> bool| {
        let mut having = vec![0; cell.blocks()];
        for (value, bitmap) in key.into_iter().flat_map(|key| cell.labels.values(key)) {
            if accept(value) {
                mask::insert_all(&mut having, bitmap);
            }
        }
        having
    };
    let among = |values: &[String]| {
        let mut having = vec![0; cell.blocks()];
        for value in values {
            if let Some(bitmap) = key.and_then(|key| cell.labels.hosts_with(key, value)) {
                mask::insert_all(&mut having, bitmap);
            }
        }
        having
    };
    let present = || {
        let mut present = vec![0; cell.blocks()];
        if let Some(key) = key {
            mask::insert_all(&mut present, cell.labels.hosts_with_key(key));
        }
        present
    };
    match &requirement.operator {
        Operator::In(values) => mask::intersect(hosts, &among(values)),
        Operator::NotIn(values) => mask::subtract(hosts, &among(values)),
        Operator::Exists => mask::intersect(hosts, &present()),
        Operator::DoesNotExist => mask::subtract(hosts, &present()),
        operator @ (Operator::GreaterThan(_) | Operator::LessThan(_)) => {
            mask::intersect(hosts, &having(&|value| holds(operator, Some(value))));
        }
    }
}

fn restrict_by_name(cell: &Cell, requirement: &Requirement, hosts: &mut [u64]) {
    match &requirement.operator {
        Operator::In(names) => {
            let mut named = vec![0; cell.blocks()];
            mask::insert_all(
                &mut named,
                names.iter().filter_map(|name| cell.slot_named(name)).map(|slot| slot as u32),
            );
            mask::intersect(hosts, &named);
        }
        operator => {
            for (slot, record) in cell.records.iter().enumerate() {
                if record.as_ref().is_some_and(|record| !holds(operator, Some(&record.name))) {
                    hosts[slot / 64] &= !(1 << (slot % 64));
                }
            }
        }
    }
}
