//! Under which rights a pod and its containers run.

use serde_json::Value;

use super::cause::Causes;
use super::volume::local_path;
use super::walk::check_bounds;
use crate::decode::Path;
use crate::read::{flag, get, has, items, text, texts};

/// The largest id of a user or a group.
const MAX_ID: i64 = 2_147_483_647;

const MAX_SYSCTL_LENGTH: usize = 253;
const SYSCTL_FORM: &str = "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?";

/// Checks `securityContext` of a pod and what it has to do with the host's namespaces.
pub(super) fn check_pod(spec: &Value, path: &Path<'_>, causes: &mut Causes) {
    if flag(spec, "shareProcessNamespace") && flag(spec, "hostPID") {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        causes.invalid(&path.name("shareProcessNamespace"), true, detail);
    }
    if get(spec, "hostUsers") == false {
        for (field, name) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")]
        {
            if flag(spec, field) {
                causes.forbidden(&path.name(name), "when `pod.Spec.HostUsers` is false");
            }
        }
    }
    let context = get(spec, "securityContext");
    let path = path.name("securityContext");
    let list = path.name("supplementalGroups");
    for (index, group) in items(context, "supplementalGroups").iter().enumerate() {
        check_bounds(0, Some(MAX_ID), group.as_i64().unwrap_or_default(), &list.index(index), causes);
    }
    let sysctls = items(context, "sysctls");
    for (index, sysctl) in sysctls.iter().enumerate() {
        let path = path.name("sysctls");
        let path = path.index(index);
        let name = text(sysctl, "name");
        if name.is_empty() {
            continue;
        }
        if name.len() > MAX_SYSCTL_LENGTH || !is_sysctl(name) {
            let detail =
                format!("must have at most {MAX_SYSCTL_LENGTH} characters and match regex ^{SYSCTL_FORM}$");
            causes.invalid(&path.name("name"), name, &detail);
        } else if sysctls[..index].iter().any(|other| text(other, "name") == name) {
            causes.duplicate(&path.name("name"), name);
        }
    }
    profiles(context, &path, causes);
}

/// Checks `securityContext` of a container.
pub(super) fn check_container(container: &Value, host_users: bool, path: &Path<'_>, causes: &mut Causes) {
    let context = get(container, "securityContext");
    if context.is_null() {
        return;
    }
    let path = path.name("securityContext");
    if text(context, "procMount") == "Unmasked" && host_users {
        causes.invalid(&path.name("procMount"), "Unmasked", "`hostUsers` must be false to use `Unmasked`");
    }
    if get(context, "allowPrivilegeEscalation") == false {
        if flag(context, "privileged") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            causes.invalid(&path, context, detail);
        }
        if texts(get(context, "capabilities"), "add").any(|capability| capability == "CAP_SYS_ADMIN") {
            let detail =
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            causes.invalid(&path, context, detail);
        }
    }
    profiles(context, &path, causes);
}

/// A profile of one's own has a name; others have none.
fn profiles(context: &Value, path: &Path<'_>, causes: &mut Causes) {
    for (field, what) in [("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")] {
        let profile = get(context, field);
        if profile.is_null() {
            continue;
        }
        let path = path.name(field);
        let path = path.name("localhostProfile");
        let local = text(profile, "type") == "Localhost";
        if local && text(profile, "localhostProfile").is_empty() {
            causes.required(&path, &format!("must be set when {what} type is Localhost"));
        } else if local && what == "seccomp" {
            local_path(text(profile, "localhostProfile"), &path, causes);
        } else if !local && has(profile, "localhostProfile") {
            let detail = format!("can only be set when {what} type is Localhost");
            causes.invalid(&path, get(profile, "localhostProfile"), &detail);
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    let outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.split(['.', '/']).all(|part| {
        let bytes = part.as_bytes();
        matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if outer(*first) && outer(*last))
            && bytes.iter().all(|byte| outer(*byte) || matches!(byte, b'-' | b'_'))
    })
}
