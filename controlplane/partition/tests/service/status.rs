//! Statuses that hosts report.

use std::sync::Arc;

use meridian_api::Entry;
use meridian_proto::v1::{ClaimState, StatusReport};
use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::world::World;

struct Running {
    world: World,
    ledger: Ledger,
    pod: Arc<Entry>,
}

impl Running {
    /// A pod bound to `h1`.
    async fn new() -> Self {
        let mut world = World::new().await;
        let mut replica = world.replica("r").await;
        let mut ledger = world.ledger(1).await;
        let pod = world.pod("web", "1").await;
        let offered = replica.one().await;
        replica.decide(&offered, &["h1"]).await;
        ledger.bind_next().await;
        Self { world, ledger, pod }
    }

    fn report(&self, number: u64, status: &str) -> StatusReport {
        StatusReport {
            tenant: "system".to_owned(),
            namespace: "default".to_owned(),
            name: "web".to_owned(),
            uid: self.pod.uid.clone(),
            host: "h1".to_owned(),
            number,
            stopped: false,
            status: status.to_owned().into(),
        }
    }

    async fn version(&self) -> Value {
        self.world.stored("web").await.unwrap()["metadata"]["resourceVersion"].clone()
    }
}

#[tokio::test]
async fn a_status_is_durable_before_it_is_acknowledged() {
    let mut running = Running::new().await;
    let status = json!({
        "phase": "Running", "hostIP": "10.0.0.1", "podIP": "10.1.0.1", "startTime": "2000-01-01T00:00:00Z",
        "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "2000-01-01T00:00:00Z"},
            {"type": "PodScheduled", "status": "Unknown"},
        ],
        "containerStatuses": [{
            "name": "main", "ready": true, "restartCount": 0, "image": "app", "imageID": "",
            "state": {"running": {"startedAt": "2000-01-01T00:00:00Z"}},
        }],
    });
    let report = running.report(3, &status.to_string());
    running.ledger.report(vec![report]).await;
    let stored = running.ledger.stored().await;
    assert_eq!((&*stored.uid, &*stored.host, stored.number), (&*running.pod.uid, "h1", 3));
    let pod = running.world.stored("web").await.unwrap();
    assert_eq!((&pod["status"]["phase"], &pod["status"]["podIP"]), (&json!("Running"), &json!("10.1.0.1")));
    assert_eq!(pod["status"]["containerStatuses"], status["containerStatuses"]);
    let conditions = pod["status"]["conditions"].as_array().unwrap();
    let of = |kind: &str| conditions.iter().find(|condition| condition["type"] == kind).unwrap();
    assert_eq!((&of("PodScheduled")["status"], &of("Ready")["status"]), (&json!("True"), &json!("True")));

    // The same again is acknowledged and written by nobody.
    let version = running.version().await;
    let report = running.report(4, &status.to_string());
    running.ledger.report(vec![report]).await;
    assert_eq!(running.ledger.stored().await.number, 4);
    assert_eq!(running.version().await, version);
    running.world.shutdown().await;
}

#[tokio::test]
async fn reports_about_others_change_nothing_and_are_not_repeated_for_ever() {
    let mut running = Running::new().await;
    let version = running.version().await;
    let good = running.report(1, r#"{"phase":"Running"}"#);
    let reports = vec![
        StatusReport { uid: "another".to_owned(), ..good.clone() },
        StatusReport { uid: "third".to_owned(), name: "nobody".to_owned(), ..good.clone() },
        StatusReport { uid: "fourth".to_owned(), tenant: "Not A Tenant".to_owned(), ..good.clone() },
        StatusReport { uid: "fifth".to_owned(), stopped: true, ..good.clone() },
        StatusReport { host: "h2".to_owned(), ..good.clone() },
    ];
    for report in reports {
        let uid = report.uid.clone();
        running.ledger.report(vec![report]).await;
        assert_eq!(running.ledger.stored().await.uid, uid);
    }
    for bad in ["{", "[1]", r#"{"phase":["Running"]}"#, &format!("{}1{}", "[".repeat(5000), "]".repeat(5000))]
    {
        let report = running.report(1, bad);
        running.ledger.report(vec![report]).await;
        assert_eq!(running.ledger.stored().await.number, 1);
    }
    assert_eq!(running.version().await, version);
    assert_eq!(running.world.figure("meridian_partition_statuses_total", Some("invalid")), 5.0);
    running.ledger.report(vec![good]).await;
    running.world.until("web", |pod| pod["status"]["phase"] == "Running").await;
    running.world.shutdown().await;
}

#[tokio::test]
async fn of_many_reports_about_one_pod_the_last_one_stays() {
    let mut running = Running::new().await;
    for number in 1..=200 {
        let status = json!({"phase": "Running", "message": format!("report {number}")});
        let report = running.report(number, &status.to_string());
        running.ledger.report(vec![report]).await;
    }
    while running.ledger.stored().await.number < 200 {}
    let pod = running.world.stored("web").await.unwrap();
    assert_eq!(pod["status"]["message"], "report 200");
    running.world.shutdown().await;
}

#[tokio::test]
async fn a_pod_of_whose_end_its_host_tells_nothing_has_failed() {
    let mut running = Running::new().await;
    let lost = StatusReport { stopped: true, ..running.report(2, r#"{"phase":"Running"}"#) };
    // Another host may say what it likes.
    running.ledger.report(vec![StatusReport { host: "h2".to_owned(), ..lost.clone() }]).await;
    running.ledger.stored().await;
    assert_ne!(running.world.stored("web").await.unwrap()["status"]["phase"], "Failed");
    running.ledger.report(vec![lost]).await;
    let pod = running.world.until("web", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(pod["status"]["reason"], "NodeLost");
    // What it held is free.
    while running.ledger.settled().await.1 != ClaimState::Void {}
    running.world.shutdown().await;
}
