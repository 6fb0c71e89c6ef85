//! The scheduler of any Kubernetes cluster, over nothing but its API.
//!
//! An [`Adapter`] lists and watches nodes and pods, keeps them in engines, one for each profile, and binds the pods that name
//! one of its profiles (`spec.schedulerName`) to the best of all hosts. It shares the cluster with other schedulers: what
//! they have bound counts like everything that is there.
//!
//! ```text
//! API server ==nodes, pods==> follow --changes--> core --> engines
//!            <==bindings===== bind   <--orders---
//!            <==deletions==== evict  <-----
//!            <==events, conditions=== tell <-----
//!            <==lease======= election
//! ```
//!
//! `core` is the state and knows no streams, clock or tasks; the task that owns it lives in `adapter` and takes in what has
//! come between any two batches of decisions.
//!
//! # What can go wrong
//!
//! - *Its view is stale.* Pods are assumed on their hosts from the decision on, so it never gives the same room away twice.
//!   Where another scheduler was faster, kubelets refuse, or a Meridian region's ledger does so at once (409); the pod is
//!   then tried again after a back-off, and the room that was refused is avoided for a while.
//! - *A watch breaks.* It goes on from where it was, or begins anew with a list (410 Gone). Decisions go on meanwhile, and
//!   assumptions stay: a pod that is being bound, or has been, is never taken for unbound because of an old list.
//! - *The outcome of a binding is not known.* It is tried again at the same host; then the pod itself is asked where it is.
//! - *A node goes away* with pods on it, and comes back. Its pods are held again as they are said to be there.
//! - *A pod cannot be read*, or asks for what is not supported. It is not scheduled and says why. One that is bound by others
//!   closes its host, since nobody knows what it takes.
//! - *A victim of preemption does not go.* The pod that is to have its room keeps its nomination, and waits. Where pods may not be
//!   deleted, nobody is asked again for a minute.
//! - *The process dies.* Nothing is kept on disk: the next one lists all again. Another process takes over when the lease
//!   has run out.
//! - *The lease is lost.* The adapter ends, and so should its process.

#![forbid(unsafe_code)]

mod adapter;
mod bind;
mod core;
mod election;
mod evict;
mod follow;
mod metrics;
mod news;
mod object;
mod pace;
mod selector;
mod serve;
mod tell;

pub use self::adapter::{Adapter, AdapterError, AdapterOptions};
