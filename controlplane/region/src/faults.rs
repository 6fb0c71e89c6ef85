//! Making simulated hosts fail, by an annotation on their nodes: `kubectl annotate node host-00003 sim.meridian.io/fault=crash`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use meridian_api::{Change, Entry, Registry};
use meridian_edge_agent::{HostFault, SimulatedHosts};
use meridian_schema::Home;
use serde::Deserialize;

/// What befalls the host: `crash`, `link-down`, `slow` or `wipe`. Taken away, the host recovers.
const FAULT: &str = "sim.meridian.io/fault";

/// Does to hosts what the annotations of their nodes say, until the registry ends.
pub(crate) async fn follow(registry: Registry, hosts: Arc<SimulatedHosts>) {
    let mut done: HashMap<String, HostFault> = HashMap::new();
    let mut changes = registry.follow(Home::Hosts);
    loop {
        let batch = match changes.next().await {
            Ok(batch) => batch,
            Err(meridian_api::FollowError::FellBehind) => {
                changes = registry.follow(Home::Hosts);
                continue;
            }
            Err(_) => return,
        };
        for change in batch {
            if let Change::Put { entry, .. } = change
                && entry.kind.kind == "Node"
            {
                apply(&hosts, &mut done, &entry);
            }
        }
    }
}

fn apply(hosts: &SimulatedHosts, done: &mut HashMap<String, HostFault>, node: &Entry) {
    let wanted = wanted(node);
    if wanted == done.get(&node.name).copied() {
        return;
    }
    let result = match wanted {
        Some(fault) => {
            done.insert(node.name.clone(), fault);
            hosts.fail(&node.name, fault)
        }
        None => {
            done.remove(&node.name);
            hosts.recover(&node.name)
        }
    };
    if let Err(error) = result {
        tracing::warn!(%error, "a node with a fault is no simulated host of this process");
    }
}

fn wanted(node: &Entry) -> Option<HostFault> {
    let read: Node<'_> = serde_json::from_slice(&node.bytes).ok()?;
    let fault = read.metadata.annotations.get(FAULT)?;
    let known = fault_named(fault);
    if known.is_none() {
        tracing::warn!(node = %node.name, %fault, "unknown fault, want crash, link-down, slow or wipe");
    }
    known
}

fn fault_named(name: &str) -> Option<HostFault> {
    match name {
        "crash" => Some(HostFault::Crash),
        "link-down" => Some(HostFault::LinkDown),
        "slow" => Some(HostFault::Slow),
        "wipe" => Some(HostFault::Wipe),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Node<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    annotations: HashMap<Cow<'a, str>, Cow<'a, str>>,
}
