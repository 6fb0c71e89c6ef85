//! Benches of a whole region, through its HTTP API.

mod create;
mod floor;
mod memory;
mod setting;
mod workload;

pub(crate) use self::create::create;
pub(crate) use self::memory::memory;
pub(crate) use self::workload::{bind, deployment};
