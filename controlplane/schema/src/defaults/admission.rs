//! What Kubernetes' admission plugins add to every pod.

use serde_json::{Value, json};

use crate::read::{items, text};

/// How long a pod stays on a host that is gone, unless it says otherwise.
const SECONDS_ON_A_LOST_HOST: i64 = 300;

/// The taints of hosts that are gone.
const LOST_HOST_TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Lets a new pod stay for five minutes on a host that is not ready or not heard of, unless it tolerates that itself.
pub fn admit_pod(pod: &mut Value) {
    let Some(spec) = pod.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    let missing: Vec<_> = LOST_HOST_TAINTS
        .iter()
        .filter(|key| !items(spec, "tolerations").iter().any(|toleration| tolerates(toleration, key)))
        .map(|key| {
            json!({
                "effect": "NoExecute",
                "key": key,
                "operator": "Exists",
                "tolerationSeconds": SECONDS_ON_A_LOST_HOST,
            })
        })
        .collect();
    if missing.is_empty() {
        return;
    }
    match spec.get_mut("tolerations").and_then(Value::as_array_mut) {
        Some(tolerations) => tolerations.extend(missing),
        None => spec["tolerations"] = Value::Array(missing),
    }
}

/// Whether a toleration is about a taint with this key that ends pods; an empty key or effect is about all.
fn tolerates(toleration: &Value, key: &str) -> bool {
    let matches =
        |name: &str, want: &str| matches!(text(toleration, name), "") || text(toleration, name) == want;
    matches("key", key) && matches("effect", "NoExecute")
}
