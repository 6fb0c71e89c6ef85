//! What a Node says of its host as a machine: which runtimes are ready, how far it may be overcommitted, and its NUMA nodes.

use meridian_engine::{MAX_OVERCOMMIT, NumaNode, Overcommit, Runtimes};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{ObjectError, invalid};
use crate::quantity::Quantity;
use crate::resources::{Listed, ResourceList};
use crate::tree::{Path, read};

const CPU_OVERCOMMIT: &str = "meridian.io/cpu-overcommit";
const MEMORY_OVERCOMMIT: &str = "meridian.io/memory-overcommit";
const NUMA_NODES: &str = "meridian.io/numa-nodes";

/// The conditions by which agents tell of their runtimes.
const CONTAINERS_READY: &str = "ContainerRuntimeReady";
const MACHINES_READY: &str = "VmRuntimeReady";

/// The annotations of a Node that matter here.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Annotations<'a> {
    #[serde(rename = "meridian.io/cpu-overcommit")]
    cpu_overcommit: Option<&'a str>,
    #[serde(rename = "meridian.io/memory-overcommit")]
    memory_overcommit: Option<&'a str>,
    #[serde(rename = "meridian.io/numa-nodes")]
    numa_nodes: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    status: &'a str,
}

impl Annotations<'_> {
    pub(super) fn overcommit(&self) -> Result<Overcommit, ObjectError> {
        let none = Overcommit::default();
        Ok(Overcommit {
            cpu_percent: percent(self.cpu_overcommit, CPU_OVERCOMMIT)?.unwrap_or(none.cpu_percent),
            memory_percent: percent(self.memory_overcommit, MEMORY_OVERCOMMIT)?
                .unwrap_or(none.memory_percent),
        })
    }
}

impl Annotations<'_> {
    /// The NUMA nodes, a list of what each has: `[{"cpu": "32", "memory": "128Gi", "hugepages-1Gi": "16Gi"}, ...]`.
    pub(super) fn numa(&self) -> Result<Vec<NumaNode>, ObjectError> {
        let Some(text) = self.numa_nodes else { return Ok(Vec::new()) };
        let root = Path::Root.field("metadata");
        let root = root.field("annotations");
        let path = root.field(NUMA_NODES);
        let given: Value = serde_json::from_str(text)
            .map_err(|_| invalid(path, text, "a list of resources, one for each NUMA node, as JSON"))?;
        let listed: Vec<Listed<'_>> = read(&given, &path)?;
        let node = |(number, listed): (usize, &Listed<'_>)| {
            let path = path.item(number);
            let resources = ResourceList::from_listed(listed, &path)?.to_resources(&path)?;
            Ok(NumaNode { resources, devices: 0 })
        };
        listed.iter().enumerate().map(node).collect()
    }
}

/// A ratio in percent.
fn percent(given: Option<&str>, key: &str) -> Result<Option<u32>, ObjectError> {
    let Some(text) = given else { return Ok(None) };
    let milli = text.parse::<Quantity>().ok().and_then(Quantity::milli).filter(|milli| milli % 10 == 0);
    let percent = milli.and_then(|milli| u32::try_from(milli / 10).ok());
    match percent.filter(|percent| (100..=MAX_OVERCOMMIT).contains(percent)) {
        Some(percent) => Ok(Some(percent)),
        None => {
            let path = Path::Root.field("metadata");
            let path = path.field("annotations");
            Err(invalid(path.field(key), text, "a ratio from 1 to 64, with at most two decimals"))
        }
    }
}

/// What a host starts: containers unless it says otherwise, virtual machines if it says so.
pub(super) fn runtimes(conditions: &[Condition<'_>]) -> Runtimes {
    let is_ready = |kind: &str| {
        conditions.iter().find(|condition| condition.kind == kind).map(|condition| condition.status == "True")
    };
    Runtimes {
        containers: is_ready(CONTAINERS_READY).unwrap_or(true),
        virtual_machines: is_ready(MACHINES_READY).unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use meridian_engine::{Overcommit, Runtimes};
    use serde_json::{Value, json};

    use crate::host_from_node;

    fn node(annotations: Value, conditions: Value) -> Value {
        json!({
            "metadata": {"name": "n", "annotations": annotations},
            "status": {"conditions": conditions},
        })
    }

    #[test]
    fn runtimes_are_ready_as_conditions_say() {
        let ready = |conditions: Value| {
            let Runtimes { containers, virtual_machines } =
                host_from_node(&node(json!({}), conditions)).unwrap().runtimes;
            (containers, virtual_machines)
        };
        let said = |kind: &str, status: &str| json!({"type": kind, "status": status});
        assert_eq!(ready(json!([said("Ready", "True")])), (true, false));
        assert_eq!(ready(json!([said("VmRuntimeReady", "True")])), (true, true));
        assert_eq!(
            ready(json!([said("ContainerRuntimeReady", "False"), said("VmRuntimeReady", "True")])),
            (false, true)
        );
        assert_eq!(ready(json!([said("ContainerRuntimeReady", "Unknown")])), (false, false));
    }

    #[test]
    fn ratios_are_read_exactly_or_refused() {
        let read =
            |value: Value| host_from_node(&node(json!({"meridian.io/cpu-overcommit": value}), json!([])));
        let percent = |text: &str| read(json!(text)).unwrap().overcommit;
        assert_eq!(percent("4"), Overcommit { cpu_percent: 400, memory_percent: 100 });
        assert_eq!(percent("1.25").cpu_percent, 125);
        let other = json!({"meridian.io/memory-overcommit": "1.5", "example.com/other": 7});
        assert_eq!(host_from_node(&node(other, json!([]))).unwrap().overcommit.memory_percent, 150);
        for wrong in ["0.5", "65", "1.333", "-2", "four", ""] {
            let error = read(json!(wrong)).unwrap_err().to_string();
            let want = format!(
                "metadata.annotations[\"meridian.io/cpu-overcommit\"] is {wrong:?}, want a ratio from 1 to 64, with at \
                 most two decimals"
            );
            assert_eq!(error, want);
        }
        assert!(read(json!(4)).is_err());
    }

    #[test]
    fn numa_nodes_are_lists_of_resources() {
        let read = |text: &str| {
            host_from_node(&node(json!({"meridian.io/numa-nodes": text}), json!([]))).map(|host| host.numa)
        };
        let nodes =
            read(r#"[{"cpu": "32", "memory": "1Gi", "hugepages-1Gi": "2Gi"}, {"cpu": "31500m"}]"#).unwrap();
        assert_eq!(nodes.len(), 2);
        assert_eq!((nodes[0].resources.cpu_milli, nodes[1].resources.cpu_milli), (32_000, 31_500));
        assert_eq!(nodes[0].resources.extended["hugepages-1Gi"], 2 << 30);
        let path = "metadata.annotations[\"meridian.io/numa-nodes\"]";
        for (text, want) in [
            ("two", format!("{path} is \"two\", want a list of resources, one for each NUMA node, as JSON")),
            (r#"[{"cpu": "-1"}]"#, format!("{path}[0].cpu is -1, want at least 0")),
            (r#"[{}, {"memory": "lots"}]"#, format!("{path}[1].memory: quantity \"lots\"")),
            ("{}", format!("{path}: invalid type")),
            ("[{},{},{},{},{},{},{},{},{}]", "host n: 9 NUMA nodes, want at most 8".to_owned()),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(&want), "{error}, want {want}");
        }
    }
}
