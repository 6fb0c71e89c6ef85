//! The agent against a scripted host partition, within the process and over gRPC.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fleet;
mod flow;
mod hostile;
mod partition;
