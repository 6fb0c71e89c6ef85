//! A host partition at work, between scripted tenant partitions, agents and replicas.

mod agents;
mod flow;
mod groups;
mod hostile;
mod peers;
mod recovery;
mod region;
