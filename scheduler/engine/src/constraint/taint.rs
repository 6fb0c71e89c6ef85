//! Taints against tolerations.

use crate::cell::{Cell, Record};
use crate::demand::Toleration;
use crate::host::{Taint, TaintEffect};

/// The taint that a cordon stands for.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Whether the tolerations bear a cordon.
pub(crate) fn tolerates_cordon(tolerations: &[Toleration]) -> bool {
    let cordon =
        Taint { key: UNSCHEDULABLE.to_owned(), value: String::new(), effect: TaintEffect::NoSchedule };
    tolerations.iter().any(|toleration| toleration.tolerates(&cordon))
}

/// Whether a taint keeps a pod with these tolerations away.
pub(super) fn repels(taint: &Taint, tolerations: &[Toleration]) -> bool {
    taint.effect != TaintEffect::PreferNoSchedule
        && !tolerations.iter().any(|toleration| toleration.tolerates(taint))
}

/// Whether a taint makes a host less liked by a pod with these tolerations.
pub(super) fn discourages(taint: &Taint, tolerations: &[Toleration]) -> bool {
    taint.effect == TaintEffect::PreferNoSchedule
        && !tolerations.iter().any(|toleration| toleration.tolerates(taint))
}

/// The first taint of a host that keeps the pod away.
pub(crate) fn first_untolerated<'a>(
    cell: &'a Cell,
    record: &Record,
    tolerations: &[Toleration],
) -> Option<&'a Taint> {
    record.taints.iter().map(|id| cell.taints.get(*id)).find(|taint| repels(taint, tolerations))
}

/// How many taints of a host make it less liked.
pub(crate) fn prefers_no_schedule(cell: &Cell, record: &Record, tolerations: &[Toleration]) -> u16 {
    let count = record.taints.iter().filter(|id| discourages(cell.taints.get(**id), tolerations)).count();
    u16::try_from(count).unwrap_or(u16::MAX)
}
