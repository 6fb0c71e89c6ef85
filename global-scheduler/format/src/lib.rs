//! The files of the global scheduler, read into types that cannot be wrong and written from results.
//!
//! [`read_world`] and [`read_plan`] read worlds and plans as JSON or YAML, [`read_sites`] and [`read_users`] tables of published data.
//! [`read_orlib`] and [`read_gap`] read the instances of two published families. [`map`] draws a plan. Every file is taken for hostile:
//! counts are bounded before memory is taken, nothing panics, and an error says where it is and what would be right.

#![forbid(unsafe_code)]

mod error;
mod gap;
mod map;
mod numbers;
mod orlib;
mod table;
mod world;

pub use self::error::FormatError;
pub use self::gap::read_gap;
pub use self::map::map;
pub use self::orlib::{OrlibOptions, read_orlib};
pub use self::table::{SiteOptions, read_sites, read_users};
pub use self::world::{MOST_JSON, MOST_YAML, read_plan, read_site, read_workload, read_world};
