//! Events: what controllers tell people. Written in the background; when there is too much to tell, telling is given up and
//! not the work.

use std::sync::Arc;
use std::time::Duration;

use meridian_api::{Caller, CreateOptions, Entry, Registry};
use meridian_environment::{Clock, Ids};
use meridian_store::Tenant;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::object;

/// Events that wait to be written.
const QUEUE: usize = 1024;
/// Events about one object at once; more come at the rate of one in [`REFILL`].
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_secs(300);
/// Objects and messages that are remembered, to count repetitions.
const REMEMBERED: usize = 4096;

/// Records events about objects.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    notes: mpsc::Sender<Note>,
}

/// What an event is about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    tenant: Tenant,
    pub(crate) namespace: String,
    uid: String,
    component: &'static str,
    reference: Value,
}

#[derive(Debug)]
struct Note {
    subject: Subject,
    kind: &'static str,
    reason: &'static str,
    message: String,
}

impl Subject {
    pub(crate) fn of(entry: &Entry) -> Self {
        let component = match entry.kind.kind {
            "Deployment" => "deployment-controller",
            "ReplicaSet" => "replicaset-controller",
            _ => "controller-manager",
        };
        let reference = json!({
            "apiVersion": entry.kind.api_version(),
            "kind": entry.kind.kind,
            "namespace": entry.namespace,
            "name": entry.name,
            "uid": entry.uid,
            "resourceVersion": entry.tenant_modified.to_string(),
        });
        Self {
            tenant: entry.tenant.clone(),
            namespace: entry.namespace.clone(),
            uid: entry.uid.clone(),
            component,
            reference,
        }
    }
}

impl Recorder {
    /// A recorder, which works for as long as somebody holds it.
    pub(crate) fn new(registry: Registry, clock: Arc<dyn Clock>, ids: Arc<Ids>) -> Self {
        let (notes, waiting) = mpsc::channel(QUEUE);
        let writer =
            Writer { registry, clock, ids, budgets: FxHashMap::default(), seen: FxHashMap::default() };
        tokio::spawn(writer.run(waiting));
        Self { notes }
    }

    pub(crate) fn normal(&self, subject: &Subject, reason: &'static str, message: String) {
        self.note(subject, "Normal", reason, message);
    }

    pub(crate) fn warning(&self, subject: &Subject, reason: &'static str, message: String) {
        self.note(subject, "Warning", reason, message);
    }

    fn note(&self, subject: &Subject, kind: &'static str, reason: &'static str, message: String) {
        if self.notes.try_send(Note { subject: subject.clone(), kind, reason, message }).is_err() {
            tracing::debug!(reason, "an event is not recorded: too many wait");
        }
    }
}

/// How many events about an object may still be written.
#[derive(Debug)]
struct Budget {
    left: u32,
    refilled: Duration,
}

struct Writer {
    registry: Registry,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    budgets: FxHashMap<String, Budget>,
    /// The event that says so already, by what it says.
    seen: FxHashMap<(String, &'static str, String), String>,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Note>) {
        while let Some(note) = waiting.recv().await {
            self.forget();
            if !self.may_write(&note.subject.uid) {
                continue;
            }
            if let Err(failure) = self.write(note).await {
                tracing::debug!(%failure, "an event is not recorded");
            }
        }
    }

    /// Keeps the memory bounded: what is forgotten is counted anew.
    fn forget(&mut self) {
        if self.budgets.len() > REMEMBERED {
            self.budgets.clear();
        }
        if self.seen.len() > REMEMBERED {
            self.seen.clear();
        }
    }

    fn may_write(&mut self, uid: &str) -> bool {
        let now = self.clock.now();
        let budget = self.budgets.entry(uid.to_owned()).or_insert(Budget { left: BURST, refilled: now });
        let periods = now.saturating_sub(budget.refilled).as_secs() / REFILL.as_secs();
        if periods > 0 {
            budget.left = budget.left.saturating_add(u32::try_from(periods).unwrap_or(u32::MAX)).min(BURST);
            budget.refilled = now;
        }
        let may = budget.left > 0;
        budget.left = budget.left.saturating_sub(1);
        may
    }

    async fn write(&mut self, note: Note) -> Result<(), meridian_api::Failure> {
        let Note { subject, kind, reason, message } = note;
        let caller = Caller::component(subject.component, &subject.tenant);
        // Objects in no namespace have their events in the default one.
        let namespace = if subject.namespace.is_empty() { "default" } else { &subject.namespace };
        let event = meridian_schema::event();
        let now = object::seconds(self.clock.date());
        let says = (subject.uid.clone(), reason, message.clone());
        if let Some(name) = self.seen.get(&says) {
            let again = |stored: &mut Value| {
                let count = stored["count"].as_i64().unwrap_or(1);
                stored["count"] = count.saturating_add(1).into();
                stored["lastTimestamp"] = now.as_str().into();
                true
            };
            match self.registry.modify(&caller, event, namespace, name, None, None, again).await {
                Err(failure) if failure.is_not_found() => {}
                other => return other.map(|_| ()),
            }
        }
        let name = format!("{}.{:016x}", object::text(&subject.reference, "/name"), self.ids.seed());
        let body = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": subject.reference,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": subject.component},
            "reportingComponent": subject.component,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        });
        self.registry.create(&caller, event, namespace, body, &CreateOptions::default()).await?;
        self.seen.insert(says, name);
        Ok(())
    }
}
