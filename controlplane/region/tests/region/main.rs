//! A whole region in the test's process: what its parts make of bindings that users order and of hosts that fail.

#![allow(clippy::unwrap_used, reason = "a test")]

mod bindings;
mod faults;
mod groups;
mod pod_groups;
mod preemption;
mod starvation;
mod tenants;
mod terms;
mod world;
