//! One requirement on one label.

use crate::validation::{label_value, qualified_name};

use super::{Labels, SelectorError};

/// What is asked of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// It has one of the values.
    In,
    /// It is absent, or has none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is absent.
    DoesNotExist,
    /// It is a number above the value.
    Above,
    /// It is a number below the value.
    Below,
}

/// A requirement whose key and values are well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    pub(super) key: String,
    pub(super) operator: Operator,
    /// In order.
    pub(super) values: Vec<String>,
}

impl Requirement {
    pub(super) fn new(
        key: &str,
        operator: Operator,
        mut values: Vec<String>,
    ) -> Result<Requirement, SelectorError> {
        let wrong = |problem: String| Err(SelectorError::Requirement { problem });
        if let Some(problem) = qualified_name(key).first() {
            return wrong(format!("key: Invalid value: {key:?}: {problem}"));
        }
        for (index, value) in values.iter().enumerate() {
            if matches!(operator, Operator::Above | Operator::Below) && value.parse::<i64>().is_err() {
                let problem = "for 'Gt', 'Lt' operators, the value must be an integer";
                return wrong(format!("values[{index}]: Invalid value: {value:?}: {problem}"));
            }
            if let Some(problem) = label_value(value).first() {
                return wrong(format!("values[{index}][{key}]: Invalid value: {value:?}: {problem}"));
            }
        }
        if matches!(operator, Operator::In | Operator::NotIn) && values.is_empty() {
            return wrong(
                "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
                    .to_owned(),
            );
        }
        values.sort_unstable();
        values.dedup();
        Ok(Requirement { key: key.to_owned(), operator, values })
    }

    pub(super) fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        let value = labels.label(&self.key);
        let listed = |value: &str| self.values.iter().any(|other| other == value);
        let compared = |test: fn(&i64, &i64) -> bool| {
            let number = value.and_then(|value| value.parse::<i64>().ok());
            let bound = self.values.first().and_then(|bound| bound.parse::<i64>().ok());
            matches!((number, bound), (Some(number), Some(bound)) if test(&number, &bound))
        };
        match self.operator {
            Operator::In => value.is_some_and(listed),
            Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Above => compared(i64::gt),
            Operator::Below => compared(i64::lt),
        }
    }
}
