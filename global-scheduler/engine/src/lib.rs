//! The global scheduler's engine: which site serves which demand, at what cost, and how far that can be from the best.
//!
//! A [`Model`] is what solvers work on: items that sites serve whole or in shares. [`solve`] finds a plan within limits and
//! returns it with a [`Certificate`], prices from which [`bound`] recomputes what no plan can cost less than. [`check`]
//! recomputes what a plan costs and whether it breaks a rule; it shares nothing with the solvers but the model.
//!
//! The engine does no I/O, reads no clock and logs nothing: time, seeds and the wish to cancel are lent by its caller. The same
//! model, seed and number of rounds give the same plan, on any number of threads; a time limit does not.

#![forbid(unsafe_code)]

mod assignment;
mod branch;
mod budget;
mod certificate;
mod check;
mod descent;
mod dual;
mod exchange;
mod greedy;
mod keep;
mod milp;
mod model;
mod openset;
mod part;
mod prove;
mod reoptimise;
mod rule;
mod ruled;
mod solve;
mod state;
mod transport;
mod whole;
mod within;

pub use self::assignment::{Assignment, Portion};
pub use self::budget::Limits;
pub use self::certificate::{Certificate, Fixing, Multipliers};
pub use self::check::{CertificateError, Checked, Violation, bound, check};
pub use self::keep::keep;
pub use self::milp::{Backend, BackendError};
pub use self::model::{Item, MOST, MOST_PAIRS, Model, ModelError, Site, TOLERANCE, Usage};
pub use self::prove::prove;
pub use self::reoptimise::{MoveTerms, Placed, RepairError, Repaired, improve, place, repair, within};
pub use self::rule::{Apart, Row, Term};
pub use self::solve::{Solution, gap, solve};
