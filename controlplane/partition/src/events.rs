//! Events about pods: what they say, and how repeated ones become one with a count.
//!
//! Events are for people and may be lost, so they never delay what they tell of: the queue is bounded, what does not fit
//! is dropped and counted, and a few batches are written at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use meridian_api::{Caller, CreateOptions, Registry};
use meridian_store::Tenant;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

/// Events that wait to be written; later ones are dropped.
const MAX_QUEUED: usize = 16_384;

/// Events written at a time by one task.
const BATCH: usize = 64;

/// Batches under way at a time.
const MAX_BATCHES: usize = 8;

/// Repeated events whose names are remembered.
const MAX_REMEMBERED: usize = 4096;

/// How long after it was written an event that only counts is written again.
const WRITTEN_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// The longest name of an object.
const MAX_NAME: usize = 253;

/// A pod as events refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// Whose pod.
    pub(crate) tenant: Tenant,
    /// Its namespace.
    pub(crate) namespace: Arc<str>,
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Its uid.
    pub(crate) uid: Arc<str>,
}

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Event {
    about: About,
    component: Arc<str>,
    is_warning: bool,
    reason: &'static str,
    message: String,
    at: Timestamp,
    /// The event's own name, and how often it has happened.
    name: String,
    count: u64,
    first: Timestamp,
}

/// An event that may come again.
#[derive(Debug)]
struct Repeated {
    message: String,
    name: String,
    count: u64,
    first: Timestamp,
    written: Option<Timestamp>,
}

/// The queue of events, and the memory of repeated ones.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    batches: usize,
    /// By the pods' uids.
    remembered: FxHashMap<Arc<str>, Repeated>,
    last_stamp: i128,
}

impl Events {
    /// `Successfully assigned`. Says whether there was room.
    pub(crate) fn scheduled(&mut self, about: About, component: Arc<str>, host: &str, at: Timestamp) -> bool {
        let message = format!("Successfully assigned {}/{} to {host}", about.namespace, about.name);
        self.remembered.remove(&about.uid);
        let has_room = self.queue.len() < MAX_QUEUED;
        if has_room {
            let name = self.name(&about, at);
            self.queue.push_back(Event {
                about,
                component,
                is_warning: false,
                reason: "Scheduled",
                message,
                at,
                name,
                count: 1,
                first: at,
            });
        }
        has_room
    }

    /// `FailedScheduling`: the same message about the same pod again only counts, and is written from time to time. Says
    /// whether there was room.
    pub(crate) fn failed_scheduling(
        &mut self,
        about: About,
        component: Arc<str>,
        message: &str,
        at: Timestamp,
    ) -> bool {
        if self.queue.len() >= MAX_QUEUED {
            return false;
        }
        let before = self.remembered.remove(&about.uid).filter(|before| before.message == message);
        let repeated = match before {
            Some(before) => Repeated { count: before.count + 1, ..before },
            None => Repeated {
                message: message.to_owned(),
                name: self.name(&about, at),
                count: 1,
                first: at,
                written: None,
            },
        };
        if self.remembered.len() >= MAX_REMEMBERED {
            self.remembered.clear();
        }
        let is_due = repeated.written.is_none_or(|written| at.duration_since(written) >= WRITTEN_AGAIN);
        let written = if is_due { Some(at) } else { repeated.written };
        let repeated = Repeated { written, ..repeated };
        if is_due {
            self.queue.push_back(Event {
                about: about.clone(),
                component,
                is_warning: true,
                reason: "FailedScheduling",
                message: message.to_owned(),
                at,
                name: repeated.name.clone(),
                count: repeated.count,
                first: repeated.first,
            });
        }
        self.remembered.insert(about.uid, repeated);
        true
    }

    /// A name after the pod and the time, which no other event of this partition has.
    fn name(&mut self, about: &About, at: Timestamp) -> String {
        self.last_stamp = at.as_nanosecond().max(self.last_stamp + 1);
        let stamp = format!("{:x}", self.last_stamp);
        let room = MAX_NAME.saturating_sub(stamp.len() + 1);
        let pod = about.name.get(..room).unwrap_or(&about.name).trim_end_matches(['.', '-']);
        format!("{pod}.{stamp}")
    }

    /// The next batch to be written, when it is time for one. The caller says [`Events::written`] afterwards.
    pub(crate) fn next_batch(&mut self) -> Option<Vec<Event>> {
        if self.queue.is_empty() || self.batches >= MAX_BATCHES {
            return None;
        }
        self.batches += 1;
        let size = self.queue.len().min(BATCH);
        Some(self.queue.drain(..size).collect())
    }

    /// A batch has been written, or not.
    pub(crate) fn written(&mut self) {
        self.batches = self.batches.saturating_sub(1);
    }
}

/// Writes a batch of events at once; the answer is how many could be written and how many could not.
pub(crate) async fn write(registry: Registry, instance: Arc<str>, batch: Vec<Event>) -> (u64, u64) {
    let written = join_all(batch.iter().map(|event| write_one(&registry, &instance, event))).await;
    let good = written.iter().filter(|written| **written).count() as u64;
    (good, written.len() as u64 - good)
}

async fn write_one(registry: &Registry, instance: &str, event: &Event) -> bool {
    let kind = meridian_schema::event();
    let caller = Caller::component(&event.component, &event.about.tenant);
    let namespace = &event.about.namespace;
    if event.count > 1 {
        let updated = registry
            .modify(&caller, kind, namespace, &event.name, None, None, |stored: &mut Value| {
                stored["count"] = event.count.into();
                stored["lastTimestamp"] = stamp(event.at).into();
                true
            })
            .await;
        if matches!(updated, Ok(Some(_))) {
            return true;
        }
    }
    let created =
        registry.create(&caller, kind, namespace, object(event, instance), &CreateOptions::default()).await;
    if let Err(failure) = &created {
        tracing::debug!(pod = %event.about.name, %namespace, ?failure, "event not written");
    }
    created.is_ok()
}

fn object(event: &Event, instance: &str) -> Value {
    let About { namespace, name, uid, .. } = &event.about;
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": event.name, "namespace": **namespace},
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "namespace": **namespace, "name": **name, "uid": **uid,
        },
        "type": if event.is_warning { "Warning" } else { "Normal" },
        "reason": event.reason,
        "message": event.message,
        "source": {"component": *event.component},
        "reportingComponent": *event.component,
        "reportingInstance": instance,
        "firstTimestamp": stamp(event.first),
        "lastTimestamp": stamp(event.at),
        "count": event.count,
    })
}

/// A time as Kubernetes' objects carry it, in whole seconds.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(uid: &str) -> About {
        About { tenant: Tenant::system(), namespace: "ns".into(), name: "web".into(), uid: uid.into() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn drained(events: &mut Events) -> Vec<Event> {
        let batch = events.next_batch().unwrap_or_default();
        events.written();
        batch
    }

    #[test]
    fn the_same_again_counts_and_is_written_from_time_to_time() {
        let mut events = Events::default();
        let fails = |events: &mut Events, message: &str, second| {
            assert!(events.failed_scheduling(about("1"), "s".into(), message, at(second)));
        };
        fails(&mut events, "no room", 0);
        fails(&mut events, "no room", 10);
        fails(&mut events, "no room", 31);
        fails(&mut events, "too few", 32);
        let batch = drained(&mut events);
        let counts: Vec<(u64, &str)> = batch.iter().map(|event| (event.count, &*event.message)).collect();
        assert_eq!(counts, [(1, "no room"), (3, "no room"), (1, "too few")]);
        assert_eq!(batch[0].name, batch[1].name);
        assert_ne!(batch[0].name, batch[2].name);
        assert_eq!((batch[1].first, batch[1].at), (at(0), at(31)));
        assert_eq!(object(&batch[1], "tp")["count"], 3);
        assert_eq!(object(&batch[1], "tp")["firstTimestamp"], "1970-01-01T00:00:00Z");
        assert_eq!(object(&batch[1], "tp")["lastTimestamp"], "1970-01-01T00:00:31Z");
    }

    #[test]
    fn names_are_new_also_where_the_clock_stands_and_never_too_long() {
        let mut events = Events::default();
        let long = About { name: "x".repeat(253).into(), ..about("1") };
        assert!(events.scheduled(long.clone(), "s".into(), "h", at(9)));
        assert!(events.scheduled(long, "s".into(), "h", at(9)));
        let batch = drained(&mut events);
        assert_ne!(batch[0].name, batch[1].name);
        assert!(batch.iter().all(|event| event.name.len() <= MAX_NAME));
        assert!(batch[0].message.ends_with(" to h"));
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_few_batches_are_under_way() {
        let mut events = Events::default();
        for _ in 0..MAX_QUEUED {
            assert!(events.scheduled(about("1"), "s".into(), "h", at(0)));
        }
        assert!(!events.scheduled(about("1"), "s".into(), "h", at(0)));
        assert!(!events.failed_scheduling(about("2"), "s".into(), "m", at(0)));
        let batches = std::iter::from_fn(|| events.next_batch()).count();
        assert_eq!(batches, MAX_BATCHES);
        events.written();
        assert_eq!(events.next_batch().map(|batch| batch.len()), Some(BATCH));
    }
}
