//! From a Node object to a host of the engine.

use std::collections::BTreeMap;

use meridian_engine::{Host, Taint, TaintEffect};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{ObjectError, invalid};
use crate::resources::{Listed, ResourceList};
use crate::tree::{Path, read};

mod machine;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Node<'a> {
    kind: Option<&'a str>,
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Spec<'a>,
    #[serde(borrow)]
    status: Status<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata<'a> {
    name: &'a str,
    labels: BTreeMap<String, String>,
    #[serde(borrow)]
    annotations: machine::Annotations<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec<'a> {
    #[serde(borrow)]
    taints: Vec<GivenTaint<'a>>,
    unschedulable: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GivenTaint<'a> {
    key: &'a str,
    value: &'a str,
    effect: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    allocatable: Option<Listed<'a>>,
    #[serde(borrow)]
    capacity: Option<Listed<'a>>,
    #[serde(borrow)]
    conditions: Vec<machine::Condition<'a>>,
}

/// Turns a Node object into a host.
///
/// What pods may use is `status.allocatable`, or `status.capacity` where that is missing, as an API server defaults
/// it. A node that does not say how many pods it takes takes none, as in kube-scheduler. Everything that is not
/// `cpu`, `memory`, `ephemeral-storage` or `pods` becomes an extended resource, huge pages in bytes. Shareable
/// devices are none: Kubernetes hands out whole accelerators, and they are extended resources.
///
/// The conditions `ContainerRuntimeReady` and `VmRuntimeReady` say which pods it starts; without them it starts containers
/// alone. The annotations `meridian.io/cpu-overcommit` and `meridian.io/memory-overcommit` say how far virtual machines may
/// ask for more than it has, such as `4` or `1.5`, and `meridian.io/numa-nodes` what it has by NUMA node.
pub fn host_from_node(node: &Value) -> Result<Host, ObjectError> {
    let root = Path::Root;
    let node: Node<'_> = read(node, &root)?;
    if let Some(kind) = node.kind.filter(|kind| *kind != "Node") {
        return Err(invalid("kind", kind, "Node"));
    }
    if node.metadata.name.is_empty() {
        return Err(ObjectError::Missing { path: "metadata.name".to_owned(), want: "the node's name" });
    }
    let status = root.field("status");
    let (listed, field) = match (node.status.allocatable, node.status.capacity) {
        (Some(listed), _) => (listed, "allocatable"),
        (None, capacity) => (capacity.unwrap_or_default(), "capacity"),
    };
    let path = status.field(field);
    let list = ResourceList::from_listed(&listed, &path)?;
    let spec = root.field("spec");
    let host = Host {
        name: node.metadata.name.to_owned(),
        allocatable: list.to_resources(&path)?,
        pods: list.whole("pods", &path)?,
        labels: node.metadata.labels,
        taints: taints(&node.spec.taints, &spec.field("taints"))?,
        unschedulable: node.spec.unschedulable,
        devices: None,
        links: Vec::new(),
        runtimes: machine::runtimes(&node.status.conditions),
        overcommit: node.metadata.annotations.overcommit()?,
        numa: node.metadata.annotations.numa()?,
    };
    host.validate().map_err(ObjectError::Host)?;
    Ok(host)
}

fn taints(given: &[GivenTaint<'_>], path: &Path<'_>) -> Result<Vec<Taint>, ObjectError> {
    let mut taints = Vec::with_capacity(given.len());
    for (index, taint) in given.iter().enumerate() {
        let path = path.item(index);
        if taint.key.is_empty() {
            return Err(ObjectError::Missing {
                path: path.field("key").to_string(),
                want: "the taint's key",
            });
        }
        taints.push(Taint {
            key: taint.key.to_owned(),
            value: taint.value.to_owned(),
            effect: taint_effect(taint.effect, &path.field("effect"))?,
        });
    }
    Ok(taints)
}

/// The effect of a taint or toleration by its name.
pub(crate) fn taint_effect(name: &str, path: &Path<'_>) -> Result<TaintEffect, ObjectError> {
    match name {
        "NoSchedule" => Ok(TaintEffect::NoSchedule),
        "PreferNoSchedule" => Ok(TaintEffect::PreferNoSchedule),
        "NoExecute" => Ok(TaintEffect::NoExecute),
        _ => Err(invalid(path, name, "NoSchedule, PreferNoSchedule or NoExecute")),
    }
}

#[cfg(test)]
mod tests {
    use meridian_engine::Resources;
    use serde_json::json;

    use super::*;

    #[test]
    fn translates_everything_that_matters() {
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "n1", "labels": {"zone": "a"}, "creationTimestamp": null},
            "spec": {
                "podCIDR": "10.0.0.0/24",
                "unschedulable": true,
                "taints": [
                    {"key": "a", "value": "b", "effect": "NoSchedule"},
                    {"key": "c", "effect": "PreferNoSchedule"},
                    {"key": "d", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"},
                ],
            },
            "status": {
                "capacity": {"cpu": "64"},
                "allocatable": {
                    "cpu": "3920m", "memory": "16Gi", "ephemeral-storage": "100M", "pods": "110",
                    "nvidia.com/gpu": 8, "hugepages-2Mi": "4Mi", "attachable-volumes-csi-x": "39",
                },
            },
        });
        let taint = |key: &str, value: &str, effect| Taint { key: key.into(), value: value.into(), effect };
        let want = Host {
            name: "n1".into(),
            allocatable: Resources {
                cpu_milli: 3920,
                memory: 16 << 30,
                ephemeral_storage: 100_000_000,
                extended: [
                    ("nvidia.com/gpu".into(), 8),
                    ("hugepages-2Mi".into(), 4 << 20),
                    ("attachable-volumes-csi-x".into(), 39),
                ]
                .into(),
            },
            pods: 110,
            labels: [("zone".into(), "a".into())].into(),
            taints: vec![
                taint("a", "b", TaintEffect::NoSchedule),
                taint("c", "", TaintEffect::PreferNoSchedule),
                taint("d", "", TaintEffect::NoExecute),
            ],
            unschedulable: true,
            ..Host::default()
        };
        assert_eq!(host_from_node(&node), Ok(want));
    }

    #[test]
    fn capacity_stands_in_only_for_a_missing_allocatable() {
        let host =
            |status: Value| host_from_node(&json!({"metadata": {"name": "n"}, "status": status})).unwrap();
        let of_capacity = host(json!({"capacity": {"cpu": 1.5, "pods": 5}, "allocatable": null}));
        assert_eq!((of_capacity.allocatable.cpu_milli, of_capacity.pods), (1500, 5));
        assert_eq!(host(json!({"capacity": {"pods": 5}, "allocatable": {}})).pods, 0);
        assert_eq!(host(Value::Null), Host { name: "n".into(), ..Host::default() });
    }

    #[test]
    fn errors_say_where_what_and_what_would_be_right() {
        for (node, want) in [
            (json!([]), "object: invalid type: sequence, expected an object"),
            (json!({}), "metadata.name is missing, want the node's name"),
            (json!({"kind": "Pod"}), "kind is \"Pod\", want Node"),
            (json!({"metadata": "x"}), "metadata: invalid type: \"x\", expected an object"),
            (
                json!({"status": {"allocatable": {"memory": "16gigs"}}}),
                "status.allocatable.memory: quantity \"16gigs\" has the unknown suffix \"gigs\", want none,",
            ),
            (
                json!({"metadata": {"name": "n"}, "status": {"capacity": {"pods": -1}}}),
                "status.capacity.pods is -1, want at least 0",
            ),
            (
                json!({"metadata": {"name": "n"}, "status": {"allocatable": {"a.b/c": "8Pi"}}}),
                "status.allocatable[\"a.b/c\"] is 9007199254740992, want at most 9007199254740991",
            ),
            (
                json!({"metadata": {"name": "n"}, "spec": {"taints": [{"key": "a", "effect": "Never"}]}}),
                "spec.taints[0].effect is \"Never\", want NoSchedule, PreferNoSchedule or NoExecute",
            ),
            (
                json!({"metadata": {"name": "n"}, "spec": {"taints": [{"effect": "NoExecute"}]}}),
                "spec.taints[0].key is missing, want the taint's key",
            ),
            (
                json!({"metadata": {"name": "n", "labels": {"a": 1}}}),
                "metadata.labels.a: invalid type: integer `1`, expected a string",
            ),
            (
                json!({"spec": {"unschedulable": "yes"}}),
                "spec.unschedulable: invalid type: string \"yes\", expected a boolean",
            ),
        ] {
            let error = host_from_node(&node).expect_err(want).to_string();
            assert!(error.starts_with(want), "{error}");
        }
    }
}
