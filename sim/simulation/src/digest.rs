//! A digest over placements: equal digests, equal placements.

/// FNV-1a over 64-bit words, 64 bits wide (Fowler, Noll, Vo). It tells runs apart, it does not withstand an adversary.
#[derive(Clone, Debug)]
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) fn new() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn add(&mut self, words: [u64; 3]) {
        for word in words {
            for byte in word.to_le_bytes() {
                self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
    }

    pub(crate) fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}
