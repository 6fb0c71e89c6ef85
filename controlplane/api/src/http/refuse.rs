//! Refusals that are about the request itself and not about an object, in the words that Kubernetes' clients know.

use crate::{Failure, Reason};

/// Nothing is served at this path.
pub(super) fn no_such_page() -> Failure {
    Failure::new(Reason::NotFound, "the server could not find the requested resource")
}

/// Something is served at this path, but not to this method.
pub(super) fn method_not_allowed() -> Failure {
    Failure::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")
}

/// Something that has a tenant is asked for where all tenants are looked at.
pub(super) fn needs_a_tenant() -> Failure {
    Failure::new(
        Reason::MethodNotAllowed,
        "the server does not allow this method on the requested resource: objects of all tenants are listed and watched \
         under /tenants/all; to read or write one, name its tenant: /tenants/{tenant}/api/... or /tenants/{tenant}/apis/...",
    )
}

/// None of the clauses of `Accept` is served.
pub(super) fn not_acceptable(accept: &str, served: &[&str]) -> Failure {
    Failure::new(
        Reason::NotAcceptable,
        format!(
            "only the following media types are accepted: {} (the request accepts {accept:?})",
            served.join(", ")
        ),
    )
}

/// The body is in none of the formats that are read here.
pub(super) fn unsupported_media_type(content_type: &str, read: &[&str]) -> Failure {
    Failure::new(
        Reason::UnsupportedMediaType,
        format!(
            "the body of the request was in an unknown format {content_type:?} - accepted media types include: {}",
            read.join(", ")
        ),
    )
}

/// The body is larger than is taken.
pub(super) fn too_large(limit: usize) -> Failure {
    Failure::too_large(format!("Request entity too large: limit is {limit} bytes"))
}

/// The body did not arrive in time.
pub(super) fn too_slow(seconds: u64) -> Failure {
    let message = format!("the request's body did not arrive within {seconds} seconds");
    Failure { code: 408, ..Failure::new(Reason::Timeout, message) }
}

/// The request was not answered in time.
pub(super) fn too_long(seconds: u64) -> Failure {
    Failure::new(
        Reason::Timeout,
        format!("the request was not done within {seconds} seconds; whether it is still done is not known"),
    )
}

/// The body ended before its time.
pub(super) fn broken_off(error: &dyn std::fmt::Display) -> Failure {
    Failure::bad_request(format!("the request's body broke off: {error}"))
}
