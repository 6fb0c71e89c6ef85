//! The taints that a pod bears.

use meridian_engine::{Toleration, TolerationOperator};

use super::spec::GivenToleration;
use crate::error::{ObjectError, invalid};
use crate::node::taint_effect;
use crate::tree::Path;

/// How long a taint is borne (`tolerationSeconds`) matters to eviction and not to placement, and is not read.
pub(super) fn tolerations(
    given: &[GivenToleration<'_>],
    path: &Path<'_>,
) -> Result<Vec<Toleration>, ObjectError> {
    given.iter().enumerate().map(|(index, toleration)| one(toleration, &path.item(index))).collect()
}

fn one(given: &GivenToleration<'_>, path: &Path<'_>) -> Result<Toleration, ObjectError> {
    let operator = match given.operator {
        "" | "Equal" => TolerationOperator::Equal(given.value.to_owned()),
        "Exists" => TolerationOperator::Exists,
        other => return Err(invalid(path.field("operator"), other, "Equal or Exists")),
    };
    if operator == TolerationOperator::Exists && !given.value.is_empty() {
        return Err(invalid(path.field("value"), given.value, "no value with operator Exists"));
    }
    if operator != TolerationOperator::Exists && given.key.is_empty() {
        let want = "Exists, since the key is empty and so matches every taint";
        return Err(invalid(path.field("operator"), given.operator, want));
    }
    let effect = match given.effect {
        "" => None,
        effect => Some(taint_effect(effect, &path.field("effect"))?),
    };
    Ok(Toleration { key: given.key.to_owned(), operator, effect })
}
