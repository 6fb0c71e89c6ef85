//! `/version`: which Kubernetes this speaks like, and which build it is.

use serde_json::{Value, json};

/// The minor version of the Kubernetes API that is served.
const MINOR: &str = "33";

/// What clients compare with. What is Meridian's own stands behind a plus, since clients take what stands behind a hyphen
/// for a version before 1.33.0, and charts that want 1.33 refuse that.
const GIT_VERSION: &str = concat!("v1.33.0+meridian-", env!("CARGO_PKG_VERSION"));

/// The document.
pub(super) fn document() -> Value {
    json!({
        "major": "1",
        "minor": MINOR,
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}
