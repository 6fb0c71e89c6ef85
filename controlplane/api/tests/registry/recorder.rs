//! Events that parts of the control plane record.

use std::sync::Arc;
use std::time::Duration;

use meridian_api::{Event, EventSubject, ListOptions, Recorder, RecorderOptions};
use meridian_environment::Ids;
use meridian_schema as schema;
use prometheus::{IntCounterVec, Opts};
use serde_json::Value;

use crate::region::{Region, config_map};

struct Rig {
    region: Region,
    recorder: Recorder,
    subject: EventSubject,
    counts: IntCounterVec,
}

impl Rig {
    async fn new() -> Self {
        let region = Region::new().await;
        let counts = IntCounterVec::new(Opts::new("events", "Events."), &["outcome"]).unwrap();
        let recorder = Recorder::new(RecorderOptions {
            registry: region.registry.clone(),
            clock: region.clock.clone(),
            ids: Arc::new(Ids::seeded(3)),
            instance: None,
            counts: counts.clone(),
        });
        let object = region.create("system", schema::config_map(), config_map("thing", "")).await.unwrap();
        Self { subject: EventSubject::of(&object), region, recorder, counts }
    }

    fn tell(&self, message: &str, is_unique: bool) {
        self.recorder.record(Event {
            subject: self.subject.clone(),
            component: "tester".into(),
            is_warning: false,
            reason: "Told",
            message: message.to_owned(),
            is_unique,
        });
    }

    fn count(&self, outcome: &str) -> u64 {
        self.counts.with_label_values(&[outcome]).get()
    }

    async fn written(&self, count: u64) -> Vec<Value> {
        let written = tokio::time::timeout(Duration::from_secs(10), async {
            while self.count("written") < count {
                tokio::task::yield_now().await;
            }
        });
        written.await.expect("the events are written");
        let options = ListOptions::default();
        let events = self.region.list("system", schema::event(), &options).await.unwrap();
        events.items.iter().map(|event| event.value()).collect()
    }
}

#[tokio::test]
async fn what_is_told_again_is_one_event_with_a_count() {
    let rig = Rig::new().await;
    rig.tell("something", false);
    let [first] = &*rig.written(1).await else { panic!("want one event") };
    assert_eq!((first["count"].as_i64(), first["message"].as_str()), (Some(1), Some("something")));
    assert_eq!(first["involvedObject"]["uid"], *rig.subject.uid);
    rig.tell("something", false);
    rig.region.clock.advance(Duration::from_secs(60));
    rig.tell("something", false);
    let [again] = &*rig.written(2).await else { panic!("want one event still") };
    assert_eq!((&again["metadata"]["name"], again["count"].as_i64()), (&first["metadata"]["name"], Some(3)));
    assert_eq!(again["firstTimestamp"], first["firstTimestamp"]);
    assert_ne!(again["lastTimestamp"], first["lastTimestamp"]);
    // Somebody deletes it: then it is made again, and has not forgotten.
    rig.region.delete(schema::event(), again["metadata"]["name"].as_str().unwrap()).await.unwrap();
    rig.region.clock.advance(Duration::from_secs(60));
    rig.tell("something", false);
    let [anew] = &*rig.written(3).await else { panic!("want one event") };
    assert_eq!(anew["count"], 4);
}

#[tokio::test]
async fn much_about_one_object_is_limited_and_what_comes_once_is_not() {
    let rig = Rig::new().await;
    for i in 0..100 {
        rig.tell(&format!("message {i}"), false);
        rig.tell("only once", true);
    }
    assert_eq!(rig.written(125).await.len(), 125);
    rig.recorder.finish().await;
    assert_eq!((rig.count("limited"), rig.count("failed"), rig.count("dropped")), (75, 0, 0));
}

#[tokio::test]
async fn more_than_can_be_written_is_dropped_and_counted() {
    let rig = Rig::new().await;
    // Nothing else runs before this waits: all but what the queue holds is too much.
    for _ in 0..20_000 {
        rig.tell("only once", true);
    }
    assert_eq!(rig.count("dropped"), 20_000 - 16_384);
    rig.recorder.finish().await;
    rig.tell("too late", true);
    assert_eq!(rig.count("dropped"), 20_000 - 16_384 + 1);
    // What cannot be written does no harm.
    let rig = Rig::new().await;
    rig.region.registry.shutdown().await;
    rig.region.tenants.close().await;
    rig.tell("in vain", true);
    let failed = tokio::time::timeout(Duration::from_secs(10), async {
        while rig.count("failed") == 0 {
            tokio::task::yield_now().await;
        }
    });
    failed.await.expect("it fails");
    rig.recorder.finish().await;
}
