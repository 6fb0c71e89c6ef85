//! What a simulation found, and the ways to look at it.
//!
//! A simulation fills a [`SimulationReport`] (or, for the experiment on the openb trace, an [`OpenbReport`], and for the global
//! scheduler a [`GlobalReport`]) and hands it over. From there the report is a value: nothing here runs a simulation, reads a clock or depends on
//! another package of ours. It can be looked at in four ways, one module each:
//!
//! - [`SimulationReport::to_terminal`]: tables and sparklines for people at a terminal,
//! - [`SimulationReport::to_json`]: one JSON object for scripts,
//! - [`SimulationReport::write_parquet`]: Parquet files for notebooks and databases,
//! - [`SimulationReport::to_html`]: one self-contained page with plots, for a browser or a mail.
//!
//! Two rules hold for all of them. A rendering is a function of the report alone, so equal reports render to equal
//! bytes; what differs between two runs with one seed sits in [`Timings`], which may be left out. And a float that
//! is not finite means "not known": it is `null` in JSON and Parquet and a dash for people, never `NaN`.
//!
//! Distributions are kept in a [`Histogram`], whose memory does not grow with the number of values.

mod error;
#[cfg(test)]
mod example;
mod global;
mod histogram;
mod html;
mod json;
mod openb;
mod parquet;
mod quantity;
mod simulation;
mod terminal;
mod text;

pub use self::{
    error::Error,
    global::{GlobalEvent, GlobalReport, GlobalStep, GlobalSummary, StepTimings},
    histogram::{Bucket, Histogram},
    json::JsonStyle,
    openb::{Arrived, OpenbReport},
    simulation::{Sample, SimulationReport, Summary, TenantSummary, Timings, Unplaced},
};
