//! What a client accepts: the media type of the answer, and whether objects come whole, as a table or as metadata only.
//!
//! Clients list several forms in the order they like them, most of all `kubectl get` (table, then older table, then JSON)
//! and Go clients (protobuf, then JSON). Clauses are taken by quality and then in their order; the first that is served
//! wins, so a client that would rather have protobuf is given the JSON it lists next.

use super::media::MediaType;
use super::refuse;
use crate::Failure;

/// How an answer is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    /// JSON on many lines, for people (the query parameter `pretty`).
    PrettyJson,
    Yaml,
}

impl Encoding {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::PrettyJson => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// The two versions of `meta.k8s.io` in which tables and metadata are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetaVersion {
    V1,
    V1Beta1,
}

impl MetaVersion {
    pub(super) fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// What becomes of an object or a list on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Whole,
    Table(MetaVersion),
    Metadata(MetaVersion),
}

/// The form of an answer that client and server agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) encoding: Encoding,
    pub(super) shape: Shape,
}

impl Form {
    pub(super) const JSON: Self = Self { encoding: Encoding::Json, shape: Shape::Whole };

    /// The same on many lines, where it has lines.
    pub(super) fn pretty(self) -> Self {
        let encoding = if self.encoding == Encoding::Json { Encoding::PrettyJson } else { self.encoding };
        Self { encoding, ..self }
    }
}

/// Which document of a discovery endpoint the client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Discovery {
    /// `APIGroupList` and the like, one request for each group and version.
    Legacy(Encoding),
    /// Everything in one `APIGroupDiscoveryList`, in this version of `apidiscovery.k8s.io`.
    Aggregated(&'static str),
}

/// The form of an object, a list or a watch.
pub(super) fn form(accept: Option<&str>) -> Result<Form, Failure> {
    let Some(accept) = meaningful(accept) else { return Ok(Form::JSON) };
    // What nearly every client that is no kubectl sends.
    if accept == "application/json" {
        return Ok(Form::JSON);
    }
    for clause in clauses(accept) {
        let Some(encoding) = encoding_of(&clause) else { continue };
        let shape = match (clause.parameter("as"), clause.parameter("g"), clause.parameter("v")) {
            (None, ..) => Shape::Whole,
            (Some(shape), Some("meta.k8s.io"), Some(version)) => {
                let version = match version {
                    "v1" => MetaVersion::V1,
                    "v1beta1" => MetaVersion::V1Beta1,
                    _ => continue,
                };
                match shape {
                    "Table" => Shape::Table(version),
                    "PartialObjectMetadata" | "PartialObjectMetadataList" => Shape::Metadata(version),
                    _ => continue,
                }
            }
            _ => continue,
        };
        return Ok(Form { encoding, shape });
    }
    Err(refuse::not_acceptable(accept, &["application/json", "application/yaml"]))
}

/// The form of a document that is neither an object nor a list of them.
pub(super) fn encoding(accept: Option<&str>) -> Result<Encoding, Failure> {
    let Some(accept) = meaningful(accept) else { return Ok(Encoding::Json) };
    clauses(accept)
        .iter()
        .find_map(encoding_of)
        .ok_or_else(|| refuse::not_acceptable(accept, &["application/json", "application/yaml"]))
}

/// The encoding of a refusal. A refusal is always given: in JSON where nothing that is accepted is served.
pub(super) fn encoding_of_refusal(accept: Option<&str>) -> Encoding {
    encoding(accept).unwrap_or(Encoding::Json)
}

/// The form of `/api` and `/apis`.
pub(super) fn discovery(accept: Option<&str>) -> Result<Discovery, Failure> {
    let Some(accept) = meaningful(accept) else { return Ok(Discovery::Legacy(Encoding::Json)) };
    for clause in clauses(accept) {
        let Some(encoding) = encoding_of(&clause) else { continue };
        match (clause.parameter("as"), clause.parameter("g"), clause.parameter("v")) {
            (None, ..) => return Ok(Discovery::Legacy(encoding)),
            (Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some(version))
                if encoding == Encoding::Json =>
            {
                match version {
                    "v2" => return Ok(Discovery::Aggregated("v2")),
                    "v2beta1" => return Ok(Discovery::Aggregated("v2beta1")),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    Err(refuse::not_acceptable(accept, &["application/json", "application/yaml"]))
}

/// Whether the client prefers one of `media_types` to JSON. `*/*` takes JSON.
pub(super) fn prefers<'a>(accept: Option<&str>, media_types: &[&'a str]) -> Option<&'a str> {
    let clauses = clauses(meaningful(accept)?);
    clauses.iter().find_map(|clause| {
        if encoding_of(clause).is_some() {
            return Some(None);
        }
        media_types.iter().find(|media_type| clause.is(media_type)).map(|media_type| Some(*media_type))
    })?
}

/// Whether `Accept-Encoding` allows gzip.
pub(super) fn gzip(accept_encoding: Option<&str>) -> bool {
    accept_encoding
        .is_some_and(|header| clauses(header).iter().any(|clause| clause.is("gzip") || clause.is("*")))
}

/// The header's value, unless there is none to speak of.
fn meaningful(accept: Option<&str>) -> Option<&str> {
    accept.map(str::trim).filter(|accept| !accept.is_empty() && *accept != "*/*")
}

fn encoding_of(clause: &MediaType<'_>) -> Option<Encoding> {
    if clause.is("application/json") || clause.is("*/*") || clause.is("application/*") {
        Some(Encoding::Json)
    } else if clause.is("application/yaml") || clause.is("text/yaml") {
        Some(Encoding::Yaml)
    } else {
        None
    }
}

/// The header's clauses, best first; those of quality zero are left out.
fn clauses(header: &str) -> Vec<MediaType<'_>> {
    // More clauses than any client sends are not looked at.
    const MOST: usize = 32;
    let mut clauses: Vec<(u16, MediaType<'_>)> = header
        .split(',')
        .take(MOST)
        .map(MediaType::parse)
        .map(|clause| (quality(&clause), clause))
        .filter(|(quality, _)| *quality > 0)
        .collect();
    clauses.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    clauses.into_iter().map(|(_, clause)| clause).collect()
}

/// The clause's quality in thousandths; what cannot be read counts as one.
fn quality(clause: &MediaType<'_>) -> u16 {
    let Some(quality) = clause.parameter("q").and_then(|q| q.parse::<f32>().ok()) else { return 1000 };
    if !quality.is_finite() {
        return 1000;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1000")]
    let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
    thousandths
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECTL: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

    #[test]
    fn the_first_clause_that_is_served_wins() {
        let table = |version| Form { encoding: Encoding::Json, shape: Shape::Table(version) };
        assert_eq!(form(None).unwrap(), Form::JSON);
        assert_eq!(form(Some("*/*")).unwrap(), Form::JSON);
        assert_eq!(form(Some(KUBECTL)).unwrap(), table(MetaVersion::V1));
        assert_eq!(
            form(Some("application/json;as=Table;v=v9;g=meta.k8s.io, application/json;as=Table;v=v1beta1;g=meta.k8s.io"))
                .unwrap(),
            table(MetaVersion::V1Beta1)
        );
        assert_eq!(form(Some("application/vnd.kubernetes.protobuf, application/json")).unwrap(), Form::JSON);
        let metadata = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                        application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
        assert_eq!(form(Some(metadata)).unwrap().shape, Shape::Metadata(MetaVersion::V1));
        assert_eq!(form(Some("application/yaml")).unwrap().encoding, Encoding::Yaml);
        assert_eq!(
            form(Some("application/json;q=0.2, application/yaml;q=0.9")).unwrap().encoding,
            Encoding::Yaml
        );
        assert_eq!(form(Some("application/yaml;q=0, application/*")).unwrap(), Form::JSON);
    }

    #[test]
    fn what_is_not_served_is_refused_with_what_is() {
        for accept in [
            "text/html",
            "application/vnd.kubernetes.protobuf",
            "application/json;as=Chart;v=v1;g=meta.k8s.io",
        ] {
            assert_eq!(form(Some(accept)).unwrap_err().code, 406, "{accept}");
        }
        assert_eq!(encoding_of_refusal(Some("text/html")), Encoding::Json);
    }

    #[test]
    fn discovery_is_aggregated_for_those_who_ask() {
        let newest = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        assert_eq!(discovery(Some(newest)).unwrap(), Discovery::Aggregated("v2"));
        let older =
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        assert_eq!(discovery(Some(older)).unwrap(), Discovery::Aggregated("v2beta1"));
        assert_eq!(discovery(Some("application/json, */*")).unwrap(), Discovery::Legacy(Encoding::Json));
    }

    #[test]
    fn gzip_is_used_where_it_is_allowed() {
        assert!(gzip(Some("deflate, gzip;q=1.0")));
        assert!(!gzip(Some("gzip;q=0")));
        assert!(!gzip(Some("identity")));
        assert!(!gzip(None));
    }
}
