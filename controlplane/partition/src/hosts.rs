//! What a Node object tells of its host's account.

use std::borrow::Cow;
use std::collections::HashMap;

use meridian_api::{HOST_PARTITION_ANNOTATION, INCARNATION_ANNOTATION};
use serde::Deserialize;

/// Where a host's account is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPlace {
    /// The host partition, where the Node names one.
    pub(crate) partition: Option<String>,
    /// The host's incarnation.
    pub(crate) incarnation: u64,
}

#[derive(Deserialize)]
struct Node<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    annotations: HashMap<Cow<'a, str>, Cow<'a, str>>,
}

impl HostPlace {
    /// Reads a stored Node.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, String> {
        let node: Node<'_> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let annotations = node.metadata.annotations;
        let incarnation = annotations
            .get(INCARNATION_ANNOTATION)
            .ok_or_else(|| format!("its Node has no annotation {INCARNATION_ANNOTATION}"))?;
        Ok(Self {
            partition: annotations.get(HOST_PARTITION_ANNOTATION).map(|name| name.clone().into_owned()),
            incarnation: incarnation
                .parse()
                .map_err(|_| format!("its incarnation is {incarnation:?}, want a whole number"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_tells_its_partition_and_incarnation() {
        let node = br#"{"metadata":{"annotations":{"meridian.io/host-partition":"hp","meridian.io/incarnation":"3"}}}"#;
        assert_eq!(HostPlace::of(node), Ok(HostPlace { partition: Some("hp".to_owned()), incarnation: 3 }));
        for (bad, why) in [
            (&br#"{"metadata":{}}"#[..], "no annotation"),
            (br#"{"metadata":{"annotations":{"meridian.io/incarnation":"-1"}}}"#, "\"-1\""),
            (b"{", "EOF"),
        ] {
            assert!(HostPlace::of(bad).unwrap_err().contains(why));
        }
    }
}
