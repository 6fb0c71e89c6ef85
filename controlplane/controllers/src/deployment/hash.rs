//! The name of a template: the label that tells ReplicaSets of one Deployment apart.

use serde_json::Value;

/// What names are made of: no vowels, so that no words come out.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A short name for a pod template, from what it says (FNV-1a, 64 bits). Two templates seldom have the same one; where they do,
/// the caller counts a collision and asks again.
pub(crate) fn template_hash(template: &Value, collisions: i64) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    // Keys of a map come sorted, so equal templates give equal text.
    add(template.to_string().as_bytes());
    add(&collisions.to_le_bytes());
    let base = ALPHABET.len() as u64;
    let mut name = String::new();
    for _ in 0..10 {
        let index = usize::try_from(hash % base).unwrap_or(0);
        name.push(char::from(ALPHABET[index]));
        hash /= base;
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::template_hash;

    #[test]
    fn a_name_follows_from_what_the_template_says() {
        let one = json!({"a": 1, "b": {"c": "d"}});
        let same = serde_json::from_str(r#"{"b": {"c": "d"}, "a": 1}"#).unwrap();
        assert_eq!(template_hash(&one, 0), template_hash(&same, 0));
        assert_ne!(template_hash(&one, 0), template_hash(&one, 1));
        assert_ne!(template_hash(&one, 0), template_hash(&json!({"a": 2}), 0));
        assert_eq!(template_hash(&one, 0).len(), 10);
    }
}
