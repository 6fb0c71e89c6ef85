//! Sets of hosts as words of 64 bits, one word a block.

/// The numbers of the bits that are set, ascending.
pub(crate) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if mask == 0 {
            return None;
        }
        let bit = mask.trailing_zeros() as usize;
        mask &= mask - 1;
        Some(bit)
    })
}

/// Sets the bits of `slots`.
pub(crate) fn insert_all(words: &mut [u64], slots: impl IntoIterator<Item = u32>) {
    for slot in slots {
        words[slot as usize / 64] |= 1 << (slot % 64);
    }
}

/// Keeps in `words` what is also in `other`.
pub(crate) fn intersect(words: &mut [u64], other: &[u64]) {
    for (word, other) in words.iter_mut().zip(other) {
        *word &= other;
    }
}

/// Removes from `words` what is in `other`.
pub(crate) fn subtract(words: &mut [u64], other: &[u64]) {
    for (word, other) in words.iter_mut().zip(other) {
        *word &= !other;
    }
}

/// Adds to `words` what is in `other`.
pub(crate) fn unite(words: &mut [u64], other: &[u64]) {
    for (word, other) in words.iter_mut().zip(other) {
        *word |= other;
    }
}
