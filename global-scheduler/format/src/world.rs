//! Worlds and plans as JSON or YAML.
//!
//! Fields are those of [`World`] and [`Plan`], in camel case. An unknown field and a key that is given twice are errors: each would be
//! lost in silence. JSON is read as it comes, so that a large file needs little more memory than the world in it; YAML
//! is for people and may be a tenth as long.

use meridian_global_world::{Plan, Site, Workload, World};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::FormatError;

/// The most bytes of JSON.
pub const MOST_JSON: usize = 512 << 20;

/// The most bytes of YAML.
pub const MOST_YAML: usize = 32 << 20;

/// The longest description of a problem, which may repeat the file.
const MOST_PROBLEM: usize = 300;

/// Reads a world. It is not validated: surveys do that.
pub fn read_world(text: &str) -> Result<World, FormatError> {
    read(text)
}

/// Reads one workload.
pub fn read_workload(text: &str) -> Result<Workload, FormatError> {
    read(text)
}

/// Reads one site.
pub fn read_site(text: &str) -> Result<Site, FormatError> {
    read(text)
}

/// Reads a plan: by itself, or in the field `plan` of what solving printed.
pub fn read_plan(text: &str) -> Result<Plan, FormatError> {
    #[derive(serde::Deserialize)]
    struct Result {
        plan: Option<Value>,
        workloads: Option<Value>,
    }
    let result: Result = read(text)?;
    let (path, plan) = match (result.plan, result.workloads) {
        (Some(plan), _) => ("plan.", plan),
        (None, Some(workloads)) => ("", serde_json::json!({ "workloads": workloads })),
        (None, None) => {
            return Err(shape("plan".to_owned(), "is missing, want a plan or `workloads`".to_owned()));
        }
    };
    serde_path_to_error::deserialize(plan)
        .map_err(|error| shape(format!("{path}{}", error.path()), error.inner().to_string()))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, FormatError> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        expect_length("JSON", text, MOST_JSON)?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| shape(error.path().to_string(), error.inner().to_string()))?;
        reader.end().map_err(|error| shape("end of the file".to_owned(), error.to_string()))?;
        return Ok(value);
    }
    expect_length("YAML", text, MOST_YAML)?;
    let value: Value = serde_saphyr::from_str_with_options(text, options(text.len()))
        .map_err(|error| shape("the file".to_owned(), error.to_string()))?;
    serde_path_to_error::deserialize(value)
        .map_err(|error| shape(error.path().to_string(), error.inner().to_string()))
}

/// Options that let memory grow with the text and no faster: aliases must not multiply it.
fn options(length: usize) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: length.saturating_add(16),
            max_nodes: length.saturating_add(16),
            max_total_scalar_bytes: length.saturating_mul(2),
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_documents: 1,
        },
        strict_booleans: true,
        with_snippet: false,
    }
}

fn expect_length(kind: &'static str, text: &str, limit: usize) -> Result<(), FormatError> {
    if text.len() > limit {
        return Err(FormatError::TooLarge { kind, found: text.len(), limit });
    }
    Ok(())
}

fn shape(path: String, problem: String) -> FormatError {
    let short = |text: String| match text.char_indices().nth(MOST_PROBLEM) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    };
    let path = if path == "." { "the file".to_owned() } else { path };
    FormatError::Shape { path: short(path), problem: short(problem) }
}
