//! Traces: which hosts there are, and which pods arrive when, ask for what and stay how long.
//!
//! A trace is a list of [`TraceHost`]s and a stream of [`TracePod`]s, plain rows that know nothing of any scheduler.
//! They come from four places:
//!
//! - [`read_openb_hosts`] and [`read_openb_pods`] read the openb tables of a GPU cluster;
//! - [`Swf`] reads job logs in the Standard Workload Format, of any length;
//! - [`read_csv_hosts`] and [`read_csv_pods`] read CSV tables that people write by hand;
//! - [`Synthetic`] makes up a region and days of pods from stated distributions and a seed.
//!
//! However it came about, a trace is kept in two Parquet tables, hosts and pods. [`write_hosts`], [`PodWriter`] and
//! [`write_pods`] write them, [`read_hosts`] and [`PodTable`] read them, pods in batches, so that traces may be larger
//! than memory. Whatever yields `Result<TracePod, TraceError>` in the order of arrival can be written to a table or
//! driven through a simulation, whichever of the readers it is.
//!
//! Every input is taken for hostile: each row is checked against [`limits`], lines and batches are bounded, and every
//! error says in which file, row and column what was found and what would be right.

#![forbid(unsafe_code)]

pub mod limits;

mod error;
mod lines;
mod models;
mod openb;
mod plain;
mod row;
mod sheet;
mod source;
mod swf;
mod synthetic;
mod table;

pub use self::error::TraceError;
pub use self::openb::{
    OPENB_HOST_PODS, OPENB_TENANT, parse_openb_hosts, parse_openb_pods, read_openb_hosts, read_openb_pods,
};
pub use self::plain::{
    DEFAULT_HOST_PODS, DEFAULT_TENANT, parse_csv_hosts, parse_csv_pods, read_csv_hosts, read_csv_pods,
};
pub use self::row::{TraceHost, TracePod};
pub use self::sheet::MAX_CSV_ROWS;
pub use self::source::PodOrder;
pub use self::swf::{Skipped, Swf, SwfOptions};
pub use self::synthetic::{Synthetic, SyntheticPods};
pub use self::table::{
    MAX_TABLE_HOSTS, PodTable, PodWriter, TABLE_VERSION, host_schema, pod_schema, read_hosts, write_hosts,
    write_pods,
};
