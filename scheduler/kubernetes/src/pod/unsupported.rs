//! What a pod asks for that the engine does not honour yet.

use super::spec::{PodSpec, Volume};
use crate::tree::Path;

/// The paths of such fields: first those that restrict where or when the pod may run, then mere preferences.
pub(super) fn unsupported(spec: &PodSpec<'_>, path: &Path<'_>) -> (Vec<String>, Vec<String>) {
    let (mut hard, mut soft) = (Vec::new(), Vec::new());
    let affinity = path.field("affinity");
    for (field, terms) in
        [("podAffinity", &spec.affinity.pod_affinity), ("podAntiAffinity", &spec.affinity.pod_anti_affinity)]
    {
        let path = affinity.field(field);
        if !terms.required.is_empty() {
            hard.push(path.field("requiredDuringSchedulingIgnoredDuringExecution").to_string());
        }
        if !terms.preferred.is_empty() {
            soft.push(path.field("preferredDuringSchedulingIgnoredDuringExecution").to_string());
        }
    }
    let spread = path.field("topologySpreadConstraints");
    for (index, constraint) in spec.topology_spread_constraints.iter().enumerate() {
        let list = if constraint.when_unsatisfiable == "ScheduleAnyway" { &mut soft } else { &mut hard };
        list.push(spread.item(index).to_string());
    }
    for (field, given) in
        [("schedulingGates", &spec.scheduling_gates), ("resourceClaims", &spec.resource_claims)]
    {
        if !given.is_empty() {
            hard.push(path.field(field).to_string());
        }
    }
    let volumes = path.field("volumes");
    for (index, volume) in spec.volumes.iter().enumerate() {
        let path = volumes.item(index);
        hard.extend(restricting(volume).map(|field| path.field(field).to_string()));
    }
    (hard, soft)
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
