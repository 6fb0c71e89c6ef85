//! Label selectors of disruption budgets.

use std::collections::BTreeMap;

use serde_json::Value;

/// Which pods, by their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Selector {
    /// No pods: there is no selector, or it cannot be read.
    #[default]
    Nothing,
    /// Those that meet all requirements; without any, all pods.
    All(Vec<Requirement>),
}

/// One requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    key: String,
    /// `None`: the label has to be there, whatever its value.
    values: Option<Vec<String>>,
    /// The opposite is wanted; a label that is not there has no value.
    is_negative: bool,
}

impl Selector {
    /// A `LabelSelector` of Kubernetes. What cannot be read selects nothing: no pod is protected by mistake alone.
    pub(crate) fn read(selector: &Value) -> Selector {
        if selector.is_null() {
            return Selector::Nothing;
        }
        let labels = selector["matchLabels"].as_object().into_iter().flatten().map(|(key, value)| {
            let values = Some(vec![value.as_str()?.to_owned()]);
            Some(Requirement { key: key.clone(), values, is_negative: false })
        });
        let expressions = selector["matchExpressions"].as_array().into_iter().flatten().map(|expression| {
            let key = expression["key"].as_str()?.to_owned();
            let given = expression["values"].as_array().into_iter().flatten();
            let given: Option<Vec<String>> = given.map(|value| Some(value.as_str()?.to_owned())).collect();
            let (values, is_negative) = match expression["operator"].as_str()? {
                "In" => (Some(given?), false),
                "NotIn" => (Some(given?), true),
                "Exists" => (None, false),
                "DoesNotExist" => (None, true),
                _ => return None,
            };
            Some(Requirement { key, values, is_negative })
        });
        let all: Option<Vec<Requirement>> = labels.chain(expressions).collect();
        all.map_or(Selector::Nothing, Selector::All)
    }

    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Selector::Nothing => false,
            Selector::All(requirements) => requirements.iter().all(|requirement| {
                let value = labels.get(&requirement.key);
                let holds = match &requirement.values {
                    Some(values) => value.is_some_and(|value| values.contains(value)),
                    None => value.is_some(),
                };
                holds != requirement.is_negative
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_select_as_kubernetes_does() {
        let labels: BTreeMap<String, String> = [("app".to_owned(), "web".to_owned())].into();
        let expression = |operator: &str, key: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        for (selector, want) in [
            (json!(null), false),
            (json!({}), true),
            (json!({"matchLabels": {"app": "web"}}), true),
            (json!({"matchLabels": {"app": "db"}}), false),
            (json!({"matchLabels": {"app": "web", "tier": "x"}}), false),
            (expression("In", "app", &["db", "web"]), true),
            (expression("NotIn", "app", &["db"]), true),
            (expression("NotIn", "app", &["web"]), false),
            (expression("NotIn", "tier", &["x"]), true),
            (expression("Exists", "app", &[]), true),
            (expression("DoesNotExist", "app", &[]), false),
            (expression("DoesNotExist", "tier", &[]), true),
            (expression("Like", "app", &["web"]), false),
        ] {
            assert_eq!(Selector::read(&selector).matches(&labels), want, "{selector}");
        }
    }
}
