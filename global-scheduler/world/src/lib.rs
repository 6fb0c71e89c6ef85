//! The global scheduler's domain: a [`World`] of sites, client locations, links and workloads with policies; a [`Plan`] of how many
//! replicas run where and whom they serve; and the way from the one to the other.
//!
//! A [`Survey`] validates a world and measures its network. [`plan`] cuts workloads into pieces, compiles them with their policies
//! into the engine's model, has that solved, and settles the result: replicas serve whom they serve best. [`check`] recomputes from the world what a plan costs and which rules it breaks. A
//! relaxation of the world, not of the pieces, gives the bound, so that it holds for all plans.
//!
//! Like the engine below it, this package does no I/O, reads no clock and logs nothing.

#![forbid(unsafe_code)]

mod check;
mod compile;
mod conflict;
mod event;
mod explain;
mod network;
mod piece;
mod place;
mod plan;
mod policy;
mod polish;
mod problem;
mod relax;
mod rules;
mod serve;
mod settle;
mod solve;
mod survey;
mod unique;
mod validate;
mod world;

pub use self::check::{Checked, Costs, Shortfall, Violation, check};
pub use self::conflict::{Cause, Unplaced, conflict};
pub use self::event::Event;
pub use self::explain::{Choice, Explanation, Other, explain};
pub use self::network::{Network, kilometres};
pub use self::place::{place, repair};
pub use self::plan::{Change, Flow, Placement, Plan};
pub use self::policy::Policy;
pub use self::problem::Problem;
pub use self::relax::{Proof, bound};
pub use self::solve::{Planned, Terms, plan};
pub use self::survey::{Survey, UnitCost};
pub use self::validate::{MOST, MOST_ENTRIES, MOST_REPLICAS};
pub use self::world::{
    Apart, Capacity, Data, Distance, Kind, LatencyBound, Link, Location, MOST_PRIORITY, Position, Prices,
    Replicas, SITE, Site, Spread, Workload, World, whole_replicas,
};
