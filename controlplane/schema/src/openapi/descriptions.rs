//! What the published API says of messages and fields; see the build script, which gathers it.

use rustc_hash::FxHashMap;

/// Descriptions by message and field.
pub(super) struct Descriptions {
    messages: FxHashMap<String, FxHashMap<String, String>>,
}

impl Descriptions {
    /// Reads what the build script wrote. It is needed only while documents are made.
    pub(super) fn load() -> Descriptions {
        let text = include_str!(concat!(env!("OUT_DIR"), "/descriptions.json"));
        // The build script wrote it, and a test of this module reads it; documents do without rather than fail.
        Descriptions { messages: serde_json::from_str(text).unwrap_or_default() }
    }

    /// What is said of a message.
    pub(super) fn message(&self, message: &str) -> Option<&str> {
        self.field(message, "")
    }

    /// What is said of a field.
    pub(super) fn field(&self, message: &str, field: &str) -> Option<&str> {
        self.messages.get(message)?.get(field).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::Descriptions;
    use crate::table::kinds;

    #[test]
    fn every_field_of_every_kind_is_described() {
        let descriptions = Descriptions::load();
        for kind in kinds() {
            let message = kind.message();
            assert!(descriptions.message(message.name).is_some(), "{}", message.name);
            for field in &message.fields {
                assert!(
                    descriptions.field(message.name, field.name).is_some(),
                    "{}.{}",
                    message.name,
                    field.name
                );
            }
        }
    }
}
