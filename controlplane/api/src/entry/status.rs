//! The status of a stored object, found and replaced without decoding the rest.
//!
//! Of all writes most are of statuses, and of a pod's bytes most are its spec.

use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{Form, encoded};
use crate::Entry;

/// Where the members that a change of the status is decided on lie in the stored form.
#[derive(Debug)]
pub(crate) struct Parts {
    spec: Option<Range<usize>>,
    /// The status; where there is none, the empty place before the last brace.
    status: Range<usize>,
    has_status: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecOutline<'a> {
    #[serde(default)]
    restart_policy: &'a str,
}

impl Entry {
    /// Finds spec and status. None: the stored form is not as this build writes it.
    pub(crate) fn parts(&self) -> Option<Parts> {
        let (_, length) = value_at::<IgnoredAny>(self.metadata_on())?;
        let mut at = self.metadata_start().checked_sub(1)? + length;
        let mut parts = Parts { spec: None, status: 0..0, has_status: false };
        while let Some(rest) = self.bytes.get(at..)?.strip_prefix(b",") {
            let (name, length) = value_at::<&str>(rest)?;
            let rest = rest.get(length..)?.strip_prefix(b":")?;
            let start = at + length + 2;
            at = start + value_at::<IgnoredAny>(rest)?.1;
            match name {
                "spec" => parts.spec = Some(start..at),
                "status" => (parts.status, parts.has_status) = (start..at, true),
                _ => {}
            }
        }
        if self.bytes.get(at..)? != b"}" {
            return None;
        }
        if !parts.has_status {
            parts.status = at..at;
        }
        Some(parts)
    }

    /// The spec of a pod, decoded; null where its containers are always started again.
    pub(crate) fn spec_of_restarts(&self, parts: &Parts) -> Value {
        let spec = parts.spec.clone().and_then(|spec| self.bytes.get(spec)).unwrap_or_default();
        match serde_json::from_slice(spec) {
            Ok(SpecOutline { restart_policy: "Never" | "OnFailure" }) => {
                serde_json::from_slice(spec).unwrap_or_default()
            }
            _ => Value::Null,
        }
    }

    /// The status, decoded; empty where there is none.
    pub(crate) fn status(&self, parts: &Parts) -> Option<Map<String, Value>> {
        if !parts.has_status {
            return Some(Map::new());
        }
        serde_json::from_slice(self.bytes.get(parts.status.clone())?).ok()
    }

    /// What is to be stored of the object with another status.
    pub(crate) fn with_status(&self, parts: &Parts, status: &Value) -> Result<Form, serde_json::Error> {
        let Parts { status: place, has_status, .. } = parts;
        let bytes = encoded(|out| {
            out.extend_from_slice(self.bytes.get(..place.start).unwrap_or_default());
            if !has_status {
                out.extend_from_slice(b",\"status\":");
            }
            serde_json::to_writer(&mut *out, status)?;
            out.extend_from_slice(self.bytes.get(place.end..).unwrap_or_default());
            Ok(())
        })?;
        Ok(Form {
            bytes,
            uid: self.uid.clone(),
            labels: self.labels.clone(),
            deleting: self.deleting,
            node_name: self.node_name.clone(),
            names_hosts: !self.node_name.is_empty() || status.get("nominatedNodeName").is_some(),
        })
    }
}

/// The JSON value that some bytes begin with, and its length.
fn value_at<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, values.byte_offset()))
}

#[cfg(test)]
mod tests {
    use meridian_store::{Revision, Tenant, TenantRevision};
    use serde_json::json;

    use super::*;
    use crate::entry::form;

    fn entry(object: &Value) -> Entry {
        let kind = meridian_schema::pod();
        let at = (Revision(1), TenantRevision(1));
        Entry::written(kind, &Tenant::system(), "default", "web", form(kind, object).unwrap(), at)
    }

    #[test]
    fn another_status_is_stored_as_if_the_whole_object_had_been_written() {
        let pod = |status: &Value| {
            let metadata = json!({"name": "web", "uid": "u", "labels": {"a": "b"}, "annotations": {"x": "},\"status\":{"}});
            json!({"metadata": metadata, "spec": {"nodeName": "h", "restartPolicy": "Never", "status": 1}, "status": status, "zulu": [1]})
        };
        let statuses =
            [json!(null), json!({}), json!({"phase": "Running", "message": "\"\\ü{"}), json!({"phase": ""})];
        for old in &statuses {
            for new in &statuses[1..] {
                let entry = entry(&pod(old));
                let parts = entry.parts().unwrap();
                let spec = entry.spec_of_restarts(&parts);
                assert_eq!(spec, json!({"nodeName": "h", "restartPolicy": "Never", "status": 1}));
                assert_eq!(
                    Value::from(entry.status(&parts).unwrap()),
                    if old.is_null() { json!({}) } else { old.clone() }
                );
                let written = entry.with_status(&parts, new).unwrap();
                let mut whole: Value =
                    serde_json::from_slice(&form(entry.kind, &pod(new)).unwrap().bytes).unwrap();
                let mut spliced: Value = serde_json::from_slice(&written.bytes).unwrap();
                assert_eq!(spliced, whole);
                if !old.is_null() {
                    assert_eq!(written.bytes, form(entry.kind, &pod(new)).unwrap().bytes);
                }
                assert_eq!((spliced["kind"].take(), written.uid.as_str()), (whole["kind"].take(), "u"));
            }
        }
    }

    #[test]
    fn what_is_stored_otherwise_has_no_parts() {
        let good = entry(&json!({"metadata": {"name": "web"}, "status": {}}));
        assert!(good.parts().is_some());
        for end in 0..good.bytes.len() {
            let cut = Entry { bytes: good.bytes.slice(..end), ..good.clone() };
            assert!(cut.parts().is_none(), "cut at {end}");
        }
    }
}
