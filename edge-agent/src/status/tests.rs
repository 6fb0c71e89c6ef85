//! Statuses as clients read them.

use serde_json::json;

use super::*;
use crate::runtime::Plan;

const UID: &str = "6f1c";
/// 2000-01-01T00:00:00Z.
const START: i64 = 946_684_800_000;

fn pod(policy: &str, init: bool) -> Pod {
    let init = if init {
        json!([{"name": "setup", "image": "busybox"}, {"name": "proxy", "image": "envoy", "restartPolicy": "Always"}])
    } else {
        json!([])
    };
    let object = json!({
        "metadata": {"name": "web-1", "namespace": "shop"},
        "spec": {"restartPolicy": policy, "initContainers": init, "containers": [{"name": "web", "image": "nginx:1.27"}]},
        "status": {
            "phase": "Pending", "qosClass": "Burstable",
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": "1999-12-31T23:59:59Z"},
                {"type": "example.com/gate", "status": "False"},
            ],
        },
    });
    Pod::read(object.to_string().as_bytes())
}

fn plan() -> Plan {
    Plan { create: 1000, start: 2000, stop: 1000, run: Some(10_000), exit_code: 0 }
}

fn status(pod: &Pod, sandbox: &Sandbox) -> Value {
    let addresses = PodAddresses { host: "100.64.0.1".into(), pod: Some("10.0.0.2".into()) };
    serde_json::from_slice(&write(&UID.into(), pod, sandbox, &addresses)).unwrap()
}

fn at(pod: &Pod, plan: Plan, seconds: i64) -> Value {
    let mut sandbox = Sandbox::new(plan, 2, START);
    sandbox.advance(pod, START + seconds * 1000);
    status(pod, &sandbox)
}

/// `Type=Status@seconds` of each condition.
fn conditions(status: &Value) -> Vec<String> {
    let conditions = status["conditions"].as_array().unwrap().iter();
    conditions
        .map(|condition| {
            let time = condition["lastTransitionTime"].as_str().unwrap_or("-");
            let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
            format!("{}={}@{}", text("type"), text("status"), time.trim_start_matches("2000-01-01T00:00:"))
        })
        .collect()
}

#[test]
fn a_running_pod_looks_as_from_a_kubelet() {
    let status = at(&pod("Always", false), plan(), 5);
    let container = &status["containerStatuses"][0];
    let id = container["containerID"].as_str().unwrap();
    assert!(id.starts_with("simulated://") && id.len() == 76, "{id}");
    assert_eq!(
        status,
        json!({
            "phase": "Running",
            "conditions": [
                {"type": "PodReadyToStartContainers", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2000-01-01T00:00:01Z"},
                {"type": "Initialized", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2000-01-01T00:00:00Z"},
                {"type": "Ready", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2000-01-01T00:00:03Z"},
                {"type": "ContainersReady", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2000-01-01T00:00:03Z"},
                {"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": "1999-12-31T23:59:59Z"},
                {"type": "example.com/gate", "status": "False"},
            ],
            "hostIP": "100.64.0.1", "hostIPs": [{"ip": "100.64.0.1"}],
            "podIP": "10.0.0.2", "podIPs": [{"ip": "10.0.0.2"}],
            "startTime": "2000-01-01T00:00:00Z",
            "containerStatuses": [{
                "name": "web", "image": "nginx:1.27", "imageID": container["imageID"], "containerID": id,
                "ready": true, "started": true, "restartCount": 0, "lastState": {},
                "state": {"running": {"startedAt": "2000-01-01T00:00:03Z"}},
            }],
            "qosClass": "Burstable",
        })
    );
}

#[test]
fn a_pod_goes_from_pending_to_its_end() {
    let pod = pod("Never", true);
    let creating = at(&pod, plan(), 0);
    assert_eq!((&creating["phase"], &creating["podIP"]), (&json!("Pending"), &Value::Null));
    assert_eq!(creating["containerStatuses"][0]["state"], json!({"waiting": {"reason": "PodInitializing"}}));
    assert_eq!(
        creating["initContainerStatuses"][0]["state"],
        json!({"waiting": {"reason": "ContainerCreating"}})
    );
    assert_eq!(creating["conditions"][1]["message"], "containers with incomplete status: [setup]");
    let starting = at(&pod, plan(), 1);
    assert_eq!(
        conditions(&starting)[..4],
        [
            "PodReadyToStartContainers=True@01Z",
            "Initialized=False@00Z",
            "Ready=False@00Z",
            "ContainersReady=False@00Z"
        ]
    );
    assert_eq!(starting["podIP"], "10.0.0.2");
    let running = at(&pod, plan(), 3);
    assert_eq!(running["phase"], "Running");
    assert_eq!(running["initContainerStatuses"][0]["state"]["terminated"]["reason"], "Completed");
    assert_eq!(running["initContainerStatuses"][1]["started"], true);
    let done = at(&pod, plan(), 20);
    assert_eq!(done["phase"], "Succeeded");
    assert_eq!(
        conditions(&done)[..4],
        [
            "PodReadyToStartContainers=False@13Z",
            "Initialized=True@01Z",
            "Ready=False@13Z",
            "ContainersReady=False@13Z"
        ]
    );
    assert_eq!(done["conditions"][2]["reason"], "PodCompleted");
    let terminated = &done["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(terminated["exitCode"], 0);
    assert_eq!(
        (&terminated["startedAt"], &terminated["finishedAt"]),
        (&json!("2000-01-01T00:00:03Z"), &json!("2000-01-01T00:00:13Z"))
    );
    let failed = at(&pod, Plan { exit_code: 3, ..plan() }, 20);
    assert_eq!(failed["phase"], "Failed");
    assert_eq!(failed["containerStatuses"][0]["state"]["terminated"]["reason"], "Error");
}

#[test]
fn a_pod_that_crashes_waits_in_words_that_users_know() {
    let pod = pod("Always", false);
    let plan = Plan { exit_code: 1, run: Some(1000), ..plan() };
    // Runs from 3 to 4 and 4 to 5, waits 10, runs 15 to 16, waits 20.
    let restarted = at(&pod, plan, 4);
    let container = &restarted["containerStatuses"][0];
    assert_eq!((&container["restartCount"], &container["ready"]), (&json!(1), &json!(true)));
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 1);
    assert_ne!(container["lastState"]["terminated"]["containerID"], container["containerID"]);
    let waiting = at(&pod, plan, 30);
    assert_eq!(waiting["phase"], "Running");
    let container = &waiting["containerStatuses"][0];
    let message = "back-off 20s restarting failed container=web pod=web-1_shop(6f1c)";
    assert_eq!(container["state"], json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}}));
    assert_eq!(container["restartCount"], 2);
    assert_eq!(conditions(&waiting)[2], "Ready=False@16Z");
    assert_eq!(waiting["conditions"][2]["message"], "containers with unready status: [web]");
}

#[test]
fn a_pod_that_was_stopped_or_refused_says_how_it_ended() {
    let pod = pod("Always", false);
    let mut sandbox = Sandbox::new(plan(), 2, START);
    sandbox.advance(&pod, START + 3500);
    sandbox.stop(30_000, START + 4000);
    sandbox.advance(&pod, START + 5000);
    assert_eq!(status(&pod, &sandbox)["phase"], "Succeeded");
    let mut early = Sandbox::new(plan(), 2, START);
    early.stop(30_000, START);
    early.advance(&pod, START);
    let early = status(&pod, &early);
    assert_eq!(early["phase"], "Failed");
    let state = &early["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(
        (&state["reason"], &state["exitCode"], &state["startedAt"]),
        (&json!("ContainerStatusUnknown"), &json!(137), &Value::Null)
    );
    let refused = Pod::read(b"{");
    let refused = status(&refused, &Sandbox::refused(START));
    assert_eq!((&refused["phase"], &refused["reason"]), (&json!("Failed"), &json!("InvalidPod")));
    assert!(
        refused["message"].as_str().unwrap().starts_with("this pod's object cannot be read"),
        "{refused}"
    );
}

#[test]
fn durations_are_written_as_go_does() {
    assert_eq!([10, 60, 80, 300].map(duration), ["10s", "1m0s", "1m20s", "5m0s"]);
}
