//! Chance that needs no quality, only variety: splitmix64 (Steele, Lea, Flood 2014).

use std::time::Duration;

/// A stream of numbers; the same seed gives the same stream.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `0..below`; 0 for 0.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.next().checked_rem(below).unwrap_or(0)
    }

    /// 0..1.
    #[expect(clippy::cast_precision_loss, reason = "53 of 64 bits are kept on purpose")]
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of them, the first ones more often, as customers do.
    pub(crate) fn favourite<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let share = self.share();
        #[expect(clippy::cast_precision_loss, reason = "a few dozen products")]
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..len")]
        let index = (share * share * items.len() as f64) as usize;
        items.get(index)
    }

    /// A time with a long tail around `typical`: log-normal, by the sum of uniform shares.
    pub(crate) fn latency(&mut self, typical: Duration) -> Duration {
        let normal: f64 = (0..12).map(|_| self.share()).sum::<f64>() - 6.0;
        typical.mul_f64((normal * 0.5).exp())
    }

    /// A random UUID (RFC 9562 §5.4).
    pub(crate) fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let high = a & 0xffff_ffff_ffff_0fff | 0x4000;
        let low = b & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }

    /// `ord_` and twelve letters and digits, the prefix as given.
    pub(crate) fn prefixed(&mut self, prefix: &str) -> String {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut bits = self.next();
        let letters = (0..12).map(|_| {
            let letter = LETTERS.get((bits & 31) as usize).copied().unwrap_or(b'0');
            bits >>= 5;
            char::from(letter)
        });
        format!("{prefix}_{}", letters.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;
    use std::time::Duration;

    #[test]
    fn ids_have_their_forms() {
        let mut chance = Chance::new(7);
        for _ in 0..1000 {
            let uuid = chance.uuid();
            let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
            assert!(uuid.get(14..15) == Some("4"), "{uuid}");
            assert!(matches!(uuid.get(19..20), Some("8" | "9" | "a" | "b")), "{uuid}");
            assert_eq!(chance.prefixed("ord").len(), 16);
        }
    }

    #[test]
    fn latency_is_spread_around_the_typical() {
        let mut chance = Chance::new(7);
        let mut times: Vec<_> = (0..2001).map(|_| chance.latency(Duration::from_millis(10))).collect();
        times.sort();
        let at = |i: usize| times.get(i).copied().unwrap_or_default().as_secs_f64() * 1e3;
        assert!((8.0..12.0).contains(&at(1000)), "{}", at(1000));
        assert!(at(1980) > 20.0 && at(20) < 5.0);
    }
}
