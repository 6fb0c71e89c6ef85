//! Pod groups.

use serde_json::Value;

use super::cause::Causes;
use super::{names, resources};
use crate::decode::Path;
use crate::read::{get, text};

/// The annotations that say where members are to be together: keys of node labels, from narrow to wide.
const TOPOLOGY: [&str; 2] = ["meridian.io/required-topology", "meridian.io/preferred-topology"];

/// The most keys of one.
const MAX_KEYS: usize = 8;

/// Rules for a PodGroup, new or not.
pub(super) fn check(object: &Value, causes: &mut Causes) {
    let path = Path::ROOT.name("spec");
    if let Value::Object(amounts) = get(get(object, "spec"), "minResources") {
        resources::check_amounts(amounts, &path.name("minResources"), causes);
    }
    let metadata = Path::ROOT.name("metadata");
    let path = metadata.name("annotations");
    let annotations = get(get(object, "metadata"), "annotations");
    for annotation in TOPOLOGY {
        let keys = text(annotations, annotation);
        if keys.is_empty() {
            continue;
        }
        let path = path.key(annotation);
        if keys.split(',').count() > MAX_KEYS {
            causes.invalid(&path, keys, &format!("must name at most {MAX_KEYS} keys of node labels"));
            continue;
        }
        for key in keys.split(',') {
            causes.malformed(&path, key, names::qualified_name(key));
        }
    }
    if TOPOLOGY.iter().all(|annotation| !text(annotations, annotation).is_empty()) {
        let detail = format!("cannot be set beside {}", TOPOLOGY[0]);
        causes.forbidden(&path.key(TOPOLOGY[1]), &detail);
    }
}
