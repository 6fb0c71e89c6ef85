//! On whose behalf a request is made: the one place where a request becomes a [`Caller`].
//!
//! Until there are credentials, the tenant comes from the URL and the user is the administrator: such a server listens on
//! loopback only, where whoever can connect may read its files as well.

use std::net::{IpAddr, Ipv6Addr};

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use meridian_store::Tenant;

use super::refuse;
use crate::{Caller, Failure, Reason};

/// The user of a connection without credentials.
const ADMINISTRATOR: &str = "system:admin";

/// The groups of that user.
const ADMINISTRATORS: [&str; 2] = ["system:masters", "system:authenticated"];

/// Whether a request without credentials comes from where the administrator is.
///
/// A browser on this machine runs the pages of strangers, and they may send requests here, if not see the answers; they can
/// do that too once their own name leads to this machine. A browser names the page that asks (`Origin`), and everybody
/// names the server as they know it (`Host`): both have to be this machine.
pub(super) fn check_origin(parts: &Parts) -> Result<(), Failure> {
    let host = match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(HOST).map(|host| host.to_str().unwrap_or_default()),
    };
    if let Some(host) = host
        && !is_this_machine(host)
    {
        return Err(Failure::new(
            Reason::Forbidden,
            format!(
                "requests without credentials are for a server called localhost or by a loopback address, not {host:?}"
            ),
        ));
    }
    if let Some(origin) = parts.headers.get(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let from = origin.split_once("://").map_or("", |(_, from)| from);
        if !is_this_machine(from) {
            return Err(Failure::new(
                Reason::Forbidden,
                format!("requests without credentials are not taken from web pages of {origin:?}"),
            ));
        }
    }
    Ok(())
}

/// Whether a host, with or without a port, is a loopback one.
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Who makes a request for `tenant`.
pub(super) fn caller(tenant: Tenant) -> Caller {
    Caller {
        tenant,
        user: ADMINISTRATOR.to_owned(),
        groups: ADMINISTRATORS.iter().map(|group| (*group).to_owned()).collect(),
    }
}

/// The rest of a path that is about all tenants; none: it is about one.
pub(super) fn split_all(path: &str) -> Option<&str> {
    path.strip_prefix("/tenants/all").filter(|rest| rest.starts_with('/'))
}

/// The tenant that a path begins with, if it does, and the rest of the path.
pub(super) fn split_tenant(path: &str) -> Result<(Option<Tenant>, &str), Failure> {
    let Some(rest) = path.strip_prefix("/tenants/") else { return Ok((None, path)) };
    let (name, _) = rest.split_once('/').ok_or_else(refuse::no_such_page)?;
    Ok((Some(tenant(name)?), rest.get(name.len()..).unwrap_or_default()))
}

/// A tenant by the name that a URL gives it.
pub(super) fn tenant(name: &str) -> Result<Tenant, Failure> {
    // Kept for what operators see of all tenants.
    if name == "all" {
        return Err(Failure::bad_request(
            "\"all\" is no tenant: what all tenants have is at /tenants/all/api/... and /tenants/all/apis/...",
        ));
    }
    Tenant::new(name).map_err(|error| Failure::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_this_machine() {
        for host in ["localhost", "LocalHost:6443", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:6443"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "example.org",
            "localhost.example.org:6443",
            "10.0.0.1",
            "[2001:db8::1]:6443",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
