//! Groups of pods that are bound all or none.

use meridian_engine::{MAX_GROUP, Resources, Topology};
use meridian_proto::v1;

use crate::error::{WireError, limit};
use crate::resource;

/// What a group asks for beside what each of its members does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodGroup {
    /// Unlike those of the tenant's other groups.
    pub name: String,
    /// How many members that wait have to be placed together.
    pub least: u32,
    /// What has to be free over all hosts.
    pub resources: Resources,
    /// Where members are to be together.
    pub topology: Topology,
}

/// A group as it is sent.
pub fn group_to_message(group: &PodGroup) -> v1::PodGroup {
    let PodGroup { name, least, resources, topology } = group;
    v1::PodGroup {
        name: name.clone(),
        least: *least,
        resources: Some(resource::to_message(resources)),
        topology_keys: topology.keys.clone(),
        topology_required: topology.required,
    }
}

/// Reads a group. Quantities are left to the engine's validation.
///
/// # Errors
///
/// [`WireError`] with the field that is wrong.
pub fn group_from_message(message: v1::PodGroup) -> Result<PodGroup, WireError> {
    let v1::PodGroup { name, least, resources, topology_keys, topology_required } = message;
    if name.is_empty() {
        return Err(WireError::Missing { field: "group.name".to_owned() });
    }
    if !(1..=MAX_GROUP).contains(&least) {
        return Err(WireError::GroupSize { least });
    }
    limit(topology_keys.len(), || "group.topology_keys".to_owned())?;
    let resources = resource::from_message(resources, "group.resources")?;
    Ok(PodGroup {
        name,
        least,
        resources,
        topology: Topology { keys: topology_keys, required: topology_required },
    })
}
