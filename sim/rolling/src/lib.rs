//! A rolling simulation of the global scheduler: a world whose demand, sites and prices change by the hour, and a plan that follows.
//!
//! A [`Course`] is what happens to the world, from a seed alone: whatever is planned, the same happens. [`roll`] walks along it. In each
//! step the running plan is repaired, then improved within a budget of moves and only where the gain pays, by the functions that the
//! product calls. Beside it an oracle solves each step's world anew, as if nothing ran. The checker judges all plans. [`Made`] is a
//! world for those who have none.
//!
//! Nothing here reads a clock: one may be lent to measure, and changes nothing but the timings in the report.

#![forbid(unsafe_code)]

mod course;
mod error;
mod made;
mod roll;

pub use self::course::{Course, Happening, Pace, What};
pub use self::error::RollingError;
pub use self::made::Made;
pub use self::roll::{Options, roll};
