//! Events: what controllers tell people.

use std::sync::Arc;

use meridian_api::{Entry, Event, EventSubject, RecorderOptions};

/// Records events about objects.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    recorder: meridian_api::Recorder,
}

/// What an event is about, and who tells it.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    subject: EventSubject,
    component: Arc<str>,
}

impl Subject {
    pub(crate) fn of(entry: &Entry) -> Self {
        let component = match entry.kind.kind {
            "Deployment" => "deployment-controller",
            "ReplicaSet" => "replicaset-controller",
            _ => "controller-manager",
        };
        Self { subject: EventSubject::of(entry), component: component.into() }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.subject.namespace
    }
}

impl Recorder {
    pub(crate) fn new(options: RecorderOptions) -> Self {
        Self { recorder: meridian_api::Recorder::new(options) }
    }

    pub(crate) fn normal(&self, subject: &Subject, reason: &'static str, message: String) {
        self.record(subject, false, reason, message);
    }

    pub(crate) fn warning(&self, subject: &Subject, reason: &'static str, message: String) {
        self.record(subject, true, reason, message);
    }

    /// Ends it, after what is being written.
    pub(crate) async fn finish(&self) {
        self.recorder.finish().await;
    }

    fn record(&self, subject: &Subject, is_warning: bool, reason: &'static str, message: String) {
        let Subject { subject, component } = subject.clone();
        self.recorder.record(Event { subject, component, is_warning, reason, message, is_unique: false });
    }
}
