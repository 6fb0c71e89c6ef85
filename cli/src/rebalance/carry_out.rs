//! Carrying moves out: hosts are cordoned, then pods evicted, one after the other.

use std::time::Duration;

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, EvictParams, Patch, PatchParams, Preconditions};
use kube::{Client, Error};
use meridian_simulation::{Proposal, ProposedMove};
use serde_json::json;
use tokio::time::Instant;

use crate::output;

/// The wait between two times; the API server may want a longer one.
const AGAIN: Duration = Duration::from_secs(1);

/// What became of a move.
enum Evicted {
    Yes,
    /// It was gone, or another pod has its name.
    Gone,
    /// It was held back until the end of our patience.
    HeldBack(String),
}

/// Evicts the pods of a proposal and says what became of each. A pod that disruption budgets hold back is asked for again for
/// as long as `patience` lasts, and does not keep others from going.
pub(super) async fn carry_out(
    client: &Client,
    proposal: &Proposal,
    patience: Duration,
) -> anyhow::Result<()> {
    for host in proposal.drained.iter().chain(&proposal.emptied) {
        cordon(client, host).await?;
    }
    let mut held_back = 0;
    for one in &proposal.moves {
        let pod = format!("{}/{}", one.namespace, one.name);
        match evict(client, one, patience).await.with_context(|| format!("evicting pod {pod}"))? {
            Evicted::Yes => output::note(&format!("evicted {pod} from {}", one.from)),
            Evicted::Gone => output::note(&format!("{pod} has gone by itself")),
            Evicted::HeldBack(why) => {
                held_back += 1;
                output::note(&format!("{pod} stays: {why}"));
            }
        }
    }
    match held_back {
        0 => Ok(()),
        _ => {
            bail!("{held_back} of {} pods were held back; the others have been evicted", proposal.moves.len())
        }
    }
}

async fn cordon(client: &Client, host: &str) -> anyhow::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let patch = json!({"spec": {"unschedulable": true}});
    nodes
        .patch(host, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .with_context(|| format!("cordoning node {host}"))?;
    output::note(&format!("cordoned {host}"));
    Ok(())
}

async fn evict(client: &Client, one: &ProposedMove, patience: Duration) -> anyhow::Result<Evicted> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &one.namespace);
    let preconditions = Preconditions { uid: Some(one.uid.clone()), resource_version: None };
    let delete = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    let parameters = EvictParams { delete_options: Some(delete), ..EvictParams::default() };
    let until = Instant::now() + patience;
    loop {
        let status = match pods.evict(&one.name, &parameters).await {
            Ok(_) => return Ok(Evicted::Yes),
            Err(Error::Api(status)) => status,
            Err(error) => return Err(error.into()),
        };
        match status.code {
            404 | 409 => return Ok(Evicted::Gone),
            429 | 503 if Instant::now() + AGAIN < until => {
                let wanted = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
                let wait = AGAIN.max(Duration::from_secs(wanted.into())).min(until - Instant::now());
                tokio::time::sleep(wait).await;
            }
            429 | 503 => return Ok(Evicted::HeldBack(status.message.clone())),
            _ => bail!("{}", status.message),
        }
    }
}
