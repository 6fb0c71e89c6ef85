//! The table itself: kinds, messages and fields, parsed once from the text files and never changed.

mod field;
mod kind;
mod parse;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod typed_tests;

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

pub(crate) use field::Numbered;
pub use field::{Field, ListType, Message, MessageId, MessageRef, PatchStrategy, Type};
pub use kind::{
    Home, Kind, Subresource, config_map, deployment, event, lease, namespace, node, pod,
    pod_disruption_budget, pod_group, priority_class, replica_set, secret, service_account,
};

/// The text of the table. Each file names its package on the first line.
const SOURCES: &[(&str, &str)] = &[
    ("meta.txt", include_str!("../table/meta.txt")),
    ("core.txt", include_str!("../table/core.txt")),
    ("node.txt", include_str!("../table/node.txt")),
    ("pod.txt", include_str!("../table/pod.txt")),
    ("container.txt", include_str!("../table/container.txt")),
    ("volume.txt", include_str!("../table/volume.txt")),
    ("apps.txt", include_str!("../table/apps.txt")),
    ("others.txt", include_str!("../table/others.txt")),
    ("kinds.txt", include_str!("../table/kinds.txt")),
];

/// Everything the text says.
pub(crate) struct Table {
    pub(crate) messages: Vec<Message>,
    pub(crate) kinds: Vec<Kind>,
    by_name: FxHashMap<&'static str, MessageId>,
}

impl Table {
    /// The message of this id; ids come from this table only.
    pub(crate) fn message(&'static self, id: MessageId) -> MessageRef {
        &self.messages[usize::from(id.0)]
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| match parse::parse(SOURCES) {
    Ok(table) => table,
    // The text is compiled in and every test of this package reads it: a program with a broken one was never released.
    Err(error) => unreachable!("the schema table that is compiled in is broken: {error}"),
});

/// The table.
pub(crate) fn table() -> &'static Table {
    &TABLE
}

/// All kinds, in the order of the table.
pub fn kinds() -> &'static [Kind] {
    &table().kinds
}

/// The kind that requests name by group (empty for the core group), version and plural, such as `("apps", "v1",
/// "deployments")`.
pub fn kind(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    kinds().iter().find(|kind| kind.plural == plural && kind.group == group && kind.version == version)
}

/// The kind that objects name by `apiVersion` and `kind`, such as `("apps/v1", "Deployment")`.
pub fn kind_named(api_version: &str, name: &str) -> Option<&'static Kind> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    kinds().iter().find(|kind| kind.kind == name && kind.group == group && kind.version == version)
}

/// The message of this full name, such as `io.k8s.api.core.v1.Binding`.
pub fn message(name: &str) -> Option<MessageRef> {
    let table = table();
    table.by_name.get(name).map(|id| table.message(*id))
}

/// The message that bodies name by `apiVersion` and `kind`: a kind, the body of a subresource, or one of the messages that
/// every group has (`DeleteOptions`, `Status`).
pub fn message_named(api_version: &str, name: &str) -> Option<MessageRef> {
    if matches!(name, "DeleteOptions" | "Status") {
        return message(&format!("{}.{name}", parse::META));
    }
    if let Some(kind) = kind_named(api_version, name) {
        return Some(kind.message());
    }
    let mut subresources = kinds().iter().flat_map(|kind| kind.subresources);
    subresources.find(|found| found.kind == name && found.takes(api_version)).map(Subresource::message)
}
