//! Pods that somebody wants on a certain host: requests of clients, which take the same way through the host's ledger as the
//! scheduler's.

use std::sync::{Arc, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use meridian_schema::pod;

use super::transact::Target;
use super::update::check_uid;
use super::{Registry, pods};
use crate::object::{self, meta, text};
use crate::{BindOrder, Caller, CreateOptions, Entry, Failure, Sub};

impl Registry {
    /// Where orders to bind a pod to a certain host go.
    pub fn set_binder(&self, binder: mpsc::Sender<BindOrder>) {
        *self.inner.binder.lock().unwrap_or_else(PoisonError::into_inner) = Some(binder);
    }

    fn binder(&self) -> Option<mpsc::Sender<BindOrder>> {
        self.inner.binder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for a pod to be bound to a host, and waits until it is.
    async fn order(&self, pod: &Entry, node: &str) -> Result<(), Failure> {
        let unavailable = || Failure::unavailable("nothing binds pods now: try again");
        let binder = self.binder().ok_or_else(unavailable)?;
        let (reply, answer) = oneshot::channel();
        let order = BindOrder {
            tenant: pod.tenant.clone(),
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            node: node.to_owned(),
            reply,
        };
        binder.send(order).await.map_err(|_| unavailable())?;
        answer.await.map_err(|_| unavailable())?
    }

    /// A pod that was created for a certain host is claimed there; a refusal makes it one that failed.
    pub(super) fn bind_if_asked(&self, entry: &Arc<Entry>, options: &CreateOptions) {
        // Without a binder whoever binds finds the pod when it starts.
        if entry.node_name.is_empty() || options.dry_run || self.binder().is_none() {
            return;
        }
        let (registry, entry) = (self.clone(), entry.clone());
        tokio::spawn(async move {
            match registry.order(&entry, &entry.node_name).await {
                Ok(()) => {}
                Err(failure) => match refusal(&failure) {
                    Some(reason) => registry.fail_pod(&entry, &failure, reason).await,
                    None => {
                        tracing::info!(pod = entry.name, %failure, "a pod for a certain host is not bound yet");
                    }
                },
            }
        });
    }

    async fn fail_pod(&self, entry: &Entry, failure: &Failure, reason: &str) {
        let caller = Caller::component("binder", &entry.tenant);
        let (ns, name) = (&entry.namespace, &entry.name);
        let change = |pod: &mut Value| {
            if !pods::is_pending(pod, &entry.node_name) {
                return false;
            }
            let status = object::member(pod, "status");
            status.insert("phase".to_owned(), json!("Failed"));
            status.insert("reason".to_owned(), json!(reason));
            status.insert("message".to_owned(), json!(failure.message));
            true
        };
        let failed = self.modify(&caller, entry.kind, ns, name, Some(&entry.uid), Some(Sub::Status), change);
        if let Err(error) = Box::pin(failed).await {
            tracing::warn!(pod = entry.name, %error, "could not say that a pod was refused by its host");
        }
    }

    /// Binds a pod as a `Binding` says: claims the host, and answers when the pod is bound.
    ///
    /// # Errors
    ///
    /// 400, 404, 409, 503
    pub async fn bind(
        &self,
        caller: &Caller,
        ns: &str,
        name: &str,
        binding: Value,
        options: &CreateOptions,
    ) -> Result<(), Failure> {
        object::check_namespace(ns, &binding)?;
        let named = meta(&binding, "name");
        if !named.is_empty() && named != name {
            return Err(Failure::bad_request(format!(
                "name in URL ({name}) does not match name in Binding object ({named})"
            )));
        }
        let (kind, node) = (text(&binding, &["target", "kind"]), text(&binding, &["target", "name"]));
        if node.is_empty() || !matches!(kind, "" | "Node") {
            return Err(Failure::bad_request(format!(
                "a Binding to {kind} {node:?}: want a target of kind Node with a name"
            )));
        }
        let entry = Box::pin(self.stored(&caller.tenant, pod(), ns, name)).await?;
        let target = Target { kind: pod(), tenant: &caller.tenant, ns, name };
        check_uid(target, &entry, meta(&binding, "uid"))?;
        let value = entry.stored_value();
        if entry.deleting {
            return Err(Failure::conflict(
                pod(),
                name,
                format!("pod {name} is being deleted, cannot be assigned to a host"),
            ));
        }
        let host = self
            .host(&caller.tenant, node)
            .ok_or_else(|| Failure::not_found(meridian_schema::node(), node))?;
        if !pods::is_pending(&value, &host) {
            let to = self.host_name(&caller.tenant, &entry.node_name);
            return Err(Failure::conflict(
                pod(),
                name,
                format!("pod {name} is already assigned to node {to:?}"),
            ));
        }
        if options.dry_run {
            return Ok(());
        }
        self.order(&entry, &host).await
    }
}

/// Why a host refuses a pod for good, in one word. None: it may take it yet, such as once an earlier pod of its name is known
/// to have stopped.
fn refusal(failure: &Failure) -> Option<&str> {
    let details = failure.details.as_ref().filter(|_| failure.is_conflict())?;
    details.causes.first().map(|cause| cause.reason.as_str())
}
