//! Discovery: which groups, versions and resources there are, made once from the schema table.
//!
//! Two forms are served. The aggregated one tells everything in two documents (`/api` and `/apis`) and is what current
//! clients ask for; the older one has a document for each group and version.

use bytes::Bytes;
use meridian_schema::{Home, Kind, Subresource};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::document::Document;

/// For whom discovery tells what can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The tenant `system`.
    Operators,
    /// Any other.
    Tenants,
}

impl Whose {
    fn has_all(self, kind: &Kind) -> bool {
        self == Self::Operators || kind.home == Home::Tenants
    }

    /// Virtual nodes can be read, and that is all.
    fn verbs(self, kind: &'static Kind) -> &'static [&'static str] {
        if self.has_all(kind) { kind.verbs } else { &["get", "list"] }
    }

    fn subresources(self, kind: &'static Kind) -> &'static [Subresource] {
        if self.has_all(kind) { kind.subresources } else { &[] }
    }
}

/// All documents of discovery.
#[derive(Debug)]
pub(super) struct Discovery {
    pub(super) core_versions: Document,
    pub(super) groups: Document,
    aggregated: Vec<Aggregated>,
    group: FxHashMap<&'static str, Document>,
    resources: FxHashMap<(&'static str, &'static str), Document>,
}

/// The aggregated documents in one version of `apidiscovery.k8s.io`.
#[derive(Debug)]
struct Aggregated {
    version: &'static str,
    core: Document,
    groups: Document,
}

/// A group with its versions, each with its kinds, in the order of the table.
struct Group {
    name: &'static str,
    versions: Vec<(&'static str, Vec<&'static Kind>)>,
}

impl Discovery {
    /// What may be done to kinds, by operators or else by those in tenants.
    pub(super) fn new(kinds: &'static [Kind], whose: Whose) -> Self {
        let groups = group(kinds);
        let (core, named): (Vec<&Group>, Vec<&Group>) =
            groups.iter().partition(|group| group.name.is_empty());
        let versions: Vec<&str> =
            core.iter().flat_map(|group| group.versions.iter().map(|(version, _)| *version)).collect();
        let list: Vec<Value> = named.iter().map(|group| api_group(group)).collect();
        Self {
            core_versions: Document::new(&json!({
                "kind": "APIVersions",
                "versions": versions,
                "serverAddressByClientCIDRs": [],
            })),
            groups: Document::new(&json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": list })),
            aggregated: ["v2", "v2beta1"]
                .into_iter()
                .map(|version| Aggregated {
                    version,
                    core: aggregated(version, &core, whose),
                    groups: aggregated(version, &named, whose),
                })
                .collect(),
            group: named
                .iter()
                .map(|group| {
                    let mut value = api_group(group);
                    value["kind"] = json!("APIGroup");
                    value["apiVersion"] = json!("v1");
                    (group.name, Document::new(&value))
                })
                .collect(),
            resources: groups
                .iter()
                .flat_map(|group| {
                    group
                        .versions
                        .iter()
                        .map(|(version, kinds)| ((group.name, *version), resource_list(kinds, whose)))
                })
                .collect(),
        }
    }

    /// The aggregated document of `/api` (`core`) or `/apis`, with its content type.
    pub(super) fn aggregated(&self, version: &str, core: bool) -> Option<(&Document, String)> {
        let found = self.aggregated.iter().find(|aggregated| aggregated.version == version)?;
        let content_type =
            format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
        Some((if core { &found.core } else { &found.groups }, content_type))
    }

    /// The document of one group.
    pub(super) fn group(&self, group: &str) -> Option<&Document> {
        self.group.get(group)
    }

    /// The document of one group and version.
    pub(super) fn resources(&self, group: &str, version: &str) -> Option<&Document> {
        self.resources.iter().find(|((g, v), _)| *g == group && *v == version).map(|(_, document)| document)
    }

    /// The paths that `/` lists.
    pub(super) fn paths(&self) -> Bytes {
        let mut paths: Vec<String> = [
            "/api",
            "/apis",
            "/healthz",
            "/livez",
            "/metrics",
            "/openapi/v2",
            "/openapi/v3",
            "/readyz",
            "/version",
        ]
        .map(str::to_owned)
        .to_vec();
        paths.extend(self.group.keys().map(|group| format!("/apis/{group}")));
        paths.extend(self.resources.keys().map(|(group, version)| {
            if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
        }));
        paths.sort();
        Bytes::from(json!({ "paths": paths }).to_string())
    }
}

fn group(kinds: &'static [Kind]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for kind in kinds {
        let at = groups.iter().position(|group| group.name == kind.group).unwrap_or_else(|| {
            groups.push(Group { name: kind.group, versions: Vec::new() });
            groups.len() - 1
        });
        let versions = &mut groups[at].versions;
        match versions.iter_mut().find(|(version, _)| *version == kind.version) {
            Some((_, kinds)) => kinds.push(kind),
            None => versions.push((kind.version, vec![kind])),
        }
    }
    groups
}

fn api_group(group: &Group) -> Value {
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(
            |(version, _)| json!({ "groupVersion": format!("{}/{version}", group.name), "version": version }),
        )
        .collect();
    json!({ "name": group.name, "preferredVersion": versions.first(), "versions": versions })
}

fn resource_list(kinds: &[&'static Kind], whose: Whose) -> Document {
    let group_version = kinds.first().map(|kind| kind.api_version()).unwrap_or_default();
    let mut resources = Vec::new();
    for kind in kinds {
        resources.push(with_names(
            json!({
                "name": kind.plural,
                "singularName": kind.singular,
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": whose.verbs(kind),
            }),
            kind,
        ));
        for subresource in whose.subresources(kind) {
            let mut resource = json!({
                "name": format!("{}/{}", kind.plural, subresource.name),
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": subresource.kind,
                "verbs": subresource.verbs,
            });
            if (subresource.group, subresource.version) != (kind.group, kind.version) {
                resource["group"] = json!(subresource.group);
                resource["version"] = json!(subresource.version);
            }
            resources.push(resource);
        }
    }
    Document::new(&json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }))
}

fn aggregated(version: &str, groups: &[&Group], whose: Whose) -> Document {
    let items: Vec<Value> = groups
        .iter()
        .map(|group| {
            let versions: Vec<Value> = group
                .versions
                .iter()
                .map(|(version, kinds)| {
                    let resources: Vec<Value> = kinds.iter().map(|kind| discovered(kind, whose)).collect();
                    json!({ "version": version, "resources": resources, "freshness": "Current" })
                })
                .collect();
            json!({ "metadata": { "name": group.name, "creationTimestamp": null }, "versions": versions })
        })
        .collect();
    Document::new(&json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {},
        "items": items,
    }))
}

fn discovered(kind: &'static Kind, whose: Whose) -> Value {
    let mut value = with_names(
        json!({
            "resource": kind.plural,
            "singularResource": kind.singular,
            "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
            "responseKind": { "group": kind.group, "version": kind.version, "kind": kind.kind },
            "verbs": whose.verbs(kind),
        }),
        kind,
    );
    let subresources: Vec<Value> = whose.subresources(kind).iter().map(discovered_subresource).collect();
    if !subresources.is_empty() {
        value["subresources"] = json!(subresources);
    }
    value
}

fn discovered_subresource(subresource: &Subresource) -> Value {
    json!({
        "subresource": subresource.name,
        "responseKind": {
            "group": subresource.group,
            "version": subresource.version,
            "kind": subresource.kind,
        },
        "verbs": subresource.verbs,
    })
}

/// Adds the short names and categories, where there are any.
fn with_names(mut value: Value, kind: &Kind) -> Value {
    if !kind.short_names.is_empty() {
        value["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        value["categories"] = json!(kind.categories);
    }
    value
}
