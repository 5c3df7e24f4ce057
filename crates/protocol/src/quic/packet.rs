/// A version of QUIC whose first packets are readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

impl Version {
    /// By its number (RFC 9000 §15, RFC 9369 §3.1).
    pub(super) const fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            0x6b33_43cf => Some(Self::Two),
            _ => None,
        }
    }

    /// The types of packets in their first byte (RFC 9000 §17.2, RFC 9369 §3.2).
    const fn kind(self, first: u8) -> Kind {
        match (self, first >> 4 & 3) {
            (Self::One, 0) | (Self::Two, 1) => Kind::Initial,
            (Self::One, 3) | (Self::Two, 0) => Kind::Retry,
            _ => Kind::Other,
        }
    }
}

/// Longest connection id (RFC 9000 §17.2).
const LONGEST_ID: usize = 20;

/// What a packet with a long header is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first of either end.
    Initial,
    /// A server's that wants to see its client's address proved, before it answers.
    Retry,
    /// What goes on with a handshake.
    Other,
}

/// The head of a packet of a version that is known (RFC 9000 §17.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongHeader<'a> {
    /// What it is for.
    pub kind: Kind,
    /// The connection id that its receiver chose, or was given (RFC 9000 §7.2).
    pub destination: &'a [u8],
    /// The one that its sender chose.
    pub source: &'a [u8],
}

impl<'a> LongHeader<'a> {
    /// The first packet of a datagram, or of the beginning of one.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        Self::take(&mut Input { bytes: datagram, at: 0 }).map(|(header, _)| header)
    }

    fn take(input: &mut Input<'a>) -> Option<(Self, Version)> {
        let first = input.u8()?;
        let version = Version::of(u32::from_be_bytes(*input.take(4)?.first_chunk()?))?;
        if first & 0xc0 != 0xc0 {
            return None;
        }
        let (destination, source) = (input.id()?, input.id()?);
        Some((Self { kind: version.kind(first), destination, source }, version))
    }
}

/// An Initial packet (RFC 9000 §17.2.2), whose first byte and number are still protected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Initial<'a> {
    pub(super) version: Version,
    /// The connection id of the other end, which the client chose and the keys come from.
    pub(super) destination: &'a [u8],
    /// All of the packet.
    pub(super) bytes: &'a [u8],
    /// Where in it the packet number begins.
    pub(super) number: usize,
}

impl<'a> Initial<'a> {
    /// The first packet of a datagram, if it is one; and what comes behind it.
    pub(super) fn parse(datagram: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut input = Input { bytes: datagram, at: 0 };
        let (LongHeader { kind, destination, .. }, version) = LongHeader::take(&mut input)?;
        if kind != Kind::Initial {
            return None;
        }
        let token = input.varint()?;
        input.take(token)?;
        let length = input.varint()?;
        let number = input.at;
        input.take(length)?;
        let (bytes, after) = datagram.split_at_checked(input.at)?;
        Some((Self { version, destination, bytes, number }, after))
    }
}

/// Takes fields off the front.
pub(super) struct Input<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn id(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u8()?);
        if length > LONGEST_ID { None } else { self.take(length) }
    }

    /// An integer of variable length (RFC 9000 §16); more than there can be bytes is as much as there is.
    pub(super) fn varint(&mut self) -> Option<usize> {
        let first = self.u8()?;
        let rest = self.take((1 << (first >> 6)) - 1)?;
        let value = rest.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte));
        Some(usize::try_from(value).unwrap_or(usize::MAX))
    }
}
