//! What the global scheduler must not forget: the [`World`](meridian_global_world::World) it plans for and the plan that was
//! committed last, in a [`Store`](meridian_store::Store).
//!
//! World and plan each have a version, which every write raises by one. A writer says which versions its work is based on, and is
//! refused with [`Error::Conflict`] where they are no longer the present ones. [`Records::watch`] follows committed plans.
//!
//! Worlds are surveyed and plans checked against the world they are for before they are stored, in the form in which they will be read
//! back. Each commit is one transaction that holds all of a plan.

#![forbid(unsafe_code)]

mod blob;
mod error;
mod records;
mod watch;

pub use self::blob::{MOST_JSON, MOST_STORED};
pub use self::error::{Error, Kind};
pub use self::records::{Based, Committed, Records, State};
pub use self::watch::PlanWatch;
