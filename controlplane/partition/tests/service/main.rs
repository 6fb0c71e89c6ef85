//! The tenant partition as its peers meet it: a real registry on embedded stores, and replicas and host partitions that do
//! what a test tells them.

#![allow(clippy::unwrap_used, reason = "a test")]

mod audit;
mod bind;
mod binder;
mod chaos;
mod deletion;
mod explain;
mod groups;
mod hostile;
mod ledger;
mod preemption;
mod replica;
mod replicas;
mod status;
mod takeover;
mod tenants;
mod ties;
mod world;
