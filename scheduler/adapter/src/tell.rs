//! Telling users what became of their pods: events in kube-scheduler's words, and the condition `PodScheduled`.
//!
//! Telling never holds scheduling up. What cannot be written is given up: events are for people, and the condition is
//! written again when there is something new to say.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use meridian_environment::Clock;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::bind::Writer;
use crate::news::{PodId, Told};
use crate::object::Object;

/// How many pods' last events are remembered, to count in them.
const REMEMBERED: usize = 8_192;

/// The longest text of an event, in bytes, as API servers take it.
const LONGEST: usize = 1_024;

/// What has been written of a pod that fails.
#[derive(Clone)]
struct Written {
    event: String,
    count: u64,
    /// When it began to fail.
    since: String,
}

/// Writes what is told, so much at a time.
pub(crate) struct Teller {
    writer: Writer,
    clock: Arc<dyn Clock>,
    /// Of this process, for the events.
    identity: String,
    serial: AtomicU64,
    written: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    by_uid: FxHashMap<String, Written>,
    order: VecDeque<String>,
}

impl Teller {
    pub(crate) fn new(writer: Writer, clock: Arc<dyn Clock>, identity: String) -> Teller {
        Teller { writer, clock, identity, serial: AtomicU64::new(0), written: Mutex::default() }
    }

    /// Writes all that comes, until no more can come.
    pub(crate) async fn run(self, told: mpsc::Receiver<Told>, at_once: usize) {
        let told = futures::stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) });
        told.for_each_concurrent(at_once, |told| self.tell(told)).await;
    }

    async fn tell(&self, told: Told) {
        match told {
            Told::Scheduled { by, pod, host } => {
                self.written().forget(&pod.uid);
                let message = format!("Successfully assigned {}/{} to {host}", pod.namespace, pod.name);
                let (event, _) = self.event(&by, &pod, "Normal", "Scheduled", "Binding", &message);
                self.create(&pod, event).await;
            }
            Told::Preempted { by, pod, winner, host } => {
                let message = format!("Preempted by pod {}/{} on node {host}", winner.namespace, winner.name);
                let (event, _) = self.event(&by, &pod, "Normal", "Preempted", "Preempting", &message);
                self.create(&pod, event).await;
            }
            Told::Failed { by, pod, message, is_unschedulable } => {
                let written = self.written().by_uid.get(&pod.uid).cloned();
                let now = self.clock.date().to_string();
                let since = written.as_ref().map_or_else(|| now.clone(), |written| written.since.clone());
                let reason = if is_unschedulable { "Unschedulable" } else { "SchedulerError" };
                self.set_condition(&pod, reason, &message, &since).await;
                self.failed(&by, &pod, &message, written, since, now).await;
            }
        }
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failure in the pod's event, or begins one.
    async fn failed(
        &self,
        by: &str,
        pod: &PodId,
        message: &str,
        written: Option<Written>,
        since: String,
        now: String,
    ) {
        if let Some(Written { event, count, since }) = written {
            let count = count + 1;
            let patch =
                json!({"count": count, "lastTimestamp": whole_seconds(&now), "message": cut(message)});
            let api = self.events(&pod.namespace);
            let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
            let patched = api.patch(&event, &params, &patch);
            // One that is gone by now, as events go after an hour, is begun anew.
            if self.writer.request("PATCH", patched).await.is_ok() {
                self.written().remember(&pod.uid, Written { event, count, since });
                return;
            }
        }
        let (event, name) = self.event(by, pod, "Warning", "FailedScheduling", "Scheduling", message);
        if self.create(pod, event).await {
            self.written().remember(&pod.uid, Written { event: name, count: 1, since });
        }
    }

    fn events(&self, namespace: &str) -> Api<Object> {
        let kind = ApiResource::erase::<k8s_openapi::api::core::v1::Event>(&());
        Api::namespaced_with(self.writer.client.clone(), namespace, &kind)
    }

    /// An event and its name.
    fn event(
        &self,
        by: &str,
        pod: &PodId,
        kind: &str,
        reason: &str,
        action: &str,
        message: &str,
    ) -> (Value, String) {
        let date = self.clock.date();
        let now = whole_seconds(&date.to_string());
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let nanos = (date.as_nanosecond() as u64).wrapping_add(serial);
        let name = format!("{}.{nanos:x}", pod.name);
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": pod.namespace},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod",
                "namespace": pod.namespace, "name": pod.name, "uid": pod.uid,
            },
            "type": kind,
            "reason": reason,
            "action": action,
            "message": cut(message),
            "source": {"component": by},
            "reportingComponent": by,
            "reportingInstance": self.identity,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        });
        (event, name)
    }

    async fn create(&self, pod: &PodId, event: Value) -> bool {
        let event: Object = match serde_json::from_value(event) {
            Ok(event) => event,
            Err(_) => return false,
        };
        let api = self.events(&pod.namespace);
        let params = PostParams::default();
        let created = self.writer.request("POST", api.create(&params, &event)).await;
        if let Err(error) = &created {
            self.writer.metrics.discarded();
            tracing::debug!(pod = pod.name, %error, "an event was not written");
        }
        created.is_ok()
    }

    /// Says in the pod's status that it is not scheduled, and why: what autoscalers of clusters go by.
    async fn set_condition(&self, pod: &PodId, reason: &str, message: &str, since: &str) {
        let patch = json!({
            "metadata": {"uid": pod.uid},
            "status": {"conditions": [{
                "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
                "lastProbeTime": null, "lastTransitionTime": whole_seconds(since),
            }]},
        });
        let api: Api<Pod> = self.writer.pods(&pod.namespace);
        let (params, patch) = (PatchParams::default(), Patch::Strategic(patch));
        let patched = api.patch_status(&pod.name, &params, &patch);
        if let Err(error) = self.writer.request("PATCH", patched).await {
            tracing::debug!(pod = pod.name, %error, "a pod's condition was not written");
        }
    }
}

impl Remembered {
    fn remember(&mut self, uid: &str, written: Written) {
        if self.by_uid.insert(uid.to_owned(), written).is_none() {
            self.order.push_back(uid.to_owned());
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.by_uid.remove(&oldest);
            }
        }
    }

    fn forget(&mut self, uid: &str) {
        // Its place in the order goes when its turn comes.
        self.by_uid.remove(uid);
    }
}

/// A time of RFC 3339 without the part below a second, as old kinds want it.
fn whole_seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => time.to_owned(),
    }
}

/// Text that fits into an event.
fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = (0..=LONGEST - 3).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}...", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_into_events() {
        assert_eq!(cut("short"), "short");
        let long = cut(&"ä".repeat(1_000));
        assert!(long.len() <= LONGEST && long.ends_with("ä..."), "{}", long.len());
        assert_eq!(whole_seconds("2026-01-01T00:00:00.123456789Z"), "2026-01-01T00:00:00Z");
        assert_eq!(whole_seconds("2026-01-01T00:00:00Z"), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn only_so_much_is_remembered() {
        let mut remembered = Remembered::default();
        let written = Written { event: String::new(), count: 1, since: String::new() };
        for number in 0..REMEMBERED + 10 {
            remembered.remember(&number.to_string(), written.clone());
        }
        assert_eq!((remembered.by_uid.len(), remembered.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!remembered.by_uid.contains_key("9") && remembered.by_uid.contains_key("10"));
    }
}
