//! Reads the text of the table.
//!
//! A file is `package <name>` and then messages, each a `message <Name>` line and a line for every field:
//!
//! ```text
//! message Volume
//!   1   name      string            required format=dns-label
//!   2   (inline)  VolumeSource
//!   -   notInProtobuf  []meta.OwnerReference  merge-key=uid
//! ```
//!
//! The columns are the protobuf number (`-` if there is none), the JSON name (`(inline)` for a message whose fields lie
//! flat in JSON), the type (`[]` a list of, `{}` a map from text to) and attributes. `meta.` and `core.` stand for the
//! packages that everything uses. `atomic` after a message's name says that its fields have one owner together.
//!
//! | attribute | says |
//! | --- | --- |
//! | `required` | an object without it is refused |
//! | `pointer` | set to nothing differs from not set |
//! | `default=` | what is filled in |
//! | `enum=`, `min=`, `max=`, `format=` | which values are allowed |
//! | `list-type=`, `keys=` | how elements of a list belong together: `atomic`, `set`, or `map` by keys |
//! | `patch-strategy=`, `merge-key=` | what a strategic merge patch does: `merge`, `retainKeys`, `replace` |
//!
//! Others are kept as they are for those who know them. `kinds.txt` has a block for each kind instead.

use rustc_hash::FxHashMap;
use thiserror::Error;

use super::Table;
use super::field::{Field, ListType, Message, MessageId, Numbered, PatchStrategy, Type};
use super::kind::{Home, Kind, Subresource};

pub(super) const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const CORE: &str = "io.k8s.api.core.v1";

/// Readers mark the fields that they have seen in the bits of a word.
const MAX_FIELDS: usize = 64;

/// What is wrong in the text, and where.
#[derive(Debug, Error)]
#[error("{file}, line {line}: {problem}")]
pub(crate) struct TableError {
    file: &'static str,
    line: usize,
    problem: String,
}

/// A line with its place.
#[derive(Clone, Copy)]
struct Line {
    file: &'static str,
    number: usize,
    text: &'static str,
}

impl Line {
    fn error(&self, problem: impl Into<String>) -> TableError {
        TableError { file: self.file, line: self.number, problem: problem.into() }
    }

    fn indented(&self) -> bool {
        self.text.starts_with(' ')
    }
}

/// A message as written, before names of types are looked up.
struct Written {
    package: &'static str,
    heading: Line,
    atomic: bool,
    fields: Vec<Line>,
}

/// A kind as written.
struct WrittenKind {
    heading: Line,
    name: &'static str,
    lines: Vec<Line>,
}

pub(crate) fn parse(sources: &[(&'static str, &'static str)]) -> Result<Table, TableError> {
    let (written, written_kinds) = split(sources)?;
    let mut by_name = FxHashMap::default();
    for (place, message) in written.iter().enumerate() {
        let name = full_name(message)?;
        let place = u16::try_from(place).map_err(|_| message.heading.error("more than 65,536 messages"))?;
        if by_name.insert(name, MessageId(place)).is_some() {
            return Err(message.heading.error(format!("{name} is there twice")));
        }
    }
    let mut messages = Vec::with_capacity(written.len());
    for message in &written {
        messages.push(read_message(&written, &by_name, message)?);
    }
    let mut kinds = Vec::with_capacity(written_kinds.len());
    for (index, kind) in written_kinds.iter().enumerate() {
        kinds.push(read_kind(&by_name, index, kind)?);
    }
    Ok(Table { messages, kinds, by_name })
}

fn split(sources: &[(&'static str, &'static str)]) -> Result<(Vec<Written>, Vec<WrittenKind>), TableError> {
    let mut messages: Vec<Written> = Vec::new();
    let mut kinds: Vec<WrittenKind> = Vec::new();
    for (file, text) in sources.iter().copied() {
        let mut package = "";
        let mut in_kind = false;
        for (at, text) in text.lines().enumerate() {
            let line = Line { file, number: at + 1, text };
            let trimmed = text.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            if line.indented() {
                let lines = match (in_kind, kinds.last_mut(), messages.last_mut()) {
                    (true, Some(kind), _) => &mut kind.lines,
                    (false, _, Some(message)) => &mut message.fields,
                    _ => return Err(line.error("nothing that this line belongs to")),
                };
                lines.push(line);
                continue;
            }
            let mut words = trimmed.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("package"), Some(name), None) => package = name,
                (Some("kind"), Some(name), None) => {
                    in_kind = true;
                    kinds.push(WrittenKind { heading: line, name, lines: Vec::new() });
                }
                (Some("message"), Some(_), atomic @ (None | Some("atomic"))) => {
                    in_kind = false;
                    messages.push(Written {
                        package,
                        heading: line,
                        atomic: atomic.is_some(),
                        fields: Vec::new(),
                    });
                }
                _ => return Err(line.error("want package, message or kind with a name")),
            }
        }
    }
    Ok((messages, kinds))
}

fn full_name(message: &Written) -> Result<&'static str, TableError> {
    let name = message.heading.text.split_whitespace().nth(1).unwrap_or_default();
    if message.package.is_empty() || name.is_empty() {
        return Err(message.heading.error("a message without a package or a name"));
    }
    Ok(leak(format!("{}.{name}", message.package)))
}

/// The table lives as long as the program, and is made once.
fn leak(text: String) -> &'static str {
    text.leak()
}

type Names = FxHashMap<&'static str, MessageId>;

fn read_message(written: &[Written], names: &Names, message: &Written) -> Result<Message, TableError> {
    let name = full_name(message)?;
    let id = names.get(name).copied().ok_or_else(|| message.heading.error("a message without a name"))?;
    let mut fields = Vec::new();
    let mut by_number = Vec::new();
    collect(written, names, message, &mut fields, Some(&mut by_number))?;
    let mut by_name: Vec<u16> = (0..fields.len()).filter_map(|place| u16::try_from(place).ok()).collect();
    by_name.sort_by_key(|place| {
        let name = fields[usize::from(*place)].name;
        (name.len(), name)
    });
    if let Some(twice) =
        by_name.windows(2).find(|pair| fields[usize::from(pair[0])].name == fields[usize::from(pair[1])].name)
    {
        return Err(message
            .heading
            .error(format!("field {} is there twice", fields[usize::from(twice[0])].name)));
    }
    if fields.len() > MAX_FIELDS {
        return Err(message.heading.error(format!("{} fields, want at most {MAX_FIELDS}", fields.len())));
    }
    by_number.sort_by_key(|(number, _)| *number);
    if let Some(twice) = by_number.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(message.heading.error(format!("number {} is there twice", twice[0].0)));
    }
    Ok(Message { name, id, fields, atomic: message.atomic, by_name, by_number })
}

/// Adds the fields of a message, and of those that it takes in flat, to `fields`. Numbers are those of the outermost.
fn collect(
    written: &[Written],
    names: &Names,
    message: &Written,
    fields: &mut Vec<Field>,
    mut by_number: Option<&mut Vec<(u32, Numbered)>>,
) -> Result<(), TableError> {
    for line in &message.fields {
        let mut words = line.text.split_whitespace();
        let (Some(number), Some(name), Some(type_name)) = (words.next(), words.next(), words.next()) else {
            return Err(line.error("want a number, a name and a type"));
        };
        let number = match number {
            "-" => 0,
            digits => {
                digits.parse::<u32>().map_err(|_| line.error(format!("{digits:?} is no field number")))?
            }
        };
        if name == "(inline)" {
            let id = find(names, message.package, type_name)
                .ok_or_else(|| line.error(format!("no message {type_name}")))?;
            if let Some(by_number) = by_number.as_deref_mut() {
                by_number.push((number, Numbered::Inline(id)));
            }
            collect(written, names, &written[usize::from(id.0)], fields, None)?;
            continue;
        }
        let value = read_type(names, message.package, type_name, line)?;
        let place = u16::try_from(fields.len()).map_err(|_| line.error("more than 65,536 fields"))?;
        if let (Some(by_number), true) = (by_number.as_deref_mut(), number > 0) {
            by_number.push((number, Numbered::Field(place)));
        }
        fields.push(read_field(name, number, value, words, line)?);
    }
    Ok(())
}

fn find(names: &Names, package: &str, name: &str) -> Option<MessageId> {
    let full = match name.split_once('.') {
        None => format!("{package}.{name}"),
        Some(("meta", name)) => format!("{META}.{name}"),
        Some(("core", name)) => format!("{CORE}.{name}"),
        Some(_) => name.to_owned(),
    };
    names.get(full.as_str()).copied()
}

fn read_type(names: &Names, package: &str, name: &str, line: &Line) -> Result<Type, TableError> {
    if let Some(inner) = name.strip_prefix("[]") {
        return Ok(Type::List(Box::new(read_type(names, package, inner, line)?)));
    }
    if let Some(inner) = name.strip_prefix("{}") {
        return Ok(Type::Map(Box::new(read_type(names, package, inner, line)?)));
    }
    Ok(match name {
        "string" => Type::String,
        "bool" => Type::Boolean,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "bytes" => Type::Bytes,
        "quantity" => Type::Quantity,
        "int-or-string" => Type::IntOrString,
        "time" => Type::Time,
        "micro-time" => Type::MicroTime,
        "object" => Type::Object,
        _ => Type::Message(find(names, package, name).ok_or_else(|| line.error(format!("no type {name}")))?),
    })
}

fn read_field(
    name: &'static str,
    number: u32,
    value: Type,
    attributes: impl Iterator<Item = &'static str>,
    line: &Line,
) -> Result<Field, TableError> {
    let attributes: Vec<_> = attributes.map(|word| word.split_once('=').unwrap_or((word, ""))).collect();
    let get =
        |name: &str| attributes.iter().find(|(attribute, _)| *attribute == name).map(|(_, value)| *value);
    let whole = |name: &str| match get(name) {
        None => Ok(None),
        Some(digits) => {
            digits.parse::<i64>().map(Some).map_err(|_| line.error(format!("{name}={digits}: no number")))
        }
    };
    let strategies = get("patch-strategy").unwrap_or_default();
    let field = Field {
        name,
        number,
        value,
        required: get("required").is_some(),
        optional_pointer: get("pointer").is_some(),
        default: get("default"),
        format: get("format"),
        enumeration: get("enum").map_or(&[], list),
        minimum: whole("min")?,
        maximum: whole("max")?,
        list_type: match get("list-type") {
            None => None,
            Some("atomic") => Some(ListType::Atomic),
            Some("set") => Some(ListType::Set),
            Some("map") => Some(ListType::Map),
            Some(other) => return Err(line.error(format!("no list type {other}"))),
        },
        list_keys: get("keys").map_or(&[], list),
        merge_key: get("merge-key"),
        patch_strategy: PatchStrategy {
            merge: strategies.split(',').any(|strategy| strategy == "merge"),
            retain_keys: strategies.split(',').any(|strategy| strategy == "retainKeys"),
            replace: strategies.split(',').any(|strategy| strategy == "replace"),
        },
        attributes,
    };
    Ok(field)
}

fn list(text: &'static str) -> &'static [&'static str] {
    text.split(',').collect::<Vec<_>>().leak()
}

fn read_kind(names: &Names, index: usize, written: &WrittenKind) -> Result<Kind, TableError> {
    let missing = |what: &str| written.heading.error(format!("kind {} has no {what}", written.name));
    let words = |key: &str| {
        written.lines.iter().find_map(|line| {
            let mut words = line.text.split_whitespace();
            (words.next() == Some(key)).then(|| words.collect::<Vec<_>>())
        })
    };
    let word = |key: &str| words(key).and_then(|words| words.first().copied());
    let message = word("message").ok_or_else(|| missing("message"))?;
    let message =
        find(names, "", message).ok_or_else(|| written.heading.error(format!("no message {message}")))?;
    let version = word("version").ok_or_else(|| missing("version"))?;
    let group = word("group").unwrap_or_default();
    let plural = word("plural").ok_or_else(|| missing("plural"))?;
    let mut subresources = Vec::new();
    for line in &written.lines {
        let words: Vec<_> = line.text.split_whitespace().collect();
        if let ["subresource", name, api_versions, kind, message, verbs @ ..] = words.as_slice() {
            let (api_version, earlier) = api_versions.split_once(',').unwrap_or((api_versions, ""));
            let earlier = if earlier.is_empty() { &[][..] } else { list(earlier) };
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let message =
                find(names, "", message).ok_or_else(|| line.error(format!("no message {message}")))?;
            let verbs = verbs.to_vec().leak();
            subresources.push(Subresource { name, group, version, earlier, kind, verbs, message });
        }
    }
    Ok(Kind {
        group,
        version,
        kind: written.name,
        plural,
        singular: leak(written.name.to_ascii_lowercase()),
        short_names: words("short").unwrap_or_default().leak(),
        categories: words("categories").unwrap_or_default().leak(),
        namespaced: match word("scope") {
            Some("namespaced") => true,
            Some("cluster") => false,
            _ => return Err(missing("scope (namespaced or cluster)")),
        },
        verbs: words("verbs").ok_or_else(|| missing("verbs"))?.leak(),
        subresources: subresources.leak(),
        home: match word("home") {
            Some("tenants") => Home::Tenants,
            Some("hosts") => Home::Hosts,
            _ => return Err(missing("home (tenants or hosts)")),
        },
        api_version: if group.is_empty() { version } else { leak(format!("{group}/{version}")) },
        resource: if group.is_empty() { plural } else { leak(format!("{plural}.{group}")) },
        message,
        index,
    })
}
