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

/// The high bit of each byte that is the one looked for; of those above the first, some more may be marked.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let difference = word ^ (ONES * u64::from(byte));
    difference.wrapping_sub(ONES) & !difference & (ONES << 7)
}

/// Whether two texts are the same; both are short as a rule, and a call of `memcmp` takes longer than this.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.first_chunk::<8>(), b.first_chunk::<8>(), a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(a), Some(b), Some(z), Some(y)) if a == b && z == y => {}
        (Some(_), ..) => return false,
        _ => return a.iter().zip(b).all(|(a, b)| a == b),
    }
    a.len() <= 16 || a == b
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
    let tail = chunks.remainder().iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    mix(state ^ tail, 0x8ebc_6af0_9c88_c6e3)
}

/// One of two, spread over all bits.
#[inline]
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0x2d35_8dcc_aa6c_78a5) * u128::from(b | 1);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::{quick_hash, quote, same};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quote_is_found_where_it_is(text in r#"[a!#\[\]\u{1}é"\\]{0,40}"#, start in 0usize..45) {
            let plain = |at: usize| matches!(text.as_bytes()[at], b'"' | b'\\');
            prop_assert_eq!(quote(text.as_bytes(), start), (start..text.len()).find(|at| plain(*at)));
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
