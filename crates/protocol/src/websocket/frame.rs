//! The bytes of one direction into frames (RFC 6455 §5.2).

use super::resync;

/// Payload is handed out in pieces of at most this many bytes.
pub(super) const PIECE: usize = 4096;
/// Longest header: two bytes, eight of length, four of the mask.
const LONGEST_HEADER: usize = 14;

/// One direction: where in its frames the next byte lies.
#[derive(Debug)]
pub(super) struct Lane {
    /// What a client sends is masked, and nothing else (§5.1).
    masked: bool,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Header {
        bytes: [u8; LONGEST_HEADER],
        filled: usize,
    },
    Payload {
        left: u64,
        mask: Option<[u8; 4]>,
    },
    /// After a loss: an arrival that is made of whole frames begins with one.
    Lost,
}

/// The first bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    /// The last frame of its message.
    pub(super) last: bool,
    /// RSV1: the message is compressed, where that was agreed on (RFC 7692 §6).
    pub(super) compressed: bool,
    pub(super) length: u64,
    mask: Option<[u8; 4]>,
}

/// What a frame is (§5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// What the next bytes of a direction are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// All input is used up.
    NeedMore,
    /// A frame begins.
    Begin(Header),
    /// So many bytes of its payload, without the mask, are at the start of the scratch.
    Payload(usize),
    /// It is over.
    End,
    /// No frame begins where one should. The lane is lost.
    Invalid,
}

/// What a header turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    NeedMore,
    /// A header of so many bytes.
    Whole(Header, usize),
    Invalid,
}

/// What unseen bytes were to a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// Payload of the frame that is underway.
    Payload,
    /// Nothing, since the place was lost before.
    Nothing,
    /// The place is lost.
    Lost,
}

impl Lane {
    /// A direction of which the next byte begins a frame.
    pub(super) const fn new(masked: bool) -> Self {
        Self { masked, phase: Phase::Header { bytes: [0; LONGEST_HEADER], filled: 0 } }
    }

    /// The next frame. `arrival`: `input` starts with the first byte of what was delivered at once.
    pub(super) fn next(&mut self, input: &mut &[u8], arrival: bool, scratch: &mut [u8; PIECE]) -> Frame {
        match &mut self.phase {
            Phase::Lost if arrival && resync::begins_with_frame(input, self.masked) => {
                *self = Self::new(self.masked);
                self.next(input, arrival, scratch)
            }
            Phase::Lost => {
                *input = &[];
                Frame::NeedMore
            }
            Phase::Header { bytes, filled } => match header(bytes, filled, input, self.masked) {
                Parsed::NeedMore => Frame::NeedMore,
                Parsed::Whole(header, _) => {
                    self.phase = Phase::Payload { left: header.length, mask: header.mask };
                    Frame::Begin(header)
                }
                Parsed::Invalid => {
                    self.phase = Phase::Lost;
                    Frame::Invalid
                }
            },
            Phase::Payload { left: 0, .. } => {
                *self = Self::new(self.masked);
                Frame::End
            }
            Phase::Payload { left, mask } => match payload(left, mask.as_mut(), input, scratch) {
                0 => Frame::NeedMore,
                length => Frame::Payload(length),
            },
        }
    }

    /// Passes over bytes that were not seen.
    pub(super) fn skip(&mut self, length: Option<u64>) -> Skip {
        match (&mut self.phase, length) {
            (Phase::Lost, _) => Skip::Nothing,
            (Phase::Payload { left, mask }, Some(length)) if length <= *left => {
                *left -= length;
                if let Some(mask) = mask {
                    mask.rotate_left((length % 4) as usize);
                }
                Skip::Payload
            }
            (Phase::Payload { .. } | Phase::Header { .. }, _) => {
                self.phase = Phase::Lost;
                Skip::Lost
            }
        }
    }

    /// The place is lost.
    pub(super) const fn lose(&mut self) {
        self.phase = Phase::Lost;
    }

    /// A frame is over, and that was not said yet.
    pub(super) const fn is_at_end(&self) -> bool {
        matches!(self.phase, Phase::Payload { left: 0, .. })
    }
}

/// Takes the header off the input, or as much of it as there is.
fn header(bytes: &mut [u8; LONGEST_HEADER], filled: &mut usize, input: &mut &[u8], masked: bool) -> Parsed {
    let had = *filled;
    let room = bytes.get_mut(had..).unwrap_or_default();
    let taken = room.len().min(input.len());
    if let (Some(to), Some(from)) = (room.get_mut(..taken), input.get(..taken)) {
        to.copy_from_slice(from);
    }
    let parsed = parse(bytes.get(..had + taken).unwrap_or_default(), masked);
    let used = match &parsed {
        Parsed::Whole(_, length) => length.saturating_sub(had),
        Parsed::NeedMore | Parsed::Invalid => taken,
    };
    *filled = had + taken;
    *input = input.get(used..).unwrap_or_default();
    parsed
}

/// Reads a header. Only what the standard allows is one: after a loss that is all there is to go by.
pub(super) fn parse(bytes: &[u8], masked: bool) -> Parsed {
    let [first, rest @ ..] = bytes else { return Parsed::NeedMore };
    let Some(opcode) = Opcode::of(first & 0x0f) else { return Parsed::Invalid };
    let (last, compressed) = (first & 0x80 != 0, first & 0x40 != 0);
    // RSV2 and RSV3 belong to no extension; RSV1 is for the first frame of a message.
    let is_first = matches!(opcode, Opcode::Text | Opcode::Binary);
    if first & 0x30 != 0 || (opcode.is_control() && !last) || (compressed && !is_first) {
        return Parsed::Invalid;
    }
    let [second, rest @ ..] = rest else { return Parsed::NeedMore };
    if (second & 0x80 != 0) != masked {
        return Parsed::Invalid;
    }
    let (length, rest, used) = match (second & 0x7f, rest) {
        (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest, 4),
        (127, rest) => match rest.split_first_chunk::<8>() {
            Some((long, rest)) => (u64::from_be_bytes(*long), rest, 10),
            None => return Parsed::NeedMore,
        },
        (126, _) => return Parsed::NeedMore,
        (short, rest) => (u64::from(short), rest, 2),
    };
    // The shortest form is the only one, and the most significant bit is zero.
    let least = [0, 126, 1 << 16].get(usize::from(used > 2) + usize::from(used > 4)).copied().unwrap_or(0);
    if length < least || length >> 63 != 0 || (opcode.is_control() && length > 125) {
        return Parsed::Invalid;
    }
    if !masked {
        return Parsed::Whole(Header { opcode, last, compressed, length, mask: None }, used);
    }
    match rest.split_first_chunk::<4>() {
        Some((mask, _)) => {
            Parsed::Whole(Header { opcode, last, compressed, length, mask: Some(*mask) }, used + 4)
        }
        None => Parsed::NeedMore,
    }
}

/// Takes a piece of payload and undoes its mask (§5.3); gives its length.
fn payload(
    left: &mut u64,
    mask: Option<&mut [u8; 4]>,
    input: &mut &[u8],
    scratch: &mut [u8; PIECE],
) -> usize {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len()).min(PIECE);
    let (piece, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
    let to = scratch.get_mut(..length).unwrap_or_default();
    to.copy_from_slice(piece);
    if let Some(mask) = mask {
        to.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        mask.rotate_left(length % 4);
    }
    *input = rest;
    *left -= length as u64;
    length
}

impl Opcode {
    const fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    pub(super) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

impl Header {
    /// Bytes of the payload in a buffer that begins with it, without the mask; as much as is there.
    pub(super) fn unmasked(&self, payload: &[u8]) -> Vec<u8> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX).min(payload.len());
        let mut bytes = payload.get(..length).unwrap_or(payload).to_vec();
        if let Some(mask) = self.mask {
            bytes.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Lane, Opcode, PIECE, Parsed, Skip, parse};

    fn read(masked: bool, parts: &[&[u8]]) -> Vec<String> {
        let (mut lane, mut out, mut scratch) = (Lane::new(masked), Vec::new(), [0; PIECE]);
        for part in parts {
            let (mut input, mut arrival) = (*part, true);
            loop {
                match lane.next(&mut input, arrival, &mut scratch) {
                    Frame::NeedMore => break,
                    Frame::Begin(header) => {
                        let mark = if header.compressed { "z" } else { "" };
                        out.push(format!("{:?}{mark} {} {}", header.opcode, header.last, header.length));
                    }
                    Frame::Payload(length) => out.push(scratch[..length].escape_ascii().to_string()),
                    Frame::End => out.push(".".into()),
                    Frame::Invalid => out.push("invalid".into()),
                }
                arrival = false;
            }
        }
        out
    }

    /// The examples of RFC 6455 §5.7.
    #[test]
    fn the_examples_of_the_standard() {
        assert_eq!(read(false, &[b"\x81\x05Hello"]), ["Text true 5", "Hello", "."]);
        let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(read(true, &[masked]), ["Text true 5", "Hello", "."]);
        assert_eq!(
            read(false, &[b"\x01\x03Hel\x80\x02lo"]),
            ["Text false 3", "Hel", ".", "Continuation true 2", "lo", "."]
        );
        assert_eq!(read(false, &[b"\x89\x05Hello"]), ["Ping true 5", "Hello", "."]);
        let long = [b"\x82\x7e\x01\x00".to_vec(), vec![b'x'; 256]].concat();
        assert_eq!(read(false, &[&long])[0], "Binary true 256");
        let longer = [b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00".to_vec(), vec![b'x'; 65536]].concat();
        let read_longer = read(false, &[&longer]);
        assert_eq!((read_longer[0].as_str(), read_longer.len()), ("Binary true 65536", 18));
    }

    #[test]
    fn a_mask_goes_on_wherever_it_is_cut() {
        let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        for cut in 0..masked.len() {
            let (a, b) = masked.split_at(cut);
            let text = read(true, &[a, b]).join("");
            assert_eq!(text, ["Text true 5", "Hello", "."].concat(), "{cut}");
        }
        let mut lane = Lane::new(true);
        let (mut input, mut scratch) = (&masked[..7], [0; PIECE]);
        assert!(matches!(lane.next(&mut input, true, &mut scratch), Frame::Begin(_)));
        assert_eq!(lane.next(&mut input, false, &mut scratch), Frame::Payload(1));
        assert_eq!(lane.skip(Some(2)), Skip::Payload);
        let mut input = &masked[9..];
        assert_eq!(lane.next(&mut input, true, &mut scratch), Frame::Payload(2));
        assert_eq!(&scratch[..2], b"lo");
        assert_eq!(lane.skip(Some(1)), Skip::Lost);
    }

    #[test]
    fn only_what_the_standard_allows_is_a_frame() {
        for (bytes, masked) in [
            (&b"\x83\x00"[..], false),    // no such opcode
            (b"\x91\x00", false),         // RSV3
            (b"\xa1\x00", false),         // RSV2
            (b"\x09\x00", false),         // a control frame in parts
            (b"\x89\x7e\x00\x80", false), // a long one
            (b"\xc9\x00", false),         // a compressed one
            (b"\xc0\x00", false),         // a compressed continuation
            (b"\x81\x80abcd", false),     // a mask of the server
            (b"\x81\x00", true),          // none of the client
            (b"\x81\x7e\x00\x7d", false), // a length that fits a shorter form
            (b"\x81\x7f\0\0\0\0\0\0\xff\xff", false),
            (b"\x81\x7f\x80\0\0\0\0\0\0\0", false),
        ] {
            assert_eq!(parse(bytes, masked), Parsed::Invalid, "{}", bytes.escape_ascii());
        }
        for bytes in [&b""[..], b"\x81", b"\x81\x7e\x01", b"\x81\x7f\0\0\0\0\0\x01\0"] {
            assert_eq!(parse(bytes, false), Parsed::NeedMore, "{}", bytes.escape_ascii());
        }
        assert_eq!(parse(b"\x81\x81abc", true), Parsed::NeedMore);
        assert!(
            matches!(parse(b"\xc1\x01", false), Parsed::Whole(h, 2) if h.compressed && h.opcode == Opcode::Text)
        );
    }
}
