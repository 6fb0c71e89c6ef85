//! Nodes.

use serde_json::Value;

use super::cause::Causes;
use super::{changed, names, resources};
use crate::decode::Path;
use crate::read::{entries, get, items, text, texts};

/// Rules for a Node, new or not.
pub(super) fn check(object: &Value, causes: &mut Causes) {
    let (spec, path) = (get(object, "spec"), Path::ROOT.name("spec"));
    let list = path.name("taints");
    let taints = items(spec, "taints");
    for (index, taint) in taints.iter().enumerate() {
        let same =
            |other: &Value| ["key", "effect"].iter().all(|name| text(other, name) == text(taint, name));
        if taints[..index].iter().any(same) {
            let detail = "taints must be unique by key and effect pair";
            causes.duplicate_because(&list.index(index), taint, detail);
        }
    }
    let list = path.name("podCIDRs");
    let networks = items(spec, "podCIDRs");
    for (index, network) in texts(spec, "podCIDRs").enumerate() {
        causes.malformed(&list.index(index), network, names::cidr(network));
    }
    let of_family = |mark: char| texts(spec, "podCIDRs").filter(|network| network.contains(mark)).count();
    if networks.len() > 1 && (of_family('.') > 1 || of_family(':') > 1) {
        let detail = "may specify no more than one CIDR for each IP family";
        causes.invalid(&list, get(spec, "podCIDRs"), detail);
    }
    check_status(object, causes);
}

/// Rules for an update: what a host was given by its network and its provider stays.
pub(super) fn check_update(object: &Value, old: &Value, causes: &mut Causes) {
    check(object, causes);
    let (spec, was) = (get(object, "spec"), get(old, "spec"));
    let path = Path::ROOT.name("spec");
    if !items(was, "podCIDRs").is_empty() && changed(spec, was, "podCIDRs") {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        causes.forbidden(&path.name("podCIDRs"), detail);
    }
    if !text(was, "providerID").is_empty() && changed(spec, was, "providerID") {
        let detail = "node updates may not change providerID except from \"\" to valid";
        causes.forbidden(&path.name("providerID"), detail);
    }
}

/// Rules for what a host says of itself.
pub(super) fn check_status(object: &Value, causes: &mut Causes) {
    let (status, path) = (get(object, "status"), Path::ROOT.name("status"));
    for list in ["capacity", "allocatable"] {
        resources::check_amounts(entries(status, list), &path.name(list), causes);
    }
    let addresses = items(status, "addresses");
    for (index, address) in addresses.iter().enumerate() {
        if addresses[..index].contains(address) {
            causes.duplicate(&path.name("addresses").index(index), address);
        }
    }
}
