//! The forms of names: what may stand in labels, in names of objects, ports, variables and keys.
//!
//! Each check returns what is wrong in the words that Kubernetes' clients know, and allocates only then.

use std::borrow::Cow;

/// What is wrong with a text; usually nothing, at most a few sentences.
pub(crate) type Problems = Vec<Cow<'static, str>>;

/// The longest label of a domain name.
const LABEL_LENGTH: usize = 63;

/// The longest domain name.
const SUBDOMAIN_LENGTH: usize = 253;

const LABEL_MESSAGE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and \
    must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_MESSAGE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED_NAME_MESSAGE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start \
    and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const QUALIFIED_PARTS_MESSAGE: &str = "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must \
    start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation \
    is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. \
    'example.com/MyName')";
const LABEL_VALUE_MESSAGE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' \
    or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
    used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const VARIABLE_MESSAGE: &str = "a valid environment variable name must consist only of printable ASCII characters other \
    than '='";
const KEY_MESSAGE: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  \
    or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const HEADER_MESSAGE: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', \
    regex used for validation is '[-A-Za-z0-9]+')";
const CONDITION_REASON_MESSAGE: &str = "a condition reason must start with alphabetic character, optionally followed by a \
    string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or \
    'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is \
    '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";

fn too_long(most: usize) -> Cow<'static, str> {
    format!("must be no more than {most} bytes").into()
}

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Text of `inner` bytes that begins and ends with `outer` ones.
fn shaped(text: &str, outer: fn(u8) -> bool, inner: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if outer(*first) && outer(*last))
        && bytes.iter().all(|byte| inner(*byte))
}

fn is_label(text: &str) -> bool {
    shaped(text, lower, |byte| lower(byte) || byte == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// The shape of the name part of a qualified name.
fn is_name_part(text: &str) -> bool {
    shaped(
        text,
        |byte| byte.is_ascii_alphanumeric(),
        |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
    )
}

/// A label of a domain name (RFC 1123).
pub(crate) fn dns_label(text: &str) -> Problems {
    let mut problems = Problems::new();
    if text.len() > LABEL_LENGTH {
        problems.push(too_long(LABEL_LENGTH));
    }
    if !is_label(text) {
        problems.push(if is_subdomain(text) { "must not contain dots".into() } else { LABEL_MESSAGE.into() });
    }
    problems
}

/// A domain name (RFC 1123).
pub(crate) fn dns_subdomain(text: &str) -> Problems {
    let mut problems = Problems::new();
    if text.len() > SUBDOMAIN_LENGTH {
        problems.push(too_long(SUBDOMAIN_LENGTH));
    }
    if !is_subdomain(text) {
        problems.push(SUBDOMAIN_MESSAGE.into());
    }
    problems
}

/// The key of a label and what is written like one: a name of at most 63 characters, perhaps after a domain name.
pub(crate) fn qualified_name(text: &str) -> Problems {
    let mut problems = Problems::new();
    let name = match text.split_once('/') {
        None => text,
        Some((_, name)) if name.contains('/') => return vec![QUALIFIED_PARTS_MESSAGE.into()],
        Some(("", name)) => {
            problems.push("prefix part must be non-empty".into());
            name
        }
        Some((prefix, name)) => {
            problems.extend(
                dns_subdomain(prefix).into_iter().map(|problem| format!("prefix part {problem}").into()),
            );
            name
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".into());
    } else if name.len() > LABEL_LENGTH {
        problems.push(format!("name part {}", too_long(LABEL_LENGTH)).into());
    }
    if !is_name_part(name) {
        problems.push(QUALIFIED_NAME_MESSAGE.into());
    }
    problems
}

/// The value of a label.
pub(crate) fn label_value(text: &str) -> Problems {
    let mut problems = Problems::new();
    if text.len() > LABEL_LENGTH {
        problems.push(too_long(LABEL_LENGTH));
    }
    if !text.is_empty() && !is_name_part(text) {
        problems.push(LABEL_VALUE_MESSAGE.into());
    }
    problems
}

/// The name of a port.
pub(crate) fn port_name(text: &str) -> Problems {
    let mut problems = Problems::new();
    if text.len() > 15 {
        problems.push(too_long(15));
    }
    if text.is_empty() || !text.bytes().all(|byte| lower(byte) || byte == b'-') {
        problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        problems.push("must contain at least one letter (a-z)".into());
    }
    if text.contains("--") {
        problems.push("must not contain consecutive hyphens".into());
    }
    if text.starts_with('-') || text.ends_with('-') {
        problems.push("must not begin or end with a hyphen".into());
    }
    problems
}

/// The name of an environment variable.
pub(crate) fn variable_name(text: &str) -> Problems {
    if text.is_empty() {
        return vec!["environment variable name must be non-empty".into()];
    }
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=') {
        return Problems::new();
    }
    vec![VARIABLE_MESSAGE.into()]
}

/// A key of a ConfigMap or a Secret, which may become the name of a file.
pub(crate) fn config_key(text: &str) -> Problems {
    let mut problems = Problems::new();
    if text.len() > SUBDOMAIN_LENGTH {
        problems.push(too_long(SUBDOMAIN_LENGTH));
    }
    if text.is_empty()
        || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    {
        problems.push(KEY_MESSAGE.into());
    }
    match text {
        "." => problems.push("must not be '.'".into()),
        ".." => problems.push("must not be '..'".into()),
        _ if text.starts_with("..") => problems.push("must not start with '..'".into()),
        _ => {}
    }
    problems
}

/// The name of an HTTP header.
pub(crate) fn header_name(text: &str) -> Problems {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Problems::new();
    }
    vec![HEADER_MESSAGE.into()]
}

/// The reason of a condition.
pub(crate) fn condition_reason(text: &str) -> Problems {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if first && shaped(text, word, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b',' | b':'))
    {
        return Problems::new();
    }
    vec![CONDITION_REASON_MESSAGE.into()]
}

/// An address of IPv4 or IPv6.
pub(crate) fn ip(text: &str) -> Problems {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Problems::new();
    }
    vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".into()]
}

/// A network in CIDR notation.
pub(crate) fn cidr(text: &str) -> Problems {
    let valid = text.split_once('/').is_some_and(|(address, length)| {
        let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let length = length.parse::<u8>().ok().filter(|_| digits);
        match (address.parse::<std::net::IpAddr>(), length) {
            (Ok(std::net::IpAddr::V4(_)), Some(length)) => length <= 32,
            (Ok(std::net::IpAddr::V6(_)), Some(length)) => length <= 128,
            _ => false,
        }
    });
    if valid {
        return Problems::new();
    }
    vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".into()]
}

/// The name of an object of a kind.
pub(crate) fn object_name(kind: &str, name: &str) -> Problems {
    match kind {
        "Namespace" => dns_label(name),
        _ => dns_subdomain(name),
    }
}

/// The beginning of a name that the server completes: the name it may become, so that a hyphen at the end is allowed.
pub(crate) fn generate_name(kind: &str, prefix: &str) -> Problems {
    match prefix.strip_suffix('-') {
        // As Kubernetes does it: the hyphen before what is added is seen as any other character.
        Some(rest) if !rest.is_empty() => object_name(kind, &format!("{rest}a")),
        _ => object_name(kind, prefix),
    }
}
