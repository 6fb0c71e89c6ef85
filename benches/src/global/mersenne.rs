//! The generator of random numbers that Python's `random` uses (MT19937; Matsumoto and Nishimura, 1998), so that instances made
//! here are those that a script with the same seed makes.

const SIZE: usize = 624;
const MIDDLE: usize = 397;

/// Python's `random.Random` with a whole number as its seed.
pub(crate) struct Mersenne {
    state: [u32; SIZE],
    next: usize,
}

impl Mersenne {
    pub(crate) fn new(seed: u64) -> Mersenne {
        // Python seeds by the number's words of 32 bits, without leading zeros.
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        let key = if high == 0 { vec![low] } else { vec![low, high] };
        let mut state = [0_u32; SIZE];
        state[0] = 19_650_218;
        for place in 1..SIZE {
            let before = state[place - 1];
            state[place] = 1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(place as u32);
        }
        let (mut place, mut of_key) = (1, 0);
        for _ in 0..SIZE.max(key.len()) {
            let before = state[place - 1];
            state[place] = (state[place] ^ (before ^ (before >> 30)).wrapping_mul(1_664_525))
                .wrapping_add(key[of_key])
                .wrapping_add(of_key as u32);
            place = advance(&mut state, place);
            of_key = (of_key + 1) % key.len();
        }
        for _ in 0..SIZE - 1 {
            let before = state[place - 1];
            state[place] = (state[place] ^ (before ^ (before >> 30)).wrapping_mul(1_566_083_941))
                .wrapping_sub(place as u32);
            place = advance(&mut state, place);
        }
        state[0] = 0x8000_0000;
        Mersenne { state, next: SIZE }
    }

    fn word(&mut self) -> u32 {
        if self.next == SIZE {
            self.twist();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for place in 0..SIZE {
            let mixed = (self.state[place] & 0x8000_0000) | (self.state[(place + 1) % SIZE] & 0x7fff_ffff);
            let odd = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[place] = self.state[(place + MIDDLE) % SIZE] ^ (mixed >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// A number from 0 to 1, without 1.
    pub(crate) fn random(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// A number between two.
    pub(crate) fn uniform(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.random()
    }

    /// A whole number from one to another, both included.
    pub(crate) fn whole(&mut self, from: u32, to: u32) -> u32 {
        let choices = to - from + 1;
        let bits = u32::BITS - choices.leading_zeros();
        loop {
            let drawn = self.word() >> (u32::BITS - bits);
            if drawn < choices {
                return from + drawn;
            }
        }
    }
}

fn advance(state: &mut [u32; SIZE], place: usize) -> usize {
    if place + 1 == SIZE {
        state[0] = state[SIZE - 1];
        return 1;
    }
    place + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python's `random.Random` says with these seeds.
    #[test]
    fn numbers_are_those_of_python() {
        let mut random = Mersenne::new(5);
        assert_eq!(random.random(), 0.622_901_694_889_701_9);
        assert_eq!(random.random(), 0.741_786_989_260_729_4);
        let mut random = Mersenne::new(5);
        let drawn: Vec<u32> = (0..8).map(|_| random.whole(5, 35)).collect();
        assert_eq!(drawn, [24, 13, 28, 16, 30, 27, 35, 31]);
        let mut random = Mersenne::new(1 << 40);
        assert_eq!(random.uniform(10.0, 160.0), 25.545_918_442_185_624);
    }
}
