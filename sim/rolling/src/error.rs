//! What can go wrong in a rolling simulation.

use meridian_global_world::Problem;

/// Why a rolling simulation was not run to its end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RollingError {
    /// A parameter makes no sense.
    #[error("{field} is {value}, want {want}")]
    OutOfRange {
        /// The parameter.
        field: &'static str,
        /// What it is.
        value: f64,
        /// What would be right.
        want: &'static str,
    },
    /// A site cannot be built, since nothing tells how far it would be from anything.
    #[error(
        "no site can be built in a world without `distance`, or without a location that has a position and demand: \
         want such a world, or 0 new sites"
    )]
    NowhereToBuild,
    /// The world is none, at the start or as it has become.
    #[error("the world after {hours} h")]
    World {
        /// Simulated hours since the start.
        hours: f64,
        /// What is wrong with it.
        #[source]
        source: Problem,
    },
    /// A proof does not belong to the world that it should be about: a bug.
    #[error("the proof of the bound after {hours} h is no proof: {problem}")]
    Proof {
        /// Simulated hours since the start.
        hours: f64,
        /// What the checker said.
        problem: String,
    },
}

/// A parameter within its range.
pub(crate) fn within(
    field: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    want: &'static str,
) -> Result<(), RollingError> {
    if range.contains(&value) { Ok(()) } else { Err(RollingError::OutOfRange { field, value, want }) }
}
