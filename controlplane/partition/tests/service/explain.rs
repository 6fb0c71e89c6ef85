//! Answers to why a pod is where it is.

use meridian_proto::v1::{ExplainResponse, FilterCount, ScorePart, ScoredHost, replica_message};
use serde_json::{Value, json};

use crate::world::{World, soon};

async fn answer(world: &World, name: &str) -> Value {
    soon("an explanation", world.ask(name)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_waiting_pod_is_explained_by_the_replica_that_decides_on_it() {
    let mut world = World::new().await;
    let mut replica = world.replica("r").await;
    let _ledger = world.ledger(1).await;
    world.pod("web", "2").await;
    let offered = replica.one().await;
    replica.fits_nowhere(&offered, "0/2 nodes are available: 2 Insufficient cpu.").await;
    world.until_event("web", |event| event["reason"] == "FailedScheduling").await;
    let answer = world.ask("web");
    let question = replica.question().await;
    assert_eq!((question.demand.unwrap().requests.unwrap().cpu_milli, &*question.host), (2000, ""));
    // Somebody else's number is no answer.
    let response = ExplainResponse {
        number: question.number,
        unit: 1,
        hosts: 2,
        feasible: 0,
        refused: vec![FilterCount {
            filter: "NodeResourcesFit".to_owned(),
            reason: "Insufficient cpu".to_owned(),
            hosts: 2,
        }],
        scored: vec![ScoredHost {
            host: "h1".to_owned(),
            score: 5,
            parts: vec![ScorePart { plugin: "NodeResourcesFit".to_owned(), score: 5, weight: 1 }],
        }],
        message: "0/2 nodes are available: 2 Insufficient cpu.".to_owned(),
        error: String::new(),
    };
    let other = ExplainResponse { number: question.number + 1, ..response.clone() };
    replica.say(replica_message::Message::Explanation(other)).await;
    replica.say(replica_message::Message::Explanation(response)).await;
    let answer = soon("an explanation", answer).await.unwrap().unwrap();
    assert_eq!((&answer["pod"], &answer["state"]), (&json!("default/web"), &json!("Deciding")));
    assert!(answer["reason"].as_str().unwrap().contains("replica r, which last said: 0/2 nodes"));
    assert_eq!(answer["decision"]["refused"][0]["hosts"], 2);
    assert_eq!(answer["decision"]["scored"][0]["parts"][0]["plugin"], "NodeResourcesFit");
    assert_eq!(answer["events"][0]["reason"], "FailedScheduling");
    assert_eq!(answer["hostPartitions"][0]["state"], "open");
    world.shutdown().await;
}

#[tokio::test]
async fn without_a_replica_the_state_is_told_all_the_same() {
    let mut world = World::new().await;
    world.pod("web", "2").await;
    let waiting = answer_once(&world, "web", "NoReplica").await;
    assert_eq!(waiting["decision"]["error"], "no scheduler replica was asked");
    assert_eq!(waiting["hostPartitions"][0]["state"], "not connected");
    world
        .pod_with("theirs", json!({"containers": [{"name": "a", "image": "b"}], "schedulerName": "x"}))
        .await;
    let foreign = answer_once(&world, "theirs", "Foreign").await;
    assert!(foreign["reason"].as_str().unwrap().contains("\"x\""));

    let mut replica = world.replica("r").await;
    let mut ledger = world.ledger(1).await;
    let offered = replica.one().await;
    replica.decide(&offered, &["h1"]).await;
    ledger.bind_next().await;
    replica.outcome().await;
    drop(replica);
    let bound = answer_once(&world, "web", "Bound").await;
    assert_eq!((&bound["host"], &bound["condition"]["status"]), (&json!("h1"), &json!("True")));
    world.delete("web", Some(0)).await.unwrap();
    world
        .until_record("web", |record| record.is_some_and(|r| r.state == meridian_api::BindingState::Ghost))
        .await;
    let gone = loop {
        match soon("an explanation", world.ask("web")).await.unwrap() {
            Err(failure) => break failure,
            // The replica's stream may be seen to end, and the deletion to come, a moment later.
            Ok(_) => tokio::task::yield_now().await,
        }
    };
    assert!(gone.is_not_found() && gone.message.contains("not known to have stopped on host h1"), "{gone:?}");
    world.shutdown().await;
}

/// Asks until the partition has seen what has happened.
async fn answer_once(world: &World, name: &str, state: &str) -> Value {
    loop {
        let found = answer(world, name).await;
        if found["state"] == state {
            return found;
        }
        tokio::task::yield_now().await;
    }
}
