//! Traces as Parquet tables.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use meridian_trace::{PodOrder, TraceError, write_hosts, write_pods};

use super::OpenbTables;
use crate::output;
use crate::source::{Source, SwfArguments, SyntheticArguments, TablesArguments};

/// Write a trace as Parquet tables.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    source: Convertible,
}

/// A trace to be written to a folder.
#[derive(Debug, Args)]
struct Into<T: Args> {
    #[command(flatten)]
    source: T,
    /// The folder for hosts.parquet and pods.parquet.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Convertible {
    /// A made-up region.
    Synthetic(Into<SyntheticArguments>),
    /// A job log in the Standard Workload Format, on equal hosts.
    Swf(Into<SwfArguments>),
    /// Tables of hosts and pods.
    Tables(Into<TablesArguments>),
    /// The tables of the openb trace, pods in the order of their arrival.
    Openb(Into<OpenbTables>),
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let (source, to) = match arguments.source {
        Convertible::Synthetic(into) => (Source::Synthetic(into.source), into.to),
        Convertible::Swf(into) => (Source::Swf(into.source), into.to),
        Convertible::Tables(into) => (Source::Tables(into.source), into.to),
        Convertible::Openb(into) => {
            let (hosts, pods) = into.source.read(PodOrder::Arrival)?;
            return write(&into.to, &hosts, Box::new(pods.into_iter().map(Ok)));
        }
    };
    let trace = source.open()?;
    write(&to, &trace.hosts, trace.pods)
}

fn write(
    folder: &Path,
    hosts: &[meridian_trace::TraceHost],
    pods: crate::source::Pods,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    whole_file(&folder.join("hosts.parquet"), |part| write_hosts(part, hosts))?;
    let rows = whole_file(&folder.join("pods.parquet"), |part| write_pods(part, pods))?;
    output::note(&format!("{}: {} hosts, {rows} pods", folder.display(), hosts.len()));
    Ok(())
}

/// Has a file written under another name, which it keeps only until it is whole: the file in its place may be the very one
/// that is being read, and half a table is none.
fn whole_file<T>(path: &Path, write: impl FnOnce(&Path) -> Result<T, TraceError>) -> anyhow::Result<T> {
    let part = path.with_extension("parquet.part");
    match write(&part) {
        Ok(written) => {
            std::fs::rename(&part, path).with_context(|| format!("writing {}", path.display()))?;
            Ok(written)
        }
        Err(error) => {
            // The error that matters is the first one.
            let _ = std::fs::remove_file(&part);
            Err(error.into())
        }
    }
}
