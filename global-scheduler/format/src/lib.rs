//! The files of the global scheduler, read into types that cannot be wrong and written from results.
//!
//! [`read_orlib`] and [`read_gap`] read the instances of two published families. Every file is taken for hostile: counts are
//! bounded before memory is taken, nothing panics, and an error says where it is and what would be right.

#![forbid(unsafe_code)]

mod error;
mod gap;
mod numbers;
mod orlib;

pub use self::error::FormatError;
pub use self::gap::read_gap;
pub use self::orlib::{OrlibOptions, read_orlib};
