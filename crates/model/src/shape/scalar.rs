//! Evidence about numbers and strings.

use super::{
    format::{self, Formats},
    sketch::{Sketch, Tally},
    words,
};
use crate::bytes::decimal;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A value's or key's place in the order of all. Keyed, so that nobody can choose values that rank low, nor read
/// values back from a saved model.
pub(super) fn hash(key: u64, bytes: &[u8]) -> u64 {
    /// What is the same so far and as long is taken for the same.
    const LONGEST: usize = 1024;
    let hash = xxh3_64_with_seed(bytes.get(..LONGEST).unwrap_or(bytes), key);
    hash ^ (bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Numbers. `examined` is how many of them the range is of; the others were only counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Numbers {
    #[serde(rename = "n")]
    pub(super) seen: u64,
    #[serde(rename = "i")]
    pub(super) integers: u64,
    #[serde(rename = "x")]
    pub(super) examined: u64,
    /// Of those examined: written with exactly two decimals.
    #[serde(rename = "c")]
    pub(super) cents: u64,
    #[serde(rename = "lo", with = "bits")]
    pub(super) minimum: f64,
    #[serde(rename = "hi", with = "bits")]
    pub(super) maximum: f64,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { seen: 0, integers: 0, examined: 0, cents: 0, minimum: f64::MAX, maximum: f64::MIN }
    }
}

impl Numbers {
    #[inline]
    pub(super) fn count(&mut self, seen: u64, integer: bool) {
        self.seen = self.seen.saturating_add(seen);
        if integer {
            self.integers = self.integers.saturating_add(seen);
        }
    }

    pub(super) fn learn(&mut self, text: &[u8], integer: bool) {
        self.count(1, integer);
        self.examined = self.examined.saturating_add(1);
        self.cents = self.cents.saturating_add(u64::from(
            !integer && matches!(text, [.., b'.', d1, d2] if d1.is_ascii_digit() && d2.is_ascii_digit()),
        ));
        let value = number(text);
        // Finite, so that plain comparison does.
        if value < self.minimum {
            self.minimum = value;
        }
        if value > self.maximum {
            self.maximum = value;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.seen = self.seen.saturating_add(other.seen);
        self.integers = self.integers.saturating_add(other.integers);
        self.examined = self.examined.saturating_add(other.examined);
        self.cents = self.cents.saturating_add(other.cents);
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
    }
}

/// Doubles written as their bits: read back, they are the same to the last one.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_bits().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let value = f64::from_bits(u64::deserialize(deserializer)?);
        Ok(if value.is_finite() { value } else { 0.0 })
    }
}

/// The value; what is too large for a double becomes the largest one, and there is no negative zero.
#[inline(always)]
fn number(text: &[u8]) -> f64 {
    short_number(text).unwrap_or_else(|| long_number(text))
}

#[inline(never)]
fn long_number(text: &[u8]) -> f64 {
    let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    value.unwrap_or_default().clamp(f64::MIN, f64::MAX) + 0.0
}

/// The value of the usual number, few digits and perhaps a point. Digits and power of ten are exact doubles, and so
/// their quotient is the nearest one, as a full parser would find it (Clinger 1990, the fast path).
#[inline]
fn short_number(text: &[u8]) -> Option<f64> {
    /// More digits may be no exact double.
    const MOST: usize = 15;
    const TENS: [f64; MOST + 1] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, text) = match text {
        [b'-', text @ ..] => (true, text),
        text => (false, text),
    };
    if text.len() > MOST {
        return None;
    }
    let (digits, fraction) = match decimal(text) {
        Some((digits, fraction)) => (i64::from(digits), fraction),
        None => long_decimal(text)?,
    };
    let value = if fraction == 0 { digits as f64 } else { digits as f64 / TENS.get(fraction)? };
    Some(if negative { 0.0 - value } else { value })
}

/// Like [`decimal`], for any length.
fn long_decimal(text: &[u8]) -> Option<(i64, usize)> {
    let (mut digits, mut fraction) = (0i64, None);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => digits = digits * 10 + i64::from(byte - b'0'),
            b'.' if fraction.is_none() => fraction = Some(text.len() - at - 1),
            _ => return None,
        }
    }
    Some((digits, fraction.unwrap_or(0)))
}

/// Strings. `examined` is how many of them the rest is of; the others were only counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Strings {
    #[serde(rename = "n")]
    pub(super) seen: u64,
    #[serde(rename = "x")]
    pub(super) examined: u64,
    /// In characters.
    #[serde(rename = "lo")]
    pub(super) shortest: u64,
    #[serde(rename = "hi")]
    pub(super) longest: u64,
    #[serde(rename = "f")]
    pub(super) formats: Formats,
    #[serde(rename = "s")]
    pub(super) sketch: Sketch,
    #[serde(rename = "t")]
    pub(super) tally: Tally,
}

impl Default for Strings {
    fn default() -> Self {
        Self {
            seen: 0,
            examined: 0,
            shortest: u64::MAX,
            longest: 0,
            formats: format::ALL,
            sketch: Sketch::default(),
            tally: Tally::default(),
        }
    }
}

impl Strings {
    /// For the keys of maps: their texts are never kept.
    pub(super) fn keys() -> Self {
        let mut keys = Self::default();
        keys.tally.close();
        keys
    }

    pub(super) fn count(&mut self, seen: u64) {
        self.seen = self.seen.saturating_add(seen);
    }

    /// Learns a value that was seen so many times. Of a secret only what it looks like is kept.
    pub(super) fn learn(&mut self, hash: impl FnOnce() -> u64, value: &[u8], seen: u64, secret: bool) {
        self.count(seen);
        self.examined = self.examined.saturating_add(seen);
        if !secret && self.tally.again(value, seen) {
            return; // all else was learned when it came first
        }
        let length = characters(value);
        self.shortest = self.shortest.min(length);
        self.longest = self.longest.max(length);
        if self.formats != 0 {
            self.formats = format::satisfied(self.formats, value);
        }
        if secret {
            return self.tally.close();
        }
        let hash = hash();
        self.sketch.insert(hash);
        self.tally.add(hash, seen, || words::enum_word(value));
    }

    /// Learns a key whose text was not written down.
    pub(super) fn learn_unknown(&mut self, hash: u64, seen: u64) {
        self.count(seen);
        self.formats = 0;
        self.sketch.insert(hash);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.seen = self.seen.saturating_add(other.seen);
        self.examined = self.examined.saturating_add(other.examined);
        self.shortest = self.shortest.min(other.shortest);
        self.longest = self.longest.max(other.longest);
        self.formats &= other.formats;
        self.sketch.merge(&other.sketch);
        self.tally.merge(&other.tally);
    }
}

/// Characters of UTF-8: bytes that continue none.
fn characters(text: &[u8]) -> u64 {
    if text.is_ascii() {
        return text.len() as u64;
    }
    text.iter().filter(|b| **b & 0xc0 != 0x80).count() as u64
}
