//! Objects as rows of the tables that `kubectl get` prints.

mod age;
mod node;
mod others;
mod pod;
#[cfg(test)]
mod tests;
mod workload;

use jiff::Timestamp;
use serde_json::Value;

use crate::table::Kind;
use age::{age, since};

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub name: &'static str,
    /// The type of its cells in OpenAPI's words: `string`, `integer`, ...
    pub r#type: &'static str,
    /// `name` for the column that names the object; empty otherwise.
    pub format: &'static str,
    /// What it says, in a sentence.
    pub description: &'static str,
    /// 0 if it is always shown, above it only where there is room (`-o wide`).
    pub priority: i32,
}

/// The column that every table begins with.
const NAME: Column =
    Column { format: "name", ..text("Name", "The name of the object, unique in its namespace.") };

/// The column of ages.
const AGE: Column = text("Age", "How long ago the object was created.");

const fn text(name: &'static str, description: &'static str) -> Column {
    Column { name, r#type: "string", format: "", description, priority: 0 }
}

const fn number(name: &'static str, description: &'static str) -> Column {
    Column { r#type: "integer", ..text(name, description) }
}

/// The same column, shown only where there is room.
const fn wide(column: Column) -> Column {
    Column { priority: 1, ..column }
}

/// The columns of a kind.
pub fn table_columns(kind: &Kind) -> &'static [Column] {
    match kind.kind {
        "Pod" => pod::COLUMNS,
        "Node" => node::COLUMNS,
        "Deployment" => workload::DEPLOYMENT_COLUMNS,
        "ReplicaSet" => workload::REPLICA_SET_COLUMNS,
        "Namespace" => others::NAMESPACE_COLUMNS,
        "ConfigMap" => others::CONFIG_MAP_COLUMNS,
        "Secret" => others::SECRET_COLUMNS,
        "ServiceAccount" => others::SERVICE_ACCOUNT_COLUMNS,
        "Event" => others::EVENT_COLUMNS,
        "Lease" => others::LEASE_COLUMNS,
        "PodDisruptionBudget" => others::POD_DISRUPTION_BUDGET_COLUMNS,
        "PriorityClass" => others::PRIORITY_CLASS_COLUMNS,
        "PodGroup" => others::POD_GROUP_COLUMNS,
        _ => others::DEFAULT_COLUMNS,
    }
}

/// The cells of an object's row, one for each of [`table_columns`]. `now` is when ages are counted from.
pub fn table_cells(kind: &Kind, object: &Value, now: Timestamp) -> Vec<Value> {
    match kind.kind {
        "Pod" => pod::cells(object, now),
        "Node" => node::cells(object, now),
        "Deployment" => workload::deployment_cells(object, now),
        "ReplicaSet" => workload::replica_set_cells(object, now),
        "Namespace" => others::namespace_cells(object, now),
        "ConfigMap" => others::config_map_cells(object, now),
        "Secret" => others::secret_cells(object, now),
        "ServiceAccount" => others::service_account_cells(object, now),
        "Event" => others::event_cells(object, now),
        "Lease" => others::lease_cells(object, now),
        "PodDisruptionBudget" => others::pod_disruption_budget_cells(object, now),
        "PriorityClass" => others::priority_class_cells(object, now),
        "PodGroup" => others::pod_group_cells(object, now),
        _ => others::default_cells(object, now),
    }
}

/// Text, or what stands for none.
fn or<'a>(value: &'a str, none: &'a str) -> &'a str {
    if value.is_empty() { none } else { value }
}
