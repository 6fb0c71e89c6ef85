//! One media type with its parameters, as in `Content-Type` and in each clause of `Accept`.

/// A media type, borrowed from a header.
#[derive(Debug, Clone, Copy)]
pub(super) struct MediaType<'a> {
    essence: &'a str,
    parameters: &'a str,
}

impl<'a> MediaType<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        Self { essence: essence.trim(), parameters }
    }

    /// Whether this is `media_type`, whatever its parameters.
    pub(super) fn is(&self, media_type: &str) -> bool {
        self.essence.eq_ignore_ascii_case(media_type)
    }

    /// The type and subtype, without parameters.
    pub(super) fn essence(&self) -> &'a str {
        self.essence
    }

    /// The value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.split(';').find_map(|parameter| {
            let (found, value) = parameter.split_once('=')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_whatever_the_spacing_and_case() {
        let media = MediaType::parse(" Application/JSON ; AS=Table;v=\"v1\" ;g = meta.k8s.io");
        assert!(media.is("application/json"));
        assert_eq!(media.parameter("as"), Some("Table"));
        assert_eq!(media.parameter("v"), Some("v1"));
        assert_eq!(media.parameter("g"), Some("meta.k8s.io"));
        assert_eq!(media.parameter("q"), None);
        assert_eq!(MediaType::parse("text/plain").parameter("charset"), None);
    }
}
