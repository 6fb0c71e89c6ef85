//! Constraints: selectors, affinity, tolerations; and the effects of taints.

use meridian_engine::{
    Constraints, Operator, PreferredTerm, Requirement, SelectorTerm, TaintEffect, Toleration,
    TolerationOperator,
};
use meridian_proto::v1;

use crate::error::{WireError, limit};

pub(crate) fn to_message(constraints: &Constraints) -> v1::Constraints {
    let terms =
        |terms: &Vec<SelectorTerm>| v1::SelectorTerms { terms: terms.iter().map(term_to_message).collect() };
    v1::Constraints {
        node_name: constraints.node_name.clone(),
        node_selector: constraints
            .node_selector
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        required: constraints.required.as_ref().map(terms),
        preferred: constraints
            .preferred
            .iter()
            .map(|preferred| v1::PreferredTerm {
                weight: preferred.weight,
                term: Some(term_to_message(&preferred.term)),
            })
            .collect(),
        tolerations: constraints.tolerations.iter().map(toleration_to_message).collect(),
    }
}

pub(crate) fn from_message(message: v1::Constraints) -> Result<Constraints, WireError> {
    let v1::Constraints { node_name, node_selector, required, preferred, tolerations } = message;
    limit(node_selector.len(), || "demand.constraints.node_selector".to_owned())?;
    limit(preferred.len(), || "demand.constraints.preferred".to_owned())?;
    limit(tolerations.len(), || "demand.constraints.tolerations".to_owned())?;
    let required = match required {
        None => None,
        Some(required) => {
            limit(required.terms.len(), || "demand.constraints.required".to_owned())?;
            let term = |(position, term)| {
                term_from_message(term, || format!("demand.constraints.required[{position}]"))
            };
            Some(required.terms.into_iter().enumerate().map(term).collect::<Result<_, _>>()?)
        }
    };
    Ok(Constraints {
        node_name,
        node_selector: node_selector.into_iter().collect(),
        required,
        preferred: preferred.into_iter().enumerate().map(preferred_from_message).collect::<Result<_, _>>()?,
        tolerations: tolerations
            .into_iter()
            .enumerate()
            .map(toleration_from_message)
            .collect::<Result<_, _>>()?,
    })
}

fn preferred_from_message(
    (position, message): (usize, v1::PreferredTerm),
) -> Result<PreferredTerm, WireError> {
    let field = || format!("demand.constraints.preferred[{position}].term");
    let term = message.term.ok_or_else(|| WireError::Missing { field: field() })?;
    Ok(PreferredTerm { weight: message.weight, term: term_from_message(term, field)? })
}

fn term_to_message(term: &SelectorTerm) -> v1::SelectorTerm {
    v1::SelectorTerm {
        labels: term.labels.iter().map(requirement_to_message).collect(),
        fields: term.fields.iter().map(requirement_to_message).collect(),
    }
}

fn term_from_message(
    message: v1::SelectorTerm,
    field: impl Fn() -> String,
) -> Result<SelectorTerm, WireError> {
    let requirements = |messages: Vec<v1::Requirement>, kind: &str| {
        limit(messages.len(), || format!("{}.{kind}", field()))?;
        let requirement = |(position, message)| {
            requirement_from_message(message, || format!("{}.{kind}[{position}]", field()))
        };
        messages.into_iter().enumerate().map(requirement).collect::<Result<Vec<_>, _>>()
    };
    Ok(SelectorTerm {
        labels: requirements(message.labels, "labels")?,
        fields: requirements(message.fields, "fields")?,
    })
}

pub(crate) fn requirement_to_message(requirement: &Requirement) -> v1::Requirement {
    use v1::requirement::Operator as Wire;
    let (operator, values, number) = match &requirement.operator {
        Operator::In(values) => (Wire::In, values.clone(), 0),
        Operator::NotIn(values) => (Wire::NotIn, values.clone(), 0),
        Operator::Exists => (Wire::Exists, Vec::new(), 0),
        Operator::DoesNotExist => (Wire::DoesNotExist, Vec::new(), 0),
        Operator::GreaterThan(number) => (Wire::GreaterThan, Vec::new(), *number),
        Operator::LessThan(number) => (Wire::LessThan, Vec::new(), *number),
    };
    v1::Requirement { key: requirement.key.clone(), operator: operator.into(), values, number }
}

pub(crate) fn requirement_from_message(
    message: v1::Requirement,
    field: impl Fn() -> String,
) -> Result<Requirement, WireError> {
    use v1::requirement::Operator as Wire;
    let operator = match message.operator() {
        Wire::In => Operator::In(message.values),
        Wire::NotIn => Operator::NotIn(message.values),
        Wire::Exists => Operator::Exists,
        Wire::DoesNotExist => Operator::DoesNotExist,
        Wire::GreaterThan => Operator::GreaterThan(message.number),
        Wire::LessThan => Operator::LessThan(message.number),
        Wire::Unspecified => {
            return Err(WireError::Unknown {
                field: format!("{}.operator", field()),
                number: message.operator,
                known: "1 (in), 2 (not in), 3 (exists), 4 (does not exist), 5 (greater than), 6 (less than)",
            });
        }
    };
    if let Operator::In(values) | Operator::NotIn(values) = &operator {
        limit(values.len(), || format!("{}.values", field()))?;
    }
    Ok(Requirement { key: message.key, operator })
}

fn toleration_to_message(toleration: &Toleration) -> v1::Toleration {
    let value = match &toleration.operator {
        TolerationOperator::Equal(value) => Some(value.clone()),
        TolerationOperator::Exists => None,
    };
    let effect = toleration.effect.map_or(v1::TaintEffect::Unspecified, effect_to_message);
    v1::Toleration { key: toleration.key.clone(), value, effect: effect.into() }
}

fn toleration_from_message((position, message): (usize, v1::Toleration)) -> Result<Toleration, WireError> {
    let field = || format!("demand.constraints.tolerations[{position}].effect");
    // Zero is every effect; a number that is not known must not pass for it.
    let effect = if message.effect == 0 { None } else { Some(effect_from_message(message.effect, field)?) };
    let operator = message.value.map_or(TolerationOperator::Exists, TolerationOperator::Equal);
    Ok(Toleration { key: message.key, operator, effect })
}

pub(crate) fn effect_to_message(effect: TaintEffect) -> v1::TaintEffect {
    match effect {
        TaintEffect::NoSchedule => v1::TaintEffect::NoSchedule,
        TaintEffect::PreferNoSchedule => v1::TaintEffect::PreferNoSchedule,
        TaintEffect::NoExecute => v1::TaintEffect::NoExecute,
    }
}

pub(crate) fn effect_from_message(
    number: i32,
    field: impl FnOnce() -> String,
) -> Result<TaintEffect, WireError> {
    match v1::TaintEffect::try_from(number) {
        Ok(v1::TaintEffect::NoSchedule) => Ok(TaintEffect::NoSchedule),
        Ok(v1::TaintEffect::PreferNoSchedule) => Ok(TaintEffect::PreferNoSchedule),
        Ok(v1::TaintEffect::NoExecute) => Ok(TaintEffect::NoExecute),
        Ok(v1::TaintEffect::Unspecified) | Err(_) => Err(WireError::Unknown {
            field: field(),
            number,
            known: "1 (NoSchedule), 2 (PreferNoSchedule), 3 (NoExecute)",
        }),
    }
}
