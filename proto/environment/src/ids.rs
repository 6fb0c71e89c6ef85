//! Names that nothing else has, and chance.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use uuid::Uuid;

/// What Kubernetes makes generated names of: no vowels and no digits that look like one, so that no words come out.
const NAME_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A source of ids and of seeds, itself seeded. Shared by reference or in an `Arc`.
pub struct Ids {
    random: Mutex<ChaCha12Rng>,
}

impl Ids {
    /// Ids that follow from a seed. In production the seed comes from the operating system.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { random: Mutex::new(ChaCha12Rng::from_seed(seed)) }
    }

    /// Ids that follow from a small seed, for tests and simulations.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { random: Mutex::new(ChaCha12Rng::seed_from_u64(seed)) }
    }

    /// A fresh uid, a random UUID (RFC 9562, version 4).
    #[must_use]
    pub fn uid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The end of a generated name, such as `x7k2p`.
    #[must_use]
    pub fn name_suffix(&self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes.iter().map(|byte| char::from(NAME_ALPHABET[usize::from(*byte) % NAME_ALPHABET.len()])).collect()
    }

    /// A seed for a random generator of somebody's own.
    #[must_use]
    pub fn seed(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill(&self, bytes: &mut [u8]) {
        // A generator is whole after every draw, also where another thread died while it held it.
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_ids_and_no_id_comes_twice() {
        let (one, other) = (Ids::seeded(7), Ids::seeded(7));
        let ids: Vec<Uuid> = (0..1000).map(|_| one.uid()).collect();
        assert!(ids.iter().all(|id| *id == other.uid() && id.get_version_num() == 4));
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 1000);
        assert_eq!(one.name_suffix(5), other.name_suffix(5));
        assert_ne!(Ids::seeded(8).seed(), other.seed());
    }
}
