//! Binding pods over the API.
//!
//! The API server has the last word: it binds a pod once. An answer that does not come, or says nothing definite, is asked
//! for again, at the same host, which is harmless; in the end the pod itself says where it is.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::news::{BindOrder, Change, Outcome, PodId};
use crate::pace::Pace;

/// How often a binding is tried whose outcome is not known.
const TRIES: u32 = 5;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The wait after the first try; it doubles.
const WAIT: Duration = Duration::from_millis(100);

/// What all who write to the API server share.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) client: Client,
    pub(crate) pace: Arc<Pace>,
    pub(crate) metrics: Metrics,
}

impl Writer {
    /// Makes a request in its turn; `verb` is for the metrics.
    pub(crate) async fn request<T>(
        &self,
        verb: &str,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.pace.turn().await;
        let answer = match tokio::time::timeout(PATIENCE, request).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Service("the API server does not answer".into())),
        };
        let code = match &answer {
            Ok(_) => Some(200),
            Err(Error::Api(status)) => Some(status.code),
            Err(_) => None,
        };
        self.metrics.requested(verb, code);
        answer
    }

    pub(crate) fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// Carries orders out, so many at a time, until there are no more to come.
pub(crate) async fn carry_out(
    writer: Writer,
    orders: mpsc::Receiver<BindOrder>,
    changes: mpsc::Sender<Change>,
    at_once: usize,
) {
    let orders = futures::stream::unfold(orders, |mut orders| async { Some((orders.recv().await?, orders)) });
    orders
        .for_each_concurrent(at_once, |order| {
            let (writer, changes) = (&writer, &changes);
            async move {
                let outcome = bind(writer, &order).await;
                if let Outcome::Refused(why) = &outcome {
                    tracing::debug!(pod = order.pod.name, host = &*order.host, why, "a binding was refused");
                }
                // The core is gone only when all ends.
                let _ = changes.send(Change::Bound(order.number, outcome)).await;
            }
        })
        .await;
}

async fn bind(writer: &Writer, order: &BindOrder) -> Outcome {
    let BindOrder { pod, host, .. } = order;
    let mut wait = WAIT;
    let mut why = String::new();
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        match writer.request("POST", post(writer, pod, host)).await {
            Ok(()) => return Outcome::Bound,
            Err(Error::Api(status)) if status.code == 409 || status.code == 404 => {
                match look(writer, pod, host, status.message.clone()).await {
                    Outcome::Refused(refusal) if order.is_left => why = refusal,
                    outcome => return outcome,
                }
            }
            Err(Error::Api(status)) if status.code < 500 && status.code != 429 => {
                return Outcome::Refused(status.message.clone());
            }
            Err(Error::Api(status)) => why = status.message.clone(),
            Err(error) => why = error.to_string(),
        }
    }
    look(writer, pod, host, why).await
}

async fn post(writer: &Writer, pod: &PodId, host: &str) -> Result<(), Error> {
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": host},
    });
    let (pods, params) = (writer.pods(&pod.namespace), PostParams::default());
    // The answer is a Status, or a Binding from old servers; neither says more than that it went well.
    pods.create_subresource::<Value, Value>("binding", &pod.name, &params, &binding).await.map(|_| ())
}

/// Asks where the pod is, since the answer to the binding leaves it open.
async fn look(writer: &Writer, pod: &PodId, host: &str, why: String) -> Outcome {
    let pods = writer.pods(&pod.namespace);
    match writer.request("GET", pods.get_opt(&pod.name)).await {
        Ok(Some(found)) if found.metadata.uid.as_deref().is_none_or(|uid| uid == pod.uid) => {
            match found.spec.and_then(|spec| spec.node_name) {
                Some(node) if *node == *host => Outcome::Bound,
                Some(node) if !node.is_empty() => Outcome::Elsewhere(node),
                _ => Outcome::Refused(why),
            }
        }
        Ok(_) => Outcome::Gone,
        // The watch will tell; until then its room is avoided.
        Err(_) => Outcome::Refused(why),
    }
}
