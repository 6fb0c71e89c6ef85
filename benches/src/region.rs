//! Benches of a whole region in this process, through its HTTP API.

mod create;
mod floor;
mod setting;
mod workload;

pub(crate) use self::create::create;
pub(crate) use self::workload::{bind, deployment, memory};
