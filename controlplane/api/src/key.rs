//! Where things lie in a store: the paths of keys, both ways.
//!
//! Objects are at `/{resource}/{namespace or nothing}/{name}`, binding records at `/-bindings/{namespace}/{name}`, the fences
//! of host partitions at `/-fences/{host partition}` of the tenant `system`, the moments at which heartbeats are shown at its
//! `/-heartbeats`, the region's secret at its `/-secrets/names`, and who holds a volume at `/-volumes/{namespace}/{claim}`. No
//! resource begins with a dash. Namespaces and
//! names hold no slash, so `namespace/name` orders the objects of a kind as the store does.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use meridian_schema::{Kind, kinds};
use meridian_store::{Key, KeyRange, Tenant};

const BINDINGS: &str = "/-bindings/";
const FENCES: &str = "/-fences/";
const HEARTBEATS: &str = "/-heartbeats";
const NAMES_SECRET: &str = "/-secrets/names";
const VOLUMES: &str = "/-volumes/";

/// What a key is of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// An object; `path` is `namespace/name`.
    Object { kind: &'static Kind, path: &'a str },
    /// A binding record; `path` is `namespace/name`.
    Binding { path: &'a str },
    /// The fence of a host partition.
    Fence { host_partition: &'a str },
    /// A moment at which the heartbeats of hosts are shown.
    Heartbeats,
    /// Something that is no matter of the registry's.
    Other,
}

static BY_RESOURCE: LazyLock<FxHashMap<&'static str, &'static Kind>> =
    LazyLock::new(|| kinds().iter().map(|kind| (kind.resource(), kind)).collect());

/// What a key is of.
pub(crate) fn place(key: &Key) -> Place<'_> {
    let Ok(path) = std::str::from_utf8(key.path()) else { return Place::Other };
    if let Some(path) = path.strip_prefix(BINDINGS) {
        return Place::Binding { path };
    }
    if let Some(host_partition) = path.strip_prefix(FENCES) {
        return Place::Fence { host_partition };
    }
    if path == HEARTBEATS {
        return Place::Heartbeats;
    }
    let object = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    match object.and_then(|(resource, path)| Some((*BY_RESOURCE.get(resource)?, path))) {
        Some((kind, path)) => Place::Object { kind, path },
        None => Place::Other,
    }
}

/// `namespace/name`, in its parts.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.split_once('/').unwrap_or(("", path))
}

/// `namespace/name`.
pub(crate) fn join(namespace: &str, name: &str) -> String {
    let mut path = String::with_capacity(namespace.len() + 1 + name.len());
    path.push_str(namespace);
    path.push('/');
    path.push_str(name);
    path
}

/// The key of an object.
pub(crate) fn object(kind: &Kind, tenant: &Tenant, namespace: &str, name: &str) -> Key {
    Key::new(tenant, format!("/{}/{namespace}/{name}", kind.resource()))
}

/// The keys of all objects of a kind, in one namespace or, with an empty one, in all.
pub(crate) fn objects(kind: &Kind, tenant: &Tenant, namespace: &str) -> KeyRange {
    let resource = kind.resource();
    let prefix = match namespace {
        "" => format!("/{resource}/"),
        namespace => format!("/{resource}/{namespace}/"),
    };
    KeyRange::prefix(tenant, prefix)
}

/// The key of an object, from `namespace/name`.
pub(crate) fn object_at(kind: &Kind, tenant: &Tenant, path: &str) -> Key {
    Key::new(tenant, format!("/{}/{path}", kind.resource()))
}

/// The key of a pod's binding record.
pub(crate) fn binding(tenant: &Tenant, namespace: &str, name: &str) -> Key {
    Key::new(tenant, format!("{BINDINGS}{namespace}/{name}"))
}

/// The key of a volume's holders.
pub(crate) fn volume(tenant: &Tenant, namespace: &str, claim: &str) -> Key {
    Key::new(tenant, format!("{VOLUMES}{namespace}/{claim}"))
}

/// The key of a host partition's fence.
pub(crate) fn fence(host_partition: &str) -> Key {
    Key::new(&Tenant::system(), format!("{FENCES}{host_partition}"))
}

/// The key of the moments at which the heartbeats of hosts are shown.
pub(crate) fn heartbeats() -> Key {
    Key::new(&Tenant::system(), HEARTBEATS)
}

/// The key of the secret that the names of virtual nodes are made under.
pub(crate) fn names_secret() -> Key {
    Key::new(&Tenant::system(), NAMES_SECRET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use meridian_schema::kind;

    #[test]
    fn keys_lead_back_to_what_they_are_of() {
        let tenant = Tenant::new("a").unwrap();
        let deployment = kind("apps", "v1", "deployments").unwrap();
        let key = object(deployment, &tenant, "shop", "web");
        assert_eq!(key.path(), b"/deployments.apps/shop/web");
        assert_eq!(place(&key), Place::Object { kind: deployment, path: "shop/web" });
        let node = kind("", "v1", "nodes").unwrap();
        let key = object(node, &tenant, "", "host-1");
        assert_eq!(place(&key), Place::Object { kind: node, path: "/host-1" });
        assert_eq!(split("/host-1"), ("", "host-1"));
        assert_eq!(place(&binding(&tenant, "shop", "web-1")), Place::Binding { path: "shop/web-1" });
        assert_eq!(place(&fence("hosts-1")), Place::Fence { host_partition: "hosts-1" });
        assert_eq!(place(&heartbeats()), Place::Heartbeats);
        assert_eq!(place(&names_secret()), Place::Other);
        assert_eq!(place(&volume(&tenant, "shop", "data")), Place::Other, "nobody follows these");
        for other in ["/-hosts/x", "/unknown/a/b", "no slash", "/pods"] {
            assert_eq!(place(&Key::new(&tenant, other)), Place::Other, "{other}");
        }
        assert_eq!(place(&Key::new(&tenant, b"/pods/\xff/x")), Place::Other);
    }

    #[test]
    fn a_namespace_holds_its_own_objects_only() {
        let tenant = Tenant::new("a").unwrap();
        let pod = kind("", "v1", "pods").unwrap();
        let range = objects(pod, &tenant, "shop");
        assert!(range.contains(&object(pod, &tenant, "shop", "x")));
        assert!(!range.contains(&object(pod, &tenant, "shop-2", "x")));
        assert!(objects(pod, &tenant, "").contains(&object(pod, &tenant, "shop-2", "x")));
    }
}
