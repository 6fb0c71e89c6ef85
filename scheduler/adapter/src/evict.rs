//! Stopping pods that make way for another.

use futures::StreamExt;
use kube::Error;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;
use tokio::sync::mpsc;

use crate::bind::Writer;
use crate::news::{Change, EvictOrder, PodId};

/// How often a deletion is tried whose outcome is not known.
const TRIES: u32 = 3;

/// Carries orders out, so many at a time, until there are no more to come.
pub(crate) async fn carry_out(
    writer: Writer,
    orders: mpsc::Receiver<EvictOrder>,
    changes: mpsc::Sender<Change>,
    at_once: usize,
) {
    let orders = futures::stream::unfold(orders, |mut orders| async { Some((orders.recv().await?, orders)) });
    orders
        .for_each_concurrent(at_once, |order| {
            let (writer, changes) = (&writer, &changes);
            async move {
                nominate(writer, &order).await;
                for victim in &order.victims {
                    if let Err(why) = delete(writer, victim).await {
                        // The core is gone only when all ends.
                        let _ = changes.send(Change::NotEvicted(order.number, why)).await;
                        return;
                    }
                }
            }
        })
        .await;
}

/// Says in the pod's status where it is to go.
async fn nominate(writer: &Writer, order: &EvictOrder) {
    let EvictOrder { pod, host, .. } = order;
    let patch = json!({"metadata": {"uid": pod.uid}, "status": {"nominatedNodeName": &**host}});
    let api = writer.pods(&pod.namespace);
    let (params, patch) = (PatchParams::default(), Patch::Strategic(patch));
    let patched = api.patch_status(&pod.name, &params, &patch);
    if let Err(error) = writer.request("PATCH", patched).await {
        tracing::debug!(pod = pod.name, %error, "a pod's nomination was not written");
    }
}

/// Deletes a pod, with the time that it takes to stop; one that is gone or going is as good as deleted.
async fn delete(writer: &Writer, pod: &PodId) -> Result<(), String> {
    let uid = Some(pod.uid.clone());
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version: None }),
        ..DeleteParams::default()
    };
    let api = writer.pods(&pod.namespace);
    let mut why = String::new();
    for _ in 0..TRIES {
        match writer.request("DELETE", api.delete(&pod.name, &params)).await {
            Ok(_) => return Ok(()),
            Err(Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(()),
            Err(Error::Api(status)) if status.code < 500 && status.code != 429 => {
                return Err(status.message.clone());
            }
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}
