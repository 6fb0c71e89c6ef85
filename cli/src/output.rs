//! Writing to the terminal and to files.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;

/// Prints text with a line break behind it.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.trim_end().as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// Says something beside the result.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints an error with its causes, one sentence.
pub(crate) fn error(error: &anyhow::Error) {
    note(&format!("error: {error:#}"));
}

/// Whether the reader of our output went away, which is not our failure.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes a file whole, under another name first, so that nobody reads half of it.
pub(crate) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut name =
        path.file_name().with_context(|| format!("{} is not a file name", path.display()))?.to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    std::fs::write(&part, text).with_context(|| format!("writing {}", part.display()))?;
    std::fs::rename(&part, path).with_context(|| format!("writing {}", path.display()))
}
