//! Node objects: what an agent says of its host, what the partition says of it, and what users do to it.
//!
//! The agent's word counts for the status (capacity, allocatable, addresses, machine information) and for the labels and
//! annotations that it gives; other labels, annotations, taints and the cordon are the users'. How the host is, its
//! condition `Ready` and the taints that go with it, is the partition's word.

use meridian_api::{HOST_PARTITION_ANNOTATION, INCARNATION_ANNOTATION};
use serde_json::{Map, Value, json};

/// How a host is, as far as the partition knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Health {
    /// Its agent answers.
    Ready,
    /// Its agent has said Goodbye.
    NotReady,
    /// Nothing has been heard of it for too long.
    Unknown,
}

const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// An operator's word that the host is off.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

impl Health {
    /// The condition's status, reason and message.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Ready => ("True", "AgentReady", "the agent answers"),
            Self::NotReady => ("False", "AgentStopped", "the agent has ended its link"),
            Self::Unknown => ("Unknown", "NodeStatusUnknown", "the agent has not been heard of"),
        }
    }

    fn taint(self) -> Option<&'static str> {
        match self {
            Self::Ready => None,
            Self::NotReady => Some(NOT_READY),
            Self::Unknown => Some(UNREACHABLE),
        }
    }

    /// How a Node says that its host is.
    pub(crate) fn of(node: &Value) -> Self {
        let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
        let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
        match ready.map(|condition| &condition["status"]) {
            Some(status) if status == "True" => Self::Ready,
            Some(status) if status == "False" => Self::NotReady,
            _ => Self::Unknown,
        }
    }
}

/// A new Node, as an agent describes it.
pub(crate) fn fresh(name: &str, given: &Value, now: &str) -> Value {
    let mut node =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {}, "status": {}});
    describe(&mut node, name, given);
    if let Some(taints) = given.pointer("/spec/taints").filter(|taints| taints.is_array()) {
        node["spec"]["taints"] = taints.clone();
    }
    describe_status(&mut node, given);
    mark_status(&mut node, Health::Ready, now);
    node
}

/// Adds to what an agent says of its host where the host's ledger is kept, and which life of the host this is.
pub(crate) fn place(given: &mut Value, partition: &str, incarnation: u64) {
    member(given, "metadata");
    let annotations = member(&mut given["metadata"], "annotations");
    annotations.insert(HOST_PARTITION_ANNOTATION.to_owned(), json!(partition));
    annotations.insert(INCARNATION_ANNOTATION.to_owned(), json!(incarnation.to_string()));
}

/// Brings what an agent says of its host, status aside, into its Node; whether that changed anything.
pub(crate) fn describe(node: &mut Value, name: &str, given: &Value) -> bool {
    let mut changed = false;
    for field in ["labels", "annotations"] {
        let said = given.pointer(&format!("/metadata/{field}")).and_then(Value::as_object);
        for (key, value) in said.into_iter().flatten() {
            changed |= set(member(&mut node["metadata"], field), key, value.clone());
        }
    }
    let labels = member(&mut node["metadata"], "labels");
    if !labels.contains_key("kubernetes.io/hostname") {
        changed |= set(labels, "kubernetes.io/hostname", json!(name));
    }
    for field in ["providerID", "podCIDR", "podCIDRs"] {
        let said = given.get("spec").and_then(|spec| spec.get(field)).filter(|said| !said.is_null());
        let spec = member(node, "spec");
        if let Some(said) = said
            && !spec.contains_key(field)
        {
            changed |= set(spec, field, said.clone());
        }
    }
    changed
}

/// Brings what an agent says of its host's status into its Node; whether that changed anything.
pub(crate) fn describe_status(node: &mut Value, given: &Value) -> bool {
    let mut changed = false;
    let said = given.get("status").and_then(Value::as_object);
    let status = member(node, "status");
    for (field, value) in said.into_iter().flatten() {
        if field != "conditions" && field != "phase" {
            changed |= set(status, field, value.clone());
        }
    }
    // Of the conditions only which runtimes are ready is the agent's to say.
    let said = said.and_then(|said| said.get("conditions")).and_then(Value::as_array);
    for condition in said.into_iter().flatten().filter(|condition| is_of_runtime(condition)) {
        let conditions = status.entry("conditions").or_insert_with(|| json!([]));
        let Some(conditions) = conditions.as_array_mut() else { break };
        match conditions.iter_mut().find(|known| known["type"] == condition["type"]) {
            Some(known) if known == condition => continue,
            Some(known) => *known = condition.clone(),
            None => conditions.push(condition.clone()),
        }
        changed = true;
    }
    changed
}

fn is_of_runtime(condition: &Value) -> bool {
    condition["type"] == "ContainerRuntimeReady" || condition["type"] == "VmRuntimeReady"
}

/// Says in a Node's status how its host is; whether that changed anything.
pub(crate) fn mark_status(node: &mut Value, health: Health, now: &str) -> bool {
    let (ready, reason, message) = health.words();
    let wanted = [
        (
            "MemoryPressure",
            if health == Health::Unknown { "Unknown" } else { "False" },
            "AgentHasSufficientMemory",
            "",
        ),
        (
            "DiskPressure",
            if health == Health::Unknown { "Unknown" } else { "False" },
            "AgentHasNoDiskPressure",
            "",
        ),
        (
            "PIDPressure",
            if health == Health::Unknown { "Unknown" } else { "False" },
            "AgentHasSufficientPID",
            "",
        ),
        ("Ready", ready, reason, message),
    ];
    let conditions = member(node, "status").entry("conditions").or_insert_with(|| json!([]));
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(conditions) = conditions.as_array_mut() else { return false };
    let mut changed = false;
    for (kind, status, reason, message) in wanted {
        let reason = if status == "Unknown" { "NodeStatusUnknown" } else { reason };
        let known = conditions.iter_mut().find(|condition| condition["type"] == kind);
        if known.as_ref().is_some_and(|known| known["status"] == status && known["reason"] == reason) {
            continue;
        }
        changed = true;
        let condition = json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        });
        match known {
            Some(known) => *known = condition,
            None => conditions.push(condition),
        }
    }
    changed
}

/// Gives a Node the taints that go with how its host is, and takes the others of these off; whether that changed anything.
pub(crate) fn mark_taints(node: &mut Value, health: Health, now: &str) -> bool {
    let wanted = health.taint();
    let spec = member(node, "spec");
    let mut taints = spec.get("taints").and_then(Value::as_array).cloned().unwrap_or_default();
    let before = taints.len();
    taints.retain(|taint| {
        let key = taint["key"].as_str().unwrap_or_default();
        ![UNREACHABLE, NOT_READY].contains(&key) || Some(key) == wanted
    });
    let mut changed = taints.len() != before;
    for effect in ["NoSchedule", "NoExecute"] {
        let Some(key) = wanted else { break };
        if !taints.iter().any(|taint| taint["key"] == key && taint["effect"] == effect) {
            taints.push(json!({"key": key, "effect": effect, "timeAdded": now}));
            changed = true;
        }
    }
    if changed {
        if taints.is_empty() {
            spec.remove("taints");
        } else {
            spec.insert("taints".to_owned(), Value::Array(taints));
        }
    }
    changed
}

/// Whether an operator says that the host is off.
pub(crate) fn is_out_of_service(node: &Value) -> bool {
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    taints.into_iter().flatten().any(|taint| taint["key"] == OUT_OF_SERVICE)
}

fn set(members: &mut Map<String, Value>, key: &str, value: Value) -> bool {
    if members.get(key) == Some(&value) {
        return false;
    }
    members.insert(key.to_owned(), value);
    true
}

/// A member that is an object; made one where it is none.
fn member<'a>(value: &'a mut Value, name: &str) -> &'a mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    if !value.get(name).is_some_and(Value::is_object) {
        value[name] = json!({});
    }
    value[name].as_object_mut().expect("made an object above")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_keep_what_is_theirs_when_a_host_registers_again() {
        let given = json!({
            "metadata": {"labels": {"zone": "a"}},
            "spec": {"taints": [{"key": "boot", "effect": "NoSchedule"}]},
            "status": {"capacity": {"cpu": "4"}, "conditions": [{"type": "Ready", "status": "False"}]},
        });
        let mut node = fresh("h", &given, "t0");
        assert_eq!(node["metadata"]["labels"], json!({"zone": "a", "kubernetes.io/hostname": "h"}));
        assert_eq!(Health::of(&node), Health::Ready);
        node["metadata"]["labels"]["mine"] = json!("1");
        node["spec"]["unschedulable"] = json!(true);
        node["spec"]["taints"] = json!([{"key": "user", "effect": "NoExecute"}]);
        let before = node.clone();
        assert!(!describe(&mut node, "h", &given) && !describe_status(&mut node, &given));
        assert_eq!(node, before);
        let moved = json!({"metadata": {"labels": {"zone": "b"}}, "status": {"capacity": {"cpu": "8"}}});
        assert!(describe(&mut node, "h", &moved) && describe_status(&mut node, &moved));
        assert_eq!(node["metadata"]["labels"]["zone"], "b");
        assert_eq!(node["metadata"]["labels"]["mine"], "1");
        assert_eq!(node["status"]["capacity"]["cpu"], "8");
        assert_eq!(node["spec"], before["spec"]);
        let ready = json!({"type": "VmRuntimeReady", "status": "True"});
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}, ready]}});
        assert!(describe_status(&mut node, &ready) && !describe_status(&mut node, &ready));
        let conditions = node["status"]["conditions"].as_array().unwrap();
        assert!(conditions.iter().any(|one| one["type"] == "VmRuntimeReady" && one["status"] == "True"));
        assert_eq!(Health::of(&node), Health::Ready);
    }

    #[test]
    fn taints_follow_how_the_host_is_and_leave_others_alone() {
        let user = json!({"key": "user", "effect": "NoSchedule"});
        let mut node = json!({"spec": {"taints": [user]}});
        assert!(mark_taints(&mut node, Health::Unknown, "t1"));
        assert!(!mark_taints(&mut node, Health::Unknown, "t2"));
        let taint =
            |key: &str, effect: &str, at: &str| json!({"key": key, "effect": effect, "timeAdded": at});
        assert_eq!(
            node["spec"]["taints"],
            json!([user, taint(UNREACHABLE, "NoSchedule", "t1"), taint(UNREACHABLE, "NoExecute", "t1")])
        );
        assert!(mark_taints(&mut node, Health::NotReady, "t3"));
        assert_eq!(node["spec"]["taints"][1], taint(NOT_READY, "NoSchedule", "t3"));
        assert!(mark_taints(&mut node, Health::Ready, "t4"));
        assert_eq!(node["spec"]["taints"], json!([user]));
        assert!(!mark_taints(&mut node, Health::Ready, "t5"));
        assert!(mark_status(&mut node, Health::Unknown, "t6"));
        assert!(!mark_status(&mut node, Health::Unknown, "t7"));
        assert_eq!(node["status"]["conditions"][3]["lastTransitionTime"], "t6");
        assert_eq!(Health::of(&node), Health::Unknown);
        // Whatever users made of it.
        let mut odd = json!({"spec": 7, "status": {"conditions": "x"}});
        assert!(mark_taints(&mut odd, Health::Unknown, "t") && mark_status(&mut odd, Health::Ready, "t"));
        node["spec"]["taints"] = json!([{"key": OUT_OF_SERVICE, "effect": "NoExecute"}]);
        assert!(is_out_of_service(&node));
    }
}
