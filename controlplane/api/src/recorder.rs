//! Events: what parts of the control plane tell people of objects.
//!
//! Events may be lost, so they never delay what they tell of: the queue is bounded, what does not fit is dropped and counted,
//! and a few batches are written at a time, in the background. What is said again becomes one event with a count.

mod memory;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use meridian_environment::{Clock, Ids};
use meridian_schema::Kind;
use meridian_store::Tenant;
use prometheus::IntCounterVec;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use self::memory::{Memory, Place, Taken};
use crate::{Caller, CreateOptions, Entry, Registry, object};

/// Events that wait to be written; later ones are dropped.
const MAX_QUEUED: usize = 16_384;

/// Events written at a time by one task.
const BATCH: usize = 64;

/// Batches under way at a time.
const MAX_BATCHES: usize = 8;

/// The longest name of an object, and the longest message, in bytes.
const MAX_NAME: usize = 253;
const MAX_MESSAGE: usize = 1024;

/// What a recorder is given.
#[derive(Debug)]
pub struct RecorderOptions {
    /// Where events are written.
    pub registry: Registry,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Names for events.
    pub ids: Arc<Ids>,
    /// Which instance of the component says what is said, where there are several.
    pub instance: Option<Arc<str>>,
    /// Events by what became of them (`written`, `failed`, `dropped`, `limited`): one label.
    pub counts: IntCounterVec,
}

/// What an event is about.
#[derive(Clone, Debug)]
pub struct EventSubject {
    /// Its tenant.
    pub tenant: Tenant,
    /// Its kind.
    pub kind: &'static Kind,
    /// Its namespace; empty where it is in none.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its uid.
    pub uid: Arc<str>,
    /// Its resource version, where what is said is about that one.
    pub resource_version: Option<Box<str>>,
}

impl EventSubject {
    /// An object as it is.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        Self {
            tenant: entry.tenant.clone(),
            kind: entry.kind,
            namespace: Arc::from(&*entry.namespace),
            name: Arc::from(&*entry.name),
            uid: Arc::from(&*entry.uid),
            resource_version: Some(entry.tenant_modified.to_string().into()),
        }
    }
}

/// Something to tell.
#[derive(Clone, Debug)]
pub struct Event {
    /// Of what.
    pub subject: EventSubject,
    /// Who tells it.
    pub component: Arc<str>,
    /// Whether people should look.
    pub is_warning: bool,
    /// One word.
    pub reason: &'static str,
    /// A sentence. What is too long is cut.
    pub message: String,
    /// Whether it cannot happen to its subject a second time. Only then it is neither counted nor limited.
    pub is_unique: bool,
}

/// Records events. Cheap to clone; what waits is lost when the last clone is dropped.
#[derive(Clone)]
pub struct Recorder {
    notes: mpsc::Sender<Note>,
    clock: Arc<dyn Clock>,
    counts: IntCounterVec,
    task: Arc<Task>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// The task that writes, which ends with the recorder.
struct Task {
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Drop for Task {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, task)) = running.take() {
            task.abort();
        }
    }
}

/// An event and when it was told.
#[derive(Debug)]
struct Note {
    event: Event,
    at: Timestamp,
    now: Duration,
}

impl Recorder {
    /// A recorder, which works on the current runtime.
    #[must_use]
    pub fn new(options: RecorderOptions) -> Self {
        let RecorderOptions { registry, clock, ids, instance, counts } = options;
        let (notes, waiting) = mpsc::channel(MAX_QUEUED);
        let (stop, stopped) = oneshot::channel();
        let pen = Arc::new(Pen { registry, instance, counts: counts.clone() });
        let writer = Writer { pen, ids, memory: Memory::default() };
        let task = tokio::spawn(writer.run(waiting, stopped));
        Self { notes, clock, counts, task: Arc::new(Task { running: Mutex::new(Some((stop, task))) }) }
    }

    /// Has an event written soon, or drops it where too many wait.
    pub fn record(&self, event: Event) {
        let note = Note { event, at: self.clock.date(), now: self.clock.now() };
        if let Err(mpsc::error::TrySendError::Full(note) | mpsc::error::TrySendError::Closed(note)) =
            self.notes.try_send(note)
        {
            tracing::debug!(reason = note.event.reason, "an event is dropped: too many wait");
            self.counts.with_label_values(&["dropped"]).inc();
        }
    }

    /// Ends the recorder, after what it is writing. What waits, or is recorded from now on, is dropped.
    pub async fn finish(&self) {
        let running = self.task.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, task)) = running {
            let _ = stop.send(());
            // A task that died writes nothing any more.
            let _ = task.await;
        }
    }
}

struct Writer {
    pen: Arc<Pen>,
    ids: Arc<Ids>,
    memory: Memory,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Note>, mut stopped: oneshot::Receiver<()>) {
        let mut writing = JoinSet::new();
        let mut notes = Vec::with_capacity(BATCH);
        loop {
            let has_room = writing.len() < MAX_BATCHES;
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                Some(_) = writing.join_next() => {}
                taken = waiting.recv_many(&mut notes, BATCH), if has_room => {
                    if taken == 0 {
                        break;
                    }
                    let batch: Vec<Entered> = notes.drain(..).filter_map(|note| self.take_in(note)).collect();
                    if !batch.is_empty() {
                        let pen = self.pen.clone();
                        writing.spawn(async move { join_all(batch.iter().map(|event| pen.write(event))).await });
                    }
                }
            }
        }
        while writing.join_next().await.is_some() {}
    }

    /// Whether an event is to be written, and as what.
    fn take_in(&mut self, note: Note) -> Option<Entered> {
        let Note { mut event, at, now } = note;
        event.message.truncate(shortened(&event.message).len());
        let name = || name(&event.subject.name, self.ids.seed());
        let place = if event.is_unique {
            Place { name: name().into(), count: 1, first: at }
        } else {
            match self.memory.take_in(&event, at, now, name) {
                Taken::Due(place) => place,
                Taken::Counted => return None,
                Taken::Limited => {
                    self.pen.counts.with_label_values(&["limited"]).inc();
                    return None;
                }
            }
        };
        Some(Entered { event, at, place })
    }
}

/// A message cut to the longest that events carry, which is as long as one in a condition should be.
#[must_use]
pub fn shortened(message: &str) -> &str {
    cut(message, MAX_MESSAGE)
}

/// At most so many bytes of a text, of whole characters.
fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A name after the subject's that no other event has.
fn name(subject: &str, stamp: u64) -> String {
    let stamp = format!(".{stamp:016x}");
    let subject = cut(subject, MAX_NAME - stamp.len());
    format!("{}{stamp}", subject.trim_end_matches(['.', '-']))
}

/// An event as it is to be written.
#[derive(Debug)]
struct Entered {
    event: Event,
    at: Timestamp,
    place: Place,
}

/// What writes events.
struct Pen {
    registry: Registry,
    instance: Option<Arc<str>>,
    counts: IntCounterVec,
}

impl Pen {
    async fn write(&self, entered: &Entered) {
        let is_written = self.try_write(entered).await;
        self.counts.with_label_values(&[if is_written { "written" } else { "failed" }]).inc();
    }

    async fn try_write(&self, entered: &Entered) -> bool {
        let Entered { event, at, place } = entered;
        let kind = meridian_schema::event();
        let caller = Caller::component(&event.component, &event.subject.tenant);
        let namespace = namespace(&event.subject);
        if place.count > 1 {
            let again = |stored: &mut Value| {
                stored["count"] = place.count.into();
                stored["lastTimestamp"] = object::seconds(*at).into();
                true
            };
            let updated =
                self.registry.modify(&caller, kind, namespace, &place.name, None, None, again).await;
            if matches!(updated, Ok(Some(_))) {
                return true;
            }
        }
        let body = entered.object(self.instance.as_deref());
        let created = self.registry.create(&caller, kind, namespace, body, &CreateOptions::default()).await;
        if let Err(failure) = &created {
            tracing::debug!(subject = %event.subject.name, namespace, %failure, "an event is not written");
        }
        created.is_ok()
    }
}

/// Objects in no namespace have their events in the default one.
fn namespace(subject: &EventSubject) -> &str {
    if subject.namespace.is_empty() { "default" } else { &subject.namespace }
}

impl Entered {
    fn object(&self, instance: Option<&str>) -> Value {
        let Event { subject, component, is_warning, reason, message, .. } = &self.event;
        let mut about = Map::new();
        about.insert("apiVersion".to_owned(), subject.kind.api_version().into());
        about.insert("kind".to_owned(), subject.kind.kind.into());
        if !subject.namespace.is_empty() {
            about.insert("namespace".to_owned(), (*subject.namespace).into());
        }
        about.insert("name".to_owned(), (*subject.name).into());
        about.insert("uid".to_owned(), (*subject.uid).into());
        if let Some(version) = &subject.resource_version {
            about.insert("resourceVersion".to_owned(), (**version).into());
        }
        let mut event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": *self.place.name, "namespace": namespace(subject)},
            "involvedObject": about,
            "type": if *is_warning { "Warning" } else { "Normal" },
            "reason": reason,
            "message": message,
            "source": {"component": **component},
            "reportingComponent": **component,
            "firstTimestamp": object::seconds(self.place.first),
            "lastTimestamp": object::seconds(self.at),
            "count": self.place.count,
        });
        if let Some(instance) = instance {
            // Which process tells is the operators' business.
            let told = if subject.tenant.is_system() { instance } else { component };
            event["reportingInstance"] = told.into();
        }
        event
    }
}

#[cfg(test)]
mod tests;
