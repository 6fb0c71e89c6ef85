//! The simulation as a whole: small traces in, reports and stories out.
//!
//! [`cell`] makes hosts and pods and runs them. [`account`] holds what must be true of every run, over random traces; the
//! other files are examples to read, one subject each.

mod account;
mod cell;
mod edge;
mod order;
mod policy;
mod sampling;
mod story;
mod stream;
mod waiting;
