//! How streams open: who speaks which version, and what is refused.

use meridian_proto::v1::{Goodbye, Hello};

/// The one version spoken here.
const VERSION: u32 = 1;

/// The longest name that anybody may have, as for any DNS name.
const MOST_NAME: usize = 253;

/// The Hello of this partition.
pub(crate) fn hello(name: &str, cell: &str, epoch: u64) -> Hello {
    Hello {
        lowest_version: VERSION,
        highest_version: VERSION,
        features: Vec::new(),
        required_features: Vec::new(),
        cell: cell.to_owned(),
        name: name.to_owned(),
        epoch,
        positions: Vec::new(),
    }
}

/// Whether a peer that opens like this can be spoken with.
pub(crate) fn check(hello: &Hello, cell: &str) -> Result<(), Goodbye> {
    if hello.lowest_version > VERSION || hello.highest_version < VERSION {
        let (lowest, highest) = (hello.lowest_version, hello.highest_version);
        return Err(refusal(format!(
            "versions {lowest} to {highest} are spoken there, and version {VERSION} here: run a build that speaks it"
        )));
    }
    if let Some(feature) = hello.required_features.first() {
        return Err(refusal(format!(
            "feature {feature:?} is required there and not known here: run a newer build here"
        )));
    }
    if hello.cell != cell {
        return Err(refusal(format!("this is cell {cell:?}, and not {:?}", hello.cell)));
    }
    if hello.name.is_empty() || hello.name.len() > MOST_NAME {
        let length = hello.name.len();
        return Err(refusal(format!("the name has {length} bytes, want 1 to {MOST_NAME}")));
    }
    Ok(())
}

/// A Goodbye to one for whom coming back unchanged is in vain.
pub(crate) fn refusal(reason: impl Into<String>) -> Goodbye {
    Goodbye { reason: reason.into(), is_final: true }
}

/// A Goodbye to one who may come back.
pub(crate) fn later(reason: impl Into<String>) -> Goodbye {
    Goodbye { reason: reason.into(), is_final: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_what_is_missing() {
        let good = hello("h", "cell", 1);
        assert_eq!(check(&good, "cell"), Ok(()));
        for (bad, want) in [
            (Hello { lowest_version: 2, highest_version: 3, ..good.clone() }, "versions 2 to 3"),
            (Hello { highest_version: 0, ..good.clone() }, "versions 1 to 0"),
            (Hello { required_features: vec!["warp".into()], ..good.clone() }, "\"warp\""),
            (Hello { cell: "other".into(), ..good.clone() }, "and not \"other\""),
            (Hello { name: String::new(), ..good.clone() }, "0 bytes"),
            (Hello { name: "x".repeat(254), ..good }, "254 bytes"),
        ] {
            let goodbye = check(&bad, "cell").expect_err(want);
            assert!(goodbye.is_final && goodbye.reason.contains(want), "{}", goodbye.reason);
        }
    }
}
