//! Following the cluster: one list and watch for each kind of object, translated at the border.
//!
//! A watch that breaks goes on from where it was; one whose past has been compacted (410 Gone) is begun anew with a list.
//! Waits between tries have jitter. Nothing that is known is lost meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::ApiResource;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::news::{Change, Kind, budget_news, host_news, pod_id, pod_news};
use crate::object::Object;

/// How many objects a page of a list has.
const PAGE: u32 = 1_000;

/// Pods that have ended take nothing and wait for nothing; with this selector they come as deleted.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Whether the streams of all kinds are up, for readiness.
#[derive(Debug, Default)]
pub(crate) struct Followed([AtomicBool; 3]);

impl Followed {
    fn set(&self, kind: Kind, is_up: bool) {
        self.0[kind as usize].store(is_up, Ordering::Relaxed);
    }

    pub(crate) fn is_up(&self) -> bool {
        // An API server need not have budgets.
        [Kind::Hosts, Kind::Pods].iter().all(|kind| self.0[*kind as usize].load(Ordering::Relaxed))
    }
}

/// Follows all objects of a kind, until the core is gone.
pub(crate) async fn follow(
    client: Client,
    kind: Kind,
    changes: mpsc::Sender<Change>,
    followed: Arc<Followed>,
    metrics: Metrics,
) {
    let (resource, config) = match kind {
        Kind::Hosts => (ApiResource::erase::<v1::Node>(&()), watcher::Config::default()),
        Kind::Pods => (ApiResource::erase::<v1::Pod>(&()), watcher::Config::default().fields(NOT_ENDED)),
        Kind::Budgets => (ApiResource::erase::<PodDisruptionBudget>(&()), watcher::Config::default()),
    };
    let api: Api<Object> = Api::all_with(client, &resource);
    let stream = watch(api, config.page_size(PAGE)).default_backoff();
    pin_mut!(stream);
    while let Some(event) = stream.next().await {
        let change = match event {
            Ok(event) => {
                if !matches!(event, Event::Init) {
                    followed.set(kind, true);
                }
                change(kind, event)
            }
            Err(error) => {
                followed.set(kind, false);
                metrics.requested("WATCH", code(&error));
                tracing::warn!(?kind, %error, "the cluster is not followed; trying again");
                continue;
            }
        };
        if changes.send(change).await.is_err() {
            return;
        }
    }
}

fn change(kind: Kind, event: Event<Object>) -> Change {
    match (kind, event) {
        (_, Event::Init) => Change::Relisting(kind),
        (_, Event::InitDone) => Change::Listed(kind),
        (Kind::Hosts, Event::Apply(object) | Event::InitApply(object)) => host_news(&object.value),
        (Kind::Pods, Event::Apply(object) | Event::InitApply(object)) => {
            Change::Pod(Box::new(pod_news(&object.value)))
        }
        (Kind::Budgets, Event::Apply(object) | Event::InitApply(object)) => {
            Change::Budget(budget_news(&object.value))
        }
        (Kind::Budgets, Event::Delete(object)) => {
            let id = pod_id(&object.value);
            Change::BudgetGone(id.namespace, id.name)
        }
        (Kind::Hosts, Event::Delete(object)) => Change::HostGone(pod_id(&object.value).name),
        (Kind::Pods, Event::Delete(object)) => Change::PodGone(pod_id(&object.value)),
    }
}

fn code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status.code),
        watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}
