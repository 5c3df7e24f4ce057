//! Looking at bytes faster than byte by byte: bodies are learned whole, so every one of theirs comes by here.

/// The next quote or escape of JSON from `start` on. Most keys and values are short: setting up a vector search for them
/// takes longer than looking at two words of them.
#[inline]
pub(crate) fn quote(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    for _ in 0..2 {
        let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) else { break };
        let word = u64::from_le_bytes(*chunk);
        let found = equal(word, b'"') | equal(word, b'\\');
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    memchr::memchr2(b'"', b'\\', text.get(at..)?).map(|offset| at + offset)
}

/// 1 in every byte.
const ONES: u64 = u64::MAX / 255;

/// The high bit of each byte that is the one looked for; of those above the first, some more may be marked.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * u64::from(byte));
    difference.wrapping_sub(ONES) & !difference & (ONES << 7)
}

/// Whether two texts are the same; both are short as a rule, and a call of `memcmp` takes longer than this. Beginning and
/// end may overlap, so that two comparisons do for any length between one and two words.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && match a.len() {
            0 => true,
            1 => a == b,
            2..=3 => ends::<2>(a) == ends(b),
            4..=8 => ends::<4>(a) == ends(b),
            9..=16 => ends::<8>(a) == ends(b),
            _ => ends::<8>(a) == ends(b) && a == b,
        }
}

#[inline]
fn ends<const N: usize>(text: &[u8]) -> (Option<&[u8; N]>, Option<&[u8; N]>) {
    (text.first_chunk(), text.last_chunk())
}

/// Of 64 bits, keyed by where it starts from; for structures, whose forgery gains nothing but a miscount.
#[inline]
pub(crate) fn quick_hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(0xa076_1d64_78bd_642f);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes);
        state = mix(state ^ word, 0xe703_7ed1_a0b4_28db);
    }
    mix(state ^ word(chunks.remainder()), 0x8ebc_6af0_9c88_c6e3)
}

/// Up to eight bytes as a number, the first one lowest; of more, what a caller should not have asked for. Beginning and
/// end are read at once and may overlap: what both have is the same.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    match bytes {
        [] => 0,
        [a] => u64::from(*a),
        [a, b] => u64::from(u16::from_le_bytes([*a, *b])),
        [a, b, c] => u64::from(u32::from_le_bytes([*a, *b, *c, 0])),
        [a, b, c, d, .., _] | [a, b, c, d] => {
            let (first, last) = (u32::from_le_bytes([*a, *b, *c, *d]), bytes.last_chunk::<4>());
            let last = last.map_or(0, |last| u32::from_le_bytes(*last));
            u64::from(last) << (8 * (bytes.len() - 4)) | u64::from(first)
        }
    }
}

/// The number that up to eight digits make, one of them perhaps a point, and how many come after that; nothing where
/// something else is among them. All digits are worked on at once, neighbours first, then pairs, then fours.
#[inline]
pub(crate) fn decimal(text: &[u8]) -> Option<(u32, usize)> {
    const ZEROS: u64 = ONES * b'0' as u64;
    if !(1..=8).contains(&text.len()) {
        return None;
    }
    let (mut word, mut length, mut fraction) = (word(text), text.len(), 0);
    let points = equal(word, b'.');
    if points != 0 {
        let at = points.trailing_zeros() / 8;
        let before = (1u64 << (8 * at)) - 1;
        word = word & before | word >> 8 & !before;
        length -= 1;
        fraction = length - at as usize;
    }
    // The last digit comes to the top, below the first one stand zeros.
    let missing = 8 * (8 - length as u32);
    let zeros = ZEROS & (1u64 << (missing / 2) << (missing / 2)).wrapping_sub(1);
    let digits = word.checked_shl(missing).unwrap_or(0) | zeros;
    if (digits.wrapping_add(ONES * 0x46) | digits.wrapping_sub(ZEROS)) & (ONES << 7) != 0 {
        return None;
    }
    let ones = digits - ZEROS;
    let pairs = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some(((fours * 10_000 + (fours >> 32)) as u32, fraction))
}

/// One of two, spread over all bits.
#[inline]
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x2d35_8dcc_aa6c_78a5) * u128::from(b | 1);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::{decimal, quick_hash, quote, same};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quote_is_found_where_it_is(text in r#"[a!#\[\]\u{1}é"\\]{0,40}"#, start in 0usize..45) {
            let plain = |at: usize| matches!(text.as_bytes()[at], b'"' | b'\\');
            prop_assert_eq!(quote(text.as_bytes(), start), (start..text.len()).find(|at| plain(*at)));
        }

        #[test]
        fn digits_make_a_number(text in r"[0-9]{0,9}|[0-9]{0,5}\.[0-9]{0,5}|[0-9./:]{0,9}|.{0,3}[\u{80}-\u{ff}]?") {
            let plain = text.replacen('.', "", 1);
            let is_decimal = (1..=8).contains(&text.len()) && plain.bytes().all(|byte| byte.is_ascii_digit());
            let fraction = text.find('.').map_or(0, |at| text.len() - at - 1);
            let expected = is_decimal.then(|| (plain.parse().unwrap_or(0), fraction));
            prop_assert_eq!(decimal(text.as_bytes()), expected);
        }

        #[test]
        fn a_hash_is_of_all_bytes(text in prop::collection::vec(0u8.., 0..20), other in 0usize..20) {
            let mut changed = text.clone();
            if let Some(byte) = changed.get_mut(other) {
                *byte ^= 0x80;
                prop_assert_ne!(quick_hash(1, &text), quick_hash(1, &changed));
            }
        }

        #[test]
        fn texts_are_the_same_when_equal(a in "[ab]{0,20}", b in "[ab]{0,20}", other in 0usize..20) {
            prop_assert_eq!(same(a.as_bytes(), b.as_bytes()), a == b);
            prop_assert!(same(a.as_bytes(), a.clone().as_bytes()));
            let mut changed = a.clone().into_bytes();
            if let Some(byte) = changed.get_mut(other) {
                *byte = b'x';
                prop_assert!(!same(a.as_bytes(), &changed));
                prop_assert_ne!(quick_hash(1, a.as_bytes()), quick_hash(1, &changed));
            }
        }
    }
}
