//! Message bodies (RFC 9112 §6, §7): where they end, and the first bytes of them.

use super::head::Codings;
use memchr::memchr;
use overhear_exchange::{Body, Redacted};

/// How a body ends (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(u64),
    /// With a chunk of size zero and trailers.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Cuts the body out of one direction's bytes.
#[derive(Debug)]
pub(super) enum Framer {
    Length(u64),
    Chunked(Chunk),
    UntilClose,
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    NeedMore,
    Content(&'a [u8]),
    End,
    Broken(Defect),
}

/// Why a chunked body cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// These bytes are no chunk framing.
    Invalid,
    /// Software differs on where this line ends.
    Ambiguous,
}

/// Where in a chunked body (RFC 9112 §7.1) the next byte lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Size { value: u64, digits: u8 },
    Extension { size: u64, bare: bool },
    SizeEnd { size: u64 },
    Data(u64),
    DataEnd { carriage_return: bool },
    Trailer(BlankLine),
}

/// Finds an empty line without keeping anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BlankLine {
    /// The current line has bytes other than carriage returns.
    started: bool,
}

impl Framer {
    pub(super) const fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunk::Size { value: 0, digits: 0 }),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Takes the next piece off `input`.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Piece<'a> {
        match self {
            Self::Length(0) => Piece::End,
            Self::Length(left) => take_content(left, input),
            Self::UntilClose if input.is_empty() => Piece::NeedMore,
            Self::UntilClose => Piece::Content(std::mem::take(input)),
            Self::Chunked(chunk) => chunk.next(input),
        }
    }

    /// Passes over bytes that were not seen. What of them belongs to the body, or `None` when the place is lost.
    pub(super) fn skip(&mut self, length: u64) -> Option<u64> {
        match self {
            Self::Length(left) | Self::Chunked(Chunk::Data(left)) if length <= *left => {
                *left -= length;
                if let Self::Chunked(chunk @ Chunk::Data(0)) = self {
                    *chunk = Chunk::DataEnd { carriage_return: false };
                }
                Some(length)
            }
            Self::UntilClose => Some(length),
            Self::Length(_) | Self::Chunked(_) => None,
        }
    }
}

impl Chunk {
    fn next<'a>(&mut self, input: &mut &'a [u8]) -> Piece<'a> {
        loop {
            if let Self::Data(left) = self {
                let piece = take_content(left, input);
                if *left == 0 {
                    *self = Self::DataEnd { carriage_return: false };
                }
                return piece;
            }
            if let Self::Trailer(blank) = self {
                return if blank.skip(input) { Piece::End } else { Piece::NeedMore };
            }
            if let Self::Extension { bare, .. } = self {
                // Extensions mean nothing here: pass over them at once.
                let end = input.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(input.len());
                *bare &= end == 0;
                *input = input.get(end..).unwrap_or_default();
            }
            let Some((byte, rest)) = input.split_first() else { return Piece::NeedMore };
            *input = rest;
            match self.step(*byte) {
                Ok(next) => *self = next,
                Err(defect) => return Piece::Broken(defect),
            }
        }
    }

    /// One byte of framing.
    fn step(self, byte: u8) -> Result<Self, Defect> {
        match (self, byte) {
            (Self::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                // Leading zeros are allowed; sixteen digits of size are not believed.
                if digits >= 16 || value >> 59 != 0 {
                    return Err(Defect::Invalid);
                }
                Ok(Self::Size { value: value * 16 + digit, digits: digits + 1 })
            }
            (Self::Size { digits: 0, .. }, _) => Err(Defect::Invalid),
            (Self::Size { value, .. }, b'\r') => Ok(Self::SizeEnd { size: value }),
            (Self::Size { value, .. }, b'\n') => Ok(Self::after_size(value)),
            (Self::Size { value, .. }, b' ' | b'\t') => Ok(Self::Extension { size: value, bare: true }),
            (Self::Size { value, .. }, b';') => Ok(Self::Extension { size: value, bare: false }),
            (Self::Extension { size, .. }, b'\r') => Ok(Self::SizeEnd { size }),
            // Trailing blanks are padding; a bare LF within an extension ends the line for some, not for others.
            (Self::Extension { size, bare: true }, b'\n') => Ok(Self::after_size(size)),
            (Self::Extension { bare: false, .. }, b'\n') => Err(Defect::Ambiguous),
            (Self::SizeEnd { size }, b'\n') => Ok(Self::after_size(size)),
            (Self::SizeEnd { .. }, _) => Err(Defect::Ambiguous),
            (Self::DataEnd { carriage_return: false }, b'\r') => Ok(Self::DataEnd { carriage_return: true }),
            (Self::DataEnd { .. }, b'\n') => Ok(Self::Size { value: 0, digits: 0 }),
            (Self::Size { .. } | Self::DataEnd { .. }, _) => Err(Defect::Invalid),
            (Self::Extension { .. } | Self::Data(_) | Self::Trailer(_), _) => Ok(self),
        }
    }

    const fn after_size(size: u64) -> Self {
        match size {
            0 => Self::Trailer(BlankLine { started: false }),
            size => Self::Data(size),
        }
    }
}

impl BlankLine {
    /// Passes over input up to and with the empty line; true when it was found.
    pub(super) fn skip(&mut self, input: &mut &[u8]) -> bool {
        while let Some(at) = memchr(b'\n', input) {
            let line = input.get(..at).unwrap_or_default();
            *input = input.get(at + 1..).unwrap_or_default();
            let blank = !self.started && matches!(line, [] | [b'\r']);
            self.started = false;
            if blank {
                return true;
            }
        }
        // A carriage return alone may be the start of the empty line.
        self.started |= input.iter().any(|b| *b != b'\r');
        *input = &[];
        false
    }
}

fn take_content<'a>(left: &mut u64, input: &mut &'a [u8]) -> Piece<'a> {
    if input.is_empty() {
        return Piece::NeedMore;
    }
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    let (content, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
    *input = rest;
    *left -= length as u64;
    Piece::Content(content)
}

/// The first bytes of a body, and the count of all.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    bytes: Vec<u8>,
    size: u64,
    /// Something of it was cut off or not seen.
    partial: bool,
}

impl Capture {
    /// More content.
    pub(crate) fn push(&mut self, content: &[u8], limit: usize) {
        self.size += content.len() as u64;
        if self.partial {
            return;
        }
        let room = limit.saturating_sub(self.bytes.len());
        self.partial = content.len() > room;
        let kept = content.get(..room).unwrap_or(content);
        if self.bytes.is_empty() {
            self.bytes.reserve_exact(kept.len());
        }
        self.bytes.extend_from_slice(kept);
    }

    /// Content that was not seen.
    pub(crate) const fn lose(&mut self, length: u64) {
        self.size = self.size.saturating_add(length);
        self.partial = true;
    }

    /// Content that was not seen, who knows how much.
    pub(crate) const fn lose_some(&mut self) {
        self.partial = true;
    }

    /// Bytes of it so far, seen or not.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Some of it was not kept, or not seen.
    pub(crate) const fn has_holes(&self) -> bool {
        self.partial
    }

    /// As much of it as there is now.
    pub(crate) fn so_far(&self, codings: Codings) -> Body {
        let captured = Redacted::new(bytes::Bytes::copy_from_slice(&self.bytes));
        Body { size: self.size, captured, complete: false, codings }
    }

    pub(crate) fn into_body(self, ended: bool, codings: Codings) -> Body {
        Body {
            size: self.size,
            captured: Redacted::new(self.bytes.into()),
            complete: ended && !self.partial,
            codings,
        }
    }

    /// Bytes kept.
    pub(crate) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Nothing came of it.
    pub(crate) const fn is_empty(&self) -> bool {
        self.size == 0 && !self.partial
    }

    pub(crate) fn retained(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::{Defect, Framer, Framing, Piece};

    fn decode(input: &[u8]) -> Result<(Vec<u8>, bool, usize), Defect> {
        let (mut framer, mut rest, mut content) = (Framer::new(Framing::Chunked), input, Vec::new());
        loop {
            match framer.next(&mut rest) {
                Piece::Content(bytes) => content.extend_from_slice(bytes),
                Piece::End => return Ok((content, true, rest.len())),
                Piece::NeedMore => return Ok((content, false, rest.len())),
                Piece::Broken(defect) => return Err(defect),
            }
        }
    }

    #[test]
    fn follows_chunks_of_every_legal_shape() {
        for input in [
            &b"3\r\nabc\r\n0\r\n\r\n"[..],
            b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
            b"003\r\nabc\r\n000\r\n\r\n",
            b"3;name=value;q=\"x\"\r\nabc\r\n0;last\r\n\r\n",
            b"3  \r\nabc\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n",
            b"3\nabc\n0\n\n",
        ] {
            assert_eq!(decode(input), Ok((b"abc".to_vec(), true, 0)), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn refuses_what_is_no_chunk_or_could_be_two() {
        for (input, defect) in [
            (&b"\r\nabc"[..], Defect::Invalid),
            (b"-3\r\nabc", Defect::Invalid),
            (b"0x3\r\nabc", Defect::Invalid),
            (b"fffffffffffffffff\r\n", Defect::Invalid),
            (b"3\r\nabcd\r\n", Defect::Invalid),
            (b"3;a\nabc\r\n", Defect::Ambiguous),
            (b"3\rabc", Defect::Ambiguous),
        ] {
            assert_eq!(decode(input), Err(defect), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_gap_is_subtracted_only_where_the_place_stays_known() {
        let mut framer = Framer::new(Framing::Length(10));
        assert_eq!(framer.skip(4), Some(4));
        assert_eq!(framer.skip(7), None);
        let mut framer = Framer::new(Framing::Chunked);
        assert_eq!(framer.skip(1), None);
        let mut input = &b"5\r\nab"[..];
        assert_eq!(framer.next(&mut input), Piece::Content(b"ab"));
        assert_eq!(framer.skip(3), Some(3));
        let mut input = &b"\r\n0\r\n\r\n"[..];
        assert_eq!(framer.next(&mut input), Piece::End);
    }
}
