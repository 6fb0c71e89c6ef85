//! Pods that ask for nodes by name: by the label `kubernetes.io/hostname`, or by the name itself.
//!
//! A tenant asks by the names that it knows, and what it asked for is stored and shown as it wrote it. Only where a demand is
//! made of it the hosts' own names are put in. A name that the tenant does not see becomes one that no host has, so that a
//! term with a host's own name, required or preferred, says nothing about that host.

use serde_json::{Value, json};

use super::HOSTNAME;
use crate::object::text;

/// The field of hosts that can be selected.
const NAME: &str = "metadata.name";
/// No host is called so.
const NOBODY: &str = "";

/// How a node is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// By its label `kubernetes.io/hostname`.
    Label,
    /// By its name.
    Name,
}

/// A stored spec with hosts' own names in the terms that ask for nodes by name. None: it asks for none.
pub(super) fn with_hosts(stored: &str, lookup: impl Fn(By, &str) -> Option<String>) -> Option<String> {
    // The stored form has one way to write each of these; most specs have none.
    let asks = stored.contains("\"kubernetes.io/hostname\":")
        || stored.contains("\"key\":\"kubernetes.io/hostname\"")
        || stored.contains("\"matchFields\":");
    if !asks {
        return None;
    }
    // What is no JSON is nobody's spec: whoever reads it finds out.
    let mut spec: Value = serde_json::from_str(stored).ok()?;
    let put = |by: By, value: &mut Value| {
        let host = value.as_str().and_then(|name| lookup(by, name));
        *value = Value::String(host.unwrap_or_else(|| NOBODY.to_owned()));
    };
    if let Some(value) = spec.get_mut("nodeSelector").and_then(|selector| selector.get_mut(HOSTNAME)) {
        put(By::Label, value);
    }
    if let Some(affinity) = spec.pointer_mut("/affinity/nodeAffinity") {
        for term in terms(affinity) {
            for expression in expressions(term) {
                let by = match text(expression, &["key"]) {
                    HOSTNAME => By::Label,
                    NAME => By::Name,
                    _ => continue,
                };
                match text(expression, &["operator"]) {
                    "In" | "NotIn" => {
                        let values = expression.get_mut("values").and_then(Value::as_array_mut);
                        values.into_iter().flatten().for_each(|value| put(by, value));
                    }
                    "Exists" | "DoesNotExist" => {}
                    // A tenant's names have no order that means anything.
                    _ => {
                        let key = text(expression, &["key"]);
                        *expression = json!({ "key": key, "operator": "In", "values": [NOBODY] });
                    }
                }
            }
        }
    }
    Some(spec.to_string())
}

/// All terms of a node affinity, required and preferred.
fn terms(affinity: &mut Value) -> Vec<&mut Value> {
    let mut terms = Vec::new();
    for (part, value) in affinity.as_object_mut().into_iter().flatten() {
        if part == "requiredDuringSchedulingIgnoredDuringExecution" {
            let list = value.get_mut("nodeSelectorTerms").and_then(Value::as_array_mut);
            terms.extend(list.into_iter().flatten());
        } else {
            let list = value.as_array_mut().into_iter().flatten();
            terms.extend(list.filter_map(|preferred| preferred.get_mut("preference")));
        }
    }
    terms
}

fn expressions(term: &mut Value) -> impl Iterator<Item = &mut Value> {
    let lists = term.as_object_mut().into_iter().flatten().map(|(_, list)| list);
    lists.filter_map(Value::as_array_mut).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lookup(by: By, name: &str) -> Option<String> {
        let name = name.strip_prefix("v-")?;
        Some(if by == By::Label { format!("{name}.example") } else { name.to_owned() })
    }

    #[test]
    fn nodes_asked_for_by_name_become_hosts_and_all_others_nobody() {
        let expression = |key: &str, values: Value| json!({ "key": key, "operator": "In", "values": values });
        let spec = |names: [&str; 4], zone: &str| {
            json!({
                "affinity": { "nodeAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        { "weight": 1, "preference": { "matchExpressions": [expression(HOSTNAME, json!([names[0], names[1]]))] } },
                    ],
                    "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
                        { "matchFields": [expression(NAME, json!([names[2]]))] },
                        { "matchExpressions": [expression("zone", json!([zone])), expression(HOSTNAME, json!([names[0]]))] },
                    ] },
                } },
                "nodeSelector": { "kubernetes.io/hostname": names[3], "kubernetes.io/os": "v-linux" },
            })
        };
        let told = with_hosts(&spec(["v-h1", "h1", "h1", "h2"], "v-z").to_string(), lookup).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), spec(["h1.example", "", "", ""], "v-z"));
        let told = with_hosts(&spec(["h1", "v-h1", "v-h1", "v-h2"], "z").to_string(), lookup).unwrap();
        let hosts = ["", "h1.example", "h1", "h2.example"];
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), spec(hosts, "z"));
    }

    #[test]
    fn hosts_are_not_found_by_the_order_of_their_names() {
        let spec = |expression: Value| {
            let term = json!({ "matchExpressions": [expression] });
            json!({ "affinity": { "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] },
            } } })
        };
        let expression = |operator: &str, values: Value| json!({ "key": HOSTNAME, "operator": operator, "values": values });
        for (operator, values, comes_to) in [
            ("Gt", json!(["17"]), expression("In", json!([""]))),
            ("Exists", json!([]), expression("Exists", json!([]))),
            ("NotIn", json!(["h1"]), expression("NotIn", json!([""]))),
        ] {
            let told = with_hosts(&spec(expression(operator, values)).to_string(), lookup).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), spec(comes_to), "{operator}");
        }
    }

    #[test]
    fn what_asks_for_no_node_by_name_is_left_alone() {
        for spec in [
            json!({ "containers": [] }),
            json!({ "topologySpreadConstraints": [{ "topologyKey": "kubernetes.io/hostname" }] }),
            json!({ "nodeSelector": { "zone": "kubernetes.io/hostname" } }),
        ] {
            assert_eq!(with_hosts(&spec.to_string(), lookup), None, "{spec}");
        }
        // Odd shapes neither fail nor slip through.
        for spec in ["{\"matchFields\":7", "{\"affinity\":{\"nodeAffinity\":{\"matchFields\":[1]}}}"] {
            let told = with_hosts(spec, lookup);
            assert!(told.is_none_or(|told| serde_json::from_str::<Value>(&told).is_ok()), "{spec}");
        }
    }
}
