//! The string code of HPACK (RFC 7541 §5.2, appendix B). It is canonical: the lengths alone make it.

use super::Broken;

/// Bits of the code of each byte, and last of the end of string.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5,
    6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22,
    23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
    22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26,
    26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27,
    27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27,
    27, 27, 27, 27, 26, 30,
];
const END_OF_STRING: u16 = 256;
/// Codes up to this long are found in one step: all that text is made of.
const SHORT: u32 = 8;
const LONGEST: usize = 30;

/// The codes of one length: consecutive numbers, given to symbols in ascending order.
#[derive(Clone, Copy)]
struct Row {
    first: u32,
    count: u32,
    /// Where its symbols begin in [`Code::symbols`].
    at: usize,
}

struct Code {
    symbols: [u16; 257],
    rows: [Row; LONGEST + 1],
    /// By the next [`SHORT`] bits: symbol and length; length 0 where the code is longer.
    short: [(u8, u8); 1 << SHORT],
}

static CODE: Code = Code::new();

impl Code {
    #[expect(
        clippy::indexing_slicing,
        reason = "evaluated by the compiler, which stops where it is out of bounds"
    )]
    #[expect(clippy::cast_possible_truncation, reason = "symbols below 256, lengths up to 30")]
    const fn new() -> Self {
        let mut code = Self {
            symbols: [0; 257],
            rows: [Row { first: 0, count: 0, at: 0 }; LONGEST + 1],
            short: [(0, 0); 1 << SHORT],
        };
        let (mut next, mut at, mut length) = (0_u32, 0, 1);
        while length <= LONGEST {
            next <<= 1;
            code.rows[length] = Row { first: next, count: 0, at };
            let mut symbol = 0;
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[at] = symbol as u16;
                    if length as u32 <= SHORT {
                        let shift = SHORT - length as u32;
                        let mut tail = 0;
                        while tail < 1 << shift {
                            code.short[((next << shift) + tail) as usize] = (symbol as u8, length as u8);
                            tail += 1;
                        }
                    }
                    next += 1;
                    at += 1;
                    code.rows[length].count += 1;
                }
                symbol += 1;
            }
            length += 1;
        }
        code
    }

    /// The symbol that `window` begins with, from its highest bit on, and the bits it takes.
    fn long(&self, window: u64) -> Option<(u16, u32)> {
        let rows = self.rows.iter().zip(0_u32..).skip(SHORT as usize + 1);
        for (row, length) in rows {
            let code = u32::try_from(window >> (64 - length)).unwrap_or(u32::MAX);
            let offset = code.wrapping_sub(row.first);
            if offset < row.count {
                return Some((*self.symbols.get(row.at + offset as usize)?, length));
            }
        }
        None
    }
}

/// Appends what `input` says. It grows by eight fifths at most.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    out.reserve(input.len() * 8 / 5 + 1);
    // Bits that wait, the next one highest, and how many.
    let (mut window, mut bits) = (0_u64, 0_u32);
    let mut input = input.iter();
    loop {
        while bits <= 56 {
            let Some(byte) = input.next() else { break };
            window |= u64::from(*byte) << (56 - bits);
            bits += 8;
        }
        if bits == 0 {
            return Ok(());
        }
        let next = usize::try_from(window >> (64 - SHORT)).unwrap_or_default();
        let (symbol, length) = match CODE.short.get(next) {
            Some((symbol, length @ 1..)) => (u16::from(*symbol), u32::from(*length)),
            Some((_, 0)) | None => CODE.long(window).unwrap_or((END_OF_STRING, LONGEST as u32)),
        };
        if length > bits {
            // Less than a byte of padding, the first bits of the end of string (§5.2).
            let padding = bits < 8 && window.leading_ones() >= bits;
            return if padding { Ok(()) } else { Err(Broken) };
        }
        match u8::try_from(symbol) {
            Ok(byte) => out.push(byte),
            Err(_) => return Err(Broken),
        }
        window <<= length;
        bits -= length;
    }
}

#[cfg(test)]
mod tests {
    use super::{CODE, LENGTHS, decode};

    fn text(input: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(input, &mut out).ok().map(|()| out)
    }

    #[test]
    fn codes_are_those_of_the_appendix() {
        for (symbol, code, length) in [
            (u16::from(b'0'), 0x0, 5),
            (u16::from(b'a'), 0x3, 5),
            (0, 0x1ff8, 13),
            (249, 0xfff_fffe, 28),
            (256, 0x3fff_ffff, 30),
        ] {
            let row = CODE.rows[length];
            assert_eq!(usize::from(LENGTHS[usize::from(symbol)]), length);
            assert_eq!(CODE.symbols[row.at + (code - row.first) as usize], symbol);
        }
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones() {
        assert_eq!(text(b"\x1f").as_deref(), Some(&b"a"[..]));
        assert_eq!(text(b"\x18"), None, "padded with zeros");
        assert_eq!(text(b"\x1f\xff"), None, "a whole byte of padding");
        assert_eq!(text(b"\xff\xff\xff\xff"), None, "the end of string itself");
        assert_eq!(text(b"").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn every_byte_has_a_code() {
        let mut bits: Vec<bool> = Vec::new();
        for symbol in 0..=255_u8 {
            let length = usize::from(LENGTHS[usize::from(symbol)]);
            let row = CODE.rows[length];
            let place = CODE.symbols[row.at..].iter().position(|s| *s == u16::from(symbol)).unwrap();
            let code = row.first + u32::try_from(place).unwrap();
            bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
        }
        bits.resize(bits.len().next_multiple_of(8), true);
        let bytes: Vec<u8> =
            bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect();
        assert_eq!(text(&bytes).unwrap(), (0..=255).collect::<Vec<u8>>());
    }
}
