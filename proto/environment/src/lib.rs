//! What every service is lent by the program that runs it: a clock, a source of ids, and chance from one seed.
//!
//! Nothing else may read the time or draw random numbers, so that a whole region can be run again from its seed.

mod clock;
mod ids;

pub use self::clock::{Clock, ManualClock, MonotonicClock};
pub use self::ids::Ids;
