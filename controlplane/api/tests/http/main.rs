//! The HTTP API as clients meet it: a server in this process, on a store in a directory of its own, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test")]

mod across;
mod client;
mod discovery;
mod evictions;
mod objects;
mod refusals;
mod region;
mod serving;
mod tables;
mod view;
mod watches;
