//! How streams open: both sides say hello, and part at once where they cannot work together.

use meridian_proto::v1;

/// The one version of the protocol that is spoken.
const VERSION: u32 = 1;

/// Features that are known here; none yet.
const FEATURES: [&str; 0] = [];

/// What this side says first.
pub(crate) fn hello(cell: &str, name: &str, position: Option<v1::Position>) -> v1::Hello {
    v1::Hello {
        lowest_version: VERSION,
        highest_version: VERSION,
        features: FEATURES.map(str::to_owned).to_vec(),
        required_features: Vec::new(),
        cell: cell.to_owned(),
        name: name.to_owned(),
        epoch: 0,
        positions: position.into_iter().collect(),
    }
}

/// Whether this side can work with a peer that opens so; if not, what it is told.
pub(crate) fn check(hello: &v1::Hello, cell: &str) -> Result<(), v1::Goodbye> {
    let refuse = |reason: String| Err(v1::Goodbye { reason, is_final: true });
    if !(hello.lowest_version..=hello.highest_version).contains(&VERSION) {
        return refuse(format!(
            "versions {} to {} are offered, want {VERSION} among them",
            hello.lowest_version, hello.highest_version
        ));
    }
    let unknown: Vec<&str> = hello
        .required_features
        .iter()
        .map(String::as_str)
        .filter(|feature| !FEATURES.contains(feature))
        .collect();
    if !unknown.is_empty() {
        return refuse(format!("required features are not known here: {}", unknown.join(", ")));
    }
    if hello.cell != cell {
        return refuse(format!("{} belongs to cell {:?}, want {cell:?}", hello.name, hello.cell));
    }
    if hello.name.is_empty() {
        return refuse("the Hello names nobody, want the sender's name".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use meridian_proto::v1;

    use super::{check, hello};

    #[test]
    fn peers_that_cannot_be_worked_with_are_told_why() {
        let right = v1::Hello { features: vec!["new".into()], highest_version: 9, ..hello("c", "n", None) };
        assert_eq!(check(&right, "c"), Ok(()));
        let reason = |wrong: v1::Hello| {
            let goodbye = check(&wrong, "c").unwrap_err();
            assert!(goodbye.is_final);
            goodbye.reason
        };
        assert_eq!(
            reason(v1::Hello { lowest_version: 2, highest_version: 3, ..right.clone() }),
            "versions 2 to 3 are offered, want 1 among them"
        );
        assert_eq!(
            reason(v1::Hello { required_features: vec!["gangs".into(), "moves".into()], ..right.clone() }),
            "required features are not known here: gangs, moves"
        );
        assert_eq!(
            reason(v1::Hello { cell: "d".into(), ..right.clone() }),
            "n belongs to cell \"d\", want \"c\""
        );
        assert_eq!(
            reason(v1::Hello { name: String::new(), ..right }),
            "the Hello names nobody, want the sender's name"
        );
    }
}
