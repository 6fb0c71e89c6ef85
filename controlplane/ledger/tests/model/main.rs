//! The protocol explored: the real state machines of both sides, over a network that may lose, double and reorder
//! everything, with a small model of the tenant partitions' stores and of the agents.

mod agent;
mod explore;
mod steps;
mod stories;
mod walk;
mod world;
