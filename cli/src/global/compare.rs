//! `meridian global plan diff`: what differs between two plans.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{files, planned};
use crate::output;

/// Say what differs between two plans.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The plan before, or what `solve --json` printed.
    before: PathBuf,
    /// The plan after.
    after: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let before = files::plan(&arguments.before)?;
    let after = files::plan(&arguments.after)?;
    let changes = after.changes_from(&before);
    let moves = after.moves_from(&before);
    if arguments.json {
        return output::print(&json!({ "moves": moves, "changes": changes }).to_string());
    }
    let mut lines = planned::changes(&changes);
    lines.push(format!("moves      {moves}"));
    output::print(&lines.join("\n"))
}
