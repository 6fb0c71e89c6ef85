//! Why a pod waits, or why it runs where it runs: a question that the server hands on to those who decided.

use std::time::Duration;

use meridian_store::Tenant;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::server::Server;
use crate::{Failure, Reason};

/// How long an explanation may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The question why a pod is where it is.
#[derive(Debug)]
pub struct ExplainRequest {
    /// The tenant of who asks: the answer says what may be seen there.
    pub viewer: Tenant,
    /// The pod's tenant.
    pub tenant: Tenant,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// Where the answer goes. Dropping it says that there is none now.
    pub reply: oneshot::Sender<Result<Value, Failure>>,
}

/// Asks, and waits for the answer.
pub(super) async fn ask(
    server: &Server,
    (viewer, tenant): (&Tenant, &Tenant),
    namespace: &str,
    name: &str,
) -> Result<Value, Failure> {
    let nobody = || Failure::unavailable("no scheduler is there to explain the pod; try again in a moment");
    let explainer: &mpsc::Sender<ExplainRequest> = server.explainer.as_ref().ok_or_else(nobody)?;
    let (reply, answer) = oneshot::channel();
    let request = ExplainRequest {
        viewer: viewer.clone(),
        tenant: tenant.clone(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        reply,
    };
    let answer = async {
        explainer.send(request).await.map_err(|_| nobody())?;
        answer.await.map_err(|_| nobody())?
    };
    tokio::select! {
        answer = answer => answer,
        () = server.clock.wait_until(server.clock.now() + PATIENCE) => Err(Failure::new(
            Reason::Timeout,
            format!("no explanation within {} seconds", PATIENCE.as_secs()),
        )),
    }
}
