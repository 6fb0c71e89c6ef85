//! Bodies of requests: JSON, YAML and Kubernetes' protobuf become values, and patches become patches.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use meridian_schema::{
    DecodeError, Decoded, FieldValidation, MessageRef, decode_json, decode_plain_json, decode_protobuf,
    decode_yaml,
};
use serde_json::Value;

use super::media::MediaType;
use super::query::{self, Query};
use super::refuse;
use crate::{Failure, Patch, PatchKind, Reason};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_MERGE_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY_PATCHES: [&str; 2] = ["application/apply-patch+yaml", "application/apply-patch+cbor"];

/// What a body has to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) message: MessageRef,
    pub(super) api_version: &'a str,
    pub(super) kind: &'a str,
    /// Earlier versions with the same members, which older clients send.
    pub(super) earlier: &'a [&'a str],
}

/// The parameter `fieldValidation`.
pub(super) fn field_validation(query: &Query<'_>) -> Result<FieldValidation, Failure> {
    match query.text("fieldValidation") {
        None | Some("Warn") => Ok(FieldValidation::Warn),
        Some("Strict") => Ok(FieldValidation::Strict),
        Some("Ignore") => Ok(FieldValidation::Ignore),
        Some(value) => Err(query::invalid("fieldValidation", value, "want Strict, Warn or Ignore")),
    }
}

/// The object in a body, with `apiVersion` and `kind`, and what the client should be warned of.
pub(super) fn object(
    headers: &HeaderMap,
    body: &[u8],
    expected: Expected<'_>,
    validation: FieldValidation,
) -> Result<Decoded, Failure> {
    let content_type = content_type(headers)?;
    let media = MediaType::parse(content_type);
    let mut decoded = if content_type.is_empty() || media.is(JSON) {
        decode_json(expected.message, body, validation).map_err(|error| undecodable(expected, &error))?
    } else if media.is(YAML) {
        decode_yaml(expected.message, body, validation).map_err(|error| undecodable(expected, &error))?
    } else if media.is(PROTOBUF) {
        let (found, object) = decode_protobuf(body).map_err(|error| undecodable(expected, &error))?;
        check(expected, Some(&found.api_version), Some(&found.kind))?;
        Decoded { object, warnings: Vec::new() }
    } else {
        return Err(refuse::unsupported_media_type(content_type, &[JSON, YAML, PROTOBUF]));
    };
    let text = |member: &str| decoded.object.get(member).and_then(Value::as_str);
    check(expected, text("apiVersion"), text("kind"))?;
    if let Some(object) = decoded.object.as_object_mut() {
        object.insert("apiVersion".to_owned(), Value::from(expected.api_version));
        object.insert("kind".to_owned(), Value::from(expected.kind));
    }
    Ok(decoded)
}

/// The options in a body, where there is one: whatever version it says it is of, the members are the same.
pub(super) fn options(headers: &HeaderMap, body: &[u8], message: MessageRef) -> Result<Value, Failure> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let content_type = content_type(headers)?;
    let media = MediaType::parse(content_type);
    let undecodable =
        |error: &dyn std::fmt::Display| Failure::bad_request(format!("options cannot be read: {error}"));
    if content_type.is_empty() || media.is(JSON) {
        decode_json(message, body, FieldValidation::Ignore)
            .map(|decoded| decoded.object)
            .map_err(|e| undecodable(&e))
    } else if media.is(YAML) {
        decode_yaml(message, body, FieldValidation::Ignore)
            .map(|decoded| decoded.object)
            .map_err(|e| undecodable(&e))
    } else if media.is(PROTOBUF) {
        let (found, options) = decode_protobuf(body).map_err(|e| undecodable(&e))?;
        if found.kind != "DeleteOptions" {
            return Err(undecodable(&format!("the body is of kind {:?}, want DeleteOptions", found.kind)));
        }
        Ok(options)
    } else {
        Err(refuse::unsupported_media_type(content_type, &[JSON, YAML, PROTOBUF]))
    }
}

/// The patch in a body, and what its author should know of it.
pub(super) fn patch(
    headers: &HeaderMap,
    body: &[u8],
    validation: FieldValidation,
) -> Result<(Patch, Vec<String>), Failure> {
    let content_type = content_type(headers)?;
    let media = MediaType::parse(content_type);
    let kind = if media.is(JSON_PATCH) {
        PatchKind::Json
    } else if media.is(MERGE_PATCH) {
        PatchKind::Merge
    } else if media.is(STRATEGIC_MERGE_PATCH) {
        PatchKind::StrategicMerge
    } else if APPLY_PATCHES.iter().any(|apply| media.is(apply)) {
        return Err(Failure::new(
            Reason::UnsupportedMediaType,
            format!(
                "server-side apply ({}) is not served yet: apply on the client's side, or send {JSON_PATCH}, \
                 {MERGE_PATCH} or {STRATEGIC_MERGE_PATCH}",
                media.essence()
            ),
        ));
    } else {
        return Err(refuse::unsupported_media_type(
            content_type,
            &[JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH],
        ));
    };
    let Decoded { object: body, mut warnings } = decode_plain_json(body).map_err(|error| {
        Failure::bad_request(format!("error decoding patch: the body is no JSON: {error}"))
    })?;
    if kind == PatchKind::Json {
        warnings.extend(unknown_members(&body));
        // The places are in the list of operations and not in the object, where those of other warnings are.
        warnings.iter_mut().for_each(|warning| warning.insert_str(0, "json patch "));
    }
    match validation {
        FieldValidation::Ignore => warnings.clear(),
        FieldValidation::Strict if !warnings.is_empty() => {
            return Err(Failure::bad_request(DecodeError::Strict(warnings).to_string()));
        }
        FieldValidation::Warn | FieldValidation::Strict => {}
    }
    match kind {
        PatchKind::Json if !body.is_array() => {
            Err(Failure::bad_request("error decoding patch: a JSON patch is a list of operations"))
        }
        PatchKind::Merge | PatchKind::StrategicMerge if !body.is_object() => {
            Err(Failure::bad_request("error decoding patch: a merge patch is an object"))
        }
        _ => Ok((Patch { kind, body }, warnings)),
    }
}

/// Members of the operations of a JSON patch that none has.
fn unknown_members(operations: &Value) -> impl Iterator<Item = String> {
    /// More are not worth naming.
    const MOST: usize = 64;
    let operations = operations.as_array().into_iter().flatten().enumerate();
    let members = operations.flat_map(|(index, operation)| {
        operation.as_object().into_iter().flat_map(|members| members.keys()).map(move |name| (index, name))
    });
    members
        .filter(|(_, name)| !matches!(name.as_str(), "op" | "path" | "from" | "value"))
        .map(|(index, name)| format!("unknown field \"[{index}].{name}\""))
        .take(MOST)
}

fn content_type(headers: &HeaderMap) -> Result<&str, Failure> {
    match headers.get(CONTENT_TYPE) {
        None => Ok(""),
        Some(value) => value
            .to_str()
            .map(str::trim)
            .map_err(|_| Failure::bad_request("the header Content-Type is not ASCII")),
    }
}

/// Whether what a body says of itself is what the path says.
fn check(expected: Expected<'_>, api_version: Option<&str>, kind: Option<&str>) -> Result<(), Failure> {
    let api_version = api_version.filter(|text| !text.is_empty()).unwrap_or(expected.api_version);
    let kind = kind.filter(|text| !text.is_empty()).unwrap_or(expected.kind);
    if api_version != expected.api_version && !expected.earlier.contains(&api_version) {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            expected.api_version
        )));
    }
    if kind != expected.kind {
        return Err(cannot_be_handled(expected, kind, "the request is for another kind"));
    }
    Ok(())
}

fn undecodable(expected: Expected<'_>, error: &dyn std::fmt::Display) -> Failure {
    cannot_be_handled(expected, expected.kind, error)
}

fn cannot_be_handled(expected: Expected<'_>, kind: &str, why: impl std::fmt::Display) -> Failure {
    let version = expected.api_version.rsplit('/').next().unwrap_or_default();
    Failure::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {}: {why}",
        expected.kind
    ))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
    }

    fn read(content_type: &'static str, body: &str) -> Result<PatchKind, Failure> {
        patch(&of(content_type), body.as_bytes(), FieldValidation::Warn).map(|(patch, _)| patch.kind)
    }

    #[test]
    fn patches_are_known_by_their_type() {
        assert_eq!(read(JSON_PATCH, "[]"), Ok(PatchKind::Json));
        assert_eq!(read("application/merge-patch+json; charset=utf-8", "{}"), Ok(PatchKind::Merge));
        assert_eq!(read(STRATEGIC_MERGE_PATCH, "{}"), Ok(PatchKind::StrategicMerge));
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        for (content_type, body, code) in [
            (JSON_PATCH, "{}", 400),
            (MERGE_PATCH, "[]", 400),
            (MERGE_PATCH, "{\"a\":", 400),
            (JSON, "{}", 415),
            ("", "{}", 415),
        ] {
            assert_eq!(read(content_type, body).unwrap_err().code, code, "{content_type:?} {body}");
        }
        let apply = read("application/apply-patch+yaml", "{}").unwrap_err();
        assert_eq!(apply.code, 415);
        assert!(apply.message.contains("server-side apply"), "{apply}");
    }
}
