//! Kinds: what the API serves, under which names and paths.

use super::{MessageId, MessageRef, table};

/// Which of the two stores holds the objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Home {
    /// The store of the tenant partition: every kind but Node.
    Tenants,
    /// The store of the host partition: Node.
    Hosts,
}

/// A kind of object that the API serves. There is one of each; two are equal if they are the same one.
#[derive(Debug)]
pub struct Kind {
    /// The API group, empty for the core group.
    pub group: &'static str,
    /// The version in the group, such as `v1`.
    pub version: &'static str,
    /// The name of the kind in objects, such as `Deployment`.
    pub kind: &'static str,
    /// The name of the resource in paths, such as `deployments`.
    pub plural: &'static str,
    /// What clients accept for one object, such as `deployment`.
    pub singular: &'static str,
    /// What clients accept for short, such as `deploy`.
    pub short_names: &'static [&'static str],
    /// Groups of resources that it belongs to, such as `all`.
    pub categories: &'static [&'static str],
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// What can be asked of it, in the words of discovery (`create`, `list`, ...).
    pub verbs: &'static [&'static str],
    /// What else hangs under an object's path.
    pub subresources: &'static [Subresource],
    /// The store that holds it.
    pub home: Home,
    /// `apiVersion` of its objects, such as `apps/v1`.
    pub api_version: &'static str,
    /// The resource with its group, such as `deployments.apps`, or `pods` in the core group.
    pub resource: &'static str,
    pub(crate) message: MessageId,
    /// Its place in the table.
    pub(crate) index: usize,
}

/// Something under an object's path, such as `status` or `scale`, with a type of its own.
#[derive(Debug)]
pub struct Subresource {
    /// The last part of the path.
    pub name: &'static str,
    /// The group of the body's kind.
    pub group: &'static str,
    /// The version of the body's kind.
    pub version: &'static str,
    /// Earlier `apiVersion`s with the same members, which older clients send.
    pub earlier: &'static [&'static str],
    /// The body's kind.
    pub kind: &'static str,
    /// What can be asked of it.
    pub verbs: &'static [&'static str],
    pub(crate) message: MessageId,
}

impl Kind {
    /// `apiVersion` of its objects, such as `apps/v1`.
    pub fn api_version(&self) -> &'static str {
        self.api_version
    }

    /// The resource with its group, such as `deployments.apps`, or `pods` in the core group.
    pub fn resource(&self) -> &'static str {
        self.resource
    }

    /// The message of its objects.
    pub fn message(&self) -> MessageRef {
        table().message(self.message)
    }

    /// The subresource of this name.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }

    /// Its place in [`kinds`](crate::kinds), for tables by kind.
    pub fn index(&self) -> usize {
        self.index
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl Eq for Kind {}

impl std::hash::Hash for Kind {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl Subresource {
    /// The message of its body.
    pub fn message(&self) -> MessageRef {
        table().message(self.message)
    }

    /// Whether a body may say that it is of this `apiVersion`.
    pub(crate) fn takes(&self, api_version: &str) -> bool {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        (self.group, self.version) == (group, version) || self.earlier.contains(&api_version)
    }

    /// `apiVersion` of its body, such as `autoscaling/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// A function for each kind that the rest of the control plane knows by name.
macro_rules! named {
    ($($function:ident: $api_version:literal $kind:literal,)*) => {
        $(
            #[doc = concat!("The kind ", $kind, " of ", $api_version, ".")]
            pub fn $function() -> &'static Kind {
                static KIND: std::sync::LazyLock<&'static Kind> = std::sync::LazyLock::new(|| {
                    match super::kind_named($api_version, $kind) {
                        Some(kind) => kind,
                        // The table is compiled in; a test calls every one of these functions.
                        None => unreachable!("the schema table lacks {} {}", $api_version, $kind),
                    }
                });
                &KIND
            }
        )*

        #[cfg(test)]
        pub(super) const NAMED: &[fn() -> &'static Kind] = &[$($function),*];
    };
}

named! {
    namespace: "v1" "Namespace",
    node: "v1" "Node",
    pod: "v1" "Pod",
    config_map: "v1" "ConfigMap",
    secret: "v1" "Secret",
    service_account: "v1" "ServiceAccount",
    event: "v1" "Event",
    deployment: "apps/v1" "Deployment",
    replica_set: "apps/v1" "ReplicaSet",
    lease: "coordination.k8s.io/v1" "Lease",
    pod_disruption_budget: "policy/v1" "PodDisruptionBudget",
    priority_class: "scheduling.k8s.io/v1" "PriorityClass",
    pod_group: "scheduling.x-k8s.io/v1alpha1" "PodGroup",
}
