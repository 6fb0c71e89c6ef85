//! What a pod's tenant is told of its placement: what the pod itself asks for and does not get, and nothing of the hosts.
//!
//! The tenant `system`, which is the operators', is told everything. Any other is told no number of hosts, no host's or host
//! partition's name, and nothing of what others take or how hosts are kept. What is not known to be harmless is left out.

use std::borrow::Cow;

use meridian_store::Tenant;

/// What a scheduler's words for a group begin with.
const GROUP: &str = "pod group ";

/// What a scheduler says besides of a pod whose preemption policy is Never.
const NOT_ELIGIBLE: &str = " preemption: not eligible due to preemptionPolicy=Never.";

/// Why a host did not take a pod, by the ledger's reason (in one word; empty: it was not asked) and in its words.
pub(crate) fn refusal<'a>(tenant: &Tenant, reason: &str, message: &'a str) -> &'a str {
    if tenant.is_system() {
        return message;
    }
    match reason {
        // Behind what was asked for comes what others take, and what there is.
        reason if reason.starts_with("OutOf") => message.split(", used: ").next().unwrap_or_default(),
        "NodePorts" | "InvalidDemand" => message,
        _ => "the node cannot take it now",
    }
}

/// Why no host takes a pod, from a scheduler's words for it: `0/5 nodes are available: 1 Insufficient cpu, 4 Too many pods.`
pub(crate) fn unschedulable<'a>(tenant: &Tenant, message: &'a str) -> Cow<'a, str> {
    if tenant.is_system() {
        return Cow::Borrowed(message);
    }
    if let Some(group) = message.strip_prefix(GROUP) {
        return group_unschedulable(group);
    }
    unschedulable_on(message)
}

fn unschedulable_on(message: &str) -> Cow<'static, str> {
    // What is said of preemption is about the pod alone where it may not preempt at all.
    let (message, suffix) = match message.strip_suffix(NOT_ELIGIBLE) {
        Some(message) => (message, NOT_ELIGIBLE),
        None => (message, ""),
    };
    let reasons = message.split_once(": ").map_or("", |(_, reasons)| reasons);
    let reasons = reasons.strip_suffix('.').unwrap_or(reasons).split(", ");
    let mut reasons: Vec<&str> = reasons.filter_map(counted).filter_map(harmless).collect();
    reasons.sort_unstable();
    reasons.dedup();
    if reasons.is_empty() {
        return Cow::Owned(format!("no nodes are available.{suffix}"));
    }
    Cow::Owned(format!("no nodes are available: {}.{suffix}", reasons.join(", ")))
}

/// The same of a group of pods: `pod group default/g: 2/3 members of the pod group fit within rack=r1: 0/5 nodes are ...`
/// How many of its own pods fit is told, and not what the hosts are labelled or how much would fit on them.
fn group_unschedulable(message: &str) -> Cow<'_, str> {
    let (name, why) = message.split_once(": ").unwrap_or((message, ""));
    let fit = why.split_once(" members of the pod group fit").map(|(fit, _)| fit).unwrap_or_default();
    let is_count =
        fit.split('/').all(|count| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()));
    let nodes = why.split_once(": ").map_or("", |(_, nodes)| nodes);
    let nodes = unschedulable_on(nodes);
    if is_count {
        Cow::Owned(format!("{GROUP}{name}: {fit} members of the pod group fit: {nodes}"))
    } else {
        Cow::Owned(format!("{GROUP}{name}: {nodes}"))
    }
}

/// A reason without the number of hosts that it is true of.
fn counted(reason: &str) -> Option<&str> {
    let (count, reason) = reason.split_once(' ')?;
    count.bytes().all(|byte| byte.is_ascii_digit()).then_some(reason)
}

/// A reason as far as it is about the pod.
fn harmless(reason: &str) -> Option<&str> {
    const TAINT: &str = "node(s) had untolerated taint";
    let is_of_pod = reason.starts_with("Insufficient ") || reason.starts_with("node(s) didn't ");
    match reason {
        // Which taints there are is how the operators divide their hosts.
        reason if reason.starts_with(TAINT) => Some(TAINT),
        "Too many pods" => Some(reason),
        reason if is_of_pod => Some(reason),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blue() -> Tenant {
        Tenant::new("blue").unwrap()
    }

    #[test]
    fn a_tenant_is_told_what_it_asked_for_and_not_how_many_hosts_there_are() {
        let message = "0/5000 nodes are available: 1 Too many pods, 17 node(s) had untolerated taint {red: only}, \
             2 node(s) were unschedulable, 30 node(s) had untolerated taint {gpu: }, 4950 Insufficient cpu, \
             4950 node(s) didn't match Pod's node affinity/selector.";
        assert_eq!(unschedulable(&Tenant::system(), message), message);
        assert_eq!(
            unschedulable(&blue(), message),
            "no nodes are available: Insufficient cpu, Too many pods, node(s) didn't match Pod's node \
             affinity/selector, node(s) had untolerated taint."
        );
        let never = "0/9 nodes are available: 9 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.";
        assert_eq!(
            unschedulable(&blue(), never),
            "no nodes are available: Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
        );
        for other in ["0/5000 nodes are available.", "", "host-17: out of order", "x: host-17 is off, 17"] {
            assert_eq!(unschedulable(&blue(), other), "no nodes are available.", "{other}");
        }
    }

    #[test]
    fn a_tenant_is_told_how_many_of_its_group_fit_and_not_on_what() {
        let message = "pod group default/g: 2/3 members of the pod group fit within rack=r7, and no more than 2 would if \
             nothing else ran: 0/5000 nodes are available: 4960 node(s) were outside the topology domain of the pod \
             group, 40 Insufficient cpu.";
        assert_eq!(unschedulable(&Tenant::system(), message), message);
        assert_eq!(
            unschedulable(&blue(), message),
            "pod group default/g: 2/3 members of the pod group fit: no nodes are available: Insufficient cpu."
        );
        let lacking = "pod group default/g: Insufficient cpu for the pod group: 64000 wanted, 4000 free.";
        assert_eq!(unschedulable(&blue(), lacking), "pod group default/g: no nodes are available.");
    }

    #[test]
    fn a_tenant_is_told_neither_how_much_others_take_nor_who_refused() {
        let message = "Node didn't have enough resource: cpu, requested: 4000, used: 3000, capacity: 4000";
        assert_eq!(refusal(&Tenant::system(), "OutOfcpu", message), message);
        let own = "Node didn't have enough resource: cpu, requested: 4000";
        assert_eq!(refusal(&blue(), "OutOfcpu", message), own);
        for (reason, message) in [
            ("NodeNotReady", "host host-17 is not ready"),
            ("NodeNotFound", "host host-17 is not one of this partition's"),
            ("NodeIncarnation", "the host is in its incarnation 7, not 6"),
            ("", "host partition hosts-0 is not reachable or is recovering"),
            ("SomethingNew", "host-17"),
        ] {
            assert_eq!(refusal(&blue(), reason, message), "the node cannot take it now");
            assert_eq!(refusal(&Tenant::system(), reason, message), message);
        }
    }
}
