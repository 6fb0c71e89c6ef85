//! `meridian global map`: a plan as a page.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use meridian_global_format::map;
use meridian_global_world::Survey;

use super::files;
use crate::output;

/// Draw a plan as a page: sites, load and flows.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The world, as JSON or YAML.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// The plan, or what `solve --json` printed.
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Where to write the page, which loads nothing from elsewhere.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let world = files::world(&arguments.file)?;
    let plan = files::plan(&arguments.plan)?;
    Survey::new(&world).with_context(|| format!("in {}", arguments.file.display()))?;
    let title =
        arguments.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    output::write_file(&arguments.output, &map(&world, &plan, &title))
}
