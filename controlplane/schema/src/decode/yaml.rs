//! Bodies in YAML.

use super::walk::Walk;
use super::{DecodeError, Decoded, FieldValidation, run};
use crate::table::MessageRef;

/// The largest body in YAML. Reading YAML takes many times the memory of its text.
const MAX_BYTES: usize = 3 << 20;

/// Reads a YAML body. Aliases are followed, but a small text that means a large object is refused.
pub fn decode_yaml(
    message: MessageRef,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Decoded, DecodeError> {
    let not_yaml = |problem: String| DecodeError::NotYaml { problem };
    if body.len() > MAX_BYTES {
        return Err(not_yaml(format!("{} bytes, want at most {MAX_BYTES}", body.len())));
    }
    let text = std::str::from_utf8(body).map_err(|error| not_yaml(error.to_string()))?;
    let mut walk = Walk::new(validation);
    let read =
        serde_saphyr::with_deserializer_from_str_with_options(text, options(text.len()), |deserializer| {
            run(message, &mut walk, deserializer)
        });
    match read {
        Ok(object) => walk.finish(object),
        Err(error) => Err(walk.take_error().unwrap_or_else(|| not_yaml(error.to_string()))),
    }
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
            max_depth: super::MAX_DEPTH,
            max_documents: 1,
        },
        // The walk reports what is there twice.
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    }
}
