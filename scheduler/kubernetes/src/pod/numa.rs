//! How a pod sits on its host's NUMA nodes, and the huge pages that it asks for.

use meridian_engine::{MAX_NUMA_NODES, NumaDemand, Resources};

use super::spec::PodAnnotations;
use crate::error::{ObjectError, invalid, invalid_number};
use crate::quantity::Quantity;
use crate::tree::Path;

const NUMA_NODES: &str = "meridian.io/numa-nodes";
const CPU_POLICY: &str = "meridian.io/cpu-policy";

/// What the annotations `meridian.io/numa-nodes` (how many) and `meridian.io/cpu-policy` (`shared` or `dedicated`) ask for.
/// Dedicated CPUs are whole and lie on one node unless more are asked for.
pub(super) fn numa(
    annotations: &PodAnnotations<'_>,
    requests: &Resources,
) -> Result<Option<NumaDemand>, ObjectError> {
    let metadata = Path::Root.field("metadata");
    let path = metadata.field("annotations");
    let pinned = match annotations.cpu_policy {
        None | Some("shared") => false,
        Some("dedicated") => true,
        Some(other) => return Err(invalid(path.field(CPU_POLICY), other, "shared or dedicated")),
    };
    let nodes = match annotations.numa_nodes {
        None if !pinned => return Ok(None),
        None => 1,
        Some(text) => match text.parse() {
            Ok(nodes @ 1..=MAX_NUMA_NODES) => nodes,
            _ => {
                let want = format!("1 to {MAX_NUMA_NODES}");
                return Err(invalid(path.field(NUMA_NODES), text, want));
            }
        },
    };
    let each = i64::from(nodes);
    for (name, quantity) in requests.extended.iter().filter(|(name, _)| page_size(name).is_some()) {
        let pages = quantity / page_size(name).unwrap_or(1).max(1);
        if pages % each != 0 {
            let want = format!("as many {name} on each of {nodes} NUMA nodes, {pages} pages are not");
            return Err(invalid(path.field(NUMA_NODES), &nodes.to_string(), want));
        }
    }
    Ok(Some(NumaDemand { nodes, pinned }))
}

/// How many bytes a page of a resource of huge pages has.
fn page_size(resource: &str) -> Option<i64> {
    resource.strip_prefix("hugepages-")?.parse::<Quantity>().ok()?.value()
}

/// Refuses huge pages in parts, and of a size that is none, at `path`.
pub(super) fn check_pages(name: &str, quantity: Quantity, path: &Path<'_>) -> Result<(), ObjectError> {
    if !name.starts_with("hugepages-") {
        return Ok(());
    }
    match page_size(name).filter(|size| *size > 0) {
        None => Err(invalid(format!("{path}: a resource"), name, "hugepages-<size>, such as hugepages-2Mi")),
        Some(size) if quantity.value().is_none_or(|bytes| bytes % size != 0) => Err(invalid_number(
            path.field(name),
            quantity,
            format!("a multiple of the page size, {size} bytes"),
        )),
        Some(_) => Ok(()),
    }
}
