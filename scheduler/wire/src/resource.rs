//! Quantities by resource.

use meridian_engine::Resources;
use meridian_proto::v1;

use crate::error::{WireError, limit};

/// Resources that have fields of their own; under their names among the extended ones they would count twice.
const RESERVED: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pods"];

pub(crate) fn to_message(resources: &Resources) -> v1::Resources {
    v1::Resources {
        cpu_milli: resources.cpu_milli,
        memory: resources.memory,
        ephemeral_storage: resources.ephemeral_storage,
        extended: resources.extended.iter().map(|(name, quantity)| (name.clone(), *quantity)).collect(),
    }
}

/// Absent resources are none of any. Quantities are left to the engine's validation.
pub(crate) fn from_message(
    message: Option<v1::Resources>,
    field: &'static str,
) -> Result<Resources, WireError> {
    let v1::Resources { cpu_milli, memory, ephemeral_storage, extended } = message.unwrap_or_default();
    limit(extended.len(), || field.to_owned())?;
    if let Some(name) = RESERVED.into_iter().find(|name| extended.contains_key(*name)) {
        return Err(WireError::ReservedResource { field, name: name.to_owned() });
    }
    Ok(Resources { cpu_milli, memory, ephemeral_storage, extended: extended.into_iter().collect() })
}
