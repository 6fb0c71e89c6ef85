//! A whole region as its users meet it: the program as processes, and real clients.
//!
//! Every test has a data directory and a port of its own, and takes down what it started, also when it fails.

mod adapter;
mod budgets;
mod clients;
mod etcd;
mod kubectl;
mod process;
mod rebalance;
mod refused;
mod restart;
mod separate;
