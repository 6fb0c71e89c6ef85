//! What a pod asks for that the engine does not honour yet.

use super::spec::{PodSpec, Volume};
use crate::tree::Path;

/// The paths of such fields, which restrict where or when the pod may run.
pub(super) fn unsupported(spec: &PodSpec<'_>, path: &Path<'_>) -> Vec<String> {
    let mut fields = Vec::new();
    for (field, given) in
        [("schedulingGates", &spec.scheduling_gates), ("resourceClaims", &spec.resource_claims)]
    {
        if !given.is_empty() {
            fields.push(path.field(field).to_string());
        }
    }
    if let Some(machine) = &spec.virtual_machine
        && !machine.flavor.is_empty()
        && machine.resources.requests.is_empty()
        && machine.resources.limits.is_empty()
    {
        // What a flavor comes to is for those to fill in who have the flavors.
        fields.push(path.field("virtualMachine").field("flavor").to_string());
    }
    let volumes = path.field("volumes");
    for (index, volume) in spec.volumes.iter().enumerate() {
        let path = volumes.item(index);
        fields.extend(restricting(volume).map(|field| path.field(field).to_string()));
    }
    fields
}

fn restricting(volume: &Volume) -> impl Iterator<Item = &'static str> {
    [
        ("persistentVolumeClaim", &volume.persistent_volume_claim),
        ("ephemeral", &volume.ephemeral),
        ("gcePersistentDisk", &volume.gce_persistent_disk),
        ("awsElasticBlockStore", &volume.aws_elastic_block_store),
        ("azureDisk", &volume.azure_disk),
        ("cinder", &volume.cinder),
        ("iscsi", &volume.iscsi),
        ("rbd", &volume.rbd),
    ]
    .into_iter()
    .filter(|(_, given)| given.is_some())
    .map(|(field, _)| field)
}
