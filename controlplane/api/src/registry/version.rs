//! Resource versions and continue tokens as clients give them.

use serde::{Deserialize, Serialize};

use crate::failure::FailureCause;
use crate::{Details, Failure, ListOptions, Reason, WatchOptions};

/// As of when a list or a read is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AsOf {
    /// Everything acknowledged before the request.
    Now,
    /// Whatever is at hand.
    Any,
    /// This resource version or a later one.
    NotOlderThan(u64),
    /// This one.
    Exactly(u64),
}

/// A resource version as a number; none: it is not given.
pub(super) fn parse(version: Option<&str>) -> Result<Option<u64>, Failure> {
    match version {
        None | Some("") => Ok(None),
        Some(given) => match given.parse() {
            Ok(version) => Ok(Some(version)),
            Err(_) => Err(Failure::bad_request(format!(
                "Invalid value: {given:?}: resourceVersion must be one that the server gave, or 0"
            ))),
        },
    }
}

/// As of when a read is asked for.
pub(super) fn of_get(version: Option<&str>) -> Result<AsOf, Failure> {
    Ok(match parse(version)? {
        None => AsOf::Now,
        Some(0) => AsOf::Any,
        Some(version) => AsOf::NotOlderThan(version),
    })
}

/// As of when a list is asked for.
pub(super) fn of_list(options: &ListOptions) -> Result<AsOf, Failure> {
    let version = parse(options.resource_version.as_deref())?;
    let how = options.resource_version_match.as_deref().unwrap_or_default();
    let forbidden = |message: &str| Err(invalid("resourceVersionMatch", "Forbidden", message));
    match (version, how) {
        (None, "") => Ok(AsOf::Now),
        (None, _) => forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"),
        (Some(0), "Exact") => {
            forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")
        }
        (Some(0), "" | "NotOlderThan") => Ok(AsOf::Any),
        (Some(version), "Exact") => Ok(AsOf::Exactly(version)),
        // A page without a match is one of that very moment, as in etcd's days.
        (Some(version), "") if options.limit.is_some_and(|limit| limit > 0) => Ok(AsOf::Exactly(version)),
        (Some(version), "" | "NotOlderThan") => Ok(AsOf::NotOlderThan(version)),
        (_, other) => Err(unsupported(other)),
    }
}

/// From when on a watch is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// What there is, and then what follows. `marked`: with a bookmark in between.
    Start { as_of: AsOf, marked: bool },
    /// What follows on this.
    After(u64),
    /// What follows on now.
    Now,
}

/// From when on a watch is asked for.
pub(super) fn of_watch(options: &WatchOptions) -> Result<From, Failure> {
    let version = parse(options.resource_version.as_deref())?;
    let how = options.resource_version_match.as_deref().unwrap_or_default();
    match (options.send_initial_events, how) {
        (None, "") => Ok(match version {
            None => From::Start { as_of: AsOf::Now, marked: false },
            Some(0) => From::Start { as_of: AsOf::Any, marked: false },
            Some(version) => From::After(version),
        }),
        (None, _) => Err(invalid(
            "resourceVersionMatch",
            "Forbidden",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        )),
        (Some(_), "NotOlderThan") => Ok(match (options.send_initial_events, version) {
            (Some(true), None) => From::Start { as_of: AsOf::Now, marked: true },
            (Some(true), Some(0)) => From::Start { as_of: AsOf::Any, marked: true },
            (Some(true), Some(version)) => From::Start { as_of: AsOf::NotOlderThan(version), marked: true },
            (_, None | Some(0)) => From::Now,
            (_, Some(version)) => From::After(version),
        }),
        (Some(_), "") => Err(invalid(
            "resourceVersionMatch",
            "Forbidden",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )),
        (Some(_), other) => Err(unsupported(other)),
    }
}

fn unsupported(how: &str) -> Failure {
    let message = format!("Unsupported value: {how:?}: supported values: \"Exact\", \"NotOlderThan\"");
    list_options(vec![FailureCause {
        reason: "FieldValueNotSupported".to_owned(),
        message,
        field: "resourceVersionMatch".to_owned(),
    }])
}

fn invalid(field: &str, title: &str, message: &str) -> Failure {
    list_options(vec![FailureCause {
        reason: format!("FieldValue{title}"),
        message: format!("{title}: {message}"),
        field: field.to_owned(),
    }])
}

fn list_options(causes: Vec<FailureCause>) -> Failure {
    let details =
        Details { group: "meta.k8s.io".to_owned(), kind: "ListOptions".to_owned(), ..Details::default() };
    Failure::invalid_subject("ListOptions.meta.k8s.io", "", causes, details)
}

/// A resource version that is not reached yet.
pub(super) fn too_large(asked: u64, current: u64) -> Failure {
    const CAUSE: &str = "Too large resource version";
    Failure::new(Reason::Timeout, format!("Timeout: {CAUSE}: {asked}, current: {current}"))
        .because("ResourceVersionTooLarge", CAUSE, "")
        .retry_after(1)
}

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Continue {
    v: String,
    /// As of when; -1: as of then.
    pub(super) rv: i64,
    /// Behind this `namespace/name`.
    pub(super) start: String,
}

const TOKEN_VERSION: &str = "meridian/1";
/// Of lists of all tenants, where the place is `tenant/namespace/name` and the version the partition's.
const ACROSS_VERSION: &str = "meridian/all/1";

impl Continue {
    pub(super) fn new(version: Option<u64>, start: String) -> Self {
        let rv = version.and_then(|version| i64::try_from(version).ok()).unwrap_or(-1);
        Self { v: TOKEN_VERSION.to_owned(), rv, start }
    }

    /// In a list of all tenants.
    pub(super) fn across(version: Option<u64>, tenant: &str, path: &str) -> Self {
        let token = Self::new(version, format!("{tenant}/{path}"));
        Self { v: ACROSS_VERSION.to_owned(), ..token }
    }

    /// The tenant and the `namespace/name` behind which a list of all tenants goes on.
    pub(super) fn decode_across(token: &str) -> Result<(Self, String, String), Failure> {
        let decoded = Self::decode_as(token, ACROSS_VERSION)?;
        match decoded.start.split_once('/') {
            Some((tenant, path)) if path.contains('/') => {
                let (tenant, path) = (tenant.to_owned(), path.to_owned());
                Ok((decoded, tenant, path))
            }
            _ => Err(invalid_token()),
        }
    }

    /// As a client gets it: nothing to be read by people.
    pub(super) fn encode(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        json.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn decode(token: &str) -> Result<Self, Failure> {
        Self::decode_as(token, TOKEN_VERSION)
    }

    fn decode_as(token: &str, version: &str) -> Result<Self, Failure> {
        let digits = token.as_bytes().chunks(2).map(|pair| {
            let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
            u8::from_str_radix(text, 16).ok()
        });
        let json: Vec<u8> = digits.collect::<Option<_>>().ok_or_else(invalid_token)?;
        let decoded: Self = serde_json::from_slice(&json).map_err(|_| invalid_token())?;
        if decoded.v == version && decoded.start.contains('/') { Ok(decoded) } else { Err(invalid_token()) }
    }
}

fn invalid_token() -> Failure {
    Failure::bad_request("continue key is not valid: want the one of the answer before, as it was")
}

/// A page that can no longer be given as of the moment of the pages before.
pub(super) fn continue_expired(start: &str) -> Failure {
    continue_expired_at(&Continue::new(None, start.to_owned()))
}

/// The same, with the token that goes on as of now.
pub(super) fn continue_expired_at(token: &Continue) -> Failure {
    let mut failure = Failure::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
         the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
         Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
         deleted between the time the first chunk was returned and now may show up in the list.",
    );
    failure.continue_token = Some(token.encode().into());
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_place_and_another_text_nowhere() {
        let token = Continue::new(Some(12), "shop/web-1".to_owned());
        assert_eq!(Continue::decode(&token.encode()), Ok(token.clone()));
        let text = token.encode();
        for bad in ["", "zz", "7", "ä", "7b7d", &text[..text.len() - 2], &text.replace("76", "77")] {
            let failure = Continue::decode(bad).unwrap_err();
            assert_eq!(failure.code, 400, "{bad}");
        }
    }

    #[test]
    fn a_resource_version_and_its_match_mean_what_kubernetes_says() {
        let list = |version: Option<&str>, how: Option<&str>, limit| {
            of_list(&ListOptions {
                resource_version: version.map(str::to_owned),
                resource_version_match: how.map(str::to_owned),
                limit,
                ..ListOptions::default()
            })
        };
        assert_eq!(list(None, None, None), Ok(AsOf::Now));
        assert_eq!(list(Some(""), None, Some(5)), Ok(AsOf::Now));
        assert_eq!(list(Some("0"), None, Some(5)), Ok(AsOf::Any));
        assert_eq!(list(Some("7"), None, None), Ok(AsOf::NotOlderThan(7)));
        assert_eq!(list(Some("7"), None, Some(5)), Ok(AsOf::Exactly(7)));
        assert_eq!(list(Some("7"), Some("NotOlderThan"), Some(5)), Ok(AsOf::NotOlderThan(7)));
        assert_eq!(list(Some("7"), Some("Exact"), None), Ok(AsOf::Exactly(7)));
        assert_eq!(list(Some("x"), None, None).unwrap_err().code, 400);
        for (version, how) in [(None, "Exact"), (Some("0"), "Exact"), (Some("7"), "exact")] {
            assert_eq!(list(version, Some(how), None).unwrap_err().code, 422, "{version:?} {how}");
        }
    }
}
