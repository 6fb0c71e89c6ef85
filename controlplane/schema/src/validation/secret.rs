//! Secrets.

use serde_json::Value;

use super::cause::Causes;
use super::config_map::{MAX_SIZE, keep};
use super::names;
use crate::base64::decoded_length;
use crate::decode::Path;
use crate::read::{entries, get, text};

/// The annotation that ties a token to its account.
const ACCOUNT_ANNOTATION: &str = "kubernetes.io/service-account.name";

/// Rules for a Secret, new or not.
pub(super) fn check(object: &Value, causes: &mut Causes) {
    let (data, path) = (entries(object, "data"), Path::ROOT.name("data"));
    let mut size = 0;
    for (key, value) in data {
        causes.malformed(&path.key(key), key, names::config_key(key));
        size += decoded_length(value.as_str().unwrap_or_default()).unwrap_or_default();
    }
    if size > MAX_SIZE {
        causes.too_long(&path, MAX_SIZE);
    }
    let required: &[&str] = match text(object, "type") {
        "kubernetes.io/service-account-token" => {
            if text(get(get(object, "metadata"), "annotations"), ACCOUNT_ANNOTATION).is_empty() {
                let path = Path::ROOT.name("metadata");
                let path = path.name("annotations");
                causes.required(&path.key(ACCOUNT_ANNOTATION), "");
            }
            &[]
        }
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        // One of the two is enough.
        "kubernetes.io/basic-auth" if !data.contains_key("username") && !data.contains_key("password") => {
            &["username", "password"]
        }
        _ => &[],
    };
    for key in required.iter().filter(|key| !data.contains_key(**key)) {
        causes.required(&path.key(key), "");
    }
}

/// Rules for an update.
pub(super) fn check_update(object: &Value, old: &Value, causes: &mut Causes) {
    if text(object, "type") != text(old, "type") {
        causes.invalid(&Path::ROOT.name("type"), text(object, "type"), "field is immutable");
    }
    keep(object, old, &["data"], causes);
    check(object, causes);
}
