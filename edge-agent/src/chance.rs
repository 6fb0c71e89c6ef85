//! Chance that follows from a seed without a generator to be kept: a number for each thing drawn.

/// A number that follows from `seed` and `salt`, spread over all of 64 bits (the finalizer of SplitMix64).
pub(crate) fn mix(seed: u64, salt: u64) -> u64 {
    let mut z =
        seed.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number that follows from a text (FNV-1a), for `mix`.
pub(crate) fn of_text(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A number below `bound`, or 0 where that is 0, from one of `mix`.
pub(crate) fn below(number: u64, bound: u64) -> u64 {
    ((u128::from(number) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_evenly_and_stay_below_their_bound() {
        let mut counts = [0_u32; 10];
        for salt in 0..10_000 {
            let number = below(mix(7, salt), 10);
            counts[number as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(below(u64::MAX, 0), 0);
        assert_ne!(mix(of_text("a"), 0), mix(of_text("b"), 0));
    }
}
