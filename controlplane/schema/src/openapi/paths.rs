//! Paths and what can be asked of them.

use serde_json::{Map, Value, json};

use super::{Flavour, group_path};
use crate::table::{Kind, message_named};

/// A query parameter: name, type, what it does.
type Parameter = (&'static str, &'static str, &'static str);

const PRETTY: Parameter = ("pretty", "string", "If \"true\", the answer is indented.");
const DRY_RUN: Parameter = ("dryRun", "string", "\"All\": everything is done but for storing the result.");
const MANAGER: Parameter = ("fieldManager", "string", "The name of the actor that makes the change.");
const VALIDATION: Parameter = (
    "fieldValidation",
    "string",
    "What becomes of unknown and duplicate fields: Ignore, Warn (the default) or Strict.",
);
const FORCE: Parameter = ("force", "boolean", "Apply takes over fields that other managers own.");
const DELETING: &[Parameter] = &[
    DRY_RUN,
    ("gracePeriodSeconds", "integer", "Seconds until the object is deleted; 0 deletes it at once."),
    ("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    ("propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."),
];
const WRITING: &[Parameter] = &[DRY_RUN, MANAGER, VALIDATION];
const PATCHING: &[Parameter] = &[DRY_RUN, MANAGER, VALIDATION, FORCE];
const LISTING: &[Parameter] = &[
    ("allowWatchBookmarks", "boolean", "A watch may carry bookmarks."),
    ("continue", "string", "Where the next part of a list begins, as the part before says."),
    ("fieldSelector", "string", "Only objects with these fields."),
    ("labelSelector", "string", "Only objects with these labels."),
    ("limit", "integer", "The most objects in one answer."),
    ("resourceVersion", "string", "How new the answer must be."),
    ("resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."),
    ("sendInitialEvents", "boolean", "A watch begins with what there is."),
    ("timeoutSeconds", "integer", "How long a watch lasts."),
    ("watch", "boolean", "Changes as they happen, in place of a list."),
];

const PATCH_TYPES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];
const BODY_TYPES: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// One thing that can be asked of a path.
struct Operation<'a> {
    method: &'static str,
    /// `x-kubernetes-action`.
    action: &'static str,
    id: String,
    parameters: &'static [Parameter],
    /// The message of the body.
    body: Option<&'a str>,
    body_types: &'static [&'static str],
    /// The message of the answer.
    answer: &'a str,
    status: &'static str,
}

/// What a path is about: the name of it in identifiers, and the kind that its operations are listed under.
struct About {
    tag: String,
    group: &'static str,
    version: &'static str,
    kind: &'static str,
}

/// Adds the paths of a kind.
pub(super) fn add(flavour: Flavour, kind: &'static Kind, paths: &mut Map<String, Value>) {
    let root = format!("/{}", group_path(kind));
    let collection = match kind.namespaced {
        true => format!("{root}/namespaces/{{namespace}}/{}", kind.plural),
        false => format!("{root}/{}", kind.plural),
    };
    let message = kind.message().name;
    let list = format!("{message}List");
    let group = capitalized(kind.group.split('.').next().filter(|group| !group.is_empty()).unwrap_or("core"));
    let version = capitalized(kind.version);
    let scoped = if kind.namespaced { "Namespaced" } else { "" };
    let about = About {
        tag: format!("{}_{}", group.to_ascii_lowercase(), kind.version),
        group: kind.group,
        version: kind.version,
        kind: kind.kind,
    };
    let can = |verb: &str| kind.verbs.contains(&verb);
    let status = message_named("v1", "Status").map_or("", |message| message.name);
    let options = message_named("v1", "DeleteOptions").map_or("", |message| message.name);

    let mut of_collection = Vec::new();
    if can("list") {
        let id = format!("list{group}{version}{scoped}{}", kind.kind);
        of_collection.push(reading("list", id, LISTING, &list));
    }
    if can("create") {
        let id = format!("create{group}{version}{scoped}{}", kind.kind);
        of_collection.push(Operation { status: "201", ..writing("post", "post", id, message) });
    }
    if can("deletecollection") {
        let id = format!("delete{group}{version}Collection{scoped}{}", kind.kind);
        of_collection.push(deleting("deletecollection", id, options, status));
    }
    let path = path_item(flavour, &about, kind.namespaced, false, of_collection);
    paths.insert(collection.clone(), path);

    let mut of_object = Vec::new();
    let id = |verb: &str, sub: &str| format!("{verb}{group}{version}{scoped}{}{sub}", kind.kind);
    if can("get") {
        of_object.push(reading("get", id("read", ""), &[], message));
    }
    if can("update") {
        of_object.push(writing("put", "put", id("replace", ""), message));
    }
    if can("patch") {
        of_object.push(patching(id("patch", ""), message));
    }
    if can("delete") {
        of_object.push(deleting("delete", id("delete", ""), options, status));
    }
    paths.insert(
        format!("{collection}/{{name}}"),
        path_item(flavour, &about, kind.namespaced, true, of_object),
    );

    for subresource in kind.subresources {
        let about = About {
            tag: about.tag.clone(),
            group: subresource.group,
            version: subresource.version,
            kind: subresource.kind,
        };
        let message = subresource.message().name;
        let sub = capitalized(subresource.name);
        let mut operations = Vec::new();
        for verb in subresource.verbs {
            operations.push(match *verb {
                "get" => reading("get", id("read", &sub), &[], message),
                "update" => writing("put", "put", id("replace", &sub), message),
                "patch" => patching(id("patch", &sub), message),
                _ => Operation { status: "201", ..writing("post", "post", id("create", &sub), message) },
            });
        }
        let path = path_item(flavour, &about, kind.namespaced, true, operations);
        paths.insert(format!("{collection}/{{name}}/{}", subresource.name), path);
    }

    if kind.namespaced && can("list") {
        let id = format!("list{group}{version}{}ForAllNamespaces", kind.kind);
        let path = path_item(flavour, &about, false, false, vec![reading("list", id, LISTING, &list)]);
        paths.insert(format!("{root}/{}", kind.plural), path);
    }
}

fn reading<'a>(
    action: &'static str,
    id: String,
    parameters: &'static [Parameter],
    answer: &'a str,
) -> Operation<'a> {
    Operation { method: "get", action, id, parameters, body: None, body_types: &[], answer, status: "200" }
}

fn writing<'a>(method: &'static str, action: &'static str, id: String, message: &'a str) -> Operation<'a> {
    let body = Some(message);
    Operation {
        method,
        action,
        id,
        parameters: WRITING,
        body,
        body_types: BODY_TYPES,
        answer: message,
        status: "200",
    }
}

fn patching<'a>(id: String, message: &'a str) -> Operation<'a> {
    let body = Some("io.k8s.apimachinery.pkg.apis.meta.v1.Patch");
    Operation {
        method: "patch",
        action: "patch",
        id,
        parameters: PATCHING,
        body,
        body_types: PATCH_TYPES,
        answer: message,
        status: "200",
    }
}

fn deleting<'a>(action: &'static str, id: String, options: &'a str, status: &'a str) -> Operation<'a> {
    let parameters = DELETING;
    let body = Some(options);
    Operation {
        method: "delete",
        action,
        id,
        parameters,
        body,
        body_types: BODY_TYPES,
        answer: status,
        status: "200",
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn path_item(
    flavour: Flavour,
    about: &About,
    namespace: bool,
    name: bool,
    operations: Vec<Operation<'_>>,
) -> Value {
    let mut item = Map::new();
    for operation in operations {
        item.insert(operation.method.to_owned(), render(flavour, about, &operation));
    }
    let mut parameters = Vec::new();
    if name {
        parameters.push(parameter(flavour, "path", ("name", "string", "The name of the object.")));
    }
    if namespace {
        parameters.push(parameter(flavour, "path", ("namespace", "string", "The namespace of the object.")));
    }
    parameters.push(parameter(flavour, "query", PRETTY));
    item.insert("parameters".to_owned(), Value::Array(parameters));
    Value::Object(item)
}

fn parameter(flavour: Flavour, place: &str, (name, of, what): Parameter) -> Value {
    let mut parameter = json!({ "name": name, "in": place, "description": what });
    match flavour {
        Flavour::Two => {
            parameter["type"] = json!(of);
            parameter["uniqueItems"] = json!(true);
        }
        Flavour::Three => parameter["schema"] = json!({ "type": of, "uniqueItems": true }),
    }
    if place == "path" {
        parameter["required"] = json!(true);
    }
    parameter
}

fn render(flavour: Flavour, about: &About, operation: &Operation<'_>) -> Value {
    let mut parameters: Vec<Value> =
        operation.parameters.iter().map(|query| parameter(flavour, "query", *query)).collect();
    let mut rendered = json!({
        "operationId": operation.id,
        "tags": [about.tag],
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": { "group": about.group, "version": about.version, "kind": about.kind },
    });
    let patch = operation.action == "patch";
    let body = operation
        .body
        .map(|message| if patch { json!({ "type": "object" }) } else { flavour.reference(message) });
    let answer = flavour.reference(operation.answer);
    match flavour {
        Flavour::Two => {
            if let Some(schema) = body {
                let required = operation.method != "delete";
                parameters
                    .push(json!({ "name": "body", "in": "body", "required": required, "schema": schema }));
                rendered["consumes"] = json!(operation.body_types);
            }
            rendered["produces"] = json!(["application/json"]);
            rendered["responses"] = json!({ operation.status: { "description": "OK", "schema": answer } });
        }
        Flavour::Three => {
            if let Some(schema) = body {
                let content: Map<String, Value> = operation
                    .body_types
                    .iter()
                    .map(|of| ((*of).to_owned(), json!({ "schema": schema })))
                    .collect();
                rendered["requestBody"] = json!({ "content": content });
            }
            let content = json!({ "application/json": { "schema": answer } });
            rendered["responses"] = json!({ operation.status: { "description": "OK", "content": content } });
        }
    }
    rendered["parameters"] = Value::Array(parameters);
    rendered
}
