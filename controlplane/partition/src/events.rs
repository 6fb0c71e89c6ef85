//! Events about pods: what the partition tells people.

use std::sync::Arc;

use meridian_api::{Event, EventSubject, Recorder, RecorderOptions};
use meridian_store::Tenant;

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

impl About {
    fn subject(self) -> EventSubject {
        let Self { tenant, namespace, name, uid } = self;
        EventSubject { tenant, kind: meridian_schema::pod(), namespace, name, uid, resource_version: None }
    }
}

/// Records events about pods.
#[derive(Debug)]
pub(crate) struct Events {
    recorder: Recorder,
}

impl Events {
    pub(crate) fn new(options: RecorderOptions) -> Self {
        Self { recorder: Recorder::new(options) }
    }

    /// `Scheduled`: a pod is bound, once.
    pub(crate) fn scheduled(&self, about: About, component: Arc<str>, host: &str) {
        let message = format!("Successfully assigned {}/{} to {host}", about.namespace, about.name);
        self.recorder.record(Event {
            subject: about.subject(),
            component,
            is_warning: false,
            reason: "Scheduled",
            message,
            is_unique: true,
        });
    }

    /// `Preempted`, about a pod that makes way.
    pub(crate) fn preempted(&self, about: About, component: Arc<str>, message: &str) {
        self.recorder.record(Event {
            subject: about.subject(),
            component,
            is_warning: false,
            reason: "Preempted",
            message: message.to_owned(),
            is_unique: true,
        });
    }

    /// `FailedScheduling`: a pod has no host yet.
    pub(crate) fn failed_scheduling(&self, about: About, component: Arc<str>, message: &str) {
        self.recorder.record(Event {
            subject: about.subject(),
            component,
            is_warning: true,
            reason: "FailedScheduling",
            message: message.to_owned(),
            is_unique: false,
        });
    }

    /// Ends the recording, after what is being written.
    pub(crate) async fn finish(&self) {
        self.recorder.finish().await;
    }
}
