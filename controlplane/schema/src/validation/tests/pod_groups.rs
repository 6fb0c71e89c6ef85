//! Pod groups.

use serde_json::{Value, json};

use super::{filled, refused};
use crate::table::pod_group;

fn group() -> Value {
    let metadata = json!({"name": "g", "namespace": "default", "annotations": {}});
    filled(pod_group(), json!({"metadata": metadata, "spec": {"minMember": 3, "minResources": {"cpu": "6"}}}))
}

#[test]
fn sizes_resources_and_topologies() {
    let kind = pod_group();
    let cases: &[(&str, Value, &[&str])] = &[
        ("/spec/minMember", json!(1), &[]),
        ("/spec/minMember", json!(1024), &[]),
        (
            "/spec/minMember",
            json!(1025),
            &["spec.minMember: Invalid value: 1025: must be between 1 and 1024, inclusive"],
        ),
        ("/spec/scheduleTimeoutSeconds", json!(0), &[]),
        ("/spec/minResources", json!({"example.com/fpga": "2"}), &[]),
        (
            "/metadata/annotations",
            json!({"meridian.io/required-topology": "example.com/rack,topology.kubernetes.io/zone"}),
            &[],
        ),
        (
            "/metadata/annotations",
            json!({"meridian.io/required-topology": "zone", "meridian.io/preferred-topology": "zone"}),
            &["metadata.annotations[meridian.io/preferred-topology]: Forbidden: cannot be set beside \
               meridian.io/required-topology"],
        ),
        (
            "/metadata/annotations",
            json!({"meridian.io/preferred-topology": "a,b,c,d,e,f,g,h,i"}),
            &[
                "metadata.annotations[meridian.io/preferred-topology]: Invalid value: \"a,b,c,d,e,f,g,h,i\": must name \
               at most 8 keys of node labels",
            ],
        ),
    ];
    refused(kind, &group(), cases);
}
