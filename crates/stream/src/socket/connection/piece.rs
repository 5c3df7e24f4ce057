//! What a socket shows, lent or held.

/// What a socket shows of one direction.
#[derive(Clone, Copy, Debug)]
pub(in crate::socket) enum Piece<'a> {
    /// `size` bytes from `offset` on, of which `bytes` were copied. `unreadable`: they cannot be had at this end.
    Data { offset: u64, size: u64, bytes: &'a [u8], unreadable: bool },
    /// The end of the direction.
    End,
}

impl Piece<'_> {
    /// Is it the beginning of a TLS record (RFC 8446 §5.1)? Type 20 to 23, legacy version 3.0 to 3.4, a length that may be.
    pub(in crate::socket) fn begins_sealed(&self) -> bool {
        let Self::Data { bytes, .. } = self else { return false };
        matches!(bytes, [0x14..=0x17, 3, 0..=4, length, ..] if *length <= 0x48)
    }

    /// Is it what a server of HTTP/2 says before it is asked (RFC 9113 §3.4, §6.9): SETTINGS, or WINDOW_UPDATE of the connection?
    /// Length, type, flags, stream.
    pub(in crate::socket) fn is_said_unasked(&self) -> bool {
        let Self::Data { bytes, .. } = self else { return false };
        matches!(bytes, [0, 0 | 1, _, 4, 0, 0, 0, 0, 0, ..] | [0, 0, 4, 8, 0, 0, 0, 0, 0, ..])
    }
}

/// The same, held: offset, size, bytes, and whether they cannot be had; nothing is the end of the direction.
#[derive(Debug)]
pub(in crate::socket) struct Held(pub(in crate::socket) Option<(u64, u64, Box<[u8]>, bool)>);

impl Held {
    pub(in crate::socket) const fn end() -> Self {
        Self(None)
    }

    /// All of a piece.
    pub(in crate::socket) fn bytes(offset: u64, bytes: Box<[u8]>) -> Self {
        Self(Some((offset, bytes.len() as u64, bytes, false)))
    }

    pub(in crate::socket) fn gap(offset: u64, size: u64, unreadable: bool) -> Self {
        Self(Some((offset, size, Box::default(), unreadable)))
    }

    /// Bytes that are held.
    pub(in crate::socket) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |(_, _, bytes, _)| bytes.len())
    }

    /// Where it ends, in the stream; 0 for the end itself.
    pub(in crate::socket) fn end_offset(&self) -> u64 {
        self.0.as_ref().map_or(0, |(offset, size, ..)| offset.saturating_add(*size))
    }

    pub(in crate::socket) fn as_piece(&self) -> Piece<'_> {
        match &self.0 {
            Some((offset, size, bytes, unreadable)) => {
                Piece::Data { offset: *offset, size: *size, bytes, unreadable: *unreadable }
            }
            None => Piece::End,
        }
    }
}
