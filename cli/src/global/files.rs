//! Worlds and plans as files.

use std::path::Path;

use anyhow::Context;
use meridian_global_format::{FormatError, read_plan, read_world};
use meridian_global_world::{Plan, World};

/// Reads a file whole and makes something of its text.
pub(crate) fn read<T>(path: &Path, parse: impl FnOnce(&str) -> Result<T, FormatError>) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    parse(&text).with_context(|| format!("reading {}", path.display()))
}

/// Reads a world.
pub(crate) fn world(path: &Path) -> anyhow::Result<World> {
    read(path, read_world)
}

/// Reads a plan, or the result of solving with a plan in it.
pub(crate) fn plan(path: &Path) -> anyhow::Result<Plan> {
    read(path, read_plan)
}
