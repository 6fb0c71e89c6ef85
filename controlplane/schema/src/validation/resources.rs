//! What containers ask for and may use.

use meridian_kubernetes::Quantity;
use serde_json::{Map, Value};

use super::cause::Causes;
use super::names;
use crate::decode::Path;
use crate::read::{entries, items, text};

/// The prefix of resources that are pages of one size.
const HUGE_PAGES: &str = "hugepages-";

/// Checks a container's requests and limits. `claims` are the resource claims of the pod.
pub(super) fn check(resources: &Value, claims: &[Value], path: &Path<'_>, causes: &mut Causes) {
    if resources.is_null() {
        return;
    }
    let (limits, requests) = (entries(resources, "limits"), entries(resources, "requests"));
    let (limits_path, requests_path) = (path.name("limits"), path.name("requests"));
    for (name, amount) in limits {
        check_amount(name, amount, &limits_path.key(name), causes);
    }
    for (name, amount) in requests {
        check_amount(name, amount, &requests_path.key(name), causes);
        check_against_limit(name, amount, limits.get(name), path, causes);
    }
    let named = |test: fn(&str) -> bool| limits.keys().chain(requests.keys()).any(|name| test(name));
    if named(is_huge_page) && !named(|name| matches!(name, "cpu" | "memory")) {
        causes.forbidden(path, "HugePages require cpu or memory");
    }
    let list = path.name("claims");
    for (index, claim) in items(resources, "claims").iter().enumerate() {
        let name = text(claim, "name");
        if !name.is_empty() && !claims.iter().any(|claim| text(claim, "name") == name) {
            causes.not_found(&list.index(index), name);
        }
    }
}

/// Checks amounts that are no container's: what a pod costs beside its containers, what a node has.
pub(super) fn check_amounts(amounts: &Map<String, Value>, path: &Path<'_>, causes: &mut Causes) {
    for (name, amount) in amounts {
        let path = path.key(name);
        if check_name(name, &path, causes) {
            check_quantity(name, amount, &path, causes);
        }
    }
}

fn check_amount(name: &str, amount: &Value, path: &Path<'_>, causes: &mut Causes) {
    if check_name(name, path, causes) {
        if !name.contains('/') {
            if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_huge_page(name) {
                causes.invalid(path, name, "must be a standard resource for containers");
            }
        } else if !is_native(name) && !is_extended(name) {
            causes.invalid(path, name, "doesn't follow extended resource name standards");
        }
    }
    check_quantity(name, amount, path, causes);
}

fn check_name(name: &str, path: &Path<'_>, causes: &mut Causes) -> bool {
    let problems = names::qualified_name(name);
    let right = problems.is_empty();
    causes.malformed(path, name, problems);
    right
}

fn check_quantity(name: &str, amount: &Value, path: &Path<'_>, causes: &mut Causes) {
    let Some(quantity) = quantity(amount) else {
        causes.invalid(path, amount, "must be a quantity such as 500m, 1.5 or 2Gi");
        return;
    };
    if quantity.is_negative() {
        causes.invalid(path, amount, "must be greater than or equal to 0");
    }
    let whole = quantity.value().is_some_and(|value| Quantity::from_whole(value) == quantity);
    if !whole && (is_extended(name) || name == "pods") {
        causes.invalid(path, amount, "must be an integer");
    }
}

fn check_against_limit(
    name: &str,
    amount: &Value,
    limit: Option<&Value>,
    path: &Path<'_>,
    causes: &mut Causes,
) {
    let shared = is_native(name) && !is_huge_page(name);
    let Some(limit) = limit else {
        if !shared {
            causes.required(&path.name("limits"), "Limit must be set for non overcommitable resources");
        }
        return;
    };
    let (Some(asked), Some(most)) = (quantity(amount), quantity(limit)) else { return };
    let limit = limit.as_str().unwrap_or_default();
    if !shared && asked != most {
        let detail = format!("must be equal to {name} limit of {limit}");
        causes.invalid(&path.name("requests"), amount, &detail);
    } else if asked > most {
        let detail = format!("must be less than or equal to {name} limit of {limit}");
        causes.invalid(&path.name("requests"), amount, &detail);
    }
}

fn quantity(amount: &Value) -> Option<Quantity> {
    amount.as_str().and_then(|text| Quantity::parse(text).ok())
}

fn is_huge_page(name: &str) -> bool {
    name.starts_with(HUGE_PAGES)
}

/// Resources that Kubernetes itself knows, rather than an extension of a node.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Resources that an extension of a node offers, in whole numbers.
fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && names::qualified_name(&format!("requests.{name}")).is_empty()
}
