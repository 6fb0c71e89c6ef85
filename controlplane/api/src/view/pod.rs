//! Pods as their tenants see them: virtual nodes in the place of hosts, and no addresses of hosts.
//!
//! The addresses are left out and not made up. Kubernetes' own clients take them for optional, and whoever finds one takes it
//! for an address that answers. A pod in its host's network has its host's addresses for its own; they are left out too.
//!
//! A pod is taken apart no further than it has to be: into the members of the object, its spec and its status, of which a few
//! are replaced and all others are copied as they are.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Seen;
use crate::Entry;
use crate::object::{self, at};

/// Where a pod names hosts.
pub(super) const HOST_NAMES: [[&str; 2]; 2] = [["spec", "nodeName"], ["status", "nominatedNodeName"]];
/// The members of a status that tell addresses of the host.
const HOST_ADDRESSES: [&str; 2] = ["hostIP", "hostIPs"];
/// Those that do so where the pod is in the host's network.
const POD_ADDRESSES: [&str; 2] = ["podIP", "podIPs"];

/// A pod as its tenant sees it, which knows hosts by the names that `name` gives them.
pub(super) fn seen(entry: &Entry, name: impl Fn(&str) -> String) -> Entry {
    let bytes = rewritten(&entry.bytes, &name).unwrap_or_else(|error| {
        // What could not be decoded never became an entry; and what cannot be taken apart is not shown.
        tracing::error!(pod = entry.name, %error, "a stored pod cannot be taken apart");
        crate::entry::bare(entry)
    });
    let node_name = if entry.node_name.is_empty() { String::new() } else { name(&entry.node_name) };
    Entry { bytes, node_name, names_hosts: false, seen: Seen::default(), ..entry.clone() }
}

fn rewritten(stored: &[u8], name: &impl Fn(&str) -> String) -> Result<Bytes, serde_json::Error> {
    let object: Members<'_> = serde_json::from_slice(stored)?;
    let mut out = Writer { out: Vec::with_capacity(stored.len() + 32), is_first: true };
    out.open();
    for (key, value) in &object.0 {
        let part = match &**key {
            part @ ("spec" | "status") => part,
            _ => {
                out.member(key, value.get())?;
                continue;
            }
        };
        let members: Members<'_> = serde_json::from_str(value.get())?;
        let hidden = hidden(part, &members);
        out.key(key)?;
        out.open();
        for (key, value) in &members.0 {
            if HOST_NAMES.contains(&[part, key]) {
                let host: Cow<'_, str> = serde_json::from_str::<Text<'_>>(value.get())?.0;
                let shown = if host.is_empty() { String::new() } else { name(&host) };
                out.member(key, &serde_json::to_string(&shown)?)?;
            } else if !hidden.contains(&&**key) {
                out.member(key, value.get())?;
            }
        }
        out.close();
    }
    out.close();
    Ok(out.out.into())
}

/// The members of a part that are not shown.
fn hidden(part: &str, members: &Members<'_>) -> &'static [&'static str] {
    let of = |name: &str| members.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.get());
    hidden_of(part, of("hostIP").is_some() && of("hostIP") == of("podIP"))
}

fn hidden_of(part: &str, is_in_host_network: bool) -> &'static [&'static str] {
    const BOTH: [&str; 4] = [HOST_ADDRESSES[0], HOST_ADDRESSES[1], POD_ADDRESSES[0], POD_ADDRESSES[1]];
    match (part, is_in_host_network) {
        ("status", true) => &BOTH,
        ("status", false) => &HOST_ADDRESSES,
        _ => &[],
    }
}

/// Puts back into what is to become of a pod what its tenant was not shown of it.
pub(super) fn restore_hidden(stored: &Value, new: &mut Value) {
    let Some(status) = stored.get("status") else { return };
    let host = status.get("hostIP");
    for name in hidden_of("status", host.is_some() && host == status.get("podIP")) {
        match at(stored, &["status", name]) {
            Some(kept) => drop(object::member(new, "status").insert((*name).to_owned(), kept.clone())),
            None => drop(object::member(new, "status").remove(*name)),
        }
    }
}

/// The members of an object, in their order, each value as it is written.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A text, borrowed where it is written without escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((Text(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Writes compact JSON.
struct Writer {
    out: Vec<u8>,
    is_first: bool,
}

impl Writer {
    fn open(&mut self) {
        self.out.push(b'{');
        self.is_first = true;
    }

    fn close(&mut self) {
        self.out.push(b'}');
        self.is_first = false;
    }

    fn key(&mut self, key: &str) -> Result<(), serde_json::Error> {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
        serde_json::to_writer(&mut self.out, key)?;
        self.out.push(b':');
        Ok(())
    }

    fn member(&mut self, key: &str, value: &str) -> Result<(), serde_json::Error> {
        self.key(key)?;
        self.out.extend_from_slice(value.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use meridian_schema::pod;
    use meridian_store::{Revision, Tenant, TenantRevision};
    use proptest::strategy::{Just, Strategy};
    use serde_json::json;

    use super::*;

    fn entry(mut object: Value) -> Entry {
        object["metadata"] = json!({ "name": "web", "namespace": "default", "uid": "u" });
        let form = crate::entry::form(pod(), &object).unwrap();
        let at = (Revision(9), TenantRevision(4));
        Entry::written(pod(), &Tenant::new("blue").unwrap(), "default", "web", form, at)
    }

    fn shown(object: Value) -> Entry {
        seen(&entry(object), |host| format!("v-{host}"))
    }

    #[test]
    fn hosts_get_their_virtual_names_and_their_addresses_are_left_out() {
        let pod = shown(json!({
            "spec": { "containers": [{ "name": "a", "env": [{ "name": "nodeName", "value": "h1" }] }], "nodeName": "h1" },
            "status": {
                "hostIP": "10.0.0.1", "hostIPs": [{ "ip": "10.0.0.1" }], "nominatedNodeName": "h\"2",
                "phase": "Running", "podIP": "10.1.0.7", "podIPs": [{ "ip": "10.1.0.7" }],
            },
        }));
        assert_eq!((pod.node_name.as_str(), pod.names_hosts), ("v-h1", false));
        let value = pod.value();
        assert_eq!(value["metadata"]["resourceVersion"], "4");
        assert_eq!(
            value["spec"],
            json!({
                "containers": [{ "name": "a", "env": [{ "name": "nodeName", "value": "h1" }] }],
                "nodeName": "v-h1",
            })
        );
        assert_eq!(
            value["status"],
            json!({
                "nominatedNodeName": "v-h\"2", "phase": "Running",
                "podIP": "10.1.0.7", "podIPs": [{ "ip": "10.1.0.7" }],
            })
        );
        // The stored form has one order, and this one too.
        let again = crate::entry::form(meridian_schema::pod(), &pod.stored_value()).unwrap();
        assert_eq!(again.bytes, pod.bytes);
    }

    #[test]
    fn a_pod_in_its_hosts_network_does_not_tell_its_address_and_keeps_it() {
        let object = json!({
            "spec": { "nodeName": "h1" },
            "status": { "hostIP": "10.0.0.1", "podIP": "10.0.0.1", "podIPs": [{ "ip": "10.0.0.1" }], "phase": "Running" },
        });
        let pod = shown(object.clone());
        assert_eq!(pod.value()["status"], json!({ "phase": "Running" }));
        let mut new = pod.stored_value();
        new["status"]["phase"] = json!("Failed");
        // What was not shown is not the tenant's to say.
        new["status"]["hostIPs"] = json!([{ "ip": "10.9.9.9" }]);
        restore_hidden(&entry(object).stored_value(), &mut new);
        assert_eq!(
            new["status"],
            json!({ "hostIP": "10.0.0.1", "podIP": "10.0.0.1", "podIPs": [{ "ip": "10.0.0.1" }], "phase": "Failed" })
        );
    }

    #[test]
    fn a_pod_without_spec_or_status_is_shown_as_it_is() {
        for object in [json!({}), json!({ "spec": {} }), json!({ "spec": {}, "status": {} })] {
            let (stored, pod) = (entry(object.clone()), shown(object));
            assert_eq!(pod.bytes, stored.bytes);
        }
    }
    /// Any JSON, of which strings may look like anything.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = proptest::prop_oneof![
            Just(Value::Null),
            proptest::arbitrary::any::<bool>().prop_map(Value::from),
            proptest::arbitrary::any::<i64>().prop_map(Value::from),
            "[ -~é\\n]{0,6}|h1|nodeName|10\\.0\\.0\\.1".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let key = "[a-c\"\\\\]{1,2}|nodeName|hostIP|podIP|nominatedNodeName";
            proptest::prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                proptest::collection::btree_map(key, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// A spec or a status, in which the members that matter have their types and all others are anything.
    fn any_part() -> impl Strategy<Value = Value> {
        const NAMES: [&str; 4] = ["nodeName", "nominatedNodeName", "hostIP", "podIP"];
        let text = proptest::option::of("h[12\"é]|10\\.0\\.0\\.1|");
        let others = proptest::collection::btree_map("[a-z]{1,3}|hostIPs|podIPs", any_value(), 0..5);
        (proptest::collection::vec(text, NAMES.len()), others).prop_map(|(texts, others)| {
            let mut part: serde_json::Map<_, _> = others.into_iter().collect();
            for (name, text) in NAMES.iter().zip(texts) {
                part.extend(text.map(|text| ((*name).to_owned(), Value::from(text))));
            }
            Value::Object(part)
        })
    }

    /// The same as is said of hosts, done the simple way.
    fn reference(mut pod: Value) -> Value {
        let status = pod["status"].as_object_mut().unwrap();
        if status.get("hostIP").is_some() && status.get("hostIP") == status.get("podIP") {
            status.remove("podIP");
            status.remove("podIPs");
        }
        status.remove("hostIP");
        status.remove("hostIPs");
        for [part, field] in HOST_NAMES {
            if let Some(Value::String(host)) = pod[part].get_mut(field).filter(|host| **host != "") {
                *host = format!("v-{host}");
            }
        }
        pod
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

        /// A pod taken apart and put together again is the pod that it should be, and what was left out comes back.
        #[test]
        fn a_seen_pod_is_the_stored_one_but_for_its_hosts(spec in any_part(), status in any_part()) {
            let stored = entry(json!({ "spec": spec, "status": status }));
            let mut seen = shown(json!({ "spec": spec, "status": status })).stored_value();
            proptest::prop_assert_eq!(&seen, &reference(stored.stored_value()));
            let stored = stored.stored_value();
            restore_hidden(&stored, &mut seen);
            for [part, field] in HOST_NAMES {
                if let Some(host) = stored[part].get(field) {
                    seen[part][field] = host.clone();
                }
            }
            proptest::prop_assert_eq!(seen, stored);
        }
    }
}
