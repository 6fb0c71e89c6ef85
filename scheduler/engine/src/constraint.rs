//! Constraint sets: what a class' constraints make of the hosts, whatever the load.
//!
//! Computed once from the label and taint bitmaps, shared by all classes with equal constraints, and kept up to date
//! host by host from the cell's journal of static changes.

mod affinity;
mod set;
mod table;
mod taint;

pub(crate) use self::affinity::{matches_constraints, total_preferred};
pub(crate) use self::set::{ConstraintSet, has_model};
pub(crate) use self::table::{ConstraintTable, SetId};
pub(crate) use self::taint::{first_untolerated, tolerates_cordon};

use crate::demand::{Constraints, Runtime};

/// What tells constraint sets apart: the constraints, the acceptable device models and what runs the pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConstraintKey {
    pub(crate) constraints: Constraints,
    pub(crate) models: Vec<String>,
    pub(crate) runtime: Runtime,
}
