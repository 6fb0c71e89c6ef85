//! Arguments of the plugins that look at other pods.

use std::collections::BTreeMap;

use meridian_engine::{DefaultSpread, TopologyArguments};
use serde_json::Value;

use super::ConfigurationError;
use super::arguments::{check_header, optional};
use super::shape::{PodAffinityArguments, SpreadArguments};
use crate::error::{ObjectError, invalid, invalid_number};
use crate::pod::spread_constraints;
use crate::tree::Path;

/// `PodTopologySpreadArgs` at `path`. Default constraints say nothing of which pods they are about: that is a matter of
/// the pod. Without a type, they are the ones given.
pub(super) fn spread(
    arguments: &mut TopologyArguments,
    given: &Value,
    path: &Path<'_>,
) -> Result<(), ConfigurationError> {
    let given: SpreadArguments<'_> = optional(given, path)?;
    check_header(given.api_version, given.kind, "PodTopologySpreadArgs", path)?;
    let list = path.field("defaultConstraints");
    arguments.default_spread = match given.defaulting_type {
        "" | "System" if !given.default_constraints.is_empty() => {
            let given = format!("a list of {}", given.default_constraints.len());
            return Err(invalid_number(list, given, "none, since defaultingType is not List").into());
        }
        "" | "System" => DefaultSpread::system(),
        "List" => {
            for (index, constraint) in given.default_constraints.iter().enumerate() {
                if constraint.has_selector() {
                    let path = list.item(index).field("labelSelector").to_string();
                    let want =
                        "none: default constraints are about the pods of whatever owns the pod".to_owned();
                    return Err(ObjectError::Invalid { path, value: "given".to_owned(), want }.into());
                }
            }
            DefaultSpread::list(spread_constraints(&given.default_constraints, &BTreeMap::new(), &list)?)
        }
        other => return Err(invalid(path.field("defaultingType"), other, "System or List").into()),
    };
    Ok(())
}

/// `InterPodAffinityArgs` at `path`.
pub(super) fn pod_affinity(
    arguments: &mut TopologyArguments,
    given: &Value,
    path: &Path<'_>,
) -> Result<(), ConfigurationError> {
    let given: PodAffinityArguments<'_> = optional(given, path)?;
    check_header(given.api_version, given.kind, "InterPodAffinityArgs", path)?;
    if let Some(weight) = given.hard_pod_affinity_weight {
        arguments.hard_pod_affinity_weight = i32::try_from(weight)
            .ok()
            .filter(|weight| (0..=100).contains(weight))
            .ok_or_else(|| invalid_number(path.field("hardPodAffinityWeight"), weight, "0 to 100"))?;
    }
    arguments.ignores_preferred_terms_of_existing_pods = given.ignore_preferred_terms_of_existing_pods;
    Ok(())
}
