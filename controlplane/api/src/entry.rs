//! Objects as they are kept: shared encoded bytes, with the little that is looked at often.
//!
//! The stored form is compact JSON that begins with `apiVersion`, `kind` and `metadata`, in this order, with all other
//! members in the order of their names, and without a resource version: equal objects have equal bytes. The resource
//! version is spliced in behind `"metadata":{` on the way out, without decoding anything.

mod status;

use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use meridian_schema::Kind;
use meridian_store::{Revision, Tenant, TenantRevision};

use crate::object::{is_deleting, meta, text};
use crate::view::Seen;

/// An object as of one resource version.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its kind.
    pub kind: &'static Kind,
    /// The tenant it belongs to.
    pub tenant: Tenant,
    /// Its namespace; empty where it is in none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its labels, in the order of their keys.
    pub labels: Labels,
    /// Whether it has a deletion timestamp.
    pub deleting: bool,
    /// The host a pod is meant for or bound to; empty where there is none, and for other kinds.
    pub node_name: String,
    /// Whether it names hosts, which tenants are shown under other names.
    pub(crate) names_hosts: bool,
    /// What is seen of it by those who may not see all.
    pub(crate) seen: Seen,
    /// Its stored form, without a resource version.
    pub bytes: Bytes,
    /// When it was last written.
    pub modified: Revision,
    /// When it was last written, in its tenant's own sequence: its resource version.
    pub tenant_modified: TenantRevision,
}

/// What is stored of an object, with what is looked at often, told from the object itself and not from its bytes.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) bytes: Bytes,
    uid: String,
    labels: Labels,
    deleting: bool,
    node_name: String,
    names_hosts: bool,
}

/// The labels of an object: keys and values, in the order of the keys.
pub type Labels = Box<[(Box<str>, Box<str>)]>;

/// What of an object is looked at often.
#[derive(Deserialize)]
struct Outline {
    metadata: OutlineMetadata,
    #[serde(default)]
    spec: OutlineSpec,
    #[serde(default)]
    status: OutlineStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutlineMetadata {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    labels: Option<BTreeMap<Box<str>, Box<str>>>,
    #[serde(default)]
    deletion_timestamp: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutlineSpec {
    #[serde(default)]
    node_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutlineStatus {
    #[serde(default)]
    nominated_node_name: Option<String>,
}

#[derive(Deserialize)]
struct MetadataOutline {
    metadata: OutlineMetadata,
}

/// The annotation that names an object's tenant to those who look at all of them.
pub const TENANT_ANNOTATION: &str = "meridian.io/tenant";

/// What lies between the start of the stored form and the first member of its metadata.
const METADATA: &str = ",\"metadata\":{";

impl Entry {
    /// An object from its stored form.
    pub(crate) fn decode(
        kind: &'static Kind,
        tenant: &Tenant,
        namespace: &str,
        name: &str,
        bytes: Bytes,
        modified: Revision,
        tenant_modified: TenantRevision,
    ) -> Result<Self, serde_json::Error> {
        let (metadata, node_name, nominated) = if kind.kind == "Pod" {
            let Outline { metadata, spec, status } = serde_json::from_slice(&bytes)?;
            (metadata, spec.node_name.unwrap_or_default(), status.nominated_node_name.unwrap_or_default())
        } else {
            let outline: MetadataOutline = serde_json::from_slice(&bytes)?;
            (outline.metadata, String::new(), String::new())
        };
        Ok(Self {
            kind,
            tenant: tenant.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: metadata.uid,
            labels: metadata.labels.into_iter().flatten().collect(),
            deleting: metadata.deletion_timestamp.is_some(),
            names_hosts: !node_name.is_empty() || !nominated.is_empty(),
            seen: Seen::default(),
            node_name,
            bytes,
            modified,
            tenant_modified,
        })
    }

    /// An object that was just written.
    pub(crate) fn written(
        kind: &'static Kind,
        tenant: &Tenant,
        namespace: &str,
        name: &str,
        form: Form,
        (modified, tenant_modified): (Revision, TenantRevision),
    ) -> Self {
        let Form { bytes, uid, labels, deleting, node_name, names_hosts } = form;
        Self {
            kind,
            tenant: tenant.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid,
            labels,
            deleting,
            node_name,
            names_hosts,
            seen: Seen::default(),
            bytes,
            modified,
            tenant_modified,
        }
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|(own, _)| (**own).cmp(key)).ok()?;
        self.labels.get(at).map(|(_, value)| &**value)
    }

    /// The object with its resource version, decoded.
    #[must_use]
    pub fn value(&self) -> Value {
        let mut value = self.stored_value();
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), Value::String(self.tenant_modified.to_string()));
        }
        value
    }

    /// The object without its resource version, decoded.
    #[must_use]
    pub fn stored_value(&self) -> Value {
        // What could not be decoded never became an entry.
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// The object with its resource version, encoded.
    #[must_use]
    pub fn json(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.bytes.len() + 48);
        self.write_json(&mut out);
        out.into()
    }

    /// Appends the object with its resource version, encoded, to `out`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let behind = self.metadata_start();
        let (head, rest) = self.bytes.split_at(behind);
        out.extend_from_slice(head);
        out.extend_from_slice(b"\"resourceVersion\":\"");
        out.extend_from_slice(self.tenant_modified.to_string().as_bytes());
        out.push(b'"');
        if rest.first() != Some(&b'}') {
            out.push(b',');
        }
        out.extend_from_slice(rest);
    }

    /// The stored form from its metadata on: whoever wants only that reads one JSON value and stops.
    #[must_use]
    pub fn metadata_on(&self) -> &[u8] {
        let brace = self.metadata_start().checked_sub(1);
        brace.and_then(|brace| self.bytes.get(brace..)).unwrap_or_default()
    }

    /// The resource version, as clients see it.
    #[must_use]
    pub fn resource_version(&self) -> u64 {
        self.tenant_modified.0
    }

    /// The object with the same content at another moment: what a deletion tells.
    pub(crate) fn restamped(&self, modified: Revision, tenant_modified: TenantRevision) -> Self {
        Self { modified, tenant_modified, ..self.clone() }
    }

    /// The object as operators see it who look at all tenants: with an annotation that names its tenant, whatever it says
    /// itself, and the partition's revision for a resource version.
    #[must_use]
    pub(crate) fn across_tenants(&self) -> Self {
        let seen = Self { tenant_modified: TenantRevision(self.modified.0), ..self.clone() };
        Self { bytes: self.marked().unwrap_or_else(|| self.marked_anew()), ..seen }
    }

    /// Members of metadata are in the order of their names, so that annotations come first where there are any.
    fn marked(&self) -> Option<Bytes> {
        const ANNOTATIONS: &[u8] = b"\"annotations\":{";
        let behind = self.metadata_start();
        let (head, rest) = self.bytes.split_at_checked(behind).filter(|_| behind > 0)?;
        if contains(rest, TENANT_ANNOTATION.as_bytes()) {
            return None;
        }
        let mark = format!("\"{TENANT_ANNOTATION}\":\"{}\"", self.tenant);
        let mut out = Vec::with_capacity(self.bytes.len() + mark.len() + ANNOTATIONS.len() + 2);
        out.extend_from_slice(head);
        out.extend_from_slice(ANNOTATIONS);
        out.extend_from_slice(mark.as_bytes());
        let (closing, rest): (&[u8], _) = match rest.strip_prefix(ANNOTATIONS) {
            Some(rest) if rest.first() == Some(&b'}') => (b"", rest),
            Some(rest) => (b",", rest),
            None if contains(rest, ANNOTATIONS) => return None,
            None if rest.first() == Some(&b'}') => (b"}", rest),
            None => (b"},", rest),
        };
        out.extend_from_slice(closing);
        out.extend_from_slice(rest);
        Some(out.into())
    }

    fn marked_anew(&self) -> Bytes {
        let mut value = self.stored_value();
        let annotations = crate::object::members(
            crate::object::metadata(&mut value).entry("annotations").or_insert(Value::Null),
        );
        annotations.insert(TENANT_ANNOTATION.to_owned(), Value::String(self.tenant.to_string()));
        // What could be decoded can be encoded.
        encoded(|out| encode(self.kind, &value, out)).unwrap_or_default()
    }

    fn metadata_start(&self) -> usize {
        let head = head(self.kind);
        if self.bytes.starts_with(head.as_bytes()) {
            return head.len();
        }
        // Written by a build that wrote another order: looked for in the first bytes.
        let metadata = METADATA.as_bytes();
        let found = self.bytes.windows(metadata.len()).position(|window| window == metadata);
        found.map_or(0, |at| at + metadata.len())
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// How the stored form of every object of a kind begins.
fn head(kind: &Kind) -> String {
    format!("{{\"apiVersion\":\"{}\",\"kind\":\"{}\"{METADATA}", kind.api_version(), kind.kind)
}

/// The largest buffer that a thread keeps for the next object.
const MOST_SCRATCH: usize = 64 << 10;

thread_local! {
    // Objects are kept for long: none keeps the buffer that it grew in.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What `write` writes, in exactly the bytes that it takes.
fn encoded(
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), serde_json::Error>,
) -> Result<Bytes, serde_json::Error> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        write(scratch)?;
        let bytes = Bytes::copy_from_slice(scratch);
        if scratch.capacity() > MOST_SCRATCH {
            *scratch = Vec::new();
        }
        Ok(bytes)
    })
}

/// What is to be stored of an object.
pub(crate) fn form(kind: &Kind, object: &Value) -> Result<Form, serde_json::Error> {
    let bytes = encoded(|out| encode(kind, object, out))?;
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    let labels =
        labels.filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into()))).collect();
    let of_pod = |path: &[&str]| if kind.kind == "Pod" { text(object, path) } else { "" };
    let node_name = of_pod(&["spec", "nodeName"]);
    let names_hosts = !node_name.is_empty() || !of_pod(&["status", "nominatedNodeName"]).is_empty();
    Ok(Form {
        bytes,
        uid: meta(object, "uid").to_owned(),
        labels,
        deleting: is_deleting(object),
        node_name: node_name.to_owned(),
        names_hosts,
    })
}

/// The stored form of an object of which nothing is to be told but which one it is.
pub(crate) fn bare(entry: &Entry) -> Bytes {
    let Entry { namespace, name, uid, .. } = entry;
    let object = serde_json::json!({ "metadata": { "namespace": namespace, "name": name, "uid": uid } });
    // Texts are always encoded.
    encoded(|out| encode(entry.kind, &object, out)).unwrap_or_default()
}

/// The stored form of an object: without a resource version, and in the one order.
fn encode(kind: &Kind, object: &Value, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    out.extend_from_slice(head(kind).as_bytes());
    let empty = Map::new();
    let object = object.as_object().unwrap_or(&empty);
    let metadata = object.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let mut first = true;
    for (name, value) in metadata {
        if name != "resourceVersion" && !value.is_null() {
            member(out, &mut first, name, value)?;
        }
    }
    out.push(b'}');
    first = false;
    for (name, value) in object {
        if !matches!(name.as_str(), "apiVersion" | "kind" | "metadata") && !value.is_null() {
            member(out, &mut first, name, value)?;
        }
    }
    out.push(b'}');
    Ok(())
}

fn member(out: &mut Vec<u8>, first: &mut bool, name: &str, value: &Value) -> Result<(), serde_json::Error> {
    if !std::mem::take(first) {
        out.push(b',');
    }
    serde_json::to_writer(&mut *out, name)?;
    out.push(b':');
    serde_json::to_writer(&mut *out, value)
}

#[cfg(test)]
mod tests {
    use meridian_schema::{deployment, pod};
    use serde_json::json;

    use super::*;

    fn seen(kind: &'static Kind, object: &Value) -> Value {
        let blue = Tenant::new("blue").unwrap();
        let form = form(kind, object).unwrap();
        let at = (Revision(70), TenantRevision(7));
        let entry = Entry::written(kind, &blue, "default", "a", form, at);
        let mut stored = entry.value();
        let seen = entry.across_tenants();
        let value = seen.value();
        assert_eq!(serde_json::from_slice::<Value>(&seen.json()).unwrap(), value);
        assert_eq!(
            seen.json()
                .windows(TENANT_ANNOTATION.len())
                .filter(|part| *part == TENANT_ANNOTATION.as_bytes())
                .count(),
            1
        );
        stored["metadata"]["resourceVersion"] = json!("70");
        stored["metadata"]["annotations"][TENANT_ANNOTATION] = json!("blue");
        assert_eq!(value, stored, "nothing else is other");
        value
    }

    #[test]
    fn an_operator_sees_whose_an_object_is_whatever_it_says_itself() {
        for metadata in [
            json!({}),
            json!({ "name": "a", "labels": { "app": "x" } }),
            json!({ "annotations": {}, "name": "a" }),
            json!({ "annotations": { "note": "1" } }),
            json!({ "annotations": { "meridian.io/tenant": "red", "z": "\"annotations\":{" }, "name": "a" }),
        ] {
            let object = json!({ "metadata": metadata, "spec": { "nodeName": "h" } });
            seen(pod(), &object);
            let template = json!({ "metadata": { "annotations": { "of": "the template" } } });
            let object = json!({ "metadata": { "name": "a" }, "spec": { "template": template } });
            assert_eq!(seen(deployment(), &object)["spec"]["template"], template);
        }
    }
}
