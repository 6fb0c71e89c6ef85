//! What an API server fills in where an object says nothing.
//!
//! A value that depends on its field alone stands in the schema table and one walk fills it in. What depends on other
//! fields (the pull policy on the image's tag, requests on limits, ...) is a function of the kind, called before the walk,
//! so that it sees what was really said. Defaulting twice changes nothing.

mod admission;
mod kinds;
mod pod;
mod status;
#[cfg(test)]
mod tests;
mod walk;

use serde_json::Value;

pub use admission::admit_pod;
pub use status::{initial_status, qos_class};

use crate::table::{Kind, MessageRef};

/// Fills in what the object does not say, as Kubernetes 1.33 publishes it.
pub fn apply_defaults(kind: &Kind, object: &mut Value) {
    kinds::fill(kind, object);
    walk::fill(kind.message(), object);
}

/// The same for a body that is no object of its own, such as a Binding or a Scale.
pub fn apply_message_defaults(message: MessageRef, object: &mut Value) {
    walk::fill(message, object);
}
