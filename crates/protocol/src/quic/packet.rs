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

    /// The type of an Initial packet in its first byte (RFC 9000 §17.2, RFC 9369 §3.2).
    const fn initial(self) -> u8 {
        match self {
            Self::One => 0,
            Self::Two => 1,
        }
    }
}

/// Longest connection id (RFC 9000 §17.2).
const LONGEST_ID: usize = 20;

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
        let first = input.u8()?;
        let version = Version::of(u32::from_be_bytes(*input.take(4)?.first_chunk()?))?;
        if first & 0xc0 != 0xc0 || first >> 4 & 3 != version.initial() {
            return None;
        }
        let destination = input.id()?;
        input.id()?;
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
