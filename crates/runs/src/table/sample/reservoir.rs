//! Random sampling with the same choices as TensorBoard's Python loader
//! (`tensorboard/backend/event_processing/reservoir.py`, `_ReservoirBucket.AddItem`).

use rand_mt::Mt;

/// The indices of at most `most` of `len` points, ascending.
pub(super) fn reservoir(len: usize, most: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..len.min(most)).collect();
    let mut random = Random::zero();
    for i in kept.len()..len {
        match random.below(i + 1) {
            place if place < kept.len() => drop(kept.remove(place)),
            _ => drop(kept.pop()),
        }
        kept.push(i);
    }
    kept
}

/// Python's `random.Random(0)`.
struct Random(Mt);

impl Random {
    fn zero() -> Self {
        Self(Mt::new_with_key([0]))
    }

    /// `randrange(n)`: draws as many bits as `n` has, until the result is less than `n`
    /// (`Lib/random.py`, `_randbelow_with_getrandbits`).
    fn below(&mut self, n: usize) -> usize {
        let bits = usize::BITS - n.leading_zeros();
        loop {
            let drawn = self.bits(bits);
            if drawn < n {
                return drawn;
            }
        }
    }

    /// `getrandbits(n)`, for n from 1 to 64: 32-bit words, the lowest first; of the last word, the
    /// upper bits (`Modules/_randommodule.c`).
    fn bits(&mut self, n: u32) -> usize {
        let mut word = |bits: u32| u64::from(self.0.next_u32() >> (32 - bits));
        let all = match n {
            0..=32 => word(n.max(1)),
            _ => word(32) | word(n.min(64) - 32) << 32,
        };
        usize::try_from(all).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CPython 3.11: `r = random.Random(0); [r.randint(0, n) for n in (10, 1000, 2**31, 2**40)]`.
    #[test]
    fn numbers_are_those_of_python() {
        let mut random = Random::zero();
        let drawn = [10, 1000, 1 << 31, 1 << 40].map(|n: usize| random.below(n + 1));
        assert_eq!(drawn, [6, 776, 1_806_341_205, 567_109_562_164]);
    }

    /// tensorboard 2.21: `r = reservoir.Reservoir(5)`, then `AddItem(i)` for i below 1000.
    #[test]
    fn points_are_those_of_tensorboard() {
        assert_eq!(reservoir(1000, 5), [304, 668, 784, 929, 999]);
        let kept = reservoir(100_000, 20);
        assert_eq!(kept[..5], [1729, 4205, 7185, 8667, 9316]);
        assert_eq!(kept[15..], [74_140, 79_613, 86_785, 96_587, 99_999]);
        assert_eq!(reservoir(1000, 1), [999]);
        assert_eq!(reservoir(3, 5), [0, 1, 2]);
    }
}
