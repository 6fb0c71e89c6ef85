//! Node affinity: which hosts a pod needs and which it prefers.

use meridian_engine::{Operator, PreferredTerm, Requirement, SelectorTerm};

use super::spec::{GivenRequirement, NodeAffinity, NodeSelectorTerm};
use crate::error::{ObjectError, invalid, invalid_number};
use crate::tree::Path;

/// The one field of nodes that can be selected by.
const NAME_FIELD: &str = "metadata.name";

type Terms = (Option<Vec<SelectorTerm>>, Vec<PreferredTerm>);

/// The required and the preferred terms of a pod whose spec is at `path`.
pub(super) fn node_affinity(given: &NodeAffinity<'_>, path: &Path<'_>) -> Result<Terms, ObjectError> {
    let path = path.field("affinity");
    let path = path.field("nodeAffinity");
    let required = match &given.required {
        None => None,
        Some(selector) => {
            let path = path.field("requiredDuringSchedulingIgnoredDuringExecution");
            let path = path.field("nodeSelectorTerms");
            let terms = selector.node_selector_terms.iter().enumerate();
            Some(terms.map(|(index, given)| term(given, &path.item(index))).collect::<Result<_, _>>()?)
        }
    };
    let path = path.field("preferredDuringSchedulingIgnoredDuringExecution");
    let mut preferred = Vec::with_capacity(given.preferred.len());
    for (index, given) in given.preferred.iter().enumerate() {
        let path = path.item(index);
        let weight = i32::try_from(given.weight)
            .ok()
            .filter(|weight| (1..=100).contains(weight))
            .ok_or_else(|| invalid_number(path.field("weight"), given.weight, "1 to 100"))?;
        preferred.push(PreferredTerm { weight, term: term(&given.preference, &path.field("preference"))? });
    }
    Ok((required, preferred))
}

fn term(given: &NodeSelectorTerm<'_>, path: &Path<'_>) -> Result<SelectorTerm, ObjectError> {
    let all = |given: &[GivenRequirement<'_>], path: &Path<'_>, one: One| {
        given.iter().enumerate().map(|(index, given)| one(given, &path.item(index))).collect::<Result<_, _>>()
    };
    Ok(SelectorTerm {
        labels: all(&given.match_expressions, &path.field("matchExpressions"), label_requirement)?,
        fields: all(&given.match_fields, &path.field("matchFields"), field_requirement)?,
    })
}

type One = fn(&GivenRequirement<'_>, &Path<'_>) -> Result<Requirement, ObjectError>;

fn label_requirement(given: &GivenRequirement<'_>, path: &Path<'_>) -> Result<Requirement, ObjectError> {
    if given.key.is_empty() {
        return Err(ObjectError::Missing { path: path.field("key").to_string(), want: "a label's key" });
    }
    let operator = match given.operator {
        "In" => Operator::In(some_values(given, path)?),
        "NotIn" => Operator::NotIn(some_values(given, path)?),
        "Exists" => no_values(given, path, Operator::Exists)?,
        "DoesNotExist" => no_values(given, path, Operator::DoesNotExist)?,
        "Gt" => Operator::GreaterThan(one_number(given, path)?),
        "Lt" => Operator::LessThan(one_number(given, path)?),
        other => {
            let want = "In, NotIn, Exists, DoesNotExist, Gt or Lt";
            return Err(invalid(path.field("operator"), other, want));
        }
    };
    Ok(Requirement { key: given.key.to_owned(), operator })
}

fn field_requirement(given: &GivenRequirement<'_>, path: &Path<'_>) -> Result<Requirement, ObjectError> {
    if given.key != NAME_FIELD {
        return Err(invalid(path.field("key"), given.key, NAME_FIELD));
    }
    let [value] = given.values.as_slice() else {
        return Err(count(given, path, "exactly one"));
    };
    let values = vec![(*value).to_owned()];
    let operator = match given.operator {
        "In" => Operator::In(values),
        "NotIn" => Operator::NotIn(values),
        other => return Err(invalid(path.field("operator"), other, "In or NotIn")),
    };
    Ok(Requirement { key: given.key.to_owned(), operator })
}

pub(super) fn some_values(given: &GivenRequirement<'_>, path: &Path<'_>) -> Result<Vec<String>, ObjectError> {
    if given.values.is_empty() {
        return Err(count(given, path, "at least one"));
    }
    Ok(given.values.iter().map(|value| (*value).to_owned()).collect())
}

pub(super) fn no_values(
    given: &GivenRequirement<'_>,
    path: &Path<'_>,
    operator: Operator,
) -> Result<Operator, ObjectError> {
    if given.values.is_empty() { Ok(operator) } else { Err(count(given, path, "none")) }
}

fn one_number(given: &GivenRequirement<'_>, path: &Path<'_>) -> Result<i64, ObjectError> {
    let [value] = given.values.as_slice() else {
        return Err(count(given, path, "exactly one"));
    };
    let values = path.field("values");
    value.parse().map_err(|_| invalid(values.item(0), value, "a whole number"))
}

/// The wrong number of values for the operator.
fn count(given: &GivenRequirement<'_>, path: &Path<'_>, want: &str) -> ObjectError {
    let (count, operator) = (given.values.len(), given.operator);
    let operator = crate::error::shortened(operator, 20);
    invalid_number(
        path.field("values"),
        format!("a list of {count}"),
        format!("{want} with operator {operator}"),
    )
}
