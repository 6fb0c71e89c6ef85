//! What can be wrong with a world.

/// What is wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Problem {
    /// The field, such as `sites[3].capacity.cpu.amount`.
    pub path: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, problem: impl Into<String>) -> Problem {
        Problem { path: path.into(), problem: problem.into() }
    }
}

/// The beginning of a name, since a hostile one may be as long as the file.
pub(crate) fn quoted(name: &str) -> String {
    let short: String = name.chars().take(80).collect();
    if short.len() < name.len() { format!("{short:?}...") } else { format!("{short:?}") }
}

/// A key as a part of a path.
pub(crate) fn key(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.len() <= 80 && name.bytes().all(is_plain) {
        format!(".{name}")
    } else {
        format!("[{}]", quoted(name))
    }
}
