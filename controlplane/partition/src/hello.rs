//! How streams open: both ends say what they speak, and part with a reason where that does not fit.

use std::time::Duration;

use meridian_proto::v1::{Goodbye, Hello};

/// The one version of the protocol so far.
const VERSION: u32 = 1;

/// How long a peer may take to say hello.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest name of a peer.
const MAX_NAME: usize = 253;

/// The partition's hello.
pub(crate) fn hello(cell: &str, name: &str, epoch: u64) -> Hello {
    Hello {
        lowest_version: VERSION,
        highest_version: VERSION,
        cell: cell.to_owned(),
        name: name.to_owned(),
        epoch,
        ..Hello::default()
    }
}

/// Whether a peer's hello fits, and if not, what to tell it.
pub(crate) fn check(theirs: &Hello, cell: &str) -> Result<(), Goodbye> {
    let refuse = |reason: String| Err(Goodbye { reason, is_final: true });
    if theirs.lowest_version > VERSION || theirs.highest_version < VERSION {
        return refuse(format!(
            "no common version: you speak {} to {}, this partition speaks {VERSION}",
            theirs.lowest_version, theirs.highest_version,
        ));
    }
    if let Some(feature) = theirs.required_features.first() {
        return refuse(format!("required feature {feature:?} is not known here: do without it"));
    }
    if theirs.cell != cell {
        return refuse(format!("you belong to cell {:?}, this partition to cell {cell:?}", theirs.cell));
    }
    if !is_name(&theirs.name) {
        return refuse(format!("your name has {} bytes, want 1 to {MAX_NAME}", theirs.name.len()));
    }
    Ok(())
}

/// Whether a peer may be called so.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
}

/// What to tell a peer that does not open with a hello.
pub(crate) fn no_hello() -> Goodbye {
    Goodbye { reason: "the first message must be a hello".to_owned(), is_final: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named() {
        let good = hello("cell", "peer", 0);
        assert_eq!(check(&good, "cell"), Ok(()));
        let reason = |change: fn(&mut Hello)| {
            let mut theirs = good.clone();
            change(&mut theirs);
            check(&theirs, "cell").unwrap_err().reason
        };
        assert!(reason(|h| h.lowest_version = 2).contains("2 to 1"));
        assert!(reason(|h| h.highest_version = 0).contains("1 to 0"));
        assert!(reason(|h| h.required_features.push("gangs".to_owned())).contains("\"gangs\""));
        assert!(reason(|h| h.cell = "other".to_owned()).contains("\"other\""));
        assert!(reason(|h| h.name.clear()).contains("0 bytes"));
        assert!(reason(|h| h.name = "x".repeat(300)).contains("300 bytes"));
        let mut newer = good.clone();
        newer.highest_version = 9;
        newer.features.push("news".to_owned());
        assert_eq!(check(&newer, "cell"), Ok(()), "unknown features and versions above are no harm");
    }
}
