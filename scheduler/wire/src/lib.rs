//! The one translation between messages and the engine's types.
//!
//! Whatever the engine has can be said in a message, and comes back equal. Not every message can be read: it comes from
//! another process and may say anything, so what comes back has passed the engine's own validation and the limits on
//! length here, or is a [`WireError`] that names the field.

mod constraint;
mod demand;
mod error;
mod group;
mod host;
mod peer;
mod resource;

pub use self::demand::{demand_from_message, demand_to_message};
pub use self::error::WireError;
pub use self::group::{PodGroup, group_from_message, group_to_message};
pub use self::host::{host_from_message, host_to_message};
