//! The registry on embedded stores, with a clock that stands still unless it is told to move.

#![allow(clippy::unwrap_used, reason = "a test")]

mod across;
mod continuity;
mod evictions;
mod gangs;
mod heartbeats;
mod ledger;
mod lists;
mod objects;
mod pods;
mod recorder;
mod region;
mod tenants;
mod upkeep;
mod view;
mod watches;
