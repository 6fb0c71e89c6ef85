//! Nodes and pods of a whole cluster, as `kubectl get nodes,pods -A -o json` prints them.
//!
//! JSON is read item by item, so that a dump of gigabytes needs memory for what comes out of it and for one object,
//! not for a tree of everything. Both the `List` that kubectl prints and the `NodeList` and `PodList` that an API
//! server answers are read; in the latter items do not say their kind, the list does.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use meridian_engine::Host;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::document::{self, DocumentError, Unique};
use crate::error::{ObjectError, quoted, shortened};
use crate::node::host_from_node;
use crate::pod::{Pod, pod_from_object};

/// The largest dump that is read as JSON.
pub const MAX_DUMP_BYTES: u64 = 16 << 30;

/// The largest dump that is read as YAML, which is held in memory as a whole.
pub const MAX_YAML_DUMP_BYTES: u64 = 64 << 20;

/// The nodes and pods of a cluster, in the order of the dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// The nodes. Names are unique.
    pub hosts: Vec<Host>,
    /// The pods, those included that have ended. Names are unique in each namespace.
    pub pods: Vec<Pod>,
}

/// Why a dump was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The reader failed.
    #[error("reading the dump: {0}")]
    Read(io::Error),
    /// Neither JSON nor YAML, too large, or no list of objects.
    #[error("{0}")]
    Document(DocumentError),
    /// The dump is no list, or an item is neither a node nor a pod.
    #[error("{place} is {kind}, want {want}")]
    Kind {
        /// Which field of the dump.
        place: String,
        /// What was given.
        kind: String,
        /// What would be right.
        want: &'static str,
    },
    /// An item that cannot be translated.
    #[error("items[{index}] ({kind} {name}): {problem}")]
    Item {
        /// Which one, from 0.
        index: usize,
        /// `Node` or `Pod`.
        kind: &'static str,
        /// The object's name, with its namespace where it has one.
        name: String,
        /// What is wrong.
        problem: Box<ObjectError>,
    },
    /// Two objects of one name.
    #[error("items[{index}] ({kind} {name}): items[{first}] has this name already, want each object once")]
    Twice {
        /// The second one.
        index: usize,
        /// The first one.
        first: usize,
        /// `Node` or `Pod`.
        kind: &'static str,
        /// The name they share.
        name: String,
    },
}

impl Dump {
    /// Reads a dump from text.
    pub fn from_text(text: &str) -> Result<Dump, DumpError> {
        if document::is_json(text) {
            let mut deserializer = serde_json::Deserializer::from_str(text);
            let dump = collect(&mut deserializer, DocumentError::Json)?;
            deserializer.end().map_err(|error| DumpError::Document(DocumentError::Json(error)))?;
            return Ok(dump);
        }
        if text.len() as u64 > MAX_YAML_DUMP_BYTES {
            return Err(DumpError::Document(DocumentError::TooLarge { limit: MAX_YAML_DUMP_BYTES }));
        }
        let mut outcome = None;
        let options = document::yaml_options(text.len());
        let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
            let yaml = |error: serde_saphyr::Error| DocumentError::Yaml(error.to_string());
            outcome = Some(collect(deserializer, yaml));
            Ok(())
        });
        match (outcome, read) {
            // What is wrong with an object comes before what an unfinished reading makes of the rest.
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(DumpError::Document(DocumentError::Yaml(error.to_string()))),
            (Some(Ok(dump)), Ok(())) => Ok(dump),
            (None, Ok(())) => Err(DumpError::Document(DocumentError::Yaml("the text is empty".to_owned()))),
        }
    }

    /// Reads a dump as it comes.
    pub fn from_reader(reader: impl Read) -> Result<Dump, DumpError> {
        let mut reader = BufReader::with_capacity(1 << 16, reader.take(MAX_DUMP_BYTES));
        if first_byte(&mut reader).map_err(DumpError::Read)? != Some(b'{') {
            let mut text = String::new();
            let mut reader = reader.take(MAX_YAML_DUMP_BYTES + 1);
            reader.read_to_string(&mut text).map_err(DumpError::Read)?;
            return Dump::from_text(&text);
        }
        let mut deserializer = serde_json::Deserializer::from_reader(&mut reader);
        let dump = collect(&mut deserializer, DocumentError::Json).and_then(|dump| {
            deserializer.end().map(|()| dump).map_err(|e| DumpError::Document(DocumentError::Json(e)))
        });
        match dump {
            Err(_) if reader.get_ref().limit() == 0 => {
                Err(DumpError::Document(DocumentError::TooLarge { limit: MAX_DUMP_BYTES }))
            }
            Err(DumpError::Document(DocumentError::Json(error))) if error.is_io() => {
                Err(DumpError::Read(error.into()))
            }
            other => other,
        }
    }
}

/// The first byte that is not white space, which stays in the reader.
fn first_byte(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        // Line by line would not do: YAML needs the indentation of its first line, and that is not JSON.
        match buffer.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(byte) => return Ok(Some(*byte)),
            None if buffer.len() >= 1 << 16 => return Ok(None),
            None => {
                let length = buffer.len();
                reader.consume(length);
            }
        }
    }
}

fn collect<'de, D: Deserializer<'de>>(
    deserializer: D,
    document: impl FnOnce(D::Error) -> DocumentError,
) -> Result<Dump, DumpError> {
    let mut collector = Collector::default();
    let read = deserializer.deserialize_map(List(&mut collector));
    // A bad object ends the reading with an error of the reader, which knows less about it.
    match (collector.failure.take(), read) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) => Err(DumpError::Document(document(error))),
        (None, Ok(())) => collector.finish(),
    }
}

#[derive(Default)]
struct Collector {
    dump: Dump,
    /// The kind of the list, once it is known.
    kind: Option<String>,
    /// Items that do not say their kind, until that of the list is known.
    waiting: Vec<(usize, Value)>,
    /// Index of the first object of each kind and name.
    names: BTreeMap<(&'static str, String), usize>,
    failure: Option<DumpError>,
}

impl Collector {
    fn item(&mut self, index: usize, value: Value) -> Result<(), DumpError> {
        match value.get("kind") {
            Some(Value::String(kind)) => {
                let kind = known_kind(kind).ok_or_else(|| DumpError::Kind {
                    place: format!("items[{index}].kind"),
                    kind: quoted(kind),
                    want: "Node or Pod",
                })?;
                self.object(index, kind, &value)
            }
            _ => {
                self.waiting.push((index, value));
                Ok(())
            }
        }
    }

    fn object(&mut self, index: usize, kind: &'static str, value: &Value) -> Result<(), DumpError> {
        let problem = |problem: ObjectError| DumpError::Item {
            index,
            kind,
            name: name_of(value),
            problem: Box::new(problem),
        };
        let name = if kind == "Node" {
            let host = host_from_node(value).map_err(problem)?;
            let name = host.name.clone();
            self.dump.hosts.push(host);
            name
        } else {
            let pod = pod_from_object(value).map_err(problem)?;
            let name = pod.view.key();
            self.dump.pods.push(pod);
            name
        };
        match self.names.insert((kind, name), index) {
            Some(first) => Err(DumpError::Twice { index, first, kind, name: name_of(value) }),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Dump, DumpError> {
        let of_items = match self.kind.as_deref() {
            Some("List") => None,
            Some("NodeList") => Some("Node"),
            Some("PodList") => Some("Pod"),
            other => {
                return Err(DumpError::Kind {
                    place: "kind".to_owned(),
                    kind: other.map_or("missing".to_owned(), quoted),
                    want: "List, NodeList or PodList",
                });
            }
        };
        for (index, value) in std::mem::take(&mut self.waiting) {
            let kind = of_items.ok_or_else(|| DumpError::Kind {
                place: format!("items[{index}].kind"),
                kind: "missing".to_owned(),
                want: "Node or Pod",
            })?;
            self.object(index, kind, &value)?;
        }
        Ok(self.dump)
    }
}

fn known_kind(kind: &str) -> Option<&'static str> {
    ["Node", "Pod"].into_iter().find(|known| *known == kind)
}

/// The name in messages about an object, which may be of any shape.
fn name_of(value: &Value) -> String {
    let text = |field: &str| value.get("metadata")?.get(field)?.as_str().map(|text| shortened(text, 80));
    match (text("namespace"), text("name")) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        (None, Some(name)) => name,
        (_, None) => "without a name".to_owned(),
    }
}

/// Reads the fields of the list.
struct List<'c>(&'c mut Collector);

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of nodes and pods")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut has_items = false;
        while let Some(field) = fields.next_key::<String>()? {
            match field.as_str() {
                "kind" => self.0.kind = Some(fields.next_value()?),
                "items" if has_items => return Err(A::Error::custom("the key \"items\" is given twice")),
                "items" => {
                    has_items = true;
                    fields.next_value_seed(Items(self.0))?;
                }
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Reads the items of the list, one at a time.
struct Items<'c>(&'c mut Collector);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of nodes and pods")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(Unique(value)) = items.next_element()? {
            if let Err(failure) = self.0.item(index, value) {
                self.0.failure = Some(failure);
                return Err(A::Error::custom("an item was refused"));
            }
            index += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
