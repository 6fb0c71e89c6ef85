//! What is written for tenants to read, and what they ask for by the names that they know.

use meridian_proto::v1::{ExplainResponse, FilterCount, replica_message};
use meridian_schema::event;
use meridian_store::Tenant;
use serde_json::{Value, json};

use crate::world::{HP, TP, World, soon};

/// A host whose name is nowhere else a part of something.
const HOST: &str = "xanadu-17";

fn blue() -> Tenant {
    Tenant::new("blue").unwrap()
}

fn spec(more: &Value) -> Value {
    let mut spec = json!({"containers": [{"name": "main", "image": "app"}]});
    for (name, value) in more.as_object().into_iter().flatten() {
        spec[name] = value.clone();
    }
    spec
}

#[track_caller]
fn hides(text: &str) {
    for hidden in [HOST, HP, TP, "0/5000", "4000", "replica-1"] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
}

#[tokio::test]
async fn conditions_events_and_explanations_tell_tenants_nothing_of_hosts() {
    let mut world = World::new().await;
    let mut replica = world.replica("replica-1").await;
    let mut ledger = world.ledger(1).await;
    world.pod_in(&blue(), "web", spec(&json!({}))).await;
    let offered = replica.one().await;
    let message =
        "0/5000 nodes are available: 1000 node(s) had untolerated taint {of: red}, 4000 Insufficient cpu.";
    replica.fits_nowhere(&offered, message).await;
    let told = "no nodes are available: Insufficient cpu, node(s) had untolerated taint.";
    world.until("web", |pod| pod["status"]["conditions"][0]["message"] == told).await;
    let failed = world.until_event("web", |event| event["reason"] == "FailedScheduling").await;
    assert_eq!(failed["message"], told);

    // Operators are told of the same pod all that there is to tell.
    let response = ExplainResponse {
        unit: 1,
        hosts: 5000,
        message: message.to_owned(),
        refused: vec![FilterCount {
            filter: "NodeResourcesFit".to_owned(),
            reason: "Insufficient cpu".to_owned(),
            hosts: 4000,
        }],
        ..ExplainResponse::default()
    };
    for (viewer, shows) in [(blue(), false), (Tenant::system(), true)] {
        let answer = world.ask_as(&viewer, &blue(), "web");
        let number = replica.question().await.number;
        let response = ExplainResponse { number, ..response.clone() };
        replica.say(replica_message::Message::Explanation(response)).await;
        let answer = soon("an explanation", answer).await.unwrap().unwrap();
        assert_eq!(answer["state"], "Deciding");
        let text = answer.to_string();
        if shows {
            assert!(text.contains("0/5000") && text.contains(HP) && text.contains("replica-1"), "{text}");
        } else {
            hides(&text);
            assert_eq!(answer["decision"]["message"], told);
        }
    }

    replica.decide(&offered, &[HOST]).await;
    ledger.bind_next().await;
    replica.outcome().await;
    let pod = world.until("web", |pod| pod["spec"]["nodeName"] == HOST).await;
    let node = world.registry.host_name(&blue(), HOST).into_owned();
    let scheduled = world.until_event("web", |event| event["reason"] == "Scheduled").await;
    assert_eq!(scheduled["message"], format!("Successfully assigned default/web to {node}"));
    for event in world.registry.cached_list(Some(&blue()), event(), "") {
        hides(&event.value().to_string());
    }
    let answer = world.ask_as(&blue(), &blue(), "web");
    let number = replica.question().await.number;
    let response = ExplainResponse { number, ..ExplainResponse::default() };
    replica.say(replica_message::Message::Explanation(response)).await;
    let answer = soon("an explanation", answer).await.unwrap().unwrap();
    hides(&answer.to_string());
    assert_eq!((&answer["host"], &answer["reason"]), (&json!(node), &json!(format!("bound to node {node}"))));
    assert_eq!(pod["spec"]["nodeName"], HOST);
    world.shutdown().await;
}

#[tokio::test]
async fn a_tenant_asks_for_nodes_by_the_names_that_it_knows() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    world.pod_in(&blue(), "web", spec(&json!({}))).await;
    let offered = replica.one().await;
    replica.decide(&offered, &[HOST]).await;
    ledger.bind_next().await;
    replica.outcome().await;
    world.until("web", |pod| pod["spec"]["nodeName"] == HOST).await;
    let node = world.registry.host_name(&blue(), HOST).into_owned();
    // Its own node, a host's own name, and the node by which another tenant knows the host.
    let theirs = world.registry.host_name(&Tenant::new("red").unwrap(), HOST).into_owned();
    for (number, (named, asked)) in [(&*node, HOST), (HOST, ""), (&*theirs, "")].into_iter().enumerate() {
        let name = format!("pod-{number}");
        let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [named]}]});
        let required = json!({"nodeSelectorTerms": [term]});
        let selector = json!({
            "nodeSelector": {"kubernetes.io/hostname": named},
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}},
        });
        let pod = world.pod_in(&blue(), &name, spec(&selector)).await;
        assert_eq!(pod.value()["spec"]["nodeSelector"]["kubernetes.io/hostname"], named, "as it was written");
        let offered = replica.one().await;
        let demand = replica.classes[&offered.pod.class].demand.clone().unwrap();
        let constraints = demand.constraints.unwrap();
        assert_eq!(constraints.node_selector["kubernetes.io/hostname"], asked, "{named}");
        assert_eq!(constraints.required.unwrap().terms[0].fields[0].values, [asked], "{named}");
    }
    // Operators call hosts by their names.
    world.pod_with("own", spec(&json!({"nodeSelector": {"kubernetes.io/hostname": HOST}}))).await;
    let offered = replica.one().await;
    let demand = replica.classes[&offered.pod.class].demand.clone().unwrap();
    assert_eq!(demand.constraints.unwrap().node_selector["kubernetes.io/hostname"], HOST);
    world.shutdown().await;
}
